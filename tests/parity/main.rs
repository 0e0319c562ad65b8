//! Vectors against those of the Python originals, every row compared.
#![expect(clippy::print_stdout, reason = "the figures of an evaluation are for its reader")]

#[cfg(feature = "embedded-model")]
mod all_minilm_l6_v2;
#[cfg(any(feature = "cuda", feature = "metal"))]
mod device;
mod families;
mod static_models;
