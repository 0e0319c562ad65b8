#!/usr/bin/env bash
# Nearest neighbours and nearest prototypes, in 8 bits and in f32, beside faiss. Prints Markdown; keep it under
# benchsuite/runs/DATE-nearest-MACHINE.md.
#   benchsuite/nearest.sh RUNS REFERENCE VECTORS.npy...      vectors as `semcov embed -o VECTORS.npy` writes them
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${SEMCOV_BENCH_GAPS_VENV:-target/benchsuite/gaps-venv}
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet -r benchsuite/requirements-gaps.txt
fi
bench=$(cargo bench --bench nearest --no-run --message-format=json |
  sed -n 's/.*"executable":"\([^"]*nearest-[^"]*\)".*/\1/p')
RAYON_NUM_THREADS=2 exec "$venv/bin/python" benchsuite/nearest.py "$bench" "$@"
