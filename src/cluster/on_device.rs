//! The nearest centroid of every row, proposed by a GPU.
//!
//! The GPU multiplies in f32, and says of every row which product is the largest and how far the others lie below it. Where
//! that is further than rounding takes two products apart, no other centroid is nearer; the few other rows are left to the
//! processor. So the assignment has the same bits wherever it is made.
//!
//! Cost: a pass over rows x centroids products in the memory of the GPU for each of multiplying, largest and second
//! largest. Memory there: twice [`PRODUCTS`] numbers, and the rows as they are stored, where they take at most a quarter of
//! what is free: then they go there once, and otherwise for every search.

use candle_core::{D, DType, Device, Result, Tensor};
use half::f16;
use rayon::prelude::*;

use super::Assignment;
use super::assign::nearest;
use crate::embed::gpu::{Transfers, free_memory};
use crate::embed::kernel::{RoughColumns, dot};
use crate::progress::Silent;
use crate::vectors::Rows;

/// Products that are made at a time: 256 MiB.
const PRODUCTS: usize = 1 << 26;

/// Most rows that are multiplied at a time.
const MOST_ROWS: usize = 1 << 16;

/// Multiplications from which the way to the GPU is worth it: some milliseconds of a processor.
const LEAST_WORK: usize = 1 << 30;

/// Rows that are searched on a GPU.
#[derive(Debug)]
pub(super) struct DeviceRows<'a> {
    rows: Rows<'a>,
    device: &'a Device,
    transfers: Transfers,
    /// Rows that are multiplied at a time.
    step: usize,
    /// The rows on the device, `step` at a time, as far as they are there to stay.
    kept: Vec<Tensor>,
    keep: bool,
}

impl<'a> DeviceRows<'a> {
    /// `None` if a search among `k` centroids is left to the processor.
    pub(super) fn new(rows: Rows<'a>, k: usize) -> Option<Self> {
        let device = rows.matrix().device();
        let work = rows.len().saturating_mul(rows.dim()).saturating_mul(k);
        // The GPU names a centroid by a number in f32, of 24 bits.
        let fits = work >= LEAST_WORK && k < 1 << 24;
        (!device.is_cpu() && fits).then(|| Self::with(rows, device, (PRODUCTS / k).clamp(1, MOST_ROWS)))
    }

    fn with(rows: Rows<'a>, device: &'a Device, step: usize) -> Self {
        let bytes = rows.len() * rows.dim() * size_of::<f16>();
        let keep = free_memory(device).is_some_and(|free| bytes <= free / 4);
        Self { rows, device, transfers: Transfers::default(), step, kept: Vec::new(), keep }
    }

    /// The nearest of `centroids` for every row, which are the columns.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) fn assign(&mut self, centroids: &[f32], columns: &RoughColumns) -> Result<Assignment> {
        let (rows, dim) = (self.rows, self.rows.dim());
        let k = centroids.len() / dim;
        // Rows are multiplied as stored: unit vectors that f16 made longer by at most a thousandth.
        let apart = 2.0 * columns.f32_error(dim) * 1.001;
        let decided = |proposal: &[f32]| proposal[1] > apart && (proposal[0] as usize) < k;
        let mut found = Assignment { nearest: vec![0; rows.len()], similarity: vec![0.0; rows.len()] };
        let mut undecided: Vec<usize> = Vec::new();
        self.propose(centroids, |first, proposals| {
            let here = first..first + proposals.len() / 2;
            let places = found.nearest[here.clone()].par_iter_mut().zip(&mut found.similarity[here]);
            places.zip(proposals.par_chunks_exact(2)).enumerate().for_each_init(
                || vec![0.0; dim],
                |unit, (i, ((nearest, similarity), proposal))| {
                    if decided(proposal) {
                        *nearest = proposal[0] as u32;
                        rows.read_row(first + i, unit);
                        *similarity = dot(unit, &centroids[*nearest as usize * dim..][..dim]);
                    }
                },
            );
            let open = proposals.chunks_exact(2).enumerate().filter(|(_, proposal)| !decided(proposal));
            undecided.extend(open.map(|(i, _)| first + i));
        })?;
        let indices: Vec<u32> = undecided.iter().map(|&i| rows.index(i) as u32).collect();
        let rest = nearest(Rows::of(rows.matrix(), &indices), centroids, columns, &[], &Silent);
        for (i, (nearest, similarity)) in undecided.into_iter().zip(rest.nearest.into_iter().zip(rest.similarity)) {
            (found.nearest[i], found.similarity[i]) = (nearest, similarity);
        }
        Ok(found)
    }

    /// Shows `found`, from the row on that it names, of each row two numbers: the centroid that has the largest product, and how
    /// far the others lie below it.
    fn propose(&mut self, centroids: &[f32], mut found: impl FnMut(usize, &[f32])) -> Result<()> {
        let dim = self.rows.dim();
        let centroids = self.transfers.send(centroids, (centroids.len() / dim, dim), self.device)?.t()?;
        let mut before: Option<(usize, Tensor)> = None;
        for first in (0..self.rows.len()).step_by(self.step) {
            let proposals = propose(&self.on_device(first)?, &centroids)?;
            // The device works on these while the host takes those before.
            if let Some((first, proposals)) = before.replace((first, proposals)) {
                found(first, &self.transfers.fetch(&proposals)?);
            }
        }
        if let Some((first, proposals)) = before {
            found(first, &self.transfers.fetch(&proposals)?);
        }
        Ok(())
    }

    /// The `step` rows from `first` on, in f16 as they are stored.
    fn on_device(&mut self, first: usize) -> Result<Tensor> {
        if let Some(kept) = self.kept.get(first / self.step) {
            return Ok(kept.clone());
        }
        let (dim, n) = (self.rows.dim(), self.step.min(self.rows.len() - first));
        let mut components = vec![f16::ZERO; n * dim];
        let to = components.par_chunks_exact_mut(dim).enumerate();
        to.for_each(|(i, to)| to.copy_from_slice(self.rows.row(first + i)));
        let rows = self.transfers.send(&components, (n, dim), self.device)?;
        if self.keep {
            self.kept.push(rows.clone());
        }
        Ok(rows)
    }
}

