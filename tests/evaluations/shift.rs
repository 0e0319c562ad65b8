//! Whether a drop has shifted: draws of one law, a little that is new, and topics that are gone.

use std::collections::BTreeSet;

use semcov::cluster::{Assignment, CodebookParams, fit_together};
use semcov::ood::{DomainClassifier, GroupKind, GroupParams, OutlierParams, Shift, Side};
use semcov::progress::Silent;
use semcov::vectors::knn::nearest;
use semcov::vectors::{EmbeddingMatrix, Rows};

use crate::data::{CLINC, Split};
use crate::figures::Shuffle;

const REFERENCES: u64 = 10;
const DROPS: usize = 5;
const IN_REFERENCE: usize = 3_000;
const IN_DROP: usize = 1_000;

/// All queries of the 150 intents; and all that belong to none.
fn pools() -> Option<(Split, Split)> {
    let clinc = CLINC.as_ref()?;
    let pool = |names: &[&str]| {
        let mut pool = Split::default();
        for split in names.iter().map(|name| &clinc[*name]) {
            pool.dim = split.dim;
            pool.vectors.extend_from_slice(&split.vectors);
            pool.labels.extend_from_slice(&split.labels);
        }
        pool
    };
    Some((pool(&["train", "val", "test"]), pool(&["oos_train", "oos_val", "oos_test"])))
}

/// The tests by regions, and by leaves, of a codebook that is fitted to both sides together.
fn shifts([reference, drop]: [(&EmbeddingMatrix, &[f32]); 2]) -> [Shift; 2] {
    // What stands for content hashes: ascending, and spread over their range.
    let keys = |rows: &EmbeddingMatrix| {
        let n = rows.len() as u64;
        (0..n).map(|row| row * (u64::MAX / n)).collect::<Vec<_>>()
    };
    let (a, b) = (keys(reference.0), keys(drop.0));
    let both = [(reference.0, a.as_slice()), (drop.0, b.as_slice())];
    let (codebook, of_reference, of_drop) = fit_together(both, &CodebookParams::default(), &Silent).unwrap();
    let by_leaf = [&of_reference, &of_drop].map(|found: &Assignment| found.counts(codebook.n_leaves()));
    let by_region = by_leaf.each_ref().map(|leaves| {
        let mut regions = vec![0; codebook.n_regions()];
        leaves.iter().zip(&codebook.region_of_leaf).for_each(|(count, &region)| regions[region as usize] += count);
        regions
    });
    [by_region, by_leaf].map(|[in_reference, in_drop]| {
        Shift::of(&Side { scores: reference.1, regions: &in_reference }, &Side { scores: drop.1, regions: &in_drop })
    })
}

