#!/usr/bin/env bash
# The static encoder beside model2vec-rs on the same model and texts, and beside the transformer it is made of. Prints
# Markdown; keep it under benchsuite/runs/DATE-static-MACHINE.md.
#   benchsuite/static.sh [RUNS]      SEMCOV_DATA: folder with clinc150/ and gsm8k/ (default ../shared/data)
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
peer=$target/benchsuite/static-peer
mkdir -p "$peer/src"
cat >"$peer/Cargo.toml" <<'TOML'
[package]
name = "static-peer"
version = "0.0.0"
edition = "2024"

[dependencies]
model2vec-rs = { version = "=0.2.0", default-features = false, features = ["fancy-regex"] }

[workspace]
TOML
cp benchsuite/static_peer.rs "$peer/src/main.rs"
cargo build --release --quiet --manifest-path "$peer/Cargo.toml" --target-dir "$peer/target"
cargo build --release --quiet
bench=$(cargo bench --bench static --no-run --message-format=json |
  sed -n 's/.*"executable":"\([^"]*static-[^"]*\)".*/\1/p')
exec python3 benchsuite/static.py --data "${SEMCOV_DATA:-../shared/data}" --work "$target/benchsuite/static" \
  --semcov "$target/release/semcov" --bench "$bench" --peer "$peer/target/release/static-peer" --runs "${1:-3}"
