//! What the architectures share. Every mask is finite in half precision, and memory for attention grows with the length
//! of a text, not with its square.

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::{Activation, LayerNorm, Linear, Module, VarBuilder, layer_norm, linear, ops, rotary_emb};

/// Added to the score of a key that is not to be seen: its weight is then exactly 0 in every precision, while f16, whose
/// least number is -65504, still holds it.
const HIDDEN: f64 = -1e4;

/// Queries whose attention is computed at once: scores take h x 512 x s numbers.
const QUERY_BLOCK: usize = 512;

/// The weights under the first of `roots` that has `probe`; a root is empty, or ends with a dot.
pub(super) fn rooted<'a>(weights: VarBuilder<'a>, roots: &[&str], probe: &str) -> VarBuilder<'a> {
    match roots.iter().find(|root| weights.contains_tensor(&format!("{root}{probe}"))) {
        Some(root) if !root.is_empty() => weights.pp(root.trim_end_matches('.')),
        _ => weights,
    }
}

/// b x 1 x 1 x s, to be added to scores: 0 for a token, [`HIDDEN`] for padding. `mask` is b x s, 1 for a token.
pub(super) fn padding_bias(mask: &Tensor, dtype: DType) -> Result<Tensor> {
    let (b, s) = mask.dims2()?;
    ((1.0 - mask.to_dtype(dtype)?)? * HIDDEN)?.reshape((b, 1, 1, s))
}

/// `queries.len()` x s, to be added to scores: [`HIDDEN`] for keys that are more than `reach` positions away.
pub(super) fn distance_bias(
    queries: std::ops::Range<usize>,
    s: usize,
    reach: usize,
    dtype: DType,
    device: &Device,
) -> Result<Tensor> {
    let rows = Tensor::arange(queries.start as f32, queries.end as f32, device)?.unsqueeze(1)?;
    let columns = Tensor::arange(0f32, s as f32, device)?.unsqueeze(0)?;
    let far = rows.broadcast_sub(&columns)?.abs()?.gt(reach as f64)?;
    far.to_dtype(dtype)? * HIDDEN
}

/// b x s x (h dh) to b x h x s x dh.
pub(super) fn split_heads(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (b, s, d) = x.dims3()?;
    // Without heads the shapes do not fit, which is an error, not a panic.
    x.reshape((b, s, heads, d.checked_div(heads).unwrap_or(0)))?.transpose(1, 2)?.contiguous()
}

/// Scaled dot-product attention of b x h x s x dh each, to b x s x (h dh). `bias(queries)` is added to the scores of
/// these queries, and broadcasts to b x h x `queries.len()` x s.
///
/// A. Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762.
pub(super) fn attend(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    bias: impl Fn(std::ops::Range<usize>) -> Result<Tensor>,
) -> Result<Tensor> {
    let (b, h, s, dh) = query.dims4()?;
    let scale = (dh as f64).powf(-0.5);
    let mut blocks = Vec::new();
    for start in (0..s).step_by(QUERY_BLOCK) {
        let queries = start..s.min(start + QUERY_BLOCK);
        let query = query.narrow(2, start, queries.len())?.contiguous()?;
        let bias = bias(queries.clone())?;
        blocks.push(if is_fused(&query)? {
            // A broadcast bias takes no memory: its strides are 0.
            let bias = bias.broadcast_as((b, h, queries.len(), s))?;
            ops::sdpa(&query, key, value, Some(&bias), false, scale as f32, 1.0)?
        } else {
            let scores = (query * scale)?.matmul(&key.t()?)?;
            ops::softmax_last_dim(&scores.broadcast_add(&bias)?)?.matmul(value)?
        });
    }
    Tensor::cat(&blocks, 2)?.transpose(1, 2)?.flatten_from(D::Minus2)
}

/// Whether candle's fused attention can take b x h x s x dh queries: on Metal, from two queries on, for these head sizes.
fn is_fused(query: &Tensor) -> Result<bool> {
    let (_, _, queries, dh) = query.dims4()?;
    Ok(query.device().is_metal() && queries > 1 && matches!(dh, 32 | 64 | 72 | 80 | 96 | 128 | 256))
}

/// Rotary positions: J. Su et al., RoFormer, 2021, arXiv:2104.09864. Angles are computed in f32 whatever the precision
/// of the model: bf16 cannot tell position 256 from 257.
pub(super) struct Rotary {
    cos: Tensor,
    sin: Tensor,
}

impl Rotary {
    pub(super) fn new(positions: usize, dh: usize, theta: f64, dtype: DType, device: &Device) -> Result<Self> {
        let frequencies: Vec<f32> = (0..dh / 2).map(|i| 1.0 / theta.powf(2.0 * i as f64 / dh as f64) as f32).collect();
        let frequencies = Tensor::from_vec(frequencies, (1, dh / 2), device)?;
        let angles = Tensor::arange(0f32, positions as f32, device)?.unsqueeze(1)?.broadcast_mul(&frequencies)?;
        Ok(Self { cos: angles.cos()?.to_dtype(dtype)?, sin: angles.sin()?.to_dtype(dtype)? })
    }

