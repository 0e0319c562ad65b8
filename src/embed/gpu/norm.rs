//! Layer normalization of a sum: of a layer's output and its input, or of a token's word and position.
//!
//! J. L. Ba, J. R. Kiros, G. E. Hinton, Layer Normalization, 2016, arXiv:1607.06450. Mean and variance are computed one
//! after the other: a sum of squares would lose the variance of rows that lie far from zero.

use candle_core::{CpuStorage, CudaStorage, CustomOp2, CustomOp3, DType, Device, Layout, Result, Shape, Tensor};

use super::{Packing, cuda, expect_shape, indices, numbers, stored, with_numbers};

/// The weights of a layer normalization, hidden each.
#[derive(Debug)]
pub(crate) struct Norm {
    pub(super) scale: Tensor,
    pub(super) shift: Tensor,
    pub(super) eps: f32,
}

impl Norm {
    /// From a factor and a summand for each component, as `dtype` on `device`.
    ///
    /// # Errors
    /// If the device fails.
    pub(crate) fn new(scale: Vec<f32>, shift: Vec<f32>, eps: f32, dtype: DType, device: &Device) -> Result<Self> {
        let load = |x: Vec<f32>| Tensor::new(x, &Device::Cpu)?.to_dtype(dtype)?.to_device(device);
        Ok(Self { scale: load(scale)?, shift: load(shift)?, eps })
    }

    fn normalize(&self, rows: &mut [f32]) -> Result<()> {
        with_numbers([&self.scale, &self.shift], |[scale, shift]| {
            for row in rows.chunks_exact_mut(scale.len()) {
                let n = row.len() as f32;
                let mean = row.iter().sum::<f32>() / n;
                let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / n;
                let factor = 1.0 / (variance + self.eps).sqrt();
                for ((x, scale), shift) in row.iter_mut().zip(scale).zip(shift) {
                    *x = (*x - mean) * factor * scale + shift;
                }
            }
        })
    }
}

/// The normalized sum of `product`, `bias` (hidden) and `residual`; matrices are tokens x hidden.
///
/// # Errors
/// If shapes do not fit, or the device fails.
pub(crate) fn add_norm(product: &Tensor, bias: &Tensor, residual: &Tensor, norm: &Norm) -> Result<Tensor> {
    let hidden = norm.scale.elem_count();
    expect_shape("a product", product, &[product.dim(0)?, hidden])?;
    expect_shape("a residual", residual, product.dims())?;
    expect_shape("a bias", bias, &[hidden])?;
    product.apply_op3_no_bwd(bias, residual, &AddNorm(norm))
}

struct AddNorm<'a>(&'a Norm);

impl CustomOp3 for AddNorm<'_> {
    fn name(&self) -> &'static str {
        "add-norm"
    }

    fn cpu_fwd(
        &self,
        product: &CpuStorage,
        product_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let dtype = if matches!(product, CpuStorage::F16(_)) { DType::F16 } else { DType::F32 };
        let mut out = numbers(product, product_layout)?.into_owned();
        let (bias, residual) = (numbers(bias, bias_layout)?, numbers(residual, residual_layout)?);
        let added = residual.iter().zip(bias.iter().cycle());
        out.iter_mut().zip(added).for_each(|(x, (residual, bias))| *x += bias + residual);
        self.0.normalize(&mut out)?;
        Ok((stored(out, dtype), product_layout.shape().clone()))
    }

    fn cuda_fwd(
        &self,
        product: &CudaStorage,
        product_layout: &Layout,
        bias: &CudaStorage,
        bias_layout: &Layout,
        residual: &CudaStorage,
        residual_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        cuda::add_norm((product, product_layout), (bias, bias_layout), (residual, residual_layout), self.0)
    }
}

/// The normalized sum of each token's word and position, tokens x hidden. `words` and `positions` are tables of as many
/// rows as `packing` was told.
///
/// # Errors
/// If shapes do not fit, or the device fails.
pub(crate) fn embed_norm(packing: &Packing, words: &Tensor, positions: &Tensor, norm: &Norm) -> Result<Tensor> {
    let hidden = norm.scale.elem_count();
    expect_shape("a table of words", words, &[packing.limits.0, hidden])?;
    expect_shape("a table of positions", positions, &[packing.limits.1, hidden])?;
    packing.ids.apply_op2_no_bwd(&packing.places, &EmbedNorm { words, positions, norm })
}

struct EmbedNorm<'a> {
    words: &'a Tensor,
    positions: &'a Tensor,
    norm: &'a Norm,
}

impl CustomOp2 for EmbedNorm<'_> {
    fn name(&self) -> &'static str {
        "embed-norm"
    }

    fn cpu_fwd(
        &self,
        ids: &CpuStorage,
        ids_layout: &Layout,
        places: &CpuStorage,
        places_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (ids, places) = (indices(ids, ids_layout)?, indices(places, places_layout)?);
        let hidden = self.norm.scale.elem_count();
        let mut out = with_numbers([self.words, self.positions], |[words, positions]| {
            let rows = ids.iter().zip(places).flat_map(|(&id, &place)| {
                let word = &words[id as usize * hidden..][..hidden];
                word.iter().zip(&positions[place as usize * hidden..][..hidden]).map(|(word, position)| word + position)
            });
            rows.collect::<Vec<f32>>()
        })?;
        self.norm.normalize(&mut out)?;
        Ok((stored(out, self.words.dtype()), Shape::from((ids.len(), hidden))))
    }

    fn cuda_fwd(
        &self,
        ids: &CudaStorage,
        ids_layout: &Layout,
        places: &CudaStorage,
        places_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        cuda::embed_norm((ids, ids_layout), (places, places_layout), self.words, self.positions, self.norm)
    }
}
