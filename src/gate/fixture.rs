//! Verdicts for the tests of what shows them.

use super::*;
use crate::corpus::ContentHash;
use crate::map::{MapMethod, MapPoint, MapPoints, Mark, Side};
use crate::ood::GroupKind;
use crate::report::fixture::HOSTILE;

fn side(rows: u64, distinct_texts: u64) -> SideSummary {
    let encoder = "all-MiniLM-L6-v2".to_owned();
    SideSummary { rows, bad_rows: 0, empty: 0, synthetic: 0, distinct_texts, encoder }
}

fn example(id: &str, text: Option<&str>) -> TextExample {
    TextExample { id: id.to_owned(), text: text.map(str::to_owned) }
}

/// A rule that holds.
fn rule(id: RuleId) -> RuleVerdict {
    RuleVerdict {
        id,
        outcome: Outcome::Pass,
        informational: false,
        not_applied: None,
        value: None,
        baseline: None,
        warn: None,
        fail: None,
        findings: Vec::new(),
    }
}

fn finding(outcome: Outcome, subject: Subject, value: f64, limit: f64) -> Finding {
    // The limits of the rules differ, as the rules' words would.
    let fingerprint = ContentHash::of_bytes(format!("{limit} {subject:?}").as_bytes()).to_string()[..16].to_owned();
    Finding {
        outcome,
        subject,
        value,
        baseline: None,
        texts: None,
        limit: Some(limit),
        p_value: None,
        texts_enough: None,
        examples: Vec::new(),
        fingerprint,
    }
}

fn counts(baseline: u64, current: u64) -> TextCounts {
    TextCounts { baseline, current }
}

fn region(id: u32, name: &str, baseline: u64, current: u64, p_value: f64) -> RegionVerdict {
    RegionVerdict {
        id,
        name: name.to_owned(),
        baseline,
        current,
        copies_gone: 0,
        baseline_share: baseline as f64 / 14_200.0,
        current_share: current as f64 / 13_400.0,
        baseline_copies: 1.0,
        current_copies: 1.1,
        ratio: (current as f64 + 0.5) / (baseline as f64 + 0.5),
        p_value,
        detectable: Some(0.6),
        judged: true,
        gone: Vec::new(),
    }
}