    /// Turns b x h x s x dh by the positions 0 to s.
    pub(super) fn turn(&self, x: &Tensor) -> Result<Tensor> {
        let s = x.dim(2)?;
        rotary_emb::rope(&x.contiguous()?, &self.cos.narrow(0, 0, s)?, &self.sin.narrow(0, 0, s)?)
    }
}

/// Where a [`PostNormLayer`] has its weights.
pub(super) struct Names {
    pub(super) query: &'static str,
    pub(super) key: &'static str,
    pub(super) value: &'static str,
    pub(super) output: &'static str,
    pub(super) attention_norm: &'static str,
    pub(super) up: &'static str,
    pub(super) down: &'static str,
    pub(super) output_norm: &'static str,
}

/// The shape of a [`PostNormLayer`].
pub(super) struct Shape {
    pub(super) hidden: usize,
    pub(super) heads: usize,
    pub(super) inner: usize,
    pub(super) eps: f64,
    pub(super) activation: Activation,
}

/// The layer of BERT and its relatives, which normalize behind every residual sum.
pub(super) struct PostNormLayer {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    attention_norm: LayerNorm,
    up: Linear,
    down: Linear,
    output_norm: LayerNorm,
    heads: usize,
    activation: Activation,
}

impl PostNormLayer {
    pub(super) fn load(weights: &VarBuilder, names: &Names, shape: &Shape) -> Result<Self> {
        let &Shape { hidden, heads, inner, eps, activation } = shape;
        Ok(Self {
            query: linear(hidden, hidden, weights.pp(names.query))?,
            key: linear(hidden, hidden, weights.pp(names.key))?,
            value: linear(hidden, hidden, weights.pp(names.value))?,
            output: linear(hidden, hidden, weights.pp(names.output))?,
            attention_norm: layer_norm(hidden, eps, weights.pp(names.attention_norm))?,
            up: linear(hidden, inner, weights.pp(names.up))?,
            down: linear(inner, hidden, weights.pp(names.down))?,
            output_norm: layer_norm(hidden, eps, weights.pp(names.output_norm))?,
            heads,
            activation,
        })
    }

    /// b x s x d to b x s x d; `bias` is [`padding_bias`].
    pub(super) fn forward(&self, x: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let heads = |linear: &Linear| split_heads(&linear.forward(x)?, self.heads);
        let seen = attend(&heads(&self.query)?, &heads(&self.key)?, &heads(&self.value)?, |_| Ok(bias.clone()))?;
        let x = self.attention_norm.forward(&(self.output.forward(&seen)? + x)?)?;
        let y = self.down.forward(&self.activation.forward(&self.up.forward(&x)?)?)?;
        self.output_norm.forward(&(y + x)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of queries are those queries: a text longer than a block, against all of it at once.
    #[test]
    fn attention_in_blocks_is_attention() -> Result<()> {
        let device = Device::Cpu;
        let s = QUERY_BLOCK + 100;
        let random = || Tensor::randn(0f32, 1.0, (1, 2, s, 8), &device);
        let (query, key, value) = (random()?, random()?, random()?);
        let reach = 70;
        let bias = |queries| distance_bias(queries, s, reach, DType::F32, &device);
        let blocks = attend(&query, &key, &value, bias)?;
        let scores = (query.matmul(&key.t()?)? * 8f64.powf(-0.5))?.broadcast_add(&bias(0..s)?)?;
        let whole = ops::softmax_last_dim(&scores)?.matmul(&value)?.transpose(1, 2)?.flatten_from(2)?;
        let difference = (blocks - whole)?.abs()?.max_all()?.to_scalar::<f32>()?;
        assert!(difference < 1e-6, "{difference}");
        Ok(())
    }

    /// In half precision a mask hides without a NaN, even where a query sees nothing but padding.
    #[test]
    fn masks_are_finite_in_half_precision() -> Result<()> {
        let device = Device::Cpu;
        let mask = Tensor::new(&[[1u32, 1, 0, 0, 0, 0]], &device)?;
        for dtype in [DType::F16, DType::BF16] {
            let x = Tensor::randn(0f32, 1.0, (1, 1, 6, 4), &device)?.to_dtype(dtype)?;
            let padding = padding_bias(&mask, dtype)?;
            let out =
                attend(&x, &x, &x, |queries| distance_bias(queries, 6, 1, dtype, &device)?.broadcast_add(&padding))?;
            let sum = out.to_dtype(DType::F32)?.sum_all()?.to_scalar::<f32>()?;
            assert!(sum.is_finite(), "{dtype:?}");
            let hidden = padding.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            assert!(hidden[..2].iter().all(|x| x.abs() < 1e-6));
            assert!(hidden[2..].iter().all(|x| x.is_finite() && *x < -9000.0));
        }
        Ok(())
    }
}
