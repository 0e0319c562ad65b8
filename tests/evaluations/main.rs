//! Evaluations: each prints a figure of the methods on CLINC150 and fails outside its band.
//!
//! The folder of the shared corpora is named by `SEMCOV_DATA` (default `../shared/data`); where it is absent the
//! evaluations are skipped, and say so. `cargo test --release --test evaluations -- --nocapture` prints the figures.
//! CLINC150 is embedded once (a minute or two); its vectors are kept in the build folder.
#![cfg(feature = "embedded-model")]
#![expect(clippy::print_stderr, reason = "the figures of an evaluation are for its reader")]

mod clusters;
mod data;
mod figures;
mod gaps;
mod gate;
mod lift;
mod map;
mod outliers;
mod precision;
mod profiles;
mod screening;
mod shift;
mod static_tier;
