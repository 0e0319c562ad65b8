//! Vectors of a corpus: in memory, on disk, and searched.

pub mod knn;
mod matrix;
pub mod moments;
mod npy;
mod parquet;
pub mod pca;
mod rows;
pub mod store;
pub(crate) mod tile;

pub use knn::Index;
pub use matrix::EmbeddingMatrix;
#[cfg(test)]
pub(crate) use matrix::at;
pub use npy::{NpyReader, NpyWriter};
pub use parquet::ParquetVectorWriter;
pub use rows::Rows;
pub use store::VectorStore;

pub(crate) use crate::embed::kernel::normalize;
