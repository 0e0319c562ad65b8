#!/usr/bin/env bash
# Rows that do not belong: semcov's scores beside cleanlab, scikit-learn, k-means and MMD, on the same vectors and splits.
# Prints Markdown; keep it under benchsuite/runs/DATE-screening-MACHINE.md.
#   benchsuite/screening.sh [--semcov BINARY] [--only SPLIT] [--speed]
#                      SEMCOV_DATA: folder with clinc150/, snips/, gsm8k/ and humaneval/ (default ../shared/data)
set -euo pipefail
cd "$(dirname "$0")/.."
data=${SEMCOV_DATA:-../shared/data}
python=$(benchsuite/venv.sh requirements-screening.txt)
case " $* " in
  *" --semcov"*) ;;
  *) cargo build --release --quiet; set -- --semcov "${CARGO_TARGET_DIR:-target}/release/semcov" "$@" ;;
esac
exec "$python" benchsuite/screening.py --data "$data" "$@"
