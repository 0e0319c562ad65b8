//! The operations on CUDA: checks, allocates, launches `packed.cu`.
//!
//! All work of a device goes through one stream, whichever thread hands it in: what is launched later sees what was
//! launched before, and memory that is freed is given out again only to work behind its last use. candle's usual stream
//! is another for each host thread, and does not wait for its siblings.
#![expect(unsafe_code, reason = "kernels are launched, and memory is handed to them unset")]

use std::sync::Mutex;

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{
    CudaEvent, CudaSlice, CudaStream, CudaView, CudaViewMut, DeviceRepr, DriverError, LaunchConfig, PinnedHostSlice,
    PushKernelArg, result, sys,
};
use candle_core::cuda_backend::{CudaDType, CudaDevice, WrapErr};
use candle_core::op::BackpropOp;
use candle_core::{CudaStorage, Device, Layout, Result, Shape, Storage, Tensor, WithDType};
use half::f16;

use super::super::{Norm, range};
use super::{MOST_HIDDEN, Part};
use crate::embed::Pooling;
use crate::embed::kernel::Heads;

/// The kernels, compiled by `build.rs` for compute capability 8.0; the driver compiles them for the GPU that it finds.
const PTX: &str = include_str!(concat!(env!("OUT_DIR"), "/packed.ptx"));

// As `packed.cu` has them.
const LANES: usize = 32;
const QUERIES_PER_WARP: usize = 16;
const ROW_WARPS: usize = 4;
const POOL_THREADS: u32 = 128;
const GELU_THREADS: usize = 256;
const CHUNK: usize = 8;

type Output = Result<(CudaStorage, Shape)>;

/// Opens a GPU with one stream, and has its driver keep memory that is freed for the next batch.
pub(crate) fn open(index: usize) -> Result<Device> {
    let device = CudaDevice::new_with_stream(index)?;
    let stream = device.cuda_stream();
    if stream.context().has_async_alloc() {
        let mut threshold = u64::MAX;
        // SAFETY: the device is that of an open context, the pool is the device's own, and the attribute is a u64 that
        // lives until the call returns.
        unsafe {
            let pool = result::device::get_default_mem_pool(stream.context().cu_device()).w()?;
            let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
            result::mem_pool::set_attribute(pool, attribute, (&raw mut threshold).cast()).w()?;
        }
    }
    // SAFETY: the events that are no longer recorded order the streams of a device among each other, and this device has
    // one. What the host reads is waited for with an event of its own (`Transfers`) or by the copy itself.
    unsafe { device.disable_event_tracking() };
    Ok(Device::Cuda(device))
}

/// Bytes that are free on the device; `None` if it is no GPU or does not say.
pub(crate) fn free_memory(device: &Device) -> Option<usize> {
    let Device::Cuda(device) = device else { return None };
    device.cuda_stream().context().mem_get_info().ok().map(|(free, _)| free)
}

