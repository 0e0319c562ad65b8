//! The encoder inside the binary (f16 weights) against sentence-transformers on the published f32 weights.

use std::io::BufReader;
use std::sync::LazyLock;

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::BertModel;
use proptest::prelude::*;
use semcov::embed::{
    Agreement, Artifacts, Encoder, OpenDevice, Pooling, Precision, TokenizedText, TransformerEncoder, Weights,
};
use serde::Deserialize;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/all-MiniLM-L6-v2");

/// In every precision, f32 first.
static ENCODERS: LazyLock<[TransformerEncoder; 3]> = LazyLock::new(|| {
    let artifacts = Artifacts::embedded().expect("the feature is on");
    [Precision::F32, Precision::Bf16, Precision::Int8]
        .map(|precision| TransformerEncoder::load_in(&artifacts, &OpenDevice::cpu(), precision).unwrap())
});

static ENCODER: LazyLock<&TransformerEncoder> = LazyLock::new(|| &ENCODERS[0]);

#[derive(Deserialize)]
struct Golden {
    text: String,
    tokens: usize,
    truncated: usize,
}

fn golden_texts() -> Vec<Golden> {
    let lines = fs_err::read_to_string(format!("{FOLDER}/texts.jsonl")).unwrap();
    lines.split('\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn golden_vectors() -> Vec<f32> {
    let file = BufReader::new(fs_err::File::open(format!("{FOLDER}/vectors.npy")).unwrap());
    npyz::NpyFile::new(file).unwrap().into_vec().unwrap()
}

fn tokenize(texts: &[Golden]) -> Vec<TokenizedText> {
    ENCODER.tokenize(&texts.iter().map(|golden| golden.text.as_str()).collect::<Vec<_>>()).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn every_row_agrees_with_sentence_transformers() {
    let (golden, expected) = (golden_texts(), golden_vectors());
    assert!(golden.len() >= 200, "{}", golden.len());
    assert_eq!(expected.len(), golden.len() * 384);
    let tokenized = tokenize(&golden);
    let vectors = ENCODER.encode(&tokenized).unwrap();
    assert_eq!(vectors.len(), expected.len());
    let mut lowest = f64::INFINITY;
    for (i, golden) in golden.iter().enumerate() {
        let start: String = golden.text.chars().take(40).collect();
        assert_eq!(tokenized[i].ids.len(), golden.tokens, "tokens of row {i}, {start:?}");
        assert_eq!(tokenized[i].truncated, golden.truncated, "tokens cut off row {i}, {start:?}");
        let row = &vectors[i * 384..][..384];
        let similarity = cosine(row, &expected[i * 384..][..384]);
        assert!(similarity >= 0.99999, "cosine of row {i}, {start:?}: expected at least 0.99999, got {similarity}");
        let length = cosine(row, row) * row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        assert!((length - 1.0).abs() < 1e-6, "length of row {i}: expected 1, got {length}");
        lowest = lowest.min(similarity);
    }
    println!("{} rows, lowest cosine {lowest:.9}", golden.len());
}

/// candle's own BERT, on one text at a time, in the same f32 weights.
#[test]
fn the_packed_forward_pass_agrees_with_candle() {
    let artifacts = Artifacts::embedded().unwrap();
    let Weights::Embedded(bytes) = artifacts.weights else { panic!("weights are in the binary") };
    let tensors = candle_core::safetensors::load_buffer(bytes, &candle_core::Device::Cpu).unwrap();
    let weights = VarBuilder::from_tensors(tensors, DType::F32, &candle_core::Device::Cpu);
    let bert = BertModel::load(weights, &serde_json::from_str(&artifacts.config_json).unwrap()).unwrap();
    assert_eq!(artifacts.pooling, Pooling::Mean);
    let tokenized = tokenize(&golden_texts());
    let vectors = ENCODER.encode(&tokenized).unwrap();
    for (i, text) in tokenized.iter().enumerate() {
        let ids = Tensor::new(text.ids.as_slice(), &candle_core::Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let token_vectors = bert.forward(&ids, &ids.zeros_like().unwrap(), None).unwrap();
        let expected: Vec<f32> = token_vectors.squeeze(0).unwrap().mean(0).unwrap().to_vec1().unwrap();
        // Both compute in f32; only the order of sums and the last bits of exp and erf differ.
        let similarity = cosine(&vectors[i * 384..][..384], &expected);
        assert!(similarity >= 0.999_999_9, "cosine of row {i}: {similarity}");
    }
}

/// What lets the fastest precision be taken without measuring, for this encoder.
#[test]
fn lower_precisions_stay_near_sentence_transformers() {
    let tokenized = tokenize(&golden_texts());
    for encoder in &*ENCODERS {
        let found = Agreement::of(&encoder.encode(&tokenized).unwrap(), &golden_vectors(), 384);
        println!("{}: mean {:.6}, least {:.6}", encoder.id().precision, found.mean, found.least);
        let precision = encoder.id().precision.parse().unwrap();
        assert!(found.holds(Agreement::expected(precision)), "{precision}: {found:?}");
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let tokenized = tokenize(&golden_texts());
    for encoder in &*ENCODERS {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| encoder.encode(&tokenized).unwrap())
        };
        let alone = on(1);
        assert!(alone == on(2) && alone == on(3), "{}", encoder.id().precision);
    }
}

#[test]
fn no_text_and_unusable_tokens_are_answered() {
    assert!(ENCODER.encode(&[]).unwrap().is_empty());
    let beyond_vocabulary = TokenizedText { ids: vec![101, 30_522, 102], truncated: 0 };
    let error = ENCODER.encode(&[beyond_vocabulary]).unwrap_err();
    assert!(error.to_string().contains("forward pass"), "{error}");
    let too_long = TokenizedText { ids: vec![101; 513], truncated: 0 };
    assert!(ENCODER.encode(&[too_long]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A text alone and in any batch has the same bytes.
    #[test]
    fn the_batch_changes_no_byte(
        batch in prop::collection::vec((prop_oneof![4 => 1usize..40, 1 => 40usize..257], any::<u32>()), 1..24),
    ) {
        let batch: Vec<TokenizedText> = batch
            .into_iter()
            .map(|(length, seed)| {
                let ids = (0..length as u32).map(|i| seed.wrapping_add(i).wrapping_mul(2_654_435_761) % 30_522);
                TokenizedText { ids: ids.collect(), truncated: 0 }
            })
            .collect();
        for encoder in &*ENCODERS {
            let together = encoder.encode(&batch).unwrap();
            for (i, text) in batch.iter().enumerate() {
                let alone = encoder.encode(std::slice::from_ref(text)).unwrap();
                prop_assert_eq!(&together[i * 384..][..384], alone.as_slice());
            }
        }
    }
}
