#!/usr/bin/env bash
# The whole of `semcov report` on CLINC150 train beside sentence-transformers + scikit-learn doing the same work, and
# its memory on 100,000 and 1,000,000 rows. Prints a Markdown table; keep it under benchsuite/runs/DATE-MACHINE.md.
#   benchsuite/report.sh [RUNS]            SEMCOV_DATA: folder with clinc150/ (default ../shared/data)
set -euo pipefail
cd "$(dirname "$0")/.."
data=${SEMCOV_DATA:-../shared/data}
python=$(benchsuite/venv.sh requirements.txt)
cargo build --release --quiet
exec "$python" benchsuite/report.py --semcov "${CARGO_TARGET_DIR:-target}/release/semcov" --data "$data" --runs "${1:-3}"
