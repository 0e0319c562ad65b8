#!/usr/bin/env bash
# The built-in encoder on a GPU: that its vectors are those of the CPU, and how fast it is beside sentence-transformers.
# Prints Markdown; keep it under benchsuite/runs/DATE-gpu-MACHINE.md. Ends with an error if a vector is too far off.
#   benchsuite/gpu.sh --semcov BINARY [--bench GPU] [--device cuda] [--tokens N] [--rounds N]
# It builds nothing, as a machine with a GPU may have no compiler. BINARY is what `cargo build --release --features cuda`
# makes, GPU what `cargo bench --bench gpu --no-run --features cuda` makes (without it, stages are not told apart).
# The Python that runs it (SEMCOV_BENCH_PYTHON, or python3) needs numpy, and torch and sentence-transformers for the peer.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${SEMCOV_BENCH_PYTHON:-python3}" benchsuite/gpu.py "$@"
