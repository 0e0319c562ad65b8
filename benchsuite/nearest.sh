#!/usr/bin/env bash
# Nearest neighbours, in 8 bits and in f32, beside faiss. Prints Markdown; keep it under
# benchsuite/runs/DATE-nearest-MACHINE.md.
#   benchsuite/nearest.sh RUNS REFERENCE VECTORS.npy...      vectors as `semcov embed -o VECTORS.npy` writes them
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(benchsuite/venv.sh requirements-gaps.txt)
bench=$(cargo bench --bench nearest --no-run --message-format=json |
  sed -n 's/.*"executable":"\([^"]*nearest-[^"]*\)".*/\1/p')
RAYON_NUM_THREADS=2 exec "$python" benchsuite/nearest.py "$bench" "$@"
