//! From token vectors to unit vectors of texts.

use candle_core::{CpuStorage, CudaStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::{Packing, cuda, expect_shape, indices, numbers};
use crate::embed::Pooling;

/// Unit vectors, texts x hidden, f32, of `tokens` (tokens x hidden); the zero vector for a text without tokens.
///
/// # Errors
/// If shapes do not fit, or the device fails.
pub(crate) fn pool(tokens: &Tensor, packing: &Packing, pooling: Pooling) -> Result<Tensor> {
    expect_shape("token vectors", tokens, &[packing.tokens, tokens.dim(1)?])?;
    tokens.apply_op2_no_bwd(&packing.offsets, &Pool(pooling))
}

struct Pool(Pooling);

impl CustomOp2 for Pool {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn cpu_fwd(
        &self,
        tokens: &CpuStorage,
        tokens_layout: &Layout,
        offsets: &CpuStorage,
        offsets_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, hidden) = tokens_layout.shape().dims2()?;
        let tokens = numbers(tokens, tokens_layout)?;
        let offsets = indices(offsets, offsets_layout)?;
        let mut out = vec![0.0; (offsets.len() - 1) * hidden];
        for (ends, out) in offsets.windows(2).zip(out.chunks_exact_mut(hidden)) {
            self.0.pool(&tokens[ends[0] as usize * hidden..ends[1] as usize * hidden], out);
        }
        Ok((CpuStorage::F32(out), Shape::from((offsets.len() - 1, hidden))))
    }

    fn cuda_fwd(
        &self,
        tokens: &CudaStorage,
        tokens_layout: &Layout,
        offsets: &CudaStorage,
        offsets_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        cuda::pool((tokens, tokens_layout), (offsets, offsets_layout), self.0)
    }
}
