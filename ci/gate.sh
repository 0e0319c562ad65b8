#!/usr/bin/env bash
# Judges a corpus in a CI job: runs `semcov gate`, makes the HTML page, and leaves all that was written in one folder.
# The GitHub action, the GitLab example and the plain shell use this one script; copy it where you need it.
#
#   GATE_CORPUS      files or glob patterns, one a line                       required
#   GATE_BASELINE    the baseline, NAME.semcov                                default: that of semcov.toml
#   GATE_CONFIG      the semcov.toml to use                                   default: the nearest
#   GATE_REFERENCE   what the corpus should cover, one a line                 default: that of semcov.toml
#   GATE_EVALUATION  evaluation files that must not leak, one a line          default: those of semcov.toml
#   GATE_ARGS        more arguments of `semcov gate`, one a line              default: none
#   GATE_REPORT      true or false: whether to make report.html               default: true
#   GATE_SARIF       true or false: whether to write semcov.sarif             default: false
#   GATE_OUT         the folder for what is written                           default: semcov-gate
#   SEMCOV           the program                                              default: semcov
#
# Writes verdict.json, junit.xml, summary.md and report.html; gl-code-quality.json in a GitLab job; and below pending/
# the pending baselines that the gate left in this folder and below, each where it lay. On GitHub the summary goes to
# the page of the job too. Exits as the gate does: 0 pass, 1 fail, 2 could not judge. The page never changes that. It
# shows texts of the corpus, beside those of GATE_BASELINE; the other files show none, unless GATE_ARGS has --show-text.
set -euo pipefail

# Exits with $1, and says so to the later steps of a GitHub job.
leave() {
  [ -z "${GITHUB_OUTPUT:-}" ] || echo "exit-code=$1" >> "$GITHUB_OUTPUT"
  exit "$1"
}

die() {
  echo "gate.sh: $*" >&2
  leave 2
}

# Appends to args what the lines of $2 say, each after the flag $1, where one is given.
add_lines() {
  while read -r line; do
    [ -z "$line" ] || args+=(${1:+"$1"} "$line")
  done <<< "$2"
}

semcov=${SEMCOV:-semcov}
out=${GATE_OUT:-semcov-gate}
corpus=${GATE_CORPUS:-}
baseline=${GATE_BASELINE:-}
report=${GATE_REPORT:-true}
sarif=${GATE_SARIF:-false}
[ -n "${corpus//[[:space:]]/}" ] || die "GATE_CORPUS is empty: name the files of the corpus"
[[ $report =~ ^(true|false)$ ]] || die "GATE_REPORT is '$report', expected true or false"
[[ $sarif =~ ^(true|false)$ ]] || die "GATE_SARIF is '$sarif', expected true or false"
command -v "$semcov" > /dev/null || die "no program '$semcov': install semcov, or set SEMCOV to its path"

mkdir -p "$out/pending" || die "the folder $out cannot be made"
rm -f "$out"/{verdict.json,junit.xml,summary.md,report.html,semcov.sarif,gl-code-quality.json}
find "$out/pending" -name '*.pending.semcov' -delete
before=$(mktemp) || die "no temporary file can be made"

args=()
add_lines --config "${GATE_CONFIG:-}"
shared=(${args[@]+"${args[@]}"})
add_lines --baseline "$baseline"
args+=(--json "$out/verdict.json" --junit "$out/junit.xml" --summary "$out/summary.md")
[ "$sarif" = false ] || args+=(--sarif "$out/semcov.sarif")
[ -z "${GITLAB_CI:-}" ] || args+=(--gitlab "$out/gl-code-quality.json")
add_lines --reference "${GATE_REFERENCE:-}"
add_lines --evaluation "${GATE_EVALUATION:-}"
add_lines "" "${GATE_ARGS:-}"
args+=(--)
add_lines "" "$corpus"

code=0
"$semcov" gate "${args[@]}" || code=$?
set +e # whatever goes wrong from here on, the verdict stands

pending=$(find . -name '*.pending.semcov' -newer "$before")
rm "$before"
while read -r file; do
  [ -z "$file" ] || { mkdir -p "$out/pending/$(dirname "$file")" && cp "$file" "$out/pending/$file"; }
done <<< "$pending"

if [ "$report" = true ]; then
  args=(${shared[@]+"${shared[@]}"} -o "$out/report.html")
  add_lines --reference "$baseline"
  args+=(--)
  add_lines "" "$corpus"
  "$semcov" --quiet report "${args[@]}" > /dev/null || echo "gate.sh: report.html could not be made" >&2
fi

if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
  if [ -s "$out/summary.md" ]; then
    cat "$out/summary.md"
  else
    echo "**semcov gate** came to no verdict (exit code $code). The log of the job says why."
  fi >> "$GITHUB_STEP_SUMMARY"
fi
if [ -n "${GITHUB_OUTPUT:-}" ] && [ -s "$out/semcov.sarif" ]; then
  echo "sarif=$out/semcov.sarif" >> "$GITHUB_OUTPUT"
fi
leave "$code"