/// Two regions and a leaf lost texts, evaluation texts leaked, new rows are of another kind; a section is too small to
/// be judged.
pub(crate) fn verdict() -> Verdict {
    let lost = Subject::Region { id: 12, name: "track order, package".to_owned() };
    let fell = Subject::Region { id: 3, name: "refund, money back".to_owned() };
    let leaf =
        Subject::Leaf { id: 117, name: "lost parcel, courier".to_owned(), region: "track order, package".to_owned() };
    let leak = |evaluation: &str, record: &str, cosine| Finding {
        examples: vec![example(record, None)],
        ..finding(
            Outcome::Fail,
            Subject::Leak { evaluation: evaluation.to_owned(), record: record.to_owned() },
            cosine,
            0.0,
        )
    };
    let rules = vec![
        RuleVerdict {
            outcome: Outcome::Fail,
            value: Some(0.4357),
            warn: Some(0.9),
            fail: Some(0.8),
            findings: vec![
                Finding {
                    texts: Some(counts(120, 52)),
                    p_value: Some(1.3e-7),
                    ..finding(Outcome::Fail, lost, 0.4357, 0.8)
                },
                Finding {
                    texts: Some(counts(610, 518)),
                    p_value: Some(0.0042),
                    ..finding(Outcome::Warn, fell.clone(), 0.849, 0.9)
                },
            ],
            ..rule(RuleId::RegionLoss)
        },
        RuleVerdict {
            outcome: Outcome::Fail,
            value: Some(0.012),
            fail: Some(0.1),
            findings: vec![Finding {
                texts: Some(counts(41, 0)),
                p_value: Some(0.0002),
                ..finding(Outcome::Fail, leaf, 0.012, 0.1)
            }],
            ..rule(RuleId::LeafLoss)
        },
        RuleVerdict {
            outcome: Outcome::Warn,
            informational: true,
            value: Some(0.78),
            warn: Some(0.8),
            findings: vec![Finding { p_value: Some(0.0042), ..finding(Outcome::Warn, fell, 0.78, 0.8) }],
            ..rule(RuleId::Dilution)
        },
        RuleVerdict { not_applied: Some(NotApplied::NoReference), ..rule(RuleId::Coverage) },
        RuleVerdict {
            informational: true,
            value: Some(412.3),
            baseline: Some(420.0),
            warn: Some(399.0),
            ..rule(RuleId::Diversity)
        },
        RuleVerdict {
            value: Some(0.021),
            baseline: Some(0.018),
            warn: None,
            fail: Some(0.068),
            ..rule(RuleId::Duplicates)
        },
        RuleVerdict {
            outcome: Outcome::Warn,
            value: Some(0.22),
            warn: Some(0.15),
            fail: Some(0.3),
            findings: vec![Finding {
                p_value: Some(0.0007),
                examples: vec![example("new-7", Some("what is the weather in Lisbon?"))],
                ..finding(Outcome::Warn, Subject::Added, 0.22, 0.15)
            }],
            ..rule(RuleId::AddedOutliers)
        },
        RuleVerdict { value: Some(0.04), warn: Some(0.5), ..rule(RuleId::AddedDuplicates) },
        RuleVerdict {
            outcome: Outcome::Fail,
            value: Some(2.0),
            fail: Some(0.0),
            findings: vec![leak("eval-8", "new-11", 1.0), leak("eval-19", "faq-300", 0.967)],
            ..rule(RuleId::Leakage)
        },
        RuleVerdict {
            outcome: Outcome::Warn,
            findings: vec![Finding {
                baseline: Some(1_870.0),
                ..finding(Outcome::Warn, Subject::Source { name: "mail".to_owned() }, 310.0, 500.0)
            }],
            ..rule(RuleId::MinRows)
        },
        RuleVerdict { not_applied: Some(NotApplied::NoColumn), ..rule(RuleId::UnknownLicence) },
        RuleVerdict { value: Some(0.0), fail: Some(0.0), ..rule(RuleId::BadRows) },
    ];
    let mut lost = region(12, "track order, package", 120, 52, 1.3e-7);
    lost.gone = vec![example("faq-031", Some("where is my parcel?")), example("faq-112", None)];
    Verdict {
        schema_version: VERDICT_SCHEMA_VERSION,
        semcov_version: "0.0.0".to_owned(),
        outcome: Outcome::Fail,
        exit_code: 1,
        baseline: side(15_000, 14_200),
        current: SideSummary { empty: 12, synthetic: 40, ..side(14_010, 13_400) },
        precision: None,
        changes: Some(TextChanges { added: 80, removed: 880, kept: 13_320, judged_share: 1.0 }),
        alpha: 0.01,
        rules,
        sensitivity: Sensitivity {
            detect: 0.0,
            power: 0.9,
            regions: 50,
            judged: 44,
            judged_share: 0.931,
            quarter_share: 0.62,
            half_share: 0.3,
            texts_enough: None,
        },
        regions: vec![
            lost,
            region(3, "refund, money back", 610, 518, 0.0042),
            region(7, "", 300, 288, 0.8),
            region(8, "card, payment", 400, 430, 1.0),
        ],
        added: Some(AddedSummary {
            texts: 80,
            outliers: 18,
            outlier_share: 0.22,
            expected: 0.05,
            beyond_share: 0.05,
            beyond_expected: 0.01,
            beyond_p: 0.013,
            near_copies: 3,
            near_copy_share: 0.0375,
            groups: vec![
                AddedGroup {
                    kind: GroupKind::NewTopic,
                    name: "weather, rain".to_owned(),
                    texts: 11,
                    similarity: 0.61,
                    examples: vec![example("new-7", Some("what is the weather in Lisbon?")), example("new-9", None)],
                },
                AddedGroup {
                    kind: GroupKind::Noise,
                    name: String::new(),
                    texts: 1,
                    similarity: 1.0,
                    examples: vec![example("new-44", None)],
                },
            ],
        }),
        sections: vec![SectionVerdict {
            name: "german".to_owned(),
            paths: vec!["data/de/*.jsonl".to_owned()],
            verdict: section(),
        }],
    }
}

