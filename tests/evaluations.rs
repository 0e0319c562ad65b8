//! Evaluations: each prints a figure of the methods on CLINC150 and fails outside its band.
//!
//! The folder of the shared corpora is named by `SEMCOV_DATA` (default `../shared/data`); where it is absent the
//! evaluations are skipped, and say so. `cargo test --release --test evaluations -- --nocapture` prints the figures.
//! CLINC150 is embedded once (a minute or two); its vectors are kept in the build folder.
#![cfg(feature = "embedded-model")]
#![expect(clippy::print_stderr, reason = "the figures of an evaluation are for its reader")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use semcov::cluster::kmeans::KMeansParams;
use semcov::cluster::{Codebook, CodebookParams, assign};
use semcov::corpus::CorpusOptions;
use semcov::embed::{
    Artifacts, BadRowLimit, EmbedOptions, EmbeddedCorpus, Encoder, OpenDevice, TransformerEncoder, embed_corpus,
};
use semcov::ood::{LocalScore, OutlierParams, score_within};
use semcov::progress::Silent;
use semcov::vectors::{EmbeddingMatrix, Rows, VectorStore};

/// The distinct texts of a split: vectors and labels, in the order of content hashes.
#[derive(Default)]
struct Split {
    dim: usize,
    vectors: Vec<f32>,
    labels: Vec<String>,
}

