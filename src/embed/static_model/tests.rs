use half::f16;
use serde_json::json;

use super::*;
use crate::embed::{ArtifactOptions, Artifacts, Encoder, OpenDevice, Pooling, TransformerEncoder};
use crate::progress::Silent;

/// A BERT of 200 entries and 32 components with random weights.
fn tiny() -> Artifacts {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/fixtures/encoders/bert-cls");
    Artifacts::resolve(folder, &ArtifactOptions::default()).unwrap()
}

fn distillation(dim: usize) -> Distillation {
    let params = DistillParams { dim, ..DistillParams::default() };
    Distillation::new(&tiny(), params.check().unwrap()).unwrap()
}

fn row(model: &StaticModel, id: usize) -> Vec<f64> {
    model.vectors[id * model.dim..][..model.dim].iter().map(|x| x.to_f64()).collect()
}

/// Words a, b, c and the unknown one, with components that are easy to add.
fn of_words(vectors: &[f32]) -> StaticModel {
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "a": 1, "b": 2, "c": 3}, "unk_token": "[UNK]"},
    });
    StaticModel {
        name: "words".to_owned(),
        digest: "d".to_owned(),
        prompt: String::new(),
        max_tokens: 3,
        tokenizer_json: tokenizer.to_string().into_bytes(),
        dim: vectors.len() / 4,
        vectors: vectors.iter().map(|&x| f16::from_f32(x)).collect(),
        config: model::config("words", vectors.len() / 4, 1e-4, "zipf"),
    }
}

fn embed(encoder: &StaticEncoder, texts: &[&str]) -> Vec<f32> {
    encoder.encode(&encoder.tokenize(texts).unwrap()).unwrap()
}

#[test]
fn a_text_is_the_mean_of_its_known_tokens() {
    let encoder = StaticEncoder::new(&of_words(&[0.0, -2.0, 3.0, 0.0, 0.0, 4.0, -3.0, 0.0])).unwrap();
    let texts = ["a", "a b", "b ? a", "a a b", "? ?", "", "a c"];
    let expected = [[1.0, 0.0], [0.6, 0.8], [0.6, 0.8], [6.0 / 52_f32.sqrt(), 4.0 / 52_f32.sqrt()], [0.0, -1.0]];
    let found = embed(&encoder, &texts);
    for (found, expected) in found.chunks_exact(2).zip(expected) {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {expected:?}");
    }
    // Nothing, and what adds up to nothing: as a text without known tokens.
    assert_eq!(found[10..], [0.0, -1.0, 0.0, -1.0]);
    let tokenized = encoder.tokenize(&["a b c a b"]).unwrap();
    assert_eq!((tokenized[0].ids.as_slice(), tokenized[0].truncated), ([1, 2, 3].as_slice(), 2));
    // Without a direction of the unknown token, the first axis.
    let encoder = StaticEncoder::new(&of_words(&[0.0, 0.0, 3.0, 0.0, 0.0, 4.0, -3.0, 0.0])).unwrap();
    assert_eq!(embed(&encoder, &["?"]), [1.0, 0.0]);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let mut model = of_words(&[0.0; 8]);
    model.vectors.truncate(6);
    let error = StaticEncoder::new(&model).unwrap_err().to_string();
    assert!(error.contains("expected ids below 3"), "{error}");
    let encoder = StaticEncoder::new(&of_words(&[1.0; 8])).unwrap();
    let foreign = crate::embed::TokenizedText { ids: vec![4], truncated: 0 };
    assert!(encoder.encode(&[foreign]).unwrap_err().to_string().contains("below 4"));
    for (params, setting) in [
        (DistillParams { dim: 0, ..DistillParams::default() }, "dim"),
        (DistillParams { sif_coefficient: 0.0, ..DistillParams::default() }, "sif-coefficient"),
        (DistillParams { sif_coefficient: f64::NAN, ..DistillParams::default() }, "sif-coefficient"),
    ] {
        assert!(params.check().unwrap_err().to_string().starts_with(setting), "{setting}");
    }
}

