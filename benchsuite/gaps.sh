#!/usr/bin/env bash
# Coverage gaps planted in CLINC150 and SNIPS: semcov beside chi-square tests on scikit-learn's k-means, and Evidently.
# Prints Markdown; keep it under benchsuite/runs/DATE-gaps-MACHINE.md.
#   benchsuite/gaps.sh [--semcov BINARY] [--splits N] [--speed ROWS] [--no-quality]
#                                          SEMCOV_DATA: folder with clinc150/ and snips/ (default ../shared/data)
set -euo pipefail
cd "$(dirname "$0")/.."
data=${SEMCOV_DATA:-../shared/data}
python=$(benchsuite/venv.sh requirements-gaps.txt)
case " $* " in
  *" --semcov"*) ;;
  *) cargo build --release --quiet; set -- --semcov "${CARGO_TARGET_DIR:-target}/release/semcov" "$@" ;;
esac
exec "$python" benchsuite/gaps.py --data "$data" "$@"
