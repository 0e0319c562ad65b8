//! A map of vectors, and how long it takes.
//!
//! `cargo bench --bench map -- VECTORS.npy OUT.npy [SEED [EXACT]]` lays out the rows of a file and writes their places (n x
//! 2, f32). EXACT is the number of points up to which neighbours are searched among all of them. Prints one line of JSON.
//! `benchsuite/map.py` repeats it beside umap-learn.
#![expect(clippy::print_stdout, reason = "prints what it measured")]

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Instant;

use semcov::map::{MapParams, lay_out};
use semcov::progress::Silent;
use semcov::vectors::{EmbeddingMatrix, NpyReader, NpyWriter};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [vectors, out, numbers @ ..] = arguments.as_slice() else {
        println!("usage: cargo bench --bench map -- VECTORS.npy OUT.npy [SEED [EXACT]]");
        return Ok(());
    };
    let (mut npy, mut rows) = (NpyReader::open(Path::new(vectors))?, Vec::new());
    while let Some(row) = npy.next_row()? {
        rows.extend(row);
    }
    let matrix = EmbeddingMatrix::from_f32(npy.dim(), &rows);
    drop(rows);
    let mut params = MapParams::default();
    if let Some(seed) = numbers.first() {
        params.seed = seed.parse()?;
    }
    if let Some(exact) = numbers.get(1) {
        params.exact = exact.parse()?;
    }
    let start = Instant::now();
    let layout = lay_out((&matrix).into(), &params, &Silent);
    let seconds = start.elapsed().as_secs_f64();
    let mut writer = NpyWriter::new(BufWriter::new(File::create(out)?), layout.xy.len() as u64, 2)?;
    layout.xy.iter().try_for_each(|xy| writer.push(xy))?;
    writer.finish()?;
    println!("{}", serde_json::json!({ "points": matrix.len(), "method": layout.method, "seconds": seconds }));
    Ok(())
}