/// What a tensor holds, for a kernel.
fn view<T: CudaDType>((storage, layout): Part<'_>) -> Result<CudaView<'_, T>> {
    Ok(storage.as_cuda_slice::<T>()?.slice(range(layout)?))
}

/// As [`view`], for kernels that read `CHUNK` numbers at once.
fn aligned_view((storage, layout): Part<'_>) -> Result<CudaView<'_, f16>> {
    if !layout.start_offset().is_multiple_of(CHUNK) {
        candle_core::bail!("expected a tensor that begins at a multiple of {CHUNK}, got {}", layout.start_offset());
    }
    view((storage, layout))
}

/// Calls `f` with what tensors on this device hold.
fn with_views<const N: usize, T>(tensors: [&Tensor; N], f: impl FnOnce([CudaView<f16>; N]) -> Result<T>) -> Result<T> {
    let parts = tensors.map(Tensor::storage_and_layout);
    let mut views = Vec::with_capacity(N);
    for (storage, layout) in &parts {
        let Storage::Cuda(storage) = &**storage else { candle_core::bail!("expected a tensor on CUDA") };
        views.push(aligned_view((storage, layout))?);
    }
    match views.try_into() {
        Ok(views) => f(views),
        Err(_) => candle_core::bail!("expected {N} tensors"),
    }
}

fn number(x: usize) -> Result<u32> {
    u32::try_from(x).map_err(candle_core::Error::wrap)
}

/// Memory for a result, unset.
fn output(device: &CudaDevice, len: usize) -> Result<CudaSlice<f16>> {
    // SAFETY: every caller has a kernel write all of it before it is handed on.
    unsafe { device.alloc::<f16>(len) }
}

fn config(blocks: usize, threads: u32) -> Result<LaunchConfig> {
    Ok(LaunchConfig { grid_dim: (number(blocks)?, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 })
}

fn check_hidden(hidden: usize) -> Result<()> {
    if hidden > MOST_HIDDEN || !hidden.is_multiple_of(CHUNK) {
        candle_core::bail!("expected a hidden size of at most {MOST_HIDDEN}, a multiple of {CHUNK}, got {hidden}");
    }
    Ok(())
}

pub(in super::super) fn attend(heads: Heads, queries: usize, input: Part, bias: Part, tiles: Part) -> Output {
    let device = input.0.device();
    let (tokens, hidden) = (input.1.dims()[0], heads.heads * heads.size);
    let kernel = match heads.size {
        32 => "attend_32",
        64 => "attend_64",
        size => candle_core::bail!("expected heads of 32 or 64, got {size}"),
    };
    let tile_count = tiles.1.shape().elem_count() / 3;
    let threads = number(queries / QUERIES_PER_WARP * LANES)?;
    let (input, bias, tiles) = (aligned_view(input)?, aligned_view(bias)?, view::<u32>(tiles)?);
    let mut context = output(device, tokens * hidden)?;
    let kernel = device.get_or_load_custom_func(kernel, "packed", PTX)?;
    let mut launch = kernel.builder();
    launch.arg(&input).arg(&bias).arg(&tiles).arg(&mut context);
    let grid_dim = (number(tile_count)?, number(heads.heads)?, 1);
    let config = LaunchConfig { grid_dim, block_dim: (threads, 1, 1), shared_mem_bytes: 0 };
    // SAFETY: the arguments are those of the kernel in number, type and order. `input` is tokens x 3 hidden and `bias` 3
    // hidden, as the operation has checked; tiles stay within the tokens and cover each query once, as `Packing::new` has
    // made them; so reads stay within, and every number of `context` is written. Rows are multiples of 16 bytes, as heads are.
    unsafe { launch.launch(config) }.w()?;
    Ok((CudaStorage::wrap_cuda_slice(context, device.clone()), Shape::from((tokens, hidden))))
}

pub(in super::super) fn add_norm(product: Part, bias: Part, residual: Part, norm: &Norm) -> Output {
    let device = product.0.device();
    let (rows, hidden) = product.1.shape().dims2()?;
    check_hidden(hidden)?;
    let (rows_here, hidden_here) = (number(rows)?, number(hidden)?);
    let (product, bias, residual) = (aligned_view(product)?, aligned_view(bias)?, aligned_view(residual)?);
    let mut out = output(device, rows * hidden)?;
    let kernel = device.get_or_load_custom_func("add_norm", "packed", PTX)?;
    with_views([&norm.scale, &norm.shift], |[scale, shift]| {
        let mut launch = kernel.builder();
        launch.arg(&product).arg(&bias).arg(&residual).arg(&scale).arg(&shift).arg(&mut out);
        launch.arg(&rows_here).arg(&hidden_here).arg(&norm.eps);
        // SAFETY: the arguments are those of the kernel in number, type and order. Matrices are rows x hidden and the rest
        // is hidden, as the operation has checked; there is a warp for every row, which writes it all.
        unsafe { launch.launch(config(rows.div_ceil(ROW_WARPS), (ROW_WARPS * LANES) as u32)?) }.w()
    })?;
    Ok((CudaStorage::wrap_cuda_slice(out, device.clone()), Shape::from((rows, hidden))))
}

pub(in super::super) fn embed_norm(ids: Part, places: Part, words: &Tensor, positions: &Tensor, norm: &Norm) -> Output {
    let device = ids.0.device();
    let (rows, hidden) = (ids.1.shape().elem_count(), norm.scale.elem_count());
    check_hidden(hidden)?;
    let (rows_here, hidden_here) = (number(rows)?, number(hidden)?);
    let (ids, places) = (view::<u32>(ids)?, view::<u32>(places)?);
    let mut out = output(device, rows * hidden)?;
    let kernel = device.get_or_load_custom_func("embed_norm", "packed", PTX)?;
    with_views([words, positions, &norm.scale, &norm.shift], |[words, positions, scale, shift]| {
        let mut launch = kernel.builder();
        launch.arg(&ids).arg(&places).arg(&words).arg(&positions).arg(&scale).arg(&shift).arg(&mut out);
        launch.arg(&rows_here).arg(&hidden_here).arg(&norm.eps);
        // SAFETY: the arguments are those of the kernel in number, type and order. Ids and places are rows of the tables, as
        // `Packing::new` has checked for tables of the size that the operation has checked; there is a warp for every row,
        // which writes it all.
        unsafe { launch.launch(config(rows.div_ceil(ROW_WARPS), (ROW_WARPS * LANES) as u32)?) }.w()
    })?;
    Ok((CudaStorage::wrap_cuda_slice(out, device.clone()), Shape::from((rows, hidden))))
}

pub(in super::super) fn add_gelu((x, x_layout): (&mut CudaStorage, &Layout), bias: Part) -> Result<()> {
    let device = x.device().clone();
    let (rows, inner) = x_layout.shape().dims2()?;
    let range = range(x_layout)?;
    if !inner.is_multiple_of(CHUNK) || !range.start.is_multiple_of(CHUNK) {
        candle_core::bail!("expected rows of a multiple of {CHUNK} numbers, got {inner}");
    }
    let chunks = rows * inner / CHUNK;
    let (chunks_here, row_chunks) = (number(chunks)?, number(inner / CHUNK)?);
    let bias = aligned_view(bias)?;
    let mut x: CudaViewMut<f16> = x.as_cuda_slice_mut::<f16>()?.slice_mut(range);
    let kernel = device.get_or_load_custom_func("add_gelu", "packed", PTX)?;
    let mut launch = kernel.builder();
    launch.arg(&mut x).arg(&bias).arg(&chunks_here).arg(&row_chunks);
    // SAFETY: the arguments are those of the kernel in number, type and order. `x` has `chunks` times 8 numbers and `bias`
    // as many as a row, as the operation has checked; each thread reads and writes one chunk of its own.
    unsafe { launch.launch(config(chunks.div_ceil(GELU_THREADS), GELU_THREADS as u32)?) }.w()?;
    Ok(())
}

pub(in super::super) fn pool(tokens: Part, offsets: Part, pooling: Pooling) -> Output {
    let device = tokens.0.device();
    let (_, hidden) = tokens.1.shape().dims2()?;
    check_hidden(hidden)?;
    let texts = offsets.1.shape().elem_count() - 1;
    let kind: u32 = match pooling {
        Pooling::Mean => 0,
        Pooling::Cls => 1,
        Pooling::LastToken => 2,
    };
    let hidden_here = number(hidden)?;
    let (tokens, offsets) = (aligned_view(tokens)?, view::<u32>(offsets)?);
    // SAFETY: the kernel writes all of it.
    let mut out = unsafe { device.alloc::<f32>(texts * hidden) }?;
    let kernel = device.get_or_load_custom_func("pool", "packed", PTX)?;
    let mut launch = kernel.builder();
    launch.arg(&tokens).arg(&offsets).arg(&mut out).arg(&hidden_here).arg(&kind);
    // SAFETY: the arguments are those of the kernel in number, type and order. Offsets end with the number of tokens, as
    // `Packing::new` has made them; there is a block for every text, which writes its vector.
    unsafe { launch.launch(config(texts, POOL_THREADS)?) }.w()?;
    Ok((CudaStorage::wrap_cuda_slice(out, device.clone()), Shape::from((texts, hidden))))
}

/// What can be handed to a device.
pub(crate) trait Number: WithDType + CudaDType + DeviceRepr + bytemuck::Pod {}

impl<T: WithDType + CudaDType + DeviceRepr + bytemuck::Pod> Number for T {}

/// What the host hands to a device and reads of it, by way of page-locked buffers that are kept. The driver copies from them
/// and to them while the host goes on; before it copies from other memory, it may wait for all work that was handed in.
#[derive(Debug, Default)]
pub(crate) struct Transfers(Mutex<Vec<Buffer>>);

#[derive(Debug)]
struct Buffer {
    bytes: PinnedHostSlice<u8>,
    /// Behind the last copy from it or to it. An event of our own: the slice's is recorded only while events are tracked.
    copied: Option<CudaEvent>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // Where waiting fails, the device is lost and copies no more.
        let _ = self.copied.as_ref().map(CudaEvent::synchronize);
    }
}

impl Transfers {
    /// A tensor of these numbers. Waits for no work; what is handed in later finds them there.
    pub(crate) fn send<T: Number>(&self, numbers: &[T], shape: impl Into<Shape>, device: &Device) -> Result<Tensor> {
        let shape = shape.into();
        let Device::Cuda(device) = device else { return Tensor::from_slice(numbers, shape, device) };
        if numbers.len() != shape.elem_count() {
            candle_core::bail!("expected as many numbers as {shape:?} has, got {}", numbers.len());
        }
        let (len, stream) = (size_of_val(numbers), device.cuda_stream());
        let mut buffer = self.buffer(&stream, len)?;
        let source: &mut [T] = bytemuck::cast_slice_mut(&mut buffer.bytes.as_mut_slice().w()?[..len]);
        source.copy_from_slice(numbers);
        // SAFETY: the copy writes all of it before any work that is handed in later.
        let mut out = unsafe { device.alloc::<T>(numbers.len()) }?;
        let copied = stream.memcpy_htod(&*source, &mut out).and_then(|()| stream.record_event(None));
        self.keep(buffer, copied)?;
        let storage = Storage::Cuda(CudaStorage::wrap_cuda_slice(out, device.clone()));
        Ok(Tensor::from_storage(storage, shape, BackpropOp::none(), false))
    }

    /// The numbers of a contiguous f32 tensor. Waits for them, and for no work that is handed in later.
    pub(crate) fn fetch(&self, tensor: &Tensor) -> Result<Vec<f32>> {
        let (storage, layout) = tensor.storage_and_layout();
        let Storage::Cuda(storage) = &*storage else { return tensor.flatten_all()?.to_vec1() };
        let source = view::<f32>((storage, layout))?;
        let (len, stream) = (layout.shape().elem_count() * size_of::<f32>(), storage.device().cuda_stream());
        let mut buffer = self.buffer(&stream, len)?;
        // The copy is as long as its destination: no longer than its source, so.
        let to: &mut [f32] = bytemuck::cast_slice_mut(&mut buffer.bytes.as_mut_slice().w()?[..len]);
        let copied = stream.memcpy_dtoh(&source, to).and_then(|()| stream.record_event(None));
        let copied = copied.and_then(|event| event.synchronize().map(|()| event));
        let numbers = copied.is_ok().then(|| to.to_vec());
        self.keep(buffer, copied)?;
        Ok(numbers.unwrap_or_default())
    }

    /// A buffer of at least `len` bytes that no copy uses.
    fn buffer(&self, stream: &CudaStream, len: usize) -> Result<Buffer> {
        stream.context().bind_to_thread().w()?;
        let is_free = |buffer: &Buffer| buffer.copied.as_ref().is_none_or(CudaEvent::is_complete);
        if let Ok(mut kept) = self.0.lock()
            && let Some(fits) = kept.iter().position(|buffer| buffer.bytes.len() >= len && is_free(buffer))
        {
            return Ok(kept.swap_remove(fits));
        }
        // SAFETY: it is read only as far as the host or a copy has filled it. Without flags it is cached memory, which the host
        // reads fast. It begins with a page, so that it holds numbers of any kind.
        let bytes = unsafe { stream.context().alloc_pinned_with_flags(len.next_power_of_two(), 0) }.w()?;
        Ok(Buffer { bytes, copied: None })
    }

    /// Keeps a buffer for a later copy, if the event behind this one is known.
    fn keep(&self, mut buffer: Buffer, copied: std::result::Result<CudaEvent, DriverError>) -> Result<()> {
        match copied {
            Ok(event) => {
                buffer.copied = Some(event);
                if let Ok(mut kept) = self.0.lock() {
                    kept.push(buffer);
                }
                Ok(())
            }
            Err(error) => {
                // The device may still use it.
                std::mem::forget(buffer);
                Err(error).w()
            }
        }
    }
}
