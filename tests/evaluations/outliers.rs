//! Outlier scores against a reference, and within a corpus.

use std::collections::BTreeMap;

use semcov::ood::{LocalParams, LocalParts, LocalScore, OutlierParams, score_within};
use semcov::progress::Silent;
use semcov::vectors::{EmbeddingMatrix, Rows};

use crate::data::{CLINC, SNIPS, Split};
use crate::figures::{Shuffle, auroc, fpr_at_95};

/// Band 1: train is the reference, 4,500 test queries against 1,000 out-of-scope ones.
#[test]
fn out_of_scope_queries() {
    let Some(clinc) = &*CLINC else { return };
    let [reference, good, bad] = ["train", "test", "oos_test"].map(|name| clinc[name].matrix());
    let local = LocalScore::fit(Rows::from(&reference).prefix(10_000), LocalParams::default(), &Silent);
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
    let intents = different(&train.labels);
    for (size, band) in [(usize::MAX, 89.8), (600, 81.5)] {
        let mut sum = 0.0;
        for draw in 0..3_usize {
            // 7, 11 and 13 are prime to 150: three different walks over the intents.
            let step = [7, 11, 13][draw];
            let held_out: Vec<&str> = (0..38).map(|i| intents[(i * step + draw) % 150]).collect();
            let matrix = train.matrix_where(|label| !held_out.contains(&label));
            let params = OutlierParams::default().check().unwrap();
            let (model, _) = params.fit(Rows::from(&matrix).prefix(size), &Silent).unwrap();
            let good = model.score(&test.matrix_where(|label| !held_out.contains(&label))).score;
            let bad = model.score(&test.matrix_where(|label| held_out.contains(&label))).score;
            sum += auroc(&good, &bad);
        }
        let mean = sum / 3.0;
        let rows = if size == usize::MAX { "all".to_owned() } else { size.to_string() };
        eprintln!("CLINC, 38 intents held out, {rows} rows: ensemble AUROC {mean:.2}");
        assert!(mean >= band, "{mean} below {band}");
    }
}

/// The intents of CLINC150, by their place in the alphabet, that the development of the default score never held out.
const FRESH_INTENTS: [usize; 75] = [
    0, 1, 2, 3, 4, 9, 10, 11, 12, 15, 18, 25, 33, 36, 37, 39, 41, 42, 46, 49, 50, 51, 53, 56, 57, 58, 60, 62, 64, 68,
    69, 71, 72, 74, 76, 77, 82, 84, 85, 86, 87, 88, 92, 93, 94, 95, 98, 99, 100, 102, 103, 108, 110, 115, 116, 117,
    118, 119, 121, 124, 126, 129, 132, 134, 135, 136, 138, 141, 142, 143, 144, 145, 146, 147, 148,
];

/// Pairs of SNIPS's intents, likewise. There are 21; 12 were held out before.
const FRESH_PAIRS: [[usize; 2]; 9] = [[4, 5], [5, 6], [3, 6], [1, 5], [0, 6], [0, 4], [0, 5], [1, 4], [0, 2]];

fn different(labels: &[String]) -> Vec<&str> {
    let mut different: Vec<&str> = labels.iter().map(String::as_str).collect();
    different.sort_unstable();
    different.dedup();
    different
}

