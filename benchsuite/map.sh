#!/usr/bin/env bash
# The map, beside umap-learn. Prints Markdown; keep it under benchsuite/runs/DATE-map-MACHINE.md.
#   benchsuite/map.sh RUNS VECTORS.npy [POINTS...]      vectors as `semcov embed -o VECTORS.npy` writes them
# Each of POINTS is a larger map, of the vectors and copies of them moved at random; it is timed once, without umap-learn.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(benchsuite/venv.sh requirements-map.txt)
bench=${SEMCOV_BENCH_MAP:-$(cargo bench --bench map --no-run --message-format=json |
  sed -n 's/.*"executable":"\([^"]*map-[^"]*\)".*/\1/p')}
RAYON_NUM_THREADS=2 NUMBA_NUM_THREADS=2 exec "$python" benchsuite/map.py "$bench" "$@"
