#!/bin/sh
# The gate in any CI system: plain.sh [CHECKOUT-OF-SEMCOV], from the root of the repository, with semcov on the PATH. It
# fails when the gate does, and leaves the files in semcov-gate/. Of the checkout ci/gate.sh is enough.
set -eu

export GATE_CORPUS='data/*.jsonl'
export GATE_BASELINE=train.semcov
exec "${1:-../semcov}/ci/gate.sh"
