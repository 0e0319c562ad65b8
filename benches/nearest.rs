//! Nearest neighbours: 8 bits judged in f32, beside f32 throughout.
//!
//! `cargo bench --bench nearest -- REFERENCE VECTORS.npy...` puts the rows of the files together, shuffles them, takes the
//! first REFERENCE as the reference and the others as queries, and searches the 5 nearest. Prints one line of JSON: queries per
//! second of each, preparation included for the 8 bits; queries whose neighbours differ from those of f32; and the largest
//! difference of a similarity. One run a line: `benchsuite/nearest.py` repeats it beside faiss.
#![expect(clippy::print_stdout, reason = "prints what it measured")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use semcov::progress::Silent;
use semcov::vectors::{EmbeddingMatrix, Index, NpyReader, Rows, knn};

/// Neighbours of the local score.
const NEIGHBOURS: usize = 5;

/// A prime that no number of rows at hand is a multiple of: rows in steps of it come in a mixed order.
const STRIDE: usize = 15_485_863;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [reference, files @ ..] = arguments.as_slice() else {
        println!("usage: cargo bench --bench nearest -- REFERENCE VECTORS.npy...");
        return Ok(());
    };
    let matrix = read(files)?;
    let order: Vec<u32> = (0..matrix.len()).map(|i| (i * STRIDE % matrix.len()) as u32).collect();
    let rows = Rows::of(&matrix, &order);
    let reference = rows.prefix(reference.parse()?);
    let queries = rows.skip(reference.len());

    let (exact, f32_seconds) = timed(|| knn::nearest(queries, reference, NEIGHBOURS, &Silent));
    let (index, index_seconds) = timed(|| Index::new(reference));
    let (found, int8_seconds) = timed(|| index.nearest(queries, NEIGHBOURS, &Silent));
    let differ = (0..queries.len()).filter(|&query| sorted(found.of(query).0) != sorted(exact.of(query).0)).count();
    let pairs = (0..queries.len()).flat_map(|query| found.of(query).1.iter().zip(exact.of(query).1));
    let largest = largest_difference(pairs);

    let per_second = |seconds: f64| (queries.len() as f64 / seconds).round();
    let line = serde_json::json!({
        "queries": queries.len(),
        "reference": reference.len(),
        "nearest_f32": per_second(f32_seconds),
        "nearest_int8": per_second(index_seconds + int8_seconds),
        "nearest_differ": differ,
        "nearest_largest_difference": largest,
    });
    println!("{line}");
    Ok(())
}

fn read(files: &[String]) -> Result<EmbeddingMatrix, Box<dyn Error>> {
    let (mut dim, mut vectors) = (1, Vec::new());
    for file in files {
        let mut npy = NpyReader::open(Path::new(file))?;
        dim = npy.dim();
        while let Some(row) = npy.next_row()? {
            vectors.extend(row);
        }
    }
    Ok(EmbeddingMatrix::from_f32(dim, &vectors))
}

fn timed<T>(run: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = run();
    (result, start.elapsed().as_secs_f64())
}

fn sorted(index: &[u32]) -> Vec<u32> {
    let mut index = index.to_vec();
    index.sort_unstable();
    index
}

fn largest_difference<'a>(pairs: impl Iterator<Item = (&'a f32, &'a f32)>) -> f32 {
    pairs.map(|(found, exact)| (found - exact).abs()).fold(0.0, f32::max)
}
