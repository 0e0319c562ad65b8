//! Tokens per second of the built-in encoder on the CPU, in each precision.
//!
//! `cargo bench --bench encode -- TEXTS` reads one text per line, tokenizes them, sorts them by length, and times the
//! forward pass with pooling three times per precision, in turn. Prints one line of JSON for each precision: the median
//! rate, and the mean and least cosine to f32 over all texts.
#![expect(clippy::print_stdout, reason = "prints what it measured")]

use std::error::Error;
use std::time::Instant;

use semcov::embed::{Artifacts, Encoder, OpenDevice, Precision, TransformerEncoder};

const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let ([file], Some(artifacts)) = (arguments.as_slice(), Artifacts::embedded()) else {
        println!("usage: cargo bench --bench encode -- TEXTS    (with the feature embedded-model)");
        return Ok(());
    };
    let texts = fs_err::read_to_string(file)?;
    let texts: Vec<&str> = texts.lines().collect();
    let precisions = [Precision::F32, Precision::Bf16, Precision::Int8];
    let encoders = precisions.map(|precision| TransformerEncoder::load_in(&artifacts, &OpenDevice::cpu(), precision));
    let encoders = encoders.into_iter().collect::<Result<Vec<_>, _>>()?;
    let Some(first) = encoders.first() else { return Ok(()) };
    let mut tokenized = first.tokenize(&texts)?;
    tokenized.sort_by_key(|text| std::cmp::Reverse(text.ids.len()));
    let tokens: usize = tokenized.iter().map(|text| text.ids.len()).sum();

    let mut seconds = vec![Vec::new(); encoders.len()];
    let mut vectors = vec![Vec::new(); encoders.len()];
    for _ in 0..ROUNDS {
        for (encoder, (seconds, vectors)) in encoders.iter().zip(seconds.iter_mut().zip(&mut vectors)) {
            let start = Instant::now();
            *vectors = encoder.encode(&tokenized)?;
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    for ((encoder, seconds), vectors_here) in encoders.iter().zip(&mut seconds).zip(&vectors) {
        seconds.sort_by(f64::total_cmp);
        let rows = vectors_here.chunks_exact(encoder.id().dim).zip(vectors[0].chunks_exact(encoder.id().dim));
        let dot = |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let cosines: Vec<f64> = rows.map(dot).collect();
        let line = serde_json::json!({
            "precision": encoder.id().precision,
            "texts": texts.len(),
            "tokens": tokens,
            "tokens_per_second": (tokens as f64 / seconds[ROUNDS / 2]).round(),
            "mean_cosine": cosines.iter().sum::<f64>() / cosines.len() as f64,
            "least_cosine": cosines.iter().copied().fold(f64::INFINITY, f64::min),
        });
        println!("{line}");
    }
    Ok(())
}
