//! Every architecture against the library it comes from, on the tiny random encoders of `make_encoders.py`.
//!
//! The reference is sentence-transformers on transformers, in f32, each text alone. Weights are the same f16 numbers, so
//! that what differs is the order of sums: cosines stay within a few 1e-7 of 1. The bound is far from that, and still
//! closer than a tanh GELU in place of the exact one comes (see `a_tanh_gelu_would_be_seen`).

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{DType, Device, IndexOp, Tensor};
use candle_nn::VarBuilder;
use semcov::embed::{
    Agreement, ArtifactOptions, Artifacts, Encoder, OpenDevice, Pooling, Precision, TokenizedText, TransformerEncoder,
    Verification, Weights, model,
};

const FAMILIES: [(&str, Pooling, &str); 7] = [
    ("bert-mean", Pooling::Mean, ""),
    ("bert-cls", Pooling::Cls, ""),
    ("distilbert", Pooling::Mean, ""),
    ("xlm-roberta", Pooling::Cls, ""),
    ("modernbert", Pooling::Mean, "search_query: "),
    ("nomic", Pooling::Mean, "clustering: "),
    ("qwen3", Pooling::LastToken, "Instruct: topic\nQuery:"),
];

const LEAST_COSINE: f64 = 0.999_999;

/// Of a component of a unit vector.
const MOST_DIFFERENCE: f32 = 1e-5;

fn folder(family: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/encoders").join(family)
}

fn artifacts(family: &str) -> Artifacts {
    Artifacts::resolve(folder(family).to_str().unwrap(), &ArtifactOptions::default()).unwrap()
}

fn texts() -> Vec<String> {
    serde_json::from_str(&fs_err::read_to_string(folder("texts.json")).unwrap()).unwrap()
}

fn reference(family: &str) -> Vec<Vec<f32>> {
    let file = candle_core::safetensors::load(folder(family).join("vectors.safetensors"), &Device::Cpu).unwrap();
    file["vectors"].to_vec2().unwrap()
}

fn tokenize(artifacts: &Artifacts) -> Vec<TokenizedText> {
    let encoder = TransformerEncoder::load(artifacts, &OpenDevice::cpu()).unwrap();
    encoder.tokenize(&texts().iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
}

fn weights(artifacts: &Artifacts, dtype: DType) -> VarBuilder<'static> {
    let Weights::Files(files) = &artifacts.weights else { panic!("weights of a folder are files") };
    let tensors: HashMap<_, _> =
        files.iter().flat_map(|file| candle_core::safetensors::load(file, &Device::Cpu).unwrap()).collect();
    VarBuilder::from_tensors(tensors, dtype, &Device::Cpu)
}

/// All texts in one batch, padded on the right with a token that is not the padding token, and pooled by hand.
fn padded(config: &serde_json::Value, weights: VarBuilder, pooling: Pooling, batch: &[TokenizedText]) -> Vec<Vec<f32>> {
    let network = model::load(config, weights).unwrap();
    let longest = batch.iter().map(|text| text.ids.len()).max().unwrap();
    let row = |values: &mut dyn Iterator<Item = u32>, filler: u32| {
        let mut row: Vec<u32> = values.collect();
        row.resize(longest, filler);
        row
    };
    let ids: Vec<_> = batch.iter().map(|text| row(&mut text.ids.iter().copied(), 7)).collect();
    let mask: Vec<_> = batch.iter().map(|text| row(&mut text.ids.iter().map(|_| 1), 0)).collect();
    let tensor = |rows: Vec<Vec<u32>>| Tensor::new(rows, &Device::Cpu).unwrap();
    let out = network.forward(&tensor(ids), &tensor(mask)).unwrap().to_dtype(DType::F32).unwrap();
    assert_eq!(out.dims(), [batch.len(), longest, network.hidden_size()]);
    assert!(out.sum_all().unwrap().to_scalar::<f32>().unwrap().is_finite(), "padding rows are finite too");
    let pool = |(i, text): (usize, &TokenizedText)| {
        let own = out.i((i, ..text.ids.len())).unwrap();
        let pooled = match pooling {
            Pooling::Mean => own.mean(0),
            Pooling::Cls => own.get(0),
            Pooling::LastToken => own.get(text.ids.len() - 1),
        };
        pooled.unwrap().to_vec1().unwrap()
    };
    batch.iter().enumerate().map(pool).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The largest difference between two components after normalization.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    let length = |a: &[f32]| a.iter().map(|x| x * x).sum::<f32>().sqrt();
    let (a_length, b_length) = (length(a), length(b));
    a.iter().zip(b).map(|(x, y)| (x / a_length - y / b_length).abs()).fold(0.0, f32::max)
}

