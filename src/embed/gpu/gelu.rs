//! The activation of BERT.
//!
//! D. Hendrycks, K. Gimpel, Gaussian Error Linear Units, 2016, arXiv:1606.08415. By the error function itself: cuBLASLt
//! would fuse it with a product, but has only the approximation by tanh.

use candle_core::{CpuStorage, CudaStorage, DType, InplaceOp2, Layout, Result, Tensor};

use super::{cuda, expect_shape, numbers, range, stored};

/// Writes GELU(x + bias) to `x`, which is tokens x inner and nobody else's; `bias` is inner.
///
/// # Errors
/// If shapes do not fit, or the device fails.
pub(crate) fn add_gelu(x: &Tensor, bias: &Tensor) -> Result<()> {
    expect_shape("a bias", bias, &[x.dim(1)?])?;
    x.inplace_op2(bias, &AddGelu)
}

struct AddGelu;

impl InplaceOp2 for AddGelu {
    fn name(&self) -> &'static str {
        "add-gelu"
    }

    fn cpu_fwd(&self, x: &mut CpuStorage, x_layout: &Layout, bias: &CpuStorage, bias_layout: &Layout) -> Result<()> {
        let dtype = if matches!(x, CpuStorage::F16(_)) { DType::F16 } else { DType::F32 };
        let mut out = numbers(x, x_layout)?.into_owned();
        for (x, bias) in out.iter_mut().zip(numbers(bias, bias_layout)?.iter().cycle()) {
            let y = f64::from(*x + bias);
            *x = (0.5 * y * (1.0 + statrs::function::erf::erf(y * std::f64::consts::FRAC_1_SQRT_2))) as f32;
        }
        let range = range(x_layout)?;
        match (x, stored(out, dtype)) {
            (CpuStorage::F32(x), CpuStorage::F32(out)) => x[range].copy_from_slice(&out),
            (CpuStorage::F16(x), CpuStorage::F16(out)) => x[range].copy_from_slice(&out),
            _ => candle_core::bail!("expected f32 or f16"),
        }
        Ok(())
    }

    fn cuda_fwd(&self, x: &mut CudaStorage, x_layout: &Layout, bias: &CudaStorage, bias_layout: &Layout) -> Result<()> {
        cuda::add_gelu((x, x_layout), (bias, bias_layout))
    }
}
