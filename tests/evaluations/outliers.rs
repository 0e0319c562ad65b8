//! Outlier scores against a reference, and within a corpus.

use semcov::ood::{LocalScore, OutlierParams, score_within};
use semcov::progress::Silent;
use semcov::vectors::{EmbeddingMatrix, Rows};

use crate::data::CLINC;
use crate::figures::{auroc, fpr_at_95};

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