fn compare(family: &str, what: &str, vectors: &[Vec<f32>], expected: &[Vec<f32>], least: f64, most: f32) {
    assert_eq!(vectors.len(), expected.len());
    let cosines: Vec<_> = vectors.iter().zip(expected).map(|(a, b)| cosine(a, b)).collect();
    for (i, cosine) in cosines.iter().enumerate() {
        assert!(*cosine >= least, "{family}, {what}: cosine of text {i}: expected at least {least}, got {cosine}");
    }
    let largest = vectors.iter().zip(expected).map(|(a, b)| difference(a, b)).fold(0.0, f32::max);
    let lowest = cosines.into_iter().fold(f64::INFINITY, f64::min);
    println!("{family}, {what}: lowest cosine {lowest:.9}, largest difference of a component {largest:.1e}");
    assert!(largest <= most, "{family}, {what}: expected components within {most}, got {largest}");
}

#[test]
fn folders_say_what_they_need() {
    for (family, pooling, prompt) in FAMILIES {
        let artifacts = artifacts(family);
        assert_eq!(artifacts.name, family);
        assert_eq!((artifacts.pooling, artifacts.prompt.as_str(), artifacts.max_tokens), (pooling, prompt, 48));
        assert_eq!(artifacts.verification, Verification::Unverified);
        assert!(artifacts.warnings.is_empty(), "{family}: {:?}", artifacts.warnings);
    }
}

