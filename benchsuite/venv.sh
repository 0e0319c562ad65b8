#!/usr/bin/env bash
# Prints the Python of the environment that holds what a requirements file names, and makes it where it is missing.
#   benchsuite/venv.sh REQUIREMENTS.txt     SEMCOV_BENCH_VENV: an environment that has it already
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${SEMCOV_BENCH_VENV:-target/benchsuite/$(basename "$1" .txt)}
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet -r "benchsuite/$1"
fi
echo "$venv/bin/python"