/// Bands 3 and 4: the mean AUROC of ten splits, beside those of the defaults of the local score and of the mean distance
/// to 5 neighbours, and the share of good rows that is flagged. Out-of-scope queries against
/// 300 to 15,000 rows (three disjoint references where they are small), 38 intents held out (three draws), and two
/// intents of SNIPS held out (nine pairs).
///
/// The choice of k and lambda was developed on the validation queries of CLINC150, on half of its intents and on 6 pairs
/// of SNIPS. Here are the test queries, draws from the other half, and pairs that were never looked at: figures that the
/// rule was not made for.
#[test]
#[ignore = "takes a minute or more: the figures of METHODS.md"]
fn ten_splits() {
    let (Some(clinc), Some(snips)) = (&*CLINC, &*SNIPS) else { return };
    let chosen = OutlierParams::default().check().unwrap();
    let fixed = OutlierParams { local: Some(LocalParams::default()), ..OutlierParams::default() }.check().unwrap();
    let mut splits: BTreeMap<(&str, usize), Vec<[f64; 5]>> = BTreeMap::new();
    let mut screen = |name: &'static str, size: usize, reference: Rows<'_>, good: Rows<'_>, bad: Rows<'_>| {
        let reference = reference.prefix(size);
        let model = chosen.fit(reference, &Silent).unwrap().0;
        let fixed = fixed.fit(reference, &Silent).unwrap().0;
        let by_default = [good, bad].map(|rows| fixed.score(rows).score);
        let by_choice = [good, bad].map(|rows| model.score(rows));
        let local = LocalScore::fit(reference.prefix(10_000), LocalParams::default(), &Silent);
        let by_knn = [good, bad]
            .map(|rows| local.score_parts(rows, &Silent).into_iter().map(LocalParts::knn).collect::<Vec<f32>>());
        let [good, bad] = &by_choice;
        let flagged = |alpha| good.p_value.iter().filter(|&&p| p <= alpha).count() as f64 / good.p_value.len() as f64;
        let figures = [
            auroc(&good.score, &bad.score),
            auroc(&by_default[0], &by_default[1]),
            auroc(&by_knn[0], &by_knn[1]),
            flagged(0.05),
            flagged(0.01),
        ];
        eprintln!("{name}, {} rows: {:?}, {figures:.3?}", reference.len(), model.local_params());
        splits.entry((name, size)).or_default().push(figures);
    };

    let [train, test, odd] = ["train", "test", "oos_test"].map(|name| &clinc[name]);
    let [reference, good, bad] = [train, test, odd].map(Split::matrix);
    for (size, references) in [(300, 3), (600, 3), (1_500, 3), (5_000, 1), (15_000, 1)] {
        for i in 0..references {
            let reference = Rows::from(&reference).fold(i, references);
            screen("CLINC out of scope", size, reference, (&good).into(), (&bad).into());
        }
    }
    let intents = different(&train.labels);
    for draw in 0..3 {
        let mut fresh = FRESH_INTENTS;
        Shuffle::new(draw).shuffle(&mut fresh);
        let held_out: Vec<&str> = fresh[..38].iter().map(|&intent| intents[intent]).collect();
        let known = |label: &str| !held_out.contains(&label);
        let (reference, good) = (train.matrix_where(known), test.matrix_where(known));
        let bad = test.matrix_where(|label| !known(label));
        for size in [600, 3_000, usize::MAX] {
            screen("CLINC, 38 intents held out", size, (&reference).into(), (&good).into(), (&bad).into());
        }
    }
    let intents = different(&snips.labels);
    for pair in FRESH_PAIRS {
        let held_out = pair.map(|intent| intents[intent]);
        let known = snips.matrix_where(|label| !held_out.contains(&label));
        let bad = snips.matrix_where(|label| held_out.contains(&label));
        let (known, fitted) = (Rows::from(&known), known.len() * 7 / 10);
        for size in [600, usize::MAX] {
            let (good, bad) = (known.skip(fitted), Rows::from(&bad).prefix(1_500));
            screen("SNIPS, 2 intents held out", size, known.prefix(fitted), good, bad);
        }
    }

    assert_eq!(splits.len(), 10);
    let mut means = [0.0; 3];
    for ((name, size), figures) in &splits {
        let [chosen, fixed, knn, at_05, at_01] =
            [0, 1, 2, 3, 4].map(|i| figures.iter().map(|figures| figures[i]).sum::<f64>() / figures.len() as f64);
        eprintln!(
            "{name}, at most {size} rows: ensemble {chosen:.2}, without the choice {fixed:.2}, kNN {knn:.2}, \
             flagged {at_05:.3} {at_01:.3}"
        );
        assert!((0.03..=0.075).contains(&at_05) && at_01 <= 0.02, "{name} {size}: {at_05} {at_01}");
        for (sum, figure) in means.iter_mut().zip([chosen, fixed, knn]) {
            *sum += figure / 10.0;
        }
    }
    let [chosen, fixed, knn] = means;
    eprintln!("mean of ten splits: ensemble {chosen:.2}, without the choice {fixed:.2}, kNN {knn:.2}");
    assert!(chosen >= 91.4 && chosen >= knn + 1.8 && chosen >= fixed + 0.3, "{chosen} {fixed} {knn}");
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
