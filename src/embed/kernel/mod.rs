//! The compute kernels: the only unsafe code of the crate beside the memory map of the vector store.
//!
//! `simd` says what a processor can do; over it stand the kernels of a transformer's forward pass: `product` (tiles of
//! matrix products over `panels`), `linear`, `attention` and `elementwise`. `int8` and `matmul` serve the search for near
//! vectors.

mod attention;
mod elementwise;
mod int8;
mod linear;
mod matmul;
mod panels;
mod product;
mod simd;

pub(crate) use attention::{AttentionBuffers, Heads, attend};
pub(crate) use elementwise::LayerNorm;
pub(crate) use int8::{PackedColumns, PackedRows, largest_component};
pub(crate) use linear::{Activation, Linear, Rounded};
pub use matmul::{Matrix, Transposed, matmul, multiply};
pub(crate) use panels::padded;
pub(crate) use simd::Level;
