#!/usr/bin/env bash
# Reads what semcov writes with the readers and schemas of others: check.py has what `semcov gate` writes for CI systems,
# rows.py the tables and vectors.
#   tests/formats/check.sh               the snapshots, and the tables that the program in SEMCOV writes
#   tests/formats/check.sh FILE...       these files of the gate
# SEMCOV_FORMATS_VENV: an environment that is kept.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=${SEMCOV_FORMATS_VENV:-target/formats}
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet -r tests/formats/requirements.txt
fi
# The schemas are published in the source archives of packages that use them: Jenkins' for JUnit in pytest, that of
# SARIF in Microsoft's object model.
if [ ! -d "$venv/schemas" ]; then
  "$venv/bin/pip" download --quiet --no-deps --no-binary :all: --dest "$venv/archives" pytest==8.4.2 sarif-om==1.0.4
  rm -rf "$venv/schemas.part" && mkdir "$venv/schemas.part"
  tar -xzOf "$venv"/archives/pytest-8.4.2.tar.gz pytest-8.4.2/testing/example_scripts/junit-10.xsd \
    > "$venv/schemas.part/junit-10.xsd"
  tar -xzOf "$venv"/archives/sarif_om-1.0.4.tar.gz sarif_om-1.0.4/sarif-2.1.0-rtm.4.json \
    > "$venv/schemas.part/sarif-2.1.0.json"
  mv "$venv/schemas.part" "$venv/schemas"
fi
if [ $# = 0 ]; then
  if [ ! -e "$venv/rows" ]; then
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/formats/requirements-rows.txt
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps embedding-atlas==0.26.0
    touch "$venv/rows"
  fi
  bin=$(mktemp -d)
  trap 'rm -r "$bin"' EXIT
  ln -s "$(realpath "$(command -v "${SEMCOV:-semcov}")")" "$bin/semcov"
  PATH="$bin:$(realpath "$venv/bin"):$PATH" "$venv/bin/python" tests/formats/rows.py
  set -- src/report/render/verdict/snapshots/*{junit,sarif,gitlab}__*.snap
fi
"$venv/bin/python" tests/formats/check.py --schemas "$venv/schemas" "$@"
