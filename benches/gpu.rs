//! Tokens per second of the built-in encoder on a device, stage by stage.
//!
//! `cargo bench --features cuda --bench gpu -- ROUNDS TEXTS DEVICE` reads one text per line, tokenizes them, sorts them by
//! length, and times the forward pass with pooling ROUNDS times. Batches are handed to GPUs as `embed_corpus` does it:
//! several at a time. Then ten iterations of k-means with 1,024 centroids run over the vectors, on the device and on the
//! processor. Prints one line of JSON: rates of tokenization and forward pass (the median), the mean and least cosine to f32
//! on the CPU over a thousand of the texts, seconds of k-means, and whether both found the same.
#![expect(clippy::print_stdout, reason = "prints what it measured")]

use std::error::Error;
use std::ops::Range;
use std::sync::Mutex;
use std::time::Instant;

use semcov::cluster::kmeans::{KMeans, KMeansParams};
use semcov::embed::{Artifacts, Device, Encoder, OpenDevice, TokenizedText, TransformerEncoder};
use semcov::progress::Silent;
use semcov::vectors::EmbeddingMatrix;

const COMPARED_TEXTS: usize = 1000;
const CENTROIDS: usize = 1024;
const ITERATIONS: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let ([rounds, file, device], Some(artifacts)) = (arguments.as_slice(), Artifacts::embedded()) else {
        println!("usage: cargo bench --bench gpu -- ROUNDS TEXTS DEVICE    (with the feature embedded-model)");
        return Ok(());
    };
    let rounds: usize = rounds.parse()?;
    let texts = fs_err::read_to_string(file)?;
    let texts: Vec<&str> = texts.lines().collect();
    let device = device.parse::<Device>()?.open()?;
    let encoder = TransformerEncoder::load_fastest(&artifacts, &device)?;
    let start = Instant::now();
    let mut tokenized = encoder.tokenize(&texts)?;
    let tokenizing = start.elapsed().as_secs_f64();
    tokenized.sort_by_key(|text| std::cmp::Reverse(text.ids.len()));
    let tokens: usize = tokenized.iter().map(|text| text.ids.len()).sum();

    let (mut seconds, mut vectors) = (Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        let start = Instant::now();
        vectors = embed(&encoder, &tokenized)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);

    let step = (tokenized.len() / COMPARED_TEXTS).max(1);
    let compared: Vec<TokenizedText> = tokenized.iter().step_by(step).cloned().collect();
    let reference = TransformerEncoder::load(&artifacts, &OpenDevice::cpu())?.encode(&compared)?;
    let dim = encoder.id().dim;
    let rows = vectors.chunks_exact(dim).step_by(step).zip(reference.chunks_exact(dim));
    let dot = |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let cosines: Vec<f64> = rows.map(dot).collect();
    let matrix = EmbeddingMatrix::from_f32(dim, &vectors);
    let (on_device, seconds_on_device) = cluster(&matrix.clone().on(&device))?;
    let (on_processor, seconds_on_processor) = cluster(&matrix)?;
    let line = serde_json::json!({
        "device": encoder.device(),
        "precision": encoder.id().precision,
        "texts": texts.len(),
        "tokens": tokens,
        "tokens_per_second": (tokens as f64 / seconds[seconds.len() / 2]).round(),
        "tokens_per_second_tokenizing": (tokens as f64 / tokenizing).round(),
        "mean_cosine": cosines.iter().sum::<f64>() / cosines.len() as f64,
        "least_cosine": cosines.iter().copied().fold(f64::INFINITY, f64::min),
        "k_means_seconds": seconds_on_device,
        "k_means_seconds_on_processor": seconds_on_processor,
        "same_clusters": on_device == on_processor,
    });
    println!("{line}");
    Ok(())
}

/// K-means from evenly spread rows, on where the matrix is computed, and its seconds.
fn cluster(matrix: &EmbeddingMatrix) -> semcov::Result<(KMeans, f64)> {
    let k = CENTROIDS.min(matrix.len());
    let mut seeds = Vec::new();
    matrix.gather((0..k).map(|i| i * matrix.len() / k), &mut seeds);
    let params = KMeansParams {
        max_iterations: ITERATIONS,
        tolerance: 0.0,
        points_per_cluster: matrix.len(),
        max_points: matrix.len(),
        ..KMeansParams::new(k)
    };
    let start = Instant::now();
    let fit = params.check()?.fit_from(matrix, None, seeds, &Silent);
    Ok((fit, start.elapsed().as_secs_f64()))
}

/// The vectors of all texts, which are sorted by length.
fn embed(encoder: &TransformerEncoder, texts: &[TokenizedText]) -> semcov::Result<Vec<f32>> {
    if encoder.calls_at_once() == 1 {
        return encoder.encode(texts);
    }
    let mut batches: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    while start < texts.len() {
        let longest = texts[start].ids.len().max(1);
        let end = texts.len().min(start + (encoder.tokens_per_batch() / longest).max(1));
        batches.push(start..end);
        start = end;
    }
    let (left, done) = (Mutex::new(batches.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..encoder.calls_at_once() {
            scope.spawn(|| {
                while let Some(batch) = left.lock().ok().and_then(|mut left| left.next()) {
                    let vectors = encoder.encode(&texts[batch.clone()]);
                    if let Ok(mut done) = done.lock() {
                        done.push((batch.start, vectors));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|&(start, _)| start);
    let mut all = Vec::new();
    for (_, vectors) in done {
        all.extend(vectors?);
    }
    Ok(all)
}
