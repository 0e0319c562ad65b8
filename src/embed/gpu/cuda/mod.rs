//! The operations on CUDA, where the feature is on; in place of each an error, where it is off.

#[cfg(not(feature = "cuda"))]
mod disabled;
#[cfg(feature = "cuda")]
mod enabled;

use candle_core::{CudaStorage, Layout};

#[cfg(not(feature = "cuda"))]
pub(crate) use disabled::*;
#[cfg(feature = "cuda")]
pub(crate) use enabled::*;

/// Largest hidden size that the kernels take: a lane of a warp holds 16 pairs of a row.
pub(super) const MOST_HIDDEN: usize = 1024;

/// A tensor, as an operation gets it.
type Part<'a> = (&'a CudaStorage, &'a Layout);
