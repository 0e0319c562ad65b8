//! One writer per format: rows' originals, copied into a file of the format they came in.

mod copy;
mod json;
mod lines;
mod parquet;
#[cfg(test)]
mod tests;

pub use copy::CopyWriter;
