#!/usr/bin/env bash
# Spherical k-means, exact nearest neighbours and the assignment of a million rows, beside faiss. Prints Markdown; keep it under
# benchsuite/runs/DATE-clustering-MACHINE.md. Takes 5 GB of disk and 5 minutes.
#   benchsuite/clustering.sh RUNS VECTORS.npy...      vectors as `semcov embed -o VECTORS.npy` writes them
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(benchsuite/venv.sh requirements-clustering.txt)
bench=${SEMCOV_BENCH_CLUSTERING:-$(cargo bench --bench clustering --no-run --message-format=json |
  sed -n 's/.*"executable":"\([^"]*clustering-[^"]*\)".*/\1/p')}
RAYON_NUM_THREADS=2 exec "$python" benchsuite/clustering.py "$bench" "$@"
