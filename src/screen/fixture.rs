//! Screenings for the tests of what shows them.

use super::*;
use crate::map::{MapMethod, MapPoint, MapPoints, Mark, Side};
use crate::ood::{GroupKind, LocalParams, ScoreKind};
use crate::report::Histogram;
use crate::report::fixture::HOSTILE;

fn example(id: &str, text: &str, similarity: f64) -> FlaggedText {
    FlaggedText {
        id: id.to_owned(),
        text: text.to_owned(),
        score: 2.31,
        p_value: 0.0012,
        nearest_id: Some("ref-17".to_owned()),
        nearest_similarity: Some(similarity),
    }
}

/// A drop with a new topic, some noise, and more of one region.
pub(crate) fn screening() -> Screening {
    let group = |id, kind, name: &str, texts, similarity, examples| FlaggedGroup {
        id,
        kind,
        name: name.to_owned(),
        texts,
        rows: texts + texts / 10,
        similarity,
        reference_similarity: Some(0.31),
        language: Some("English".to_owned()),
        examples,
    };
    Screening {
        schema_version: SCREENING_SCHEMA_VERSION,
        semcov_version: "0.0.0".to_owned(),
        rows: DropSummary {
            files: vec!["drop.jsonl".to_owned()],
            rows: 1_000,
            bad_rows: 2,
            empty: 3,
            distinct_texts: 940,
            distinct_texts_exact: true,
            sample: 940,
            truncated: 0,
        },
        against: AgainstSummary {
            name: "train.semcov".to_owned(),
            rows: 15_200,
            distinct_texts: 15_000,
            sample: 10_000,
            encoder: "all-MiniLM-L6-v2".to_owned(),
        },
        settings: ScreenSettings {
            score: ScoreKind::Ensemble,
            local: Some(LocalParams { neighbours: 10, lambda: 0.25 }),
            alpha: 0.05,
            fdr: None,
            per_leaf: false,
            threshold: 0.05,
        },
        flagged: FlaggedSummary {
            rows: 113,
            share: 0.113,
            outliers: 110,
            outlier_share: 0.1103,
            expected: 0.05,
            expected_low: 0.046,
            expected_high: 0.054,
            decided: 0,
        },
        repeated: Repeated { looked_up: 627, exact: 12, exact_share: 0.019, near: Some(4), within: Some(57) },
        shift: Some(ShiftSummary {
            shifted: true,
            new_content: true,
            changed_mix: false,
            beyond: 61,
            beyond_share: 0.065,
            beyond_expected: 0.01,
            new_content_p: 1.2e-22,
            changed_mix_p: Some(0.21),
            changed_mix_v: Some(0.08),
            regions: vec![MovedRegion {
                id: 4,
                name: "credit card, interest rate".to_owned(),
                reference_share: 0.02,
                drop_share: 0.058,
                ratio: 2.9,
                p_adjusted: 0.0004,
            }],
        }),
        flagged_leaves: vec![FlaggedLeaf { id: 9, name: "reset, device".to_owned(), texts: 12, flagged: 10 }],
        groups: vec![
            group(
                1,
                GroupKind::NewTopic,
                "router, wifi, reset",
                38,
                0.62,
                vec![example("d-104", "reset my router", 0.34), example("d-811", "the wifi box blinks red", 0.29)],
            ),
            group(2, GroupKind::Noise, "", 1, 1.0, vec![example("d-7", "asdf asdf", 0.12)]),
        ],
        classifier: Some(ClassifierSummary {
            auc: 0.61,
            auc_low: 0.58,
            auc_high: 0.64,
            texts: 940,
            terms: "router, wifi".to_owned(),
            examples: vec![DropText { id: "d-104".to_owned(), text: "reset my router".to_owned() }],
        }),
        languages: Languages { drop: Some("English".to_owned()), reference: Some("English".to_owned()) },
        sources: vec![
            SourceRows { name: Some("vendor".to_owned()), rows: 60, flagged: 48 },
            SourceRows { name: None, rows: 940, flagged: 65 },
        ],
        warnings: vec![],
    }
}