/// A section in which too little can be told.
fn section() -> Verdict {
    let unjudged = Finding {
        limit: None,
        texts_enough: Some(2_400),
        ..finding(Outcome::Inconclusive, Subject::Corpus, 0.62, 0.2)
    };
    let bad_row = Finding {
        examples: vec![example("data/de/a.jsonl:17", None)],
        ..finding(Outcome::Fail, Subject::BadRow { reason: "expected `,` or `}`".to_owned() }, 1.0, 0.0)
    };
    let mut verdict = passing();
    verdict.outcome = Outcome::Fail;
    verdict.exit_code = 1;
    verdict.current = SideSummary { bad_rows: 1, ..side(611, 600) };
    verdict.sensitivity = Sensitivity {
        detect: 0.0,
        power: 0.9,
        regions: 8,
        judged: 2,
        judged_share: 0.38,
        quarter_share: 0.62,
        half_share: 0.3,
        texts_enough: Some(2_400),
    };
    verdict.rules = vec![
        RuleVerdict {
            outcome: Outcome::Inconclusive,
            warn: Some(0.9),
            fail: Some(0.8),
            findings: vec![unjudged],
            ..rule(RuleId::RegionLoss)
        },
        RuleVerdict {
            outcome: Outcome::Fail,
            value: Some(1.0),
            fail: Some(0.0),
            findings: vec![bad_row],
            ..rule(RuleId::BadRows)
        },
    ];
    verdict
}

/// Nothing to object to, and nothing new.
pub(crate) fn passing() -> Verdict {
    Verdict {
        schema_version: VERDICT_SCHEMA_VERSION,
        semcov_version: "0.0.0".to_owned(),
        outcome: Outcome::Pass,
        exit_code: 0,
        baseline: side(620, 600),
        current: side(620, 600),
        precision: None,
        changes: Some(TextChanges { added: 0, removed: 0, kept: 600, judged_share: 1.0 }),
        alpha: 0.01,
        rules: vec![
            RuleVerdict { value: Some(1.0), warn: Some(0.9), fail: Some(0.8), ..rule(RuleId::RegionLoss) },
            RuleVerdict { value: Some(0.0), fail: Some(0.0), ..rule(RuleId::BadRows) },
        ],
        sensitivity: Sensitivity {
            detect: 0.0,
            power: 0.9,
            regions: 8,
            judged: 8,
            judged_share: 1.0,
            quarter_share: 0.62,
            half_share: 0.3,
            texts_enough: None,
        },
        regions: vec![region(0, "card, payment", 600, 600, 1.0)],
        added: None,
        sections: Vec::new(),
    }
}

