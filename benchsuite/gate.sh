#!/usr/bin/env bash
# False alarms and misses over a year of monthly data: semcov's gate beside Evidently's drift presets and Great
# Expectations, on histories made of CLINC150. With --speed, time and memory of the gate on 100,000 rows.
# Prints Markdown; keep it under benchsuite/runs/DATE-gate-MACHINE.md.
#   benchsuite/gate.sh [--semcov BINARY] [--seeds N] [--first N] [--untouched N] [--speed] [--no-quality]
#                                          SEMCOV_DATA: folder with clinc150/ and snips/ (default ../shared/data)
set -euo pipefail
cd "$(dirname "$0")/.."
data=${SEMCOV_DATA:-../shared/data}
python=$(benchsuite/venv.sh requirements-gate.txt)
case " $* " in
  *" --semcov"*) ;;
  *) cargo build --release --quiet; set -- --semcov "${CARGO_TARGET_DIR:-target}/release/semcov" "$@" ;;
esac
exec "$python" benchsuite/gate.py --data "$data" "$@"