/// Of each row the number of its largest product with one of the columns, and how far the others lie below: rows x 2, f32.
fn propose(rows: &Tensor, columns: &Tensor) -> Result<Tensor> {
    let products = rows.to_dtype(DType::F32)?.matmul(columns)?;
    let nearest = products.argmax_keepdim(D::Minus1)?;
    let largest = products.gather(&nearest, D::Minus1)?;
    let none = Tensor::full(f32::NEG_INFINITY, nearest.shape(), products.device())?;
    products.scatter_set(&nearest, &none, D::Minus1)?;
    let margin = (largest - products.max_keepdim(D::Minus1)?)?;
    Tensor::cat(&[nearest.to_dtype(DType::F32)?, margin], D::Minus1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::assign;
    use crate::cluster::kmeans::tests::bundles;
    use crate::vectors::EmbeddingMatrix;

    /// On candle's CPU, which computes what a GPU does.
    fn compare(rows: Rows<'_>, centroids: &[f32], step: usize) {
        let columns = RoughColumns::new(rows.dim(), centroids);
        let mut on_device = DeviceRows::with(rows, &Device::Cpu, step);
        for keep in [false, true, true] {
            on_device.keep = keep;
            assert_eq!(on_device.assign(centroids, &columns).unwrap(), assign(rows, centroids));
        }
    }

    #[test]
    fn finds_what_the_processor_finds() {
        let matrix = bundles(12, 40, 48, 0.8);
        let mut centroids = Vec::new();
        matrix.gather((0..60).map(|i| i * 8), &mut centroids);
        let chosen: Vec<u32> = (0..480).rev().step_by(3).collect();
        for step in [1, 100, 480, 1000] {
            compare((&matrix).into(), &centroids, step);
            compare(Rows::of(&matrix, &chosen).fold(1, 2), &centroids, step);
        }
        compare((&matrix).into(), &centroids[..48], 100);
    }

    /// Of equal centroids the first, of a zero row the first as well: these are left to the processor.
    #[test]
    fn leaves_the_processor_what_rounding_could_decide() {
        let matrix = EmbeddingMatrix::from_f32(3, &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.6, 0.8, 0.0, 0.8, 0.6, 0.0]);
        let centroids = [0.8, 0.6, 0.0, 0.6, 0.8, 0.0, 0.8, 0.6, 0.0, 0.6, 0.800_000_1, 0.0];
        compare((&matrix).into(), &centroids, 3);
        let mut proposed = Vec::new();
        let mut on_device = DeviceRows::with((&matrix).into(), &Device::Cpu, 4);
        on_device.propose(&centroids, |_, proposals| proposed.extend_from_slice(proposals)).unwrap();
        assert!(proposed.chunks_exact(2).all(|proposal| proposal[1] < 1e-6), "{proposed:?}");
    }

    #[test]
    fn decides_most_rows() {
        let matrix = bundles(12, 40, 48, 0.8);
        let mut centroids = Vec::new();
        matrix.gather((0..60).map(|i| i * 8), &mut centroids);
        let apart = 2.0 * RoughColumns::new(48, &centroids).f32_error(48);
        let mut decided = 0;
        DeviceRows::with((&matrix).into(), &Device::Cpu, 480)
            .propose(&centroids, |_, proposals| decided = proposals.chunks_exact(2).filter(|p| p[1] > apart).count())
            .unwrap();
        assert!(decided > 470, "{decided} of 480");
    }
}