/// Every rule objects to every subject, and every name, id and text is hostile.
pub(crate) fn hostile() -> Verdict {
    let long = format!("{} ::error::x ##[error]y ]]> \u{ffff}", "🏴‍☠️e\u{301}\u{301}\u{301}".repeat(100));
    let mut next = HOSTILE.iter().map(|&text| text.to_owned()).chain([long, "::stop-commands::x".to_owned()]).cycle();
    let mut text = || next.next().unwrap_or_default();
    let mut verdict = verdict();
    verdict.rules.push(rule(RuleId::SyntheticShare));
    for (i, rule) in verdict.rules.iter_mut().enumerate() {
        let subjects = [
            Subject::Corpus,
            Subject::Region { id: 12, name: text() },
            Subject::Leaf { id: 1, name: text(), region: text() },
            Subject::Source { name: text() },
            Subject::Label { name: text() },
            Subject::Added,
            Subject::Leak { evaluation: text(), record: text() },
            Subject::BadRow { reason: text() },
        ];
        rule.outcome = [Outcome::Fail, Outcome::Inconclusive, Outcome::Warn][i % 3];
        rule.findings = subjects
            .into_iter()
            .map(|subject| Finding {
                examples: vec![TextExample { id: text(), text: Some(text()) }, TextExample { id: text(), text: None }],
                ..finding(rule.outcome, subject, 0.5, 0.8)
            })
            .collect();
    }
    verdict.regions = (0..40)
        .map(|id| RegionVerdict {
            name: text(),
            gone: vec![TextExample { id: text(), text: Some(text()) }, TextExample { id: text(), text: None }],
            ..region(id, "", 1_000_000, 9, 0.0001)
        })
        .collect();
    for side in [&mut verdict.current, &mut verdict.baseline] {
        side.encoder = text();
    }
    verdict.precision = Some(Precisions { baseline: text(), current: text() });
    let groups = &mut verdict.added.as_mut().unwrap().groups;
    for group in &mut *groups {
        group.name = text();
        group.examples.iter_mut().for_each(|example| example.id = text());
    }
    for section in HOSTILE {
        let mut inner = verdict.clone();
        inner.sections.clear();
        verdict.sections.push(SectionVerdict { name: section.to_owned(), paths: vec![text()], verdict: inner });
    }
    verdict
}

/// A source of every hostile name has too few rows.
pub(crate) fn names() -> Verdict {
    let findings = HOSTILE.iter().chain(&["]]> ::error::x ##[error]y", "\u{ffff}"]).map(|&name| Finding {
        examples: vec![example(name, Some(name))],
        ..finding(Outcome::Fail, Subject::Source { name: name.to_owned() }, 1.0, 5.0)
    });
    let findings = findings.collect();
    Verdict {
        outcome: Outcome::Fail,
        exit_code: 1,
        rules: vec![RuleVerdict { outcome: Outcome::Fail, findings, ..rule(RuleId::MinRows) }],
        ..passing()
    }
}

/// More findings, regions, groups and sections than any page has room for.
pub(crate) fn huge() -> Verdict {
    let mut verdict = hostile();
    let repeat = |rules: &mut Vec<RuleVerdict>| {
        for rule in rules {
            rule.findings = rule.findings.iter().cycle().take(2_000).cloned().collect();
        }
    };
    repeat(&mut verdict.rules);
    verdict.regions = verdict.regions.iter().cycle().take(5_000).cloned().collect();
    let groups = &mut verdict.added.as_mut().unwrap().groups;
    *groups = groups.iter().cycle().take(5_000).cloned().collect();
    verdict.sections = verdict.sections.iter().cycle().take(60).cloned().collect();
    verdict
}

/// Where the rows of [`verdict`] stand.
pub(crate) fn places() -> Places {
    let place = |id: &str, file: &str, line| (id.to_owned(), Place { file: file.to_owned(), line });
    Places::from([
        place("new-11", "data/new rows, May.jsonl", 11),
        place("new-7", "data/new rows, May.jsonl", 7),
        place("data/de/a.jsonl:17", "data/de/a.jsonl", 17),
    ])
}

/// A map of texts with these ids, of which some came and some are gone; the texts are the ids if `show_text`.
pub(crate) fn map(ids: &[&str], show_text: bool) -> MapPoints {
    let sides = [(Side::Corpus, Mark::Added), (Side::Reference, Mark::Gone)];
    let points = sides.into_iter().flat_map(|(side, mark)| {
        ids.iter().enumerate().map(move |(i, id)| MapPoint {
            xy: [i as f32, (i % 4) as f32],
            side,
            region: [12, 3][i % 2],
            score: None,
            mark: (i % 3 == 0).then_some(mark),
            source: None,
            label: None,
            id: (*id).to_owned(),
            text: if show_text { (*id).to_owned() } else { String::new() },
        })
    });
    MapPoints { method: MapMethod::Pca, points: points.collect(), of: [13_400, 14_200] }
}
