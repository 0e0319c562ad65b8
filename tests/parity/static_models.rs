//! Static encoders against Model2Vec itself, on the tiny random models of `make_static.py`.

use std::path::PathBuf;

use candle_core::Device;
use semcov::embed::{ArtifactOptions, Artifacts, Encoder, StaticEncoder};

/// Model2Vec rounds the vectors of texts to f16 where those of the tokens are f16; of integers it computes in f32, where semcov
/// rounds the tokens' vectors to f16.
const MODELS: [(&str, f32); 2] = [("plain", 1e-3), ("quantized", 5e-4)];

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures")
}

#[test]
fn vectors_are_those_of_model2vec() {
    let texts = fs_err::read_to_string(fixtures().join("encoders/texts.json")).unwrap();
    let texts: Vec<String> = serde_json::from_str(&texts).unwrap();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for (name, most_difference) in MODELS {
        let folder = fixtures().join("static").join(name);
        let artifacts = Artifacts::resolve(folder.to_str().unwrap(), &ArtifactOptions::default()).unwrap();
        let encoder = StaticEncoder::load(&artifacts).unwrap();
        let found = encoder.encode(&encoder.tokenize(&texts).unwrap()).unwrap();
        let expected = candle_core::safetensors::load(folder.join("vectors.safetensors"), &Device::Cpu).unwrap();
        let expected: Vec<Vec<f32>> = expected["vectors"].to_vec2().unwrap();
        let mut nothing = 0;
        for ((text, found), expected) in texts.iter().zip(found.chunks_exact(16)).zip(&expected) {
            assert!((found.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5, "{name}: {text:?} is a unit vector");
            if expected.iter().all(|&x| x == 0.0) {
                // A text of unknown tokens: Model2Vec has zeros.
                nothing += 1;
                continue;
            }
            let difference = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(difference <= most_difference, "{name}: {text:?} differs by {difference}");
        }
        println!("{name}: {} texts, {nothing} of them unknown", texts.len());
        assert_eq!(nothing, 1, "{name}");
    }
}