/// With all components PCA is a rotation: products of the vectors are those of the encoder's, less the mean, times
/// both weights of Zipf's law. Fewer components are the first ones of these.
#[test]
fn distillation_is_a_rotation_and_weights() {
    let source = Artifacts { pooling: Pooling::LastToken, ..tiny() };
    let tokenizer = tokenizers::Tokenizer::from_bytes(&source.tokenizer_json).unwrap();
    let usable: Vec<u32> = (5..200).collect(); // [PAD] [UNK] [CLS] [SEP] [MASK] come first.
    assert_eq!(tokenizer.id_to_token(2).unwrap(), "[CLS]");
    let encoder = TransformerEncoder::load(&source, &OpenDevice::cpu()).unwrap();
    let frames = usable.iter().map(|&id| crate::embed::TokenizedText { ids: vec![2, id], truncated: 0 });
    let vectors = encoder.encode(&frames.collect::<Vec<_>>()).unwrap();
    let (n, dim) = (usable.len() as f64, 32);
    let mean: Vec<f64> =
        (0..dim).map(|j| vectors.chunks_exact(dim).map(|row| f64::from(row[j])).sum::<f64>() / n).collect();
    let total: f64 = (0..usable.len()).map(|i| 1.0 / (i + 2) as f64).sum();
    let weight = |i: usize| 1e-4 / (1e-4 + 1.0 / ((i + 2) as f64 * total));

    let model = distillation(256).run(&Silent).unwrap();
    assert_eq!((model.entries(), model.dim()), (200, 32));
    let centred = |i: usize| -> Vec<f64> {
        vectors[i * dim..][..dim].iter().zip(&mean).map(|(&x, mean)| (f64::from(x) - mean) * weight(i)).collect()
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for (i, j) in [(0, 0), (0, 1), (3, 100), (100, 101), (194, 194), (57, 194)] {
        let expected = dot(&centred(i), &centred(j));
        let found = dot(&row(&model, i + 5), &row(&model, j + 5));
        let scale = (dot(&centred(i), &centred(i)) * dot(&centred(j), &centred(j))).sqrt();
        assert!((found - expected).abs() < 2e-3 * scale, "{i} {j}: {found} {expected}");
    }
    for special in [0, 2, 3, 4] {
        assert!(row(&model, special).iter().all(|&x| x == 0.0), "{special}");
    }
    assert!(row(&model, 1).iter().any(|&x| x != 0.0), "the unknown token has a direction");
    let variance = |j: usize| (0..195).map(|i| (row(&model, i + 5)[j] / weight(i)).powi(2)).sum::<f64>();
    assert!((1..dim).all(|j| variance(j) < variance(j - 1) * 1.01), "the first axes have the largest variance");

    let short = distillation(8).run(&Silent).unwrap();
    for id in [5, 77, 199] {
        assert_eq!(row(&short, id), row(&model, id)[..8], "{id}");
    }
}

/// Frequencies of a corpus: an entry that half of the tokens are counts b/(b + 1/2) of what it does without, one that is
/// not there all.
#[test]
fn a_corpus_weights_the_entries() {
    let zipf = distillation(32).run(&Silent).unwrap();
    let mut counted = distillation(32);
    let ids = |text: &str| StaticEncoder::new(&zipf).unwrap().tokenize(&[text]).unwrap()[0].ids.clone();
    let (the, refund) = (ids("the")[0] as usize, ids("refund"));
    let refund = refund[0] as usize;
    let tokens = {
        let mut counter = counted.counter().unwrap();
        counter.add(&["the", "the"]).unwrap() + counter.add(&["a a"]).unwrap()
    };
    assert_eq!(tokens, 4);
    let corpus = counted.run(&Silent).unwrap();
    let length = |model: &StaticModel, id: usize| row(model, id).iter().map(|x| x * x).sum::<f64>().sqrt();
    for (id, weight) in [(the, 0.1 / (0.1 + 0.5)), (refund, 1.0)] {
        let ratio = length(&corpus, id) / length(&zipf, id);
        assert!((ratio / weight - 1.0).abs() < 5e-3, "{id}: {ratio} {weight}");
    }
    assert_ne!(corpus.digest, zipf.digest);
    assert_eq!(
        (&corpus.config["token_frequencies"], &zipf.config["token_frequencies"]),
        (&json!("corpus"), &json!("zipf"))
    );
}

#[test]
fn the_same_bytes_at_any_number_of_threads() {
    let texts: Vec<String> = (0..600).map(|i| format!("order {i} the parcel {}", "refund ".repeat(i % 7))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let made = [1, 2, 5].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let model = distillation(16).run(&Silent).unwrap();
            (model.weights().unwrap(), embed(&StaticEncoder::new(&model).unwrap(), &texts))
        })
    });
    assert!(made[0] == made[1] && made[0] == made[2]);
}

#[test]
fn a_kept_model_is_restored_if_it_is_whole_and_of_this_distillation() {
    let own = distillation(8);
    let model = own.run(&Silent).unwrap();
    let weights = model.weights().unwrap();
    assert_eq!(own.restore(&weights), Some(model));
    assert_eq!(distillation(9).restore(&weights), None);
    let mut damaged = weights.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for broken in [&damaged, &weights[..weights.len() - 1], &[]] {
        assert_eq!(own.restore(broken), None);
    }
}

