//! Attention within texts: every head's values, weighted by the softmax of its queries times its keys.
//!
//! A. Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762. The kernel for CUDA never holds the scores of a
//! text: T. Dao et al., FlashAttention, 2022, arXiv:2205.14135. It is our own, as candle's own binding (`candle-flash-attn`)
//! fetches CUTLASS while it is built, and its shapes begin where those of sentences end: here a block of 16 to 64 queries
//! belongs to one text and one head, and a batch of short texts fills a GPU with thousands of them.
//!
//! Departures: weights are rounded to f16 before they meet the values, their sum is not.

use candle_core::{CpuStorage, CudaStorage, CustomOp3, DType, Layout, Result, Shape, Tensor};

use super::{Packing, cuda, expect_shape, indices, numbers, rounded, stored};
use crate::embed::kernel::Heads;

/// Weighted values, tokens x hidden. A row of `input` has the queries of all heads, scaled, then keys, then values;
/// `bias`, as long as a row, is added to each.
///
/// # Errors
/// If shapes do not fit, or the device fails.
pub(crate) fn attend(input: &Tensor, bias: &Tensor, packing: &Packing, heads: Heads) -> Result<Tensor> {
    let row = 3 * heads.heads * heads.size;
    expect_shape("queries, keys and values", input, &[packing.tokens, row])?;
    expect_shape("a bias", bias, &[row])?;
    input.apply_op3_no_bwd(bias, &packing.tiles, &Attend { heads, queries: packing.queries })
}

struct Attend {
    heads: Heads,
    queries: usize,
}

impl CustomOp3 for Attend {
    fn name(&self) -> &'static str {
        "packed-attention"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
        tiles: &CpuStorage,
        tiles_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Heads { heads, size } = self.heads;
        let hidden = heads * size;
        let dtype = if matches!(input, CpuStorage::F16(_)) { DType::F16 } else { DType::F32 };
        let bias = numbers(bias, bias_layout)?;
        let mut input = numbers(input, input_layout)?.into_owned();
        for row in input.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(&*bias).for_each(|(x, bias)| *x = rounded(*x + bias, dtype));
        }
        let part =
            |token: usize, part: usize, head: usize| &input[token * 3 * hidden + part * hidden + head * size..][..size];
        let mut context = vec![0.0; input.len() / 3];
        for tile in indices(tiles, tiles_layout)?.chunks_exact(3) {
            let [begin, end, first] = [tile[0], tile[1], tile[2]].map(|token| token as usize);
            for (query, head) in
                (first..end.min(first + self.queries)).flat_map(|query| (0..heads).map(move |h| (query, h)))
            {
                let score = |key| part(query, 0, head).iter().zip(part(key, 1, head)).map(|(q, k)| q * k).sum::<f32>();
                let mut weights: Vec<f32> = (begin..end).map(score).collect();
                let most = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                for weight in &mut weights {
                    *weight = (*weight - most).exp();
                }
                let total: f32 = weights.iter().sum();
                let out = &mut context[query * hidden + head * size..][..size];
                for (key, weight) in (begin..end).zip(weights) {
                    out.iter_mut().zip(part(key, 2, head)).for_each(|(out, value)| *out += weight / total * value);
                }
            }
        }
        let tokens = context.len() / hidden;
        Ok((stored(context, dtype), Shape::from((tokens, hidden))))
    }

    fn cuda_fwd(
        &self,
        input: &CudaStorage,
        input_layout: &Layout,
        bias: &CudaStorage,
        bias_layout: &Layout,
        tiles: &CudaStorage,
        tiles_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        cuda::attend(self.heads, self.queries, (input, input_layout), (bias, bias_layout), (tiles, tiles_layout))
    }
}