/// CLINC150's splits by name, embedded by the encoder inside the binary.
static CLINC: LazyLock<Option<BTreeMap<String, Split>>> = LazyLock::new(|| {
    let folder = std::env::var_os("SEMCOV_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    let file = folder.join("clinc150/data_full.json");
    if !file.is_file() {
        eprintln!("SKIPPED: {} is absent; name the folder of the shared corpora with SEMCOV_DATA", folder.display());
        return None;
    }
    let embedded = embed(&file);
    let mut splits: BTreeMap<String, Split> = BTreeMap::new();
    let mut rows: Vec<usize> = (0..embedded.records.len()).collect();
    rows.sort_by_key(|&row| embedded.records.text(row));
    let mut seen = std::collections::BTreeSet::new();
    for row in rows {
        let (name, text) = (embedded.records.sources.get(row).unwrap(), embedded.records.text(row).unwrap());
        if !seen.insert((name, text)) {
            continue;
        }
        let split = splits.entry(name.to_owned()).or_default();
        split.dim = embedded.vectors.dim();
        split.vectors.resize(split.vectors.len() + split.dim, 0.0);
        let place = split.vectors.len() - split.dim;
        embedded.vectors.read_row(text as usize, &mut split.vectors[place..]);
        split.labels.push(embedded.records.labels.get(row).unwrap().to_owned());
    }
    Some(splits)
});

fn embed(file: &Path) -> EmbeddedCorpus {
    let options = CorpusOptions { source: Some("split".to_owned()), ..CorpusOptions::default() };
    let inputs = [file.to_str().unwrap().to_owned()];
    let corpus = semcov::corpus::Corpus::open(&inputs, &options).unwrap();
    let encoder = TransformerEncoder::load(&Artifacts::embedded().unwrap(), &OpenDevice::cpu()).unwrap();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("evaluation-vectors");
    let store = VectorStore::open(&cache, encoder.id()).unwrap();
    let options = EmbedOptions { inputs: &inputs, max_bad_rows: BadRowLimit::Rows(0), total_rows: None };
    embed_corpus(corpus.records(), &encoder, store, &options, &Silent, &mut |_| Ok(())).unwrap()
}

impl Split {
    fn matrix(&self) -> EmbeddingMatrix {
        EmbeddingMatrix::from_f32(self.dim, &self.vectors)
    }

    /// The rows that `keep` accepts, by their labels.
    fn matrix_where(&self, keep: impl Fn(&str) -> bool) -> EmbeddingMatrix {
        let rows = self.vectors.chunks_exact(self.dim).zip(&self.labels).filter(|(_, label)| keep(label));
        EmbeddingMatrix::from_f32(self.dim, &rows.flat_map(|(row, _)| row.iter().copied()).collect::<Vec<_>>())
    }

    /// Labels as numbers.
    fn classes(&self) -> Vec<u32> {
        let mut names = self.labels.clone();
        names.sort_unstable();
        names.dedup();
        self.labels.iter().map(|label| names.binary_search(label).unwrap() as u32).collect()
    }
}

/// Area under the ROC curve in percent: the probability that a bad row scores above a good one (ties count half).
fn auroc(good: &[f32], bad: &[f32]) -> f64 {
    let mut sorted = good.to_vec();
    sorted.sort_by(f32::total_cmp);
    let below: usize = bad.iter().map(|b| sorted.partition_point(|g| g < b) + sorted.partition_point(|g| g <= b)).sum();
    50.0 * below as f64 / (good.len() * bad.len()) as f64
}

/// Share of good rows, in percent, at or above the score that 95 % of bad rows reach.
fn fpr_at_95(good: &[f32], bad: &[f32]) -> f64 {
    let mut sorted = bad.to_vec();
    sorted.sort_by(f32::total_cmp);
    let threshold = sorted[sorted.len() / 20];
    100.0 * good.iter().filter(|&&score| score >= threshold).count() as f64 / good.len() as f64
}

/// Normalized mutual information (arithmetic mean), as scikit-learn's `normalized_mutual_info_score`.
fn nmi(a: &[u32], b: &[u32]) -> f64 {
    let width = |codes: &[u32]| *codes.iter().max().unwrap() as usize + 1;
    let (n, width_b) = (a.len() as f64, width(b));
    let mut joint = vec![0.0; width(a) * width_b];
    a.iter().zip(b).for_each(|(&a, &b)| joint[a as usize * width_b + b as usize] += 1.0 / n);
    let of_a: Vec<f64> = joint.chunks(width_b).map(|row| row.iter().sum()).collect();
    let of_b: Vec<f64> = (0..width_b).map(|b| joint.iter().skip(b).step_by(width_b).sum()).collect();
    let entropy = |p: &[f64]| -p.iter().filter(|&&p| p > 0.0).map(|p| p * p.ln()).sum::<f64>();
    2.0 * (entropy(&of_a) + entropy(&of_b) - entropy(&joint)) / (entropy(&of_a) + entropy(&of_b))
}

#[test]
fn figures_by_hand() {
    assert_eq!(auroc(&[1.0, 2.0, 3.0], &[2.0, 4.0]), 100.0 * 4.5 / 6.0);
    assert_eq!(fpr_at_95(&[1.0, 2.0, 3.0, 4.0], &[3.0; 20]), 50.0);
    assert!((nmi(&[0, 0, 1, 1], &[1, 1, 0, 0]) - 1.0).abs() < 1e-12);
    assert!(nmi(&[0, 0, 1, 1], &[0, 1, 0, 1]).abs() < 1e-12);
}

/// Band 1: train is the reference, 4,500 test queries against 1,000 out-of-scope ones.
#[test]
fn out_of_scope_queries() {
    let Some(clinc) = &*CLINC else { return };
    let [reference, good, bad] = ["train", "test", "oos_test"].map(|name| clinc[name].matrix());
    let local = LocalScore::fit(Rows::from(&reference).prefix(10_000), 5, &Silent);
    let [good_local, bad_local] = [&good, &bad].map(|rows| local.score(rows.into(), &Silent));
    let (model, _) = OutlierParams::default().check().unwrap().fit(&reference, &Silent).unwrap();
    let [good, bad] = [&good, &bad].map(|rows| model.score(rows));
    let flagged = |alpha: f32| good.p_value.iter().filter(|&&p| p <= alpha).count() as f64 / good.p_value.len() as f64;
    let figures = [
        ("local AUROC", auroc(&good_local, &bad_local), 97.1..=100.0),
        ("local FPR@95", fpr_at_95(&good_local, &bad_local), 0.0..=14.0),
        ("ensemble AUROC", auroc(&good.score, &bad.score), 97.4..=100.0),
        ("ensemble FPR@95", fpr_at_95(&good.score, &bad.score), 0.0..=13.0),
        ("flagged at .05", flagged(0.05), 0.03..=0.075),
        ("flagged at .01", flagged(0.01), 0.0..=0.02),
    ];
    for (name, figure, band) in figures {
        eprintln!("CLINC out of scope: {name} {figure:.3}");
        assert!(band.contains(&figure), "{name} {figure} outside {band:?}");
    }
}

/// Band 2 in kind: a quarter of the intents is missing in the reference. Three fixed sets of 38 intents.
#[test]
fn intents_held_out() {
    let Some(clinc) = &*CLINC else { return };
    let [train, test] = ["train", "test"].map(|name| &clinc[name]);
    let mut intents: Vec<&String> = train.labels.iter().collect();
    intents.sort_unstable();
    intents.dedup();
    for (size, band) in [(usize::MAX, 88.5), (600, 79.0)] {
        let mut sum = 0.0;
        for draw in 0..3_usize {
            // 7, 11 and 13 are prime to 150: three different walks over the intents.
            let step = [7, 11, 13][draw];
            let held_out: Vec<&str> = (0..38).map(|i| intents[(i * step + draw) % 150].as_str()).collect();
            let matrix = train.matrix_where(|label| !held_out.contains(&label));
            let params = OutlierParams::default().check().unwrap();
            let (model, _) = params.fit(Rows::from(&matrix).prefix(size), &Silent).unwrap();
            let good = model.score(&test.matrix_where(|label| !held_out.contains(&label))).score;
            let bad = model.score(&test.matrix_where(|label| held_out.contains(&label))).score;
            sum += auroc(&good, &bad);
        }
        let mean = sum / 3.0;
        eprintln!("CLINC, 38 intents held out, at most {size} rows: ensemble AUROC {mean:.2}");
        assert!(mean >= band, "{mean} below {band}");
    }
}

/// 1 % out-of-scope queries hidden in the corpus itself.
#[test]
fn outliers_within_the_corpus() {
    let Some(clinc) = &*CLINC else { return };
    let [train, odd] = ["train", "oos_test"].map(|name| &clinc[name]);
    let mut vectors = Vec::new();
    let mut is_odd = Vec::new();
    for (i, row) in train.vectors.chunks_exact(train.dim).enumerate() {
        if i % 100 == 57 {
            vectors.extend_from_slice(&odd.vectors[i / 100 * odd.dim..][..odd.dim]);
            is_odd.push(true);
        }
        vectors.extend_from_slice(row);
        is_odd.push(false);
    }
    let scores = score_within(&EmbeddingMatrix::from_f32(train.dim, &vectors), &OutlierParams::default(), &Silent);
    let scores = scores.unwrap().score;
    let of = |wanted: bool| -> Vec<f32> {
        scores.iter().zip(&is_odd).filter(|(_, odd)| **odd == wanted).map(|(score, _)| *score).collect()
    };
    let figure = auroc(&of(false), &of(true));
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let found = order[..150].iter().filter(|&&row| is_odd[row]).count();
    eprintln!("150 out-of-scope rows in 15,150: AUROC {figure:.2}, {found} of them among the 150 highest scores");
    assert!(figure >= 96.5, "{figure}");
}

/// Inertia and agreement with the 150 intents. scikit-learn's `KMeans` (its defaults, normalized rows) ends at an
/// inertia of 5,954 and 4,254 (means of three and two seeds, all rows, as sum of 1 - cos to the mean direction).
#[test]
fn clusters_and_intents() {
    let Some(clinc) = &*CLINC else { return };
    let train = &clinc["train"];
    let (matrix, classes) = (train.matrix(), train.classes());
    for (k, scikit_learn, least_nmi) in [(50, 5954.6, 0.76), (150, 4253.6, 0.87), (300, f64::INFINITY, 0.86)] {
        let (mut inertia, mut agreement) = (0.0, 0.0);
        for seed in 0..3 {
            let fit = KMeansParams { seed, ..KMeansParams::new(k) }.check().unwrap().fit(&matrix, None, &Silent);
            let found = assign(&matrix, &fit.centroids);
            inertia += found.similarity.iter().map(|s| 1.0 - f64::from(*s)).sum::<f64>() / 3.0;
            agreement += nmi(&found.nearest, &classes) / 3.0;
        }
        eprintln!("CLINC train, k = {k}: inertia {inertia:.1}, NMI with the intents {agreement:.3}");
        assert!(inertia <= scikit_learn * 1.01, "{inertia} is more than 1 % above {scikit_learn}");
        assert!(agreement >= least_nmi, "{agreement}");
    }
}

/// Twelve intents in 600 rows, one of them with 10 rows only: it should have a region of its own.
#[test]
fn a_thin_topic_has_its_own_region() {
    let Some(clinc) = &*CLINC else { return };
    let train = &clinc["train"];
    let classes = train.classes();
    let mut found = 0;
    for draw in 0..20_u32 {
        let wanted: Vec<u32> = (0..12).map(|i| (draw * 37 + i * 11) % 150).collect();
        let mut left: Vec<u32> = wanted.iter().map(|&class| if class == wanted[0] { 10 } else { 54 }).collect();
        let (mut vectors, mut thin) = (Vec::new(), Vec::new());
        for (row, class) in train.vectors.chunks_exact(train.dim).zip(&classes) {
            if let Some(i) = wanted.iter().position(|wanted| wanted == class)
                && left[i] > 0
            {
                left[i] -= 1;
                vectors.extend_from_slice(row);
                thin.push(i == 0);
            }
        }
        let matrix = EmbeddingMatrix::from_f32(train.dim, &vectors);
        let (codebook, assignment) = Codebook::fit(&matrix, &CodebookParams::default(), &Silent).unwrap();
        let mut rows = vec![(0.0, 0.0); codebook.n_regions()];
        for (leaf, thin) in assignment.nearest.iter().zip(&thin) {
            let (all, hits) = &mut rows[codebook.region_of_leaf[*leaf as usize] as usize];
            (*all, *hits) = (*all + 1.0, *hits + f64::from(u8::from(*thin)));
        }
        let best_f1 = rows.iter().map(|(all, hits)| 2.0 * hits / (all + 10.0)).fold(0.0, f64::max);
        found += u32::from(best_f1 > 0.6);
    }
    eprintln!("a topic of 10 among 600 rows has its own region (F1 > .6) in {found} of 20 draws");
    assert!(found >= 17, "{found}");
}
