//! What a packed forward pass needs on a GPU beside matrix products: five operations on tokens without padding.
//!
//! Each is a custom operation of candle, so that all of them, and candle's own, follow each other in one stream. Each
//! has a twin for the CPU in plain loops, which says what it computes: tests hold the twins to candle's BERT, and
//! `tests/cuda` holds the CUDA kernels to the same definitions. They read and write f32 or f16 and sum in f32; on CUDA
//! they take f16 alone. There are none for Metal.
//!
//! A bias is added by the operation behind a matrix product rather than by one of its own: these operations do so little
//! with a number that reading and writing it is what they cost.

mod attention;
mod cuda;
mod gelu;
mod norm;
mod packing;
mod pool;

use std::borrow::Cow;

use candle_core::{CpuStorage, DType, Layout, Result, Storage, Tensor};

pub(crate) use attention::attend;
pub(crate) use cuda::{Transfers, free_memory, open};
pub(crate) use gelu::add_gelu;
pub(crate) use norm::{Norm, add_norm, embed_norm};
pub(crate) use packing::Packing;
pub(crate) use pool::pool;

/// Whether the operations run on CUDA for such a network.
pub(crate) fn fits_cuda(hidden_size: usize, head_size: usize, inner_size: usize) -> bool {
    matches!(head_size, 32 | 64) && hidden_size <= cuda::MOST_HIDDEN && inner_size.is_multiple_of(8)
}

/// The part of a storage that a contiguous tensor has.
fn range(layout: &Layout) -> Result<std::ops::Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => candle_core::bail!("expected a contiguous tensor, got strides {:?}", layout.stride()),
    }
}

/// The numbers of a tensor in f32.
fn numbers<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<Cow<'a, [f32]>> {
    let range = range(layout)?;
    match storage {
        CpuStorage::F32(x) => Ok(Cow::Borrowed(&x[range])),
        CpuStorage::F16(x) => Ok(Cow::Owned(x[range].iter().map(|x| x.to_f32()).collect())),
        _ => candle_core::bail!("expected f32 or f16"),
    }
}

/// The whole numbers of a tensor.
fn indices<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [u32]> {
    let CpuStorage::U32(x) = storage else { candle_core::bail!("expected u32") };
    Ok(&x[range(layout)?])
}

/// Calls `f` with the numbers of each of `tensors`, which are on the CPU.
fn with_numbers<const N: usize, T>(tensors: [&Tensor; N], f: impl FnOnce([&[f32]; N]) -> T) -> Result<T> {
    let parts = tensors.map(Tensor::storage_and_layout);
    let mut slices = Vec::with_capacity(N);
    for (storage, layout) in &parts {
        let Storage::Cpu(storage) = &**storage else { candle_core::bail!("expected a tensor on the CPU") };
        slices.push(numbers(storage, layout)?);
    }
    Ok(f(std::array::from_fn(|i| &*slices[i])))
}

/// Rounds to f16 if `dtype` is that.
fn rounded(x: f32, dtype: DType) -> f32 {
    if dtype == DType::F16 { half::f16::from_f32(x).to_f32() } else { x }
}

/// Numbers as they are stored in `dtype`.
fn stored(numbers: Vec<f32>, dtype: DType) -> CpuStorage {
    match dtype {
        DType::F16 => CpuStorage::F16(numbers.into_iter().map(half::f16::from_f32).collect()),
        _ => CpuStorage::F32(numbers),
    }
}

/// An error unless `tensor` has this shape.
fn expect_shape(what: &str, tensor: &Tensor, shape: &[usize]) -> Result<()> {
    if tensor.dims() != shape {
        candle_core::bail!("expected {what} of shape {shape:?}, got {:?}", tensor.dims());
    }
    Ok(())
}
