//! CLINC150 and SNIPS, and their vectors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use semcov::corpus::{Corpus, CorpusOptions};
use semcov::embed::{
    Artifacts, BadRowLimit, DistillParams, Distillation, EmbedOptions, EmbeddedCorpus, Encoder, OpenDevice, Precision,
    StaticEncoder, TransformerEncoder, embed_corpus,
};
use semcov::progress::Silent;
use semcov::vectors::{EmbeddingMatrix, VectorStore};

/// The distinct texts of a split: vectors and labels, in the order of content hashes.
#[derive(Default)]
pub(crate) struct Split {
    pub(crate) dim: usize,
    pub(crate) vectors: Vec<f32>,
    pub(crate) labels: Vec<String>,
}

/// CLINC150's splits by name, embedded by the encoder inside the binary.
pub(crate) static CLINC: LazyLock<Option<BTreeMap<String, Split>>> = LazyLock::new(|| clinc_in(Precision::F32));

/// The same by the static encoder that is distilled from it.
pub(crate) static STATIC_CLINC: LazyLock<Option<BTreeMap<String, Split>>> = LazyLock::new(|| {
    load_clinc(|file, options| {
        let params = DistillParams::default().check().unwrap();
        let model = Distillation::new(&Artifacts::embedded().unwrap(), params).unwrap().run(&Silent).unwrap();
        embed_by(&StaticEncoder::new(&model).unwrap(), file, options)
    })
});

/// SNIPS, all of it in one split.
pub(crate) static SNIPS: LazyLock<Option<Split>> = LazyLock::new(|| {
    load(&folder().join("snips/snips.jsonl"), &CorpusOptions::default(), embed, |_, _| String::new())?.remove("")
});

/// CLINC150's splits by name, embedded in a precision.
pub(crate) fn clinc_in(precision: Precision) -> Option<BTreeMap<String, Split>> {
    load_clinc(|file, options| embed_in(file, options, precision))
}

fn load_clinc(embed: impl Fn(&Path, &CorpusOptions) -> (Corpus, EmbeddedCorpus)) -> Option<BTreeMap<String, Split>> {
    let options = CorpusOptions { source: Some("split".to_owned()), ..CorpusOptions::default() };
    load(&clinc_file(), &options, embed, |embedded, row| embedded.records.sources.get(row).unwrap().to_owned())
}

/// The splits of a file; `split_of` names that of a row. `None` where there is no such file.
fn load(
    file: &Path,
    options: &CorpusOptions,
    embed: impl Fn(&Path, &CorpusOptions) -> (Corpus, EmbeddedCorpus),
    split_of: impl Fn(&EmbeddedCorpus, usize) -> String,
) -> Option<BTreeMap<String, Split>> {
    if !file.is_file() {
        eprintln!("SKIPPED: {} is absent; name the folder of the shared corpora with SEMCOV_DATA", file.display());
        return None;
    }
    let (_, embedded) = embed(file, options);
    let mut splits: BTreeMap<String, Split> = BTreeMap::new();
    let mut rows: Vec<usize> = (0..embedded.records.len()).collect();
    rows.sort_by_key(|&row| embedded.records.text(row));
    let mut seen = std::collections::BTreeSet::new();
    for row in rows {
        let (name, text) = (split_of(&embedded, row), embedded.records.text(row).unwrap());
        if !seen.insert((name.clone(), text)) {
            continue;
        }
        let split = splits.entry(name).or_default();
        split.dim = embedded.vectors.dim();
        split.vectors.resize(split.vectors.len() + split.dim, 0.0);
        let place = split.vectors.len() - split.dim;
        embedded.vectors.read_row(text as usize, &mut split.vectors[place..]);
        split.labels.push(embedded.records.labels.get(row).unwrap().to_owned());
    }
    Some(splits)
}

fn folder() -> PathBuf {
    std::env::var_os("SEMCOV_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from)
}

fn clinc_file() -> PathBuf {
    folder().join("clinc150/data_full.json")
}

/// The queries of one of CLINC150's splits, with their intents.
pub(crate) fn clinc_rows(split: &str) -> Vec<(String, String)> {
    let splits: serde_json::Value = serde_json::from_slice(&fs_err::read(clinc_file()).unwrap()).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    splits[split].as_array().unwrap().iter().map(|row| (text(&row[0]), text(&row[1]))).collect()
}

/// A file, embedded by the encoder inside the binary; what was embedded once is kept.
pub(crate) fn embed(file: &Path, options: &CorpusOptions) -> (Corpus, EmbeddedCorpus) {
    embed_in(file, options, Precision::F32)
}

fn embed_in(file: &Path, options: &CorpusOptions, precision: Precision) -> (Corpus, EmbeddedCorpus) {
    let artifacts = Artifacts::embedded().unwrap();
    embed_by(&TransformerEncoder::load_in(&artifacts, &OpenDevice::cpu(), precision).unwrap(), file, options)
}

fn embed_by(encoder: &dyn Encoder, file: &Path, options: &CorpusOptions) -> (Corpus, EmbeddedCorpus) {
    let inputs = [file.to_str().unwrap().to_owned()];
    let corpus = Corpus::open(&inputs, options).unwrap();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("evaluation-vectors");
    let store = VectorStore::open(&cache, encoder.id()).unwrap();
    let options = EmbedOptions {
        inputs: &inputs,
        max_bad_rows: BadRowLimit::Rows(0),
        total_rows: None,
        leave_out_synthetic: false,
    };
    let embedded = embed_corpus(corpus.records(), encoder, store, &options, &Silent, &mut |_| Ok(())).unwrap();
    (corpus, embedded)
}

impl Split {
    pub(crate) fn matrix(&self) -> EmbeddingMatrix {
        EmbeddingMatrix::from_f32(self.dim, &self.vectors)
    }

    /// The rows that `keep` accepts, by their labels.
    pub(crate) fn matrix_where(&self, keep: impl Fn(&str) -> bool) -> EmbeddingMatrix {
        let rows = self.vectors.chunks_exact(self.dim).zip(&self.labels).filter(|(_, label)| keep(label));
        EmbeddingMatrix::from_f32(self.dim, &rows.flat_map(|(row, _)| row.iter().copied()).collect::<Vec<_>>())
    }

    /// Some rows, in this order.
    pub(crate) fn rows(&self, rows: &[usize]) -> Self {
        let vectors = rows.iter().flat_map(|row| &self.vectors[row * self.dim..][..self.dim]).copied().collect();
        Self { dim: self.dim, vectors, labels: rows.iter().map(|&row| self.labels[row].clone()).collect() }
    }

    /// What stands for content hashes where rows are in random order: ascending, and spread over their range.
    pub(crate) fn keys(&self) -> Vec<u64> {
        let n = self.labels.len() as u64;
        (0..n).map(|row| row * (u64::MAX / n)).collect()
    }

    /// Labels as numbers.
    pub(crate) fn classes(&self) -> Vec<u32> {
        let mut names = self.labels.clone();
        names.sort_unstable();
        names.dedup();
        self.labels.iter().map(|label| names.binary_search(label).unwrap() as u32).collect()
    }
}
