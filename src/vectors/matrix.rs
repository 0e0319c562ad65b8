//! n x d unit vectors.

use std::sync::Arc;

use candle_core::Device;
use half::f16;

use super::store::{Location, Segment};
use crate::embed::OpenDevice;
use crate::embed::kernel::{normalize, widen_unit};

/// n x d unit vectors, one per distinct text, in the order of the texts' content hashes.
///
/// Components are kept in half precision, as the vector store has them, so that a first run and a cached run compute
/// on the same bits. They are widened to f32 and normalized again as they are read, tile by tile: rounding to f16
/// moves a vector by a cosine of about 1 - 1e-7.
///
/// The rows of a corpus stay in the store's memory-mapped files: in memory there are 8 bytes a row, and what the
/// system keeps of the files while memory is free.
///
/// A clone shares the vectors.
#[derive(Clone, Debug)]
pub struct EmbeddingMatrix {
    dim: usize,
    rows: Arc<Rows>,
    device: Device,
}

#[derive(Debug)]
enum Rows {
    Owned(Vec<f16>),
    Stored(StoredRows),
    Joined([EmbeddingMatrix; 2]),
}

/// Rows that are read where the vector store has them.
#[derive(Debug)]
pub(super) struct StoredRows {
    pub segments: Vec<Segment>,
    pub locations: Vec<Location>,
    /// The folder of a store that nobody else will use. It goes last: some systems do not remove mapped files.
    pub _temporary: Option<tempfile::TempDir>,
}

impl EmbeddingMatrix {
    /// A matrix of `vectors.len() / dim` rows; each is normalized, then rounded to f16. A zero row stays zero.
    ///
    /// # Panics
    /// If `vectors.len()` is no multiple of `dim`.
    #[must_use]
    pub fn from_f32(dim: usize, vectors: &[f32]) -> Self {
        assert!(dim > 0 && vectors.len().is_multiple_of(dim), "whole rows of {dim} components");
        let mut rows = Vec::with_capacity(vectors.len());
        for row in vectors.chunks_exact(dim) {
            let mut row = row.to_vec();
            normalize(&mut row);
            rows.extend(row.into_iter().map(f16::from_f32));
        }
        Self { dim, rows: Arc::new(Rows::Owned(rows)), device: Device::Cpu }
    }

    /// The rows of one matrix, and behind them those of another; nothing is copied.
    ///
    /// # Panics
    /// If their vectors differ in length.
    #[must_use]
    pub fn joined(first: Self, second: Self) -> Self {
        assert_eq!(first.dim, second.dim, "vectors of one length");
        Self { dim: first.dim, device: first.device.clone(), rows: Arc::new(Rows::Joined([first, second])) }
    }

    pub(super) fn stored(dim: usize, rows: StoredRows) -> Self {
        Self { dim, rows: Arc::new(Rows::Stored(rows)), device: Device::Cpu }
    }

    /// The same vectors, where the nearest of many centroids are searched on this device, of several GPUs on the first: the
    /// same ones are found, sooner. They are copied to it only while that is done.
    #[must_use]
    pub fn on(self, device: &OpenDevice) -> Self {
        Self { device: device.candle.first().cloned().unwrap_or(Device::Cpu), ..self }
    }

    /// Where centroids are searched.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Number of vectors.
    #[must_use]
    pub fn len(&self) -> usize {
        match &*self.rows {
            Rows::Owned(components) => components.len() / self.dim,
            Rows::Stored(rows) => rows.locations.len(),
            Rows::Joined(parts) => parts[0].len() + parts[1].len(),
        }
    }

    /// Whether there is no vector.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Components per vector.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Row `i` as stored.
    #[must_use]
    pub fn row(&self, i: usize) -> &[f16] {
        match &*self.rows {
            Rows::Owned(components) => &components[i * self.dim..][..self.dim],
            Rows::Stored(rows) => {
                let Location { segment, row } = rows.locations[i];
                rows.segments[segment as usize].vector(row as usize)
            }
            Rows::Joined(parts) => match i.checked_sub(parts[0].len()) {
                None => parts[0].row(i),
                Some(i) => parts[1].row(i),
            },
        }
    }

    /// Writes row `i` as a unit vector in f32 to `out`, of length `dim`.
    pub fn read_row(&self, i: usize, out: &mut [f32]) {
        widen_unit(self.row(i), out);
    }

    /// Writes the rows named by `indices` as unit vectors in f32, one after the other, to `out` (cleared first).
    pub fn gather(&self, indices: impl IntoIterator<Item = usize>, out: &mut Vec<f32>) {
        out.clear();
        for i in indices {
            let start = out.len();
            out.resize(start + self.dim, 0.0);
            self.read_row(i, &mut out[start..]);
        }
    }
}

/// Unit vectors on the plane at these angles, in degrees.
#[cfg(test)]
pub(crate) fn at(degrees: &[f32]) -> EmbeddingMatrix {
    let rows: Vec<f32> = degrees.iter().flat_map(|a| [a.to_radians().cos(), a.to_radians().sin()]).collect();
    EmbeddingMatrix::from_f32(2, &rows)
}
