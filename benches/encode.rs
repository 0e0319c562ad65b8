//! Tokens per second of the built-in encoder on the CPU, in each precision.
//!
//! `cargo bench --bench encode -- ROUNDS TEXTS [FOLDER]` reads one text per line, tokenizes them, sorts them by length, and
//! times the forward pass with pooling: ROUNDS times per precision, in turn. Prints one line of JSON for each precision: the
//! median rate, and the mean and least cosine to f32 over all texts. With FOLDER, the vectors in the order of the texts go
//! to `f32.npy`, `bf16.npy` and `int8.npy` in it.
#![expect(clippy::print_stdout, reason = "prints what it measured")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use semcov::embed::{Agreement, Artifacts, Encoder, OpenDevice, Precision, TransformerEncoder};
use semcov::vectors::NpyWriter;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let ([rounds, file, folder @ ..], Some(artifacts)) = (arguments.as_slice(), Artifacts::embedded()) else {
        println!("usage: cargo bench --bench encode -- ROUNDS TEXTS [FOLDER]    (with the feature embedded-model)");
        return Ok(());
    };
    let rounds: usize = rounds.parse()?;
    let texts = fs_err::read_to_string(file)?;
    let texts: Vec<&str> = texts.lines().collect();
    let precisions = [Precision::F32, Precision::Bf16, Precision::Int8];
    let encoders = precisions.map(|precision| TransformerEncoder::load_in(&artifacts, &OpenDevice::cpu(), precision));
    let encoders = encoders.into_iter().collect::<Result<Vec<_>, _>>()?;
    let Some(first) = encoders.first() else { return Ok(()) };
    let mut numbered: Vec<_> = first.tokenize(&texts)?.into_iter().enumerate().collect();
    numbered.sort_by_key(|(_, text)| std::cmp::Reverse(text.ids.len()));
    let (order, tokenized): (Vec<usize>, Vec<_>) = numbered.into_iter().unzip();
    let tokens: usize = tokenized.iter().map(|text| text.ids.len()).sum();

    let mut seconds = vec![Vec::new(); encoders.len()];
    let mut vectors = vec![Vec::new(); encoders.len()];
    for _ in 0..rounds.max(1) {
        for (encoder, (seconds, vectors)) in encoders.iter().zip(seconds.iter_mut().zip(&mut vectors)) {
            let start = Instant::now();
            *vectors = encoder.encode(&tokenized)?;
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    for ((encoder, seconds), of_encoder) in encoders.iter().zip(&mut seconds).zip(&vectors) {
        seconds.sort_by(f64::total_cmp);
        let agreement = Agreement::of(of_encoder, &vectors[0], encoder.id().dim);
        let line = serde_json::json!({
            "precision": encoder.id().precision,
            "texts": texts.len(),
            "tokens": tokens,
            "tokens_per_second": (tokens as f64 / seconds[seconds.len() / 2]).round(),
            "mean_cosine": agreement.mean,
            "least_cosine": agreement.least,
        });
        println!("{line}");
        if let [folder, ..] = folder {
            let path = Path::new(folder).join(format!("{}.npy", encoder.id().precision));
            write(&path, of_encoder, &order, encoder.id().dim)?;
        }
    }
    Ok(())
}

/// Writes vectors to the places that `order` gives.
fn write(path: &Path, vectors: &[f32], order: &[usize], dim: usize) -> Result<(), Box<dyn Error>> {
    let mut places = vec![0; order.len()];
    for (from, &to) in order.iter().enumerate() {
        places[to] = from;
    }
    let out = std::io::BufWriter::new(fs_err::File::create(path)?);
    let mut writer = NpyWriter::new(out, order.len() as u64, dim)?;
    for from in places {
        writer.push(&vectors[from * dim..][..dim])?;
    }
    Ok(writer.finish()?)
}
