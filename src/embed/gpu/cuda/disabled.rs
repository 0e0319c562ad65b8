//! A build without the feature `cuda`. No tensor lies on such a device, so that nothing here is ever reached but
//! [`open`].

use candle_core::{CudaStorage, Device, Error, Layout, Result, Shape, Tensor, WithDType};

use super::Part;
use crate::embed::Pooling;
use crate::embed::gpu::Norm;
use crate::embed::kernel::Heads;

type Output = Result<(CudaStorage, Shape)>;

pub(crate) fn open(_index: usize) -> Result<Device> {
    Err(Error::NotCompiledWithCudaSupport)
}

pub(crate) fn free_memory(_device: &Device) -> Option<usize> {
    None
}

pub(in super::super) fn attend(_heads: Heads, _queries: usize, _input: Part, _bias: Part, _tiles: Part) -> Output {
    Err(Error::NotCompiledWithCudaSupport)
}

pub(in super::super) fn add_norm(_product: Part, _bias: Part, _residual: Part, _norm: &Norm) -> Output {
    Err(Error::NotCompiledWithCudaSupport)
}

pub(in super::super) fn embed_norm(
    _ids: Part,
    _places: Part,
    _words: &Tensor,
    _positions: &Tensor,
    _norm: &Norm,
) -> Output {
    Err(Error::NotCompiledWithCudaSupport)
}

pub(in super::super) fn add_gelu(_x: (&mut CudaStorage, &Layout), _bias: Part) -> Result<()> {
    Err(Error::NotCompiledWithCudaSupport)
}

pub(in super::super) fn pool(_tokens: Part, _offsets: Part, _pooling: Pooling) -> Output {
    Err(Error::NotCompiledWithCudaSupport)
}

/// What can be handed to a device.
pub(crate) trait Number: WithDType {}

impl<T: WithDType> Number for T {}

/// What the host hands to a device and reads of it.
#[derive(Debug, Default)]
pub(crate) struct Transfers(());

#[expect(clippy::unused_self, reason = "with CUDA it keeps buffers")]
impl Transfers {
    pub(crate) fn send<T: Number>(&self, numbers: &[T], shape: impl Into<Shape>, device: &Device) -> Result<Tensor> {
        Tensor::from_slice(numbers, shape.into(), device)
    }

    pub(crate) fn fetch(&self, tensor: &Tensor) -> Result<Vec<f32>> {
        tensor.flatten_all()?.to_vec1()
    }
}
