//! The compute kernels of a processor. Beside the launches in `gpu/cuda` and the memory map of the vector store, the only
//! unsafe code of the crate.
//!
//! `simd` says what a processor can do; over it stand the kernels of a transformer's forward pass: `product` (tiles of
//! matrix products over `panels`), `linear`, `attention` and `elementwise`. `columns` (all of them) and
//! `candidates` (the nearest ones) serve the search for near vectors, `vector` what is done to one at a time.

mod attention;
mod candidates;
mod columns;
mod elementwise;
mod linear;
mod panels;
mod product;
mod simd;
mod vector;

pub(crate) use attention::{AttentionBuffers, Heads, attend};
pub(crate) use candidates::{RoughColumns, RoughRows};
pub(crate) use columns::Columns;
pub(crate) use elementwise::LayerNorm;
pub use linear::Precision;
pub(crate) use linear::{Activation, Linear, Rounded};
pub(crate) use panels::padded;
pub(crate) use simd::Level;
pub(crate) use vector::{add_weighted, dot, dot_halves, normalize, prefetch, widen_unit};