/// The same with hostile names, ids and texts, and with every warning.
pub(crate) fn hostile() -> Screening {
    let mut screening = screening();
    let mut next = HOSTILE.iter().cycle();
    let mut fill = |text: &mut String| *text = next.next().map_or(String::new(), |&text| text.to_owned());
    screening.rows.files.iter_mut().for_each(&mut fill);
    fill(&mut screening.against.name);
    fill(&mut screening.against.encoder);
    for group in &mut screening.groups {
        fill(&mut group.name);
        group.language.iter_mut().for_each(&mut fill);
        for example in &mut group.examples {
            fill(&mut example.id);
            fill(&mut example.text);
            example.nearest_id.iter_mut().for_each(&mut fill);
        }
    }
    screening.groups = (0..HOSTILE.len())
        .map(|i| {
            let mut group = screening.groups[i % 2].clone();
            fill(&mut group.name);
            group.examples.iter_mut().for_each(|example| fill(&mut example.text));
            group
        })
        .collect();
    for source in &mut screening.sources {
        source.name = Some(String::new());
        source.name.iter_mut().for_each(&mut fill);
    }
    for leaf in &mut screening.flagged_leaves {
        fill(&mut leaf.name);
    }
    if let Some(shift) = &mut screening.shift {
        shift.regions = vec![shift.regions[0].clone(); HOSTILE.len()];
        shift.regions.iter_mut().for_each(|region| fill(&mut region.name));
    }
    if let Some(classifier) = &mut screening.classifier {
        fill(&mut classifier.terms);
    }
    screening.warnings = vec![
        ScreenWarning::EmptyDrop,
        ScreenWarning::Underpowered { texts: 10, needed: 19 },
        ScreenWarning::FdrUnderpowered { texts: 10, needed: 9_999 },
        ScreenWarning::ReferenceWithoutSpread,
        ScreenWarning::OtherLanguage { drop: HOSTILE[0].to_owned(), reference: HOSTILE[1].to_owned() },
        ScreenWarning::Truncated { rows: 1, max_tokens: 256 },
        ScreenWarning::ManyFlagged { grouped: 10_000 },
        ScreenWarning::NothingNew,
    ];
    screening
}

/// A drop without rows.
pub(crate) fn empty() -> Screening {
    let full = screening();
    Screening {
        rows: DropSummary {
            files: vec!["drop.jsonl".to_owned()],
            distinct_texts_exact: true,
            ..DropSummary::default()
        },
        flagged: FlaggedSummary { expected: 0.05, ..FlaggedSummary::default() },
        repeated: Repeated::default(),
        shift: None,
        flagged_leaves: vec![],
        groups: vec![],
        classifier: None,
        languages: Languages::default(),
        sources: vec![],
        warnings: vec![ScreenWarning::EmptyDrop],
        ..full
    }
}

/// What a page shows beside a screening: a point for every example of a group and some of the reference, in names, ids and
/// texts of `words`.
pub(crate) fn details(screening: &Screening, words: &[&str]) -> ScreeningDetails {
    let mut next = words.iter().map(|&word| word.to_owned()).cycle();
    let mut word = || next.next().unwrap_or_default();
    let examples: Vec<(u32, GroupKind, FlaggedText)> = screening
        .groups
        .iter()
        .flat_map(|group| group.examples.iter().map(|example| (group.id, group.kind, example.clone())))
        .collect();
    let mut points = Vec::new();
    for (i, (.., example)) in examples.iter().enumerate() {
        points.push(MapPoint {
            xy: [i as f32, (i % 3) as f32],
            side: Side::Corpus,
            region: i as u32 % 2,
            score: Some(example.score as f32),
            mark: (i % 3 < 2).then_some(Mark::Flagged),
            source: Some(word().into()),
            label: (i % 2 == 0).then(|| word().into()),
            id: example.id.clone(),
            text: example.text.clone(),
        });
    }
    for i in 0..20 {
        points.push(MapPoint {
            xy: [-(i as f32), (i % 5) as f32],
            side: Side::Reference,
            region: i % 2,
            score: None,
            mark: None,
            source: None,
            label: None,
            id: word(),
            text: word(),
        });
    }
    let of = [screening.rows.distinct_texts, screening.against.distinct_texts];
    let review = examples.into_iter().map(|(group, kind, text)| ReviewedText { group, kind, region: group % 2, text });
    let review: Vec<ReviewedText> = review.collect();
    let mut leaf = |id: u32, flagged| (FlaggedLeaf { id, name: word(), texts: 12, flagged }, id % 2);
    let leaves = vec![leaf(9, 10), leaf(3, 1)];
    let regions = (0..5).map(|_| word()).collect();
    let histogram = |counts: &[u64]| Histogram { start: -1.0, width: 0.5, counts: counts.to_vec() };
    ScreeningDetails {
        map: (screening.rows.rows > 0).then_some(MapPoints { method: MapMethod::Pca, points, of }),
        to_review: review.len() as u64,
        review,
        nearest: [("ref-17".to_owned(), words[0].to_owned())].into(),
        leaves,
        regions,
        scores: (screening.rows.rows > 0).then(|| ScoreSpread {
            reference: histogram(&[10, 40, 30, 5, 1]),
            drop: histogram(&[5, 20, 20, 10, 12]),
            threshold: Some(0.75),
        }),
    }
}
