#!/usr/bin/env bash
# Opens the pages that semcov writes in a real browser, and uses them: see check.mjs.
#   tests/browser/check.sh [PAGE...]     default: all of them
# SEMCOV names the program (default: semcov on the PATH), SHOTS a folder for screenshots (default: none are made).
set -euo pipefail
cd "$(dirname "$0")/../.."
SEMCOV=$(realpath "$(command -v "${SEMCOV:-semcov}")")
modules=$(realpath -m "${CARGO_TARGET_DIR:-target}/check-browser")
if [ ! -e "$modules/ready" ]; then
  rm -rf "$modules" && mkdir -p "$modules"
  npm install --prefix "$modules" --no-save --no-package-lock --no-audit --no-fund --loglevel=error \
    playwright-core@1.65.1 axe-core@4.14.1 2>&1 | { grep -v '^npm warn Unknown' || true; }
  touch "$modules/ready"
fi
CHROMIUM=$(command -v chromium || command -v chromium-browser || true)
if [ -z "$CHROMIUM" ]; then
  apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium fonts-dejavu-core > /dev/null
  CHROMIUM=$(command -v chromium)
fi
export SEMCOV CHROMIUM MODULES=$modules
exec node tests/browser/check.mjs "$@"