#[test]
fn a_folder_is_read_as_it_was_written() {
    let model = distillation(8).run(&Silent).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in model.files().unwrap() {
        fs_err::write(folder.path().join(name), bytes).unwrap();
    }
    let artifacts = Artifacts::resolve(folder.path().to_str().unwrap(), &ArtifactOptions::default()).unwrap();
    assert!(artifacts.is_static() && !tiny().is_static());
    assert_eq!(
        (artifacts.max_tokens, artifacts.warnings.len(), artifacts.architecture().unwrap().1),
        (MAX_TOKENS, 0, 8)
    );
    let read = StaticModel::load(&artifacts).unwrap();
    assert_eq!((&read.vectors, &read.config), (&model.vectors, &model.config));
    let texts = ["where is my refund", "请", ""];
    let [ours, theirs] = [&model, &read].map(|model| embed(&StaticEncoder::new(model).unwrap(), &texts));
    assert_eq!(ours, theirs);
    let params = DistillParams::default().check().unwrap();
    assert!(Distillation::new(&artifacts, params).is_err(), "what is static already");
}

/// What Model2Vec's `vocabulary_quantization` writes: rows that entries share, and a weight for each entry.
#[test]
fn quantized_vocabularies_are_multiplied_out() {
    use safetensors::tensor::{Dtype, TensorView};
    let file = |rows: &[i8], mapping: &[i64], weights: &[f64]| {
        let [m, w] = [bytemuck::cast_slice(mapping), bytemuck::cast_slice(weights)];
        let tensors = [
            ("embeddings", TensorView::new(Dtype::I8, vec![rows.len() / 2, 2], bytemuck::cast_slice(rows)).unwrap()),
            ("mapping", TensorView::new(Dtype::I64, vec![mapping.len()], m).unwrap()),
            ("weights", TensorView::new(Dtype::F64, vec![weights.len()], w).unwrap()),
        ];
        safetensors::serialize(tensors, None).unwrap()
    };
    let read = |bytes: Vec<u8>| model::entries(&safetensors::SafeTensors::deserialize(&bytes).unwrap());
    let (dim, found) = read(file(&[1, -2, 100, 4], &[1, 0, 1], &[0.5, 1.0, 0.25])).unwrap();
    let found: Vec<f32> = found.into_iter().map(f16::to_f32).collect();
    assert_eq!((dim, found), (2, vec![50.0, 2.0, 1.0, -2.0, 25.0, 1.0]));
    for (mapping, weights) in [(&[2, 0][..], &[1.0, 1.0][..]), (&[-1], &[1.0]), (&[0, 0], &[1.0]), (&[0], &[f64::NAN])]
    {
        assert!(read(file(&[1, -2, 100, 4], mapping, weights)).is_err(), "{mapping:?} {weights:?}");
    }
    assert!(read(file(&[100, 100], &[0], &[1e6])).is_err(), "beyond f16");
}

#[test]
fn placeholders_are_what_they_look_like() {
    for (token, is) in
        [("[unused1]", true), ("[unused993]", true), ("[unused]", false), ("unused1", false), ("[unused1", false)]
    {
        assert_eq!(distill::is_placeholder(token), is, "{token}");
    }
}

/// The tokenizer inside the binary pads to 128 tokens.
#[cfg(feature = "embedded-model")]
#[test]
fn an_entry_stands_behind_what_comes_before_any_text() {
    let vocabulary = distill::Vocabulary::of(&Artifacts::embedded().unwrap()).unwrap();
    assert_eq!(
        (vocabulary.before.as_slice(), vocabulary.unknown, vocabulary.entries),
        ([101].as_slice(), Some(100), 30_522)
    );
    assert_eq!((vocabulary.usable.len(), vocabulary.usable[0]), (30_522 - 994 - 5, 999));
    let params = DistillParams::default().check().unwrap();
    let distillation = Distillation::new(&Artifacts::embedded().unwrap(), params).unwrap();
    let tokenizer = tokenizers::Tokenizer::from_bytes(&distillation.tokenizer_json).unwrap();
    assert_eq!(tokenizer.encode("a", true).unwrap().get_ids(), [1037]);
}

#[test]
fn broken_tokenizers_are_refused() {
    let broken = Artifacts { tokenizer_json: b"[1]".to_vec(), ..tiny() };
    assert!(Distillation::new(&broken, DistillParams::default().check().unwrap()).is_err());
    let unknown_below = |entries| super::unknown_id(br#"{"model": {"unk_id": 9}}"#, entries, |_| None);
    assert_eq!(unknown_below(10).unwrap(), Some(9));
    assert!(unknown_below(9).is_err());
}
