#!/usr/bin/env bash
# The encoder on a CPU in f32, bf16 and int8, beside ONNX Runtime, PyTorch and sentence-transformers, and `semcov embed` from
# file to file. Prints Markdown; keep it under benchsuite/runs/DATE-encode-MACHINE.md.
#   benchsuite/encode.sh [--rounds N] [--texts N]
#                                          SEMCOV_DATA: folder with clinc150/ and gsm8k/ (default ../shared/data)
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(benchsuite/venv.sh requirements-encode.txt)
bench=${SEMCOV_BENCH_ENCODE:-$(cargo bench --bench encode --no-run --message-format=json |
  sed -n 's/.*"executable":"\([^"]*encode-[^"]*\)".*/\1/p')}
semcov=${SEMCOV:-}
if [ -z "$semcov" ]; then
  cargo build --release --quiet
  semcov=${CARGO_TARGET_DIR:-target}/release/semcov
fi
exec "$python" benchsuite/encode.py --data "${SEMCOV_DATA:-../shared/data}" --bench "$bench" --semcov "$semcov" "$@"
