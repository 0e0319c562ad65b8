//! The compute kernels: the only unsafe code of the crate beside the memory map of the vector store.

mod elementwise;
mod int8;
mod matmul;

pub(crate) use elementwise::{LayerNorm, add_bias, add_bias_gelu, softmax};
pub(crate) use int8::{PackedColumns, PackedRows, largest_component};
pub use matmul::{Matrix, Transposed, matmul, multiply};
