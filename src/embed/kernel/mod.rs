//! The compute kernels: the only unsafe code of the crate beside the memory map of the vector store.

mod elementwise;
mod matmul;

pub(crate) use elementwise::{LayerNorm, add_bias, add_bias_gelu, softmax};
pub use matmul::{Matrix, Transposed, matmul, multiply};
