//! The GPU of this build against the CPU: of every text, a cosine of at least 0.9995 to its vector in f32; and the same
//! clusters.
//!
//! `cargo test --release --features cuda --test parity device` on a machine with the GPU; `SEMCOV_DEVICE` names another than
//! the first, or several, and `SEMCOV_LONGEST` the length of the longest text, where a GPU is slow because it is none
//! (`.ci/check-cuda-host`). Without such features there is no such test, and without the GPU it fails.

use std::sync::Mutex;

use semcov::cluster::kmeans::KMeansParams;
use semcov::embed::{ArtifactOptions, Artifacts, Device, Encoder, OpenDevice, TokenizedText, TransformerEncoder};
use semcov::progress::{Progress, Silent};
use semcov::vectors::EmbeddingMatrix;

const LEAST_COSINE: f64 = 0.9995;
const FAMILIES: [&str; 7] = ["bert-mean", "bert-cls", "distilbert", "xlm-roberta", "modernbert", "nomic", "qwen3"];

fn gpu() -> OpenDevice {
    let name = std::env::var("SEMCOV_DEVICE").unwrap_or_else(|_| "auto".to_owned());
    let device = name.parse::<Device>().unwrap().open().unwrap();
    assert_ne!(device.device, Device::Cpu, "this test needs a GPU: {}", device.warning.unwrap_or_default());
    device
}

/// Texts of every length from one token to the limit, and the longest again beside one of a single token.
fn batches(max_tokens: usize, vocabulary: u32) -> Vec<Vec<TokenizedText>> {
    let longest = std::env::var("SEMCOV_LONGEST").map_or(max_tokens, |tokens| tokens.parse().unwrap());
    let max_tokens = max_tokens.min(longest);
    let text = |length: usize| {
        let ids = (0..length as u32).map(|i| (i * 31 + length as u32).wrapping_mul(2_654_435_761) % vocabulary);
        TokenizedText { ids: ids.collect(), truncated: 0 }
    };
    let all = (1..=max_tokens).rev().map(text).collect();
    vec![all, vec![text(max_tokens), text(1)], vec![text(1)], vec![text(16), text(15)], vec![]]
}

/// The precision on the GPU.
fn compare(what: &str, artifacts: &Artifacts, vocabulary: u32) -> String {
    let cpu = TransformerEncoder::load(artifacts, &OpenDevice::cpu()).unwrap();
    let gpu = TransformerEncoder::load_fastest(artifacts, &gpu()).unwrap();
    let dim = cpu.id().dim;
    let mut lowest = f64::INFINITY;
    for batch in batches(artifacts.max_tokens, vocabulary) {
        let (expected, got) = (cpu.encode(&batch).unwrap(), gpu.encode(&batch).unwrap());
        assert_eq!(got.len(), expected.len());
        for ((text, a), b) in batch.iter().zip(got.chunks_exact(dim)).zip(expected.chunks_exact(dim)) {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
            assert!((dot(a, a) - 1.0).abs() < 1e-5, "{what}, {} tokens: length {}", text.ids.len(), dot(a, a).sqrt());
            let cosine = dot(a, b);
            assert!(cosine >= LEAST_COSINE, "{what}, {} tokens: cosine {cosine}", text.ids.len());
            lowest = lowest.min(cosine);
        }
    }
    println!("{what} in {}: lowest cosine {lowest:.7}", gpu.id().precision);
    gpu.id().precision.clone()
}

#[cfg(feature = "embedded-model")]
#[test]
fn the_encoder_in_the_binary() {
    let precision = compare("all-MiniLM-L6-v2", &Artifacts::embedded().unwrap(), 30_522);
    // Not what an encoder falls back to whose vectors are too far off.
    assert_eq!(precision, if cfg!(feature = "cuda") { "f16-cuda" } else { "f32-metal" });
}

#[test]
fn every_architecture() {
    for family in FAMILIES {
        let folder = format!("{}/tests/parity/fixtures/encoders/{family}", env!("CARGO_MANIFEST_DIR"));
        let artifacts = Artifacts::resolve(&folder, &ArtifactOptions::default()).unwrap();
        let config: serde_json::Value = serde_json::from_str(&artifacts.config_json).unwrap();
        let vocabulary = config["vocab_size"].as_u64().unwrap();
        compare(family, &artifacts, u32::try_from(vocabulary).unwrap());
    }
}

/// Batches from several threads at a time, as a corpus is embedded, are batches one after the other.
#[cfg(feature = "embedded-model")]
#[test]
fn batches_at_once_are_batches_in_turn() {
    let encoder = TransformerEncoder::load_fastest(&Artifacts::embedded().unwrap(), &gpu()).unwrap();
    let batches = batches(256, 30_522);
    let in_turn: Vec<_> = batches.iter().map(|batch| encoder.encode(batch).unwrap()).collect();
    for _ in 0..20 {
        let at_once: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = batches.iter().map(|batch| scope.spawn(|| encoder.encode(batch).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (a, b) in at_once.iter().flatten().zip(in_turn.iter().flatten()) {
            assert!((a - b).abs() < 1e-3, "{a} and {b}");
        }
    }
}

/// Clusters are found on the GPU bit by bit as on the processor, of more rows than go there at a time.
#[test]
fn clusters_are_those_of_the_processor() {
    let (n, dim, k) = (70_000_u32, 48, 400);
    let scatter = |i: u32| f64::from(i.wrapping_mul(2_654_435_761)) / f64::from(u32::MAX) - 0.5;
    let rows: Vec<f32> = (0..n)
        .flat_map(|row| (0..dim).map(move |i| (scatter(row % 500 * dim + i) + 0.3 * scatter(!(row * dim + i))) as f32))
        .collect();
    let matrix = EmbeddingMatrix::from_f32(dim as usize, &rows);
    let params = KMeansParams { max_iterations: 4, ..KMeansParams::new(k) }.check().unwrap();
    let warnings = Warnings::default();
    let on_gpu = params.fit(&matrix.clone().on(&gpu()), None, &warnings);
    assert_eq!(on_gpu, params.fit(&matrix, None, &Silent));
    // The processor goes on where a GPU has too little memory.
    let warnings = warnings.0.into_inner().unwrap();
    assert_eq!(warnings.is_empty(), std::env::var_os("SEMCOV_SMALL_GPU").is_none(), "{warnings:?}");
}

#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Progress for Warnings {
    fn warn(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}