#[test]
fn every_text_alone_agrees_with_sentence_transformers() {
    for (family, ..) in FAMILIES {
        let encoder = TransformerEncoder::load(&artifacts(family), &OpenDevice::cpu()).unwrap();
        let texts = texts();
        let tokenized = encoder.tokenize(&texts.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        assert!(tokenized.iter().any(|text| text.truncated > 0 && text.ids.len() == 48), "{family}: none at the limit");
        let vectors = encoder.encode(&tokenized).unwrap();
        let rows: Vec<_> = vectors.chunks_exact(encoder.id().dim).map(<[f32]>::to_vec).collect();
        compare(family, "alone", &rows, &reference(family), LEAST_COSINE, MOST_DIFFERENCE);
        let reversed: Vec<_> = tokenized.iter().rev().cloned().collect();
        let again = encoder.encode(&reversed).unwrap();
        assert!(
            again.chunks_exact(encoder.id().dim).rev().eq(rows.iter().map(Vec::as_slice)),
            "{family}: bytes differ"
        );
    }
}

/// A precision is taken only where it holds its bound, on texts that it was not chosen with; where there is but f32, that.
#[test]
fn the_fastest_precision_stays_near_f32() {
    for (family, ..) in FAMILIES {
        let artifacts = artifacts(family);
        let [in_f32, fastest] = [TransformerEncoder::load, TransformerEncoder::load_fastest]
            .map(|load| load(&artifacts, &OpenDevice::cpu()).unwrap());
        let tokenized = tokenize(&artifacts);
        let [expected, found] = [&in_f32, &fastest].map(|encoder| encoder.encode(&tokenized).unwrap());
        let found = Agreement::of(&found, &expected, in_f32.id().dim);
        println!("{family}: {}, {found:?}", fastest.id().precision);
        let precision: Precision = fastest.id().precision.parse().unwrap();
        assert!(found.holds(Agreement::expected(precision)), "{family}, {precision}: {found:?}");
        if precision != Precision::F32 {
            assert!(["bert-mean", "bert-cls", "xlm-roberta"].contains(&family), "{family} has kernels for f32 alone");
        }
    }
}

#[test]
fn every_text_in_a_padded_batch_agrees_with_sentence_transformers() {
    for (family, pooling, _) in FAMILIES {
        let artifacts = artifacts(family);
        let config = serde_json::from_str(&artifacts.config_json).unwrap();
        let rows = padded(&config, weights(&artifacts, DType::F32), pooling, &tokenize(&artifacts));
        compare(family, "padded", &rows, &reference(family), LEAST_COSINE, MOST_DIFFERENCE);
    }
}

/// A text may contain the padding token, by its name. Where positions count the other tokens, padding has a position of its own.
#[test]
fn padding_within_a_text_has_its_own_position() {
    let artifacts = artifacts("xlm-roberta");
    let config = serde_json::from_str(&artifacts.config_json).unwrap();
    let texts: [&[u32]; 4] = [&[0, 1, 50, 60, 2], &[1, 70, 1, 1, 80, 2], &[0, 90, 100, 2, 1], &[0, 5, 2]];
    let tokenized = texts.map(|ids| TokenizedText { ids: ids.to_vec(), truncated: 0 });
    let encoder = TransformerEncoder::load(&artifacts, &OpenDevice::cpu()).unwrap();
    let vectors = encoder.encode(&tokenized).unwrap();
    let rows: Vec<_> = vectors.chunks_exact(encoder.id().dim).map(<[f32]>::to_vec).collect();
    let expected = padded(&config, weights(&artifacts, DType::F32), artifacts.pooling, &tokenized);
    compare("xlm-roberta", "with padding within", &rows, &expected, LEAST_COSINE, MOST_DIFFERENCE);
}

/// Half precision rounds, and must do nothing worse: no NaN from a mask, no position that runs together with the next.
/// BERT goes through candle, whose mask is NaN there; it is run in f32 alone.
#[test]
fn half_precision_only_rounds() {
    for (family, pooling, _) in FAMILIES.into_iter().filter(|(family, ..)| !family.starts_with("bert")) {
        let artifacts = artifacts(family);
        let config = serde_json::from_str(&artifacts.config_json).unwrap();
        let rows = padded(&config, weights(&artifacts, DType::F16), pooling, &tokenize(&artifacts));
        compare(family, "padded in f16", &rows, &reference(family), 0.999, 0.05);
    }
}

/// The bound on components lets no tanh GELU pass for the exact one.
#[test]
fn a_tanh_gelu_would_be_seen() {
    let artifacts = artifacts("distilbert");
    let config = artifacts.config_json.replace("\"gelu\"", "\"gelu_new\"");
    assert_ne!(config, artifacts.config_json);
    let config = serde_json::from_str(&config).unwrap();
    let rows = padded(&config, weights(&artifacts, DType::F32), Pooling::Mean, &tokenize(&artifacts));
    let largest = rows.iter().zip(reference("distilbert")).map(|(a, b)| difference(a, &b)).fold(0.0, f32::max);
    assert!(largest > 2.0 * MOST_DIFFERENCE, "{largest}");
}

/// Checkpoints saved with a head have the network under a name of its own.
#[test]
fn weights_are_found_under_every_prefix() {
    let own = [("bert-cls", "bert."), ("xlm-roberta", "roberta.")];
    for (family, prefix) in
        [("bert-mean", "bert."), ("distilbert", "distilbert."), ("modernbert", "model."), ("qwen3", "model.")]
            .into_iter()
            .chain(own)
    {
        let artifacts = artifacts(family);
        let Weights::Files(files) = &artifacts.weights else { panic!("weights of a folder are files") };
        let tensors = candle_core::safetensors::load(&files[0], &Device::Cpu).unwrap();
        let moved: HashMap<_, _> = tensors
            .into_iter()
            .map(|(name, tensor)| match name.strip_prefix(prefix) {
                Some(bare) => (bare.to_owned(), tensor),
                None => (format!("{prefix}{name}"), tensor),
            })
            .collect();
        let config = serde_json::from_str(&artifacts.config_json).unwrap();
        let moved = VarBuilder::from_tensors(moved, DType::F32, &Device::Cpu);
        let tokenized = tokenize(&artifacts);
        let rows = padded(&config, moved, artifacts.pooling, &tokenized);
        assert!(rows == padded(&config, weights(&artifacts, DType::F32), artifacts.pooling, &tokenized), "{family}");
    }
}

/// Most configurations on the hub are older than transformers 5, and name some settings otherwise.
#[test]
fn former_spellings_of_settings_are_read() {
    type Renamed = (&'static str, &'static [&'static str], serde_json::Value);
    let former: [Renamed; 3] = [
        (
            "modernbert",
            &["layer_types", "rope_parameters", "norm_eps"],
            serde_json::json!({
                "global_attn_every_n_layers": 3, "global_rope_theta": 160_000.0, "local_rope_theta": 10_000.0,
                "layer_norm_eps": 1e-5,
            }),
        ),
        (
            "nomic",
            &[
                "hidden_size",
                "num_attention_heads",
                "num_hidden_layers",
                "intermediate_size",
                "hidden_act",
                "max_position_embeddings",
                "layer_norm_eps",
                "rope_parameters",
            ],
            serde_json::json!({
                "n_embd": 32, "n_head": 4, "n_layer": 2, "n_inner": 64, "n_positions": 64, "rotary_emb_base": 1000,
                "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": false, "layer_norm_epsilon": 1e-12,
                "activation_function": "swiglu", "qkv_proj_bias": false, "prenorm": false,
            }),
        ),
        ("qwen3", &["rope_parameters"], serde_json::json!({"rope_theta": 10_000.0, "rope_scaling": null})),
    ];
    for (family, gone, added) in former {
        let artifacts = artifacts(family);
        let mut config: serde_json::Value = serde_json::from_str(&artifacts.config_json).unwrap();
        let fields = config.as_object_mut().unwrap();
        for name in gone {
            assert!(fields.remove(*name).is_some(), "{family}: {name}");
        }
        fields.extend(added.as_object().unwrap().clone());
        let rows = padded(&config, weights(&artifacts, DType::F32), artifacts.pooling, &tokenize(&artifacts));
        compare(family, "former configuration", &rows, &reference(family), LEAST_COSINE, MOST_DIFFERENCE);
    }
}

/// A setting that would change vectors and is not known here is an error, not a guess.
#[test]
fn scaled_rotary_positions_are_refused() {
    for family in ["nomic", "qwen3"] {
        let artifacts = artifacts(family);
        let mut config: serde_json::Value = serde_json::from_str(&artifacts.config_json).unwrap();
        config["rope_parameters"]["rope_type"] = "yarn".into();
        let error = model::load(&config, weights(&artifacts, DType::F32)).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("yarn")), "{family}");
    }
}