/// Band 6: 3,000 queries as the reference, drops of 1,000 others; of these 0, 20 or 50 without an intent, or none of 15
/// of the 150 intents.
#[test]
fn drops_that_shifted() {
    let Some((pool, strange)) = pools() else { return };
    let kinds = ["of one law", "20 out of scope", "50 out of scope", "15 intents missing"];
    // New content; changed mix of regions, of leaves; either of the first two.
    let mut fired = [[0_u32; 4]; 4];
    let mut areas = [0.0; 4];
    for draw in 0..REFERENCES {
        let mut order: Vec<usize> = (0..pool.labels.len()).collect();
        let mut odd: Vec<usize> = (0..strange.labels.len()).collect();
        let mut shuffle = Shuffle::new(draw);
        shuffle.shuffle(&mut order);
        shuffle.shuffle(&mut odd);
        let (reference, rest) = order.split_at(IN_REFERENCE);
        let reference = pool.rows(reference).matrix();
        let (model, scores) = OutlierParams::default().check().unwrap().fit(&reference, &Silent).unwrap();
        let intents: BTreeSet<&String> = pool.labels.iter().collect();
        let gone: BTreeSet<&String> = intents.into_iter().skip(draw as usize).step_by(10).collect();
        for n in 0..DROPS {
            let rows = &rest[n * IN_DROP * 3 / 2..][..IN_DROP * 3 / 2];
            let without: Vec<usize> =
                rows.iter().copied().filter(|&row| !gone.contains(&pool.labels[row])).take(IN_DROP).collect();
            for (kind, out_of_scope) in [0, 20, 50, 0].into_iter().enumerate() {
                let mut drop = pool.rows(if kind == 3 { &without } else { &rows[..IN_DROP] });
                let some_odd = strange.rows(&odd[n * 50..][..out_of_scope]);
                drop.vectors[..some_odd.vectors.len()].copy_from_slice(&some_odd.vectors);
                let drop = drop.matrix();
                let of_drop = model.score(&drop).score;
                let [shift, by_leaf] = shifts([(&reference, &scores.score), (&drop, &of_drop)]);
                let mix = |shift: &Shift| shift.changed_mix.as_ref().unwrap().p_value <= 0.05;
                let content = shift.new_content.p_value <= 0.05;
                let found = [content, mix(&shift), mix(&by_leaf), shift.is_shifted(0.05)];
                fired[kind].iter_mut().zip(found).for_each(|(fired, found)| *fired += u32::from(found));
                if n == 0 {
                    let classifier = DomainClassifier::of((&reference).into(), (&drop).into()).unwrap();
                    areas[kind] += classifier.auc / REFERENCES as f64;
                }
            }
        }
    }
    let drops = (REFERENCES as usize * DROPS) as f64;
    // Of each kind, from and to.
    let bands = [
        [(0.0, 0.08), (0.0, 0.08), (0.0, 0.08), (0.0, 0.08)],
        [(0.6, 1.0), (0.0, 1.0), (0.0, 1.0), (0.6, 1.0)],
        [(0.98, 1.0), (0.0, 1.0), (0.0, 1.0), (0.98, 1.0)],
        [(0.0, 0.1), (0.4, 1.0), (0.65, 1.0), (0.4, 1.0)],
    ];
    for (kind, name) in kinds.iter().enumerate() {
        let shares = fired[kind].map(|fired| f64::from(fired) / drops);
        let [content, regions, leaves, shifted] = shares;
        eprintln!(
            "drops {name}: new content {content:.2}, changed mix of regions {regions:.2}, of leaves {leaves:.2}, \
             shifted {shifted:.2}; classifier {:.3}",
            areas[kind]
        );
        for (share, (from, to)) in shares.into_iter().zip(bands[kind]) {
            assert!((from..=to).contains(&share), "{name}: {share} outside {from} to {to}");
        }
    }
}

/// A reference without 15 of the 150 intents: what the groups of the flagged texts of a drop are, which has them all.
#[test]
fn new_topics_in_groups() {
    let Some(clinc) = &*CLINC else { return };
    let [train, test] = ["train", "test"].map(|name| &clinc[name]);
    let intents: BTreeSet<&String> = train.labels.iter().collect();
    let (mut topics, mut of_missing, mut found, mut texts) = (0, 0, 0, 0);
    for draw in 0..5 {
        let missing: BTreeSet<&String> = intents.iter().copied().skip(draw).step_by(10).collect();
        let reference = train.matrix_where(|label| !missing.iter().any(|intent| *intent == label));
        let reference = Rows::from(&reference).prefix(IN_REFERENCE);
        let (model, _) = OutlierParams::default().check().unwrap().fit(reference, &Silent).unwrap();
        let drop = test.matrix();
        let p_values = model.score(&drop).p_value;
        let flagged: Vec<u32> = (0..drop.len() as u32).filter(|&row| p_values[row as usize] <= 0.05).collect();
        let flagged_rows = Rows::of(&drop, &flagged);
        let near = nearest(flagged_rows, reference, 1, &Silent);
        let near: Vec<f32> = (0..flagged.len()).map(|row| near.of(row).1[0]).collect();
        let mut seen = BTreeSet::new();
        for group in GroupParams::default().check().unwrap().group(flagged_rows, &near) {
            if group.kind == GroupKind::NewTopic {
                let labels: Vec<&String> =
                    group.members.iter().map(|&row| &test.labels[flagged[row as usize] as usize]).collect();
                let count = |intent: &&String| labels.iter().filter(|label| *label == intent).count();
                let most = missing.iter().copied().max_by_key(|intent| count(intent)).unwrap();
                topics += 1;
                if 2 * count(&most) > labels.len() {
                    of_missing += 1;
                    texts += count(&most);
                    seen.insert(most);
                }
            }
        }
        found += seen.len();
    }
    eprintln!(
        "groups of flagged texts: {of_missing} of {topics} new topics are of a missing intent, {found} of 75 missing \
         intents have one, with {texts} of their 2,250 texts"
    );
    assert!(10 * of_missing >= 6 * topics && found >= 38, "{of_missing} of {topics}, {found}");
}
