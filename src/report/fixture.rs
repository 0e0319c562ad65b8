//! Reports made by hand, for the tests of the renderers.

use super::*;
use crate::coverage::GapKind;
use crate::map::{MapMethod, MapPoint, MapPoints, Mark, Side};

/// Everything that an attacker, or a careless scraper, puts into a row.
pub(crate) const HOSTILE: [&str; 16] = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(3)>",
    "\"><svg onload=alert(4)>",
    "' onmouseover='alert(5)",
    "javascript:alert(6)",
    "[click](javascript:alert(7)) ![x](https://evil.example/pixel.png) https://evil.example www.evil.example",
    "`code` ``more`` | a | b |\n| --- | --- |\n# heading @everyone #1 &lt;b&gt;",
    "\u{1b}[2J\u{1b}[31mred\u{1b}]8;;https://evil.example\u{7}link\u{1b}\\ \u{9b}31m \u{8}\u{8}\u{7f}",
    "user\u{202e}gpj.exe\u{2066}x\u{2069}",
    "line\u{2028}separator\u{2029}paragraph\r\nnewline\0nul",
    "{{ 7 * 7 }} {% raw %} %{x} ${8 * 8} <%= 9 %>",
    "<a href=\"https://evil.example\">hover link</a> <b>bold</b> <br> &amp;",
    "__html *em* ~~strike~~ $x^2$ \\| \\` \\",
    "文字 👩‍👩‍👧 e\u{301} العربية \u{200b}\u{feff}",
];

struct Theme {
    name: &'static str,
    rows: u64,
    distinct: u64,
    similarity: f64,
    median_score: f64,
    needed: u64,
    center: (f32, f32),
    texts: [&'static str; 4],
}

const THEMES: [Theme; 10] = [
    Theme {
        name: "password, reset link, login",
        rows: 124,
        distinct: 109,
        similarity: 0.71,
        median_score: -0.31,
        needed: 0,
        center: (-0.42, 0.11),
        texts: [
            "I asked for a password reset twice and no mail has arrived",
            "the reset link says it has expired but I only just got it",
            "Locked out after three tries, please unlock my account",
            "login loops back to the start page on my phone",
        ],
    },
    Theme {
        name: "refund, charged twice, invoice",
        rows: 111,
        distinct: 103,
        similarity: 0.68,
        median_score: -0.22,
        needed: 0,
        center: (0.30, 0.34),
        texts: [
            "You charged my card twice for the same order, I want one of them back",
            "Where can I download the invoice for March?",
            "refund was promised within 5 days, it has been 12",
            "The VAT number on our invoice is wrong",
        ],
    },
    Theme {
        name: "parcel, tracking, courier",
        rows: 98,
        distinct: 92,
        similarity: 0.66,
        median_score: -0.18,
        needed: 0,
        center: (0.45, -0.20),
        texts: [
            "Tracking has not moved since Tuesday, is my parcel lost?",
            "The courier left it with a neighbour I do not know",
            "Can I change the delivery address after ordering?",
            "box arrived open and one item is missing",
        ],
    },
    Theme {
        name: "app crash, update, android",
        rows: 77,
        distinct: 75,
        similarity: 0.61,
        median_score: 0.02,
        needed: 0,
        center: (-0.25, -0.38),
        texts: [
            "App closes itself as soon as I open the camera (Android 15)",
            "since the last update the screen stays white",
            "Notifications come hours late",
            "dark mode resets after every restart",
        ],
    },
    Theme {
        name: "cancel, subscription, renew",
        rows: 64,
        distinct: 61,
        similarity: 0.64,
        median_score: 0.05,
        needed: 0,
        center: (0.12, 0.05),
        texts: [
            "How do I cancel before it renews on Friday?",
            "I want to go from yearly to monthly",
            "cancelled last month and was billed anyway",
            "pause my subscription until September please",
        ],
    },
    Theme {
        name: "warranty, broken, repair",
        rows: 52,
        distinct: 50,
        similarity: 0.59,
        median_score: 0.11,
        needed: 4,
        center: (0.05, -0.45),
        texts: [
            "The hinge broke after two weeks, is that covered by the warranty?",
            "Do you repair devices bought abroad?",
            "replacement unit has the same fault",
            "how long does a repair take at the moment",
        ],
    },
    Theme {
        name: "privacy, delete data, gdpr",
        rows: 38,
        distinct: 36,
        similarity: 0.57,
        median_score: 0.24,
        needed: 18,
        center: (-0.50, 0.45),
        texts: [
            "Please delete everything you hold about me",
            "Which companies do you share my address with?",
            "I withdraw my consent to the newsletter",
            "send me a copy of my data as JSON",
        ],
    },
    Theme {
        name: "返金, 注文, 配送",
        rows: 25,
        distinct: 24,
        similarity: 0.52,
        median_score: 0.48,
        needed: 30,
        center: (0.55, 0.55),
        texts: [
            "注文した商品がまだ届きません。",
            "返金はいつ頃になりますか？",
            "配送先の住所を変更したいです",
            "領収書を発行してください 🙏",
        ],
    },
    Theme {
        name: "accessibility, screen reader",
        rows: 14,
        distinct: 14,
        similarity: 0.49,
        median_score: 0.66,
        needed: 40,
        center: (-0.10, 0.60),
        texts: [
            "VoiceOver reads every button as “button”",
            "contrast of the grey text is too low for me",
            "Can I get the manual in large print?",
            "keyboard focus disappears in the checkout",
        ],
    },
    Theme {
        name: "",
        rows: 7,
        distinct: 7,
        similarity: 0.31,
        median_score: 1.92,
        needed: 47,
        center: (0.75, -0.62),
        texts: [
            "asdf asdf test test",
            "Preheat the oven to 180 °C and butter the tin",
            "SELECT * FROM users WHERE 1=1;--",
            "Our quarterly numbers beat expectations by 3 %",
        ],
    },
];

/// The map of [`support`].
pub(crate) fn map() -> MapPoints {
    let mut random = Lcg(20_260_101);
    let mut points = Vec::new();
    for (region, theme) in THEMES.iter().enumerate() {
        for i in 0..theme.distinct as usize {
            let spread = 0.11 + 0.12 * theme.median_score.max(0.0) as f32;
            points.push(MapPoint {
                xy: [theme.center.0 + spread * random.bell(), theme.center.1 + spread * random.bell()],
                side: Side::Corpus,
                region: region as u32,
                score: Some(theme.median_score as f32 + 0.4 * random.bell()),
                mark: (region == 9 && i < 4).then_some(Mark::Review),
                source: Some(if region == 9 { "web-form" } else { "email" }.into()),
                label: None,
                id: format!("msg-{:04}", 100 * region + i),
                text: if i < 4 { theme.texts[i].to_owned() } else { format!("{} ({i})", theme.texts[i % 4]) },
            });
        }
    }
    let of = [points.len() as u64, 0];
    MapPoints { method: MapMethod::Umap, points, of }
}

/// [`map`] with a hostile string in every place that corpora fill.
pub(crate) fn hostile_map() -> MapPoints {
    let long = format!("{}<script>alert(0)</script>", "x".repeat(100_000));
    let mut next = HOSTILE.iter().map(|&text| text.to_owned()).chain([long]).cycle();
    let mut map = map();
    map.points.truncate(40);
    for point in &mut map.points {
        for text in [&mut point.id, &mut point.text] {
            *text = next.next().unwrap_or_default();
        }
        for name in [&mut point.source, &mut point.label] {
            *name = next.next().map(Into::into);
        }
    }
    map
}

/// A corpus of 612 support messages with a planted thin spot, duplicates and rows that do not belong.
pub(crate) fn support() -> Report {
    let outliers =
        [(9, 1, 4.71, 0.0018), (9, 2, 4.32, 0.0018), (9, 0, 3.95, 0.0035), (9, 3, 3.08, 0.0088), (7, 3, 1.74, 0.0315)]
            .map(|(region, i, score, p_value)| Outlier {
                record: Example {
                    id: format!("msg-{:04}", 100 * region + i),
                    text: THEMES[region].texts[i].to_owned(),
                },
                region: region as u32,
                score,
                p_value,
                source: Some(if region == 9 { "web-form" } else { "email" }.to_owned()),
                label: None,
            });
    let regions: Vec<_> = THEMES.iter().enumerate().map(|(id, theme)| region(id, theme)).collect();
    let mut needs: Vec<_> = regions
        .iter()
        .filter(|r| r.needed > 0)
        .map(|r| Need {
            region: r.id,
            name: r.name.clone(),
            distinct_texts: r.distinct_texts,
            needed: r.needed,
            collect_real_data_first: r.distinct_texts < 10,
        })
        .collect();
    needs.sort_by_key(|need| std::cmp::Reverse(need.needed));
    Report {
        schema_version: SCHEMA_VERSION,
        semcov_version: "0.1.0".to_owned(),
        corpus: CorpusSummary {
            files: vec![
                InputFile {
                    path: "data/support-2025.jsonl".to_owned(),
                    recognised:
                        "JSON lines; text from `message`, id from `id`, source from `channel`, label from `topic`"
                            .to_owned(),
                    rows: 480,
                },
                InputFile {
                    path: "data/support-2026.csv.gz".to_owned(),
                    recognised: "CSV with header, gzip; text from `message`".to_owned(),
                    rows: 132,
                },
            ],
            rows: 612,
            bad_rows: 3,
            empty: 2,
            distinct_texts: 571,
            exact_duplicates: 39,
            truncated_texts: 4,
            truncated_tokens: 1310,
            tokens: Some(9874),
        },
        encoder: EncoderSummary {
            id: "all-MiniLM-L6-v2".to_owned(),
            fingerprint: "5f0c2a9be41d7783".to_owned(),
            dim: 384,
            max_tokens: Some(256),
        },
        settings: Settings { seed: 42, leaves: 20, regions: 10, sample: 571, budget: 139 },
        diversity: Diversity {
            hill: HillNumbers { q0: 20.0, q1: 16.4, q2: 14.1 },
            hill_rarefied: HillNumbers { q0: 19.2, q1: 15.8, q2: 13.7 },
            rarefied_to: 500,
            vendi: 71.3,
            mean_similarity: 0.184,
        },
        sparsity: Sparsity {
            small_leaves: 2,
            small_leaves_share: 0.0123,
            wide_leaves: 1,
            sample_coverage: 0.41,
            groups: 402,
            chao1: 1180.5,
            grouped_texts: 571,
            saturation: vec![0.31, 0.44, 0.52, 0.57, 0.61, 0.64, 0.66, 0.68, 0.69, 0.70],
        },
        reference: None,
        coverage: None,
        gaps: Vec::new(),
        holes: Vec::new(),
        surplus: Vec::new(),
        novelty: None,
        source_coverage: Vec::new(),
        leaves: (0..20)
            .map(|id| Leaf {
                id,
                region: id / 2,
                name: format!("{} {id}", THEMES[id as usize / 2].name),
                reference_share: None,
                rows: THEMES[id as usize / 2].rows / 2,
                distinct_texts: THEMES[id as usize / 2].distinct / 2,
                similarity: THEMES[id as usize / 2].similarity,
            })
            .collect(),
        regions,
        needs_augmentation: needs,
        outliers: outliers.into(),
        duplicate_groups: vec![
            DuplicateGroup {
                kept: Example { id: "msg-0000".to_owned(), text: THEMES[0].texts[0].to_owned() },
                rows: 9,
                duplicates: (1..9).map(|i| format!("msg-{:04}", 700 + i)).collect(),
            },
            DuplicateGroup {
                kept: Example { id: "msg-0102".to_owned(), text: THEMES[1].texts[2].to_owned() },
                rows: 4,
                duplicates: vec!["msg-0710".to_owned(), "msg-0711".to_owned(), "msg-0712".to_owned()],
            },
            DuplicateGroup {
                kept: Example { id: "msg-0701".to_owned(), text: THEMES[7].texts[1].to_owned() },
                rows: 2,
                duplicates: vec!["msg-0713".to_owned()],
            },
        ],
        sources: shares(&[(Some("email"), 301), (Some("chat"), 188), (Some("web-form"), 81), (None, 42)]),
        labels: shares(&[
            (Some("account"), 140),
            (Some("billing"), 175),
            (Some("delivery"), 123),
            (Some("technical"), 91),
            (None, 83),
        ]),
        histograms: Histograms {
            similarity: Histogram {
                start: 0.2,
                width: 0.05,
                counts: vec![3, 4, 7, 15, 28, 51, 84, 118, 121, 83, 39, 14, 4],
            },
            score: Histogram { start: -1.5, width: 0.5, counts: vec![8, 96, 231, 142, 51, 22, 9, 5, 3, 1, 1, 1, 1] },
            review_from: Some(1.25),
        },
        warnings: vec![
            Warning::BadRows { rows: 3, first: "data/support-2025.jsonl:17: expected an object, got `[]`".to_owned() },
            Warning::Empty { rows: 2 },
            Warning::Truncated { texts: 4, tokens: 1310, max_tokens: 256 },
        ],
    }
}

/// [`support`] beside a reference that has more of two leaves and lacks a third.
pub(crate) fn compared() -> Report {
    let mut report = support();
    let example = |region: usize, i: usize| Example {
        id: format!("ticket-{}", 100 * region + i),
        text: THEMES[region].texts[i].to_owned(),
    };
    let gap = |leaf: u32, kind: GapKind, corpus_texts: u64, p_value: f64| Gap {
        leaf,
        region: leaf / 2,
        name: report.leaves[leaf as usize].name.clone(),
        kind,
        ratio: (corpus_texts as f64 + 0.5) / 40.5,
        ratio_low: corpus_texts as f64 / 55.0,
        ratio_high: (corpus_texts < 100).then_some((corpus_texts as f64 + 3.0) / 30.0),
        p_value,
        p_adjusted: (p_value * 20.0).min(1.0),
        significant: p_value < 0.001,
        suspected: (0.001..0.3).contains(&p_value),
        reference_texts: 40,
        reference_share: 0.04,
        corpus_texts,
        corpus_share: corpus_texts as f64 / 571.0,
        examples: if p_value < 0.001 { vec![example(7, 1), example(7, 2)] } else { Vec::new() },
    };
    let gaps = vec![
        gap(14, GapKind::Missing, 0, 3.2e-9),
        gap(11, GapKind::Thin, 9, 4.0e-5),
        gap(6, GapKind::Thin, 30, 0.21),
        gap(2, GapKind::Covered, 41, 0.6),
    ];
    let surplus = vec![gap(18, GapKind::Covered, 120, 2.0e-6)];
    for region in &mut report.regions {
        region.reference_share = Some(0.1);
    }
    for leaf in &mut report.leaves {
        leaf.reference_share = Some(0.05);
    }
    Report {
        reference: Some(ReferenceSummary {
            kind: ReferenceKind::Corpus,
            files: vec!["data/traffic-2026-10.jsonl".to_owned()],
            rows: 1020,
            distinct_texts: 1000,
            synthetic: 12,
            sample: 1000,
            counted: 1000,
            frozen: false,
        }),
        coverage: Some(Coverage {
            score: 0.874,
            interval: crate::stats::Interval { low: 0.846, high: 0.899 },
            covered: 0.771,
            expected: 0.882,
            gap_mass: 0.08,
        }),
        gaps,
        holes: vec![Hole {
            leaf: 4,
            name: report.leaves[4].name.clone(),
            reference_texts: 31,
            uncovered: 12,
            p_value: 0.0004,
            p_adjusted: 0.007,
            excess: 0.113,
            examples: vec![example(2, 3)],
        }],
        surplus,
        novelty: Some(Novelty {
            texts: 41,
            share: 0.072,
            expected: 0.01,
            groups: vec![NovelGroup {
                name: "oven, preheat, bake".to_owned(),
                texts: 41,
                examples: vec![example(9, 0), example(9, 1)],
            }],
        }),
        source_coverage: vec![
            SourceCoverage { name: Some("email".to_owned()), rows: 301, covers: 0.61, alone: 0.22 },
            SourceCoverage { name: Some("chat".to_owned()), rows: 188, covers: 0.52, alone: 0.13 },
            SourceCoverage { name: None, rows: 42, covers: 0.05, alone: 0.0 },
        ],
        ..report
    }
}

/// The least a report can hold: one text, nothing to say about it.
pub(crate) fn minimal() -> Report {
    let mut report = support();
    report.corpus = CorpusSummary {
        files: vec![InputFile { path: "-".to_owned(), recognised: "plain text".to_owned(), rows: 1 }],
        rows: 1,
        bad_rows: 0,
        empty: 0,
        distinct_texts: 1,
        exact_duplicates: 0,
        truncated_texts: 0,
        truncated_tokens: 0,
        tokens: None,
    };
    report.encoder.max_tokens = None;
    report.regions.truncate(1);
    report.leaves.truncate(1);
    report.needs_augmentation.clear();
    report.outliers.clear();
    report.duplicate_groups.clear();
    report.sources.clear();
    report.labels.clear();
    report.regions[0].sources.clear();
    report.regions[0].labels.clear();
    report.histograms = Histograms::default();
    report.warnings.clear();
    report
}

/// [`support`] with a hostile string in every place that corpora and file systems fill.
pub(crate) fn hostile() -> Report {
    let long = format!("{}<script>alert(0)</script>", "x".repeat(100_000));
    let mut next = HOSTILE.iter().map(|&text| text.to_owned()).chain([long]).cycle();
    let mut fill = |text: &mut String| *text = next.next().unwrap_or_default();
    let mut report = compared();
    for file in &mut report.corpus.files {
        fill(&mut file.path);
        fill(&mut file.recognised);
    }
    fill(&mut report.encoder.id);
    fill(&mut report.encoder.fingerprint);
    let example = |example: &mut Example, fill: &mut dyn FnMut(&mut String)| {
        fill(&mut example.id);
        fill(&mut example.text);
    };
    for region in &mut report.regions {
        fill(&mut region.name);
        example(&mut region.medoid, &mut fill);
        region.examples.iter_mut().for_each(|e| example(e, &mut fill));
        region.sources.iter_mut().chain(&mut region.labels).filter_map(|c| c.name.as_mut()).for_each(&mut fill);
    }
    report.needs_augmentation.iter_mut().for_each(|need| fill(&mut need.name));
    for outlier in &mut report.outliers {
        example(&mut outlier.record, &mut fill);
        outlier.source.iter_mut().chain(&mut outlier.label).for_each(&mut fill);
    }
    for group in &mut report.duplicate_groups {
        example(&mut group.kept, &mut fill);
        group.duplicates.iter_mut().for_each(&mut fill);
    }
    report.leaves.iter_mut().for_each(|leaf| fill(&mut leaf.name));
    report.reference.iter_mut().flat_map(|reference| &mut reference.files).for_each(&mut fill);
    for gap in report.gaps.iter_mut().chain(&mut report.surplus) {
        fill(&mut gap.name);
        gap.examples.iter_mut().for_each(|e| example(e, &mut fill));
    }
    for hole in &mut report.holes {
        fill(&mut hole.name);
        hole.examples.iter_mut().for_each(|e| example(e, &mut fill));
    }
    for group in report.novelty.iter_mut().flat_map(|novelty| &mut novelty.groups) {
        fill(&mut group.name);
        group.examples.iter_mut().for_each(|e| example(e, &mut fill));
    }
    report.source_coverage.iter_mut().filter_map(|source| source.name.as_mut()).for_each(&mut fill);
    report.sources.iter_mut().chain(&mut report.labels).filter_map(|c| c.name.as_mut()).for_each(&mut fill);
    for text in HOSTILE {
        report.warnings.push(Warning::BadRows { rows: 1, first: text.to_owned() });
        report.warnings.push(Warning::RepeatedIds { rows: 2, example: text.to_owned() });
    }
    report
}

fn region(id: usize, theme: &Theme) -> Region {
    Region {
        id: id as u32,
        name: theme.name.to_owned(),
        rows: theme.rows,
        share: theme.rows as f64 / 610.0,
        reference_share: None,
        ratio: None,
        distinct_texts: theme.distinct,
        similarity: theme.similarity,
        median_score: theme.median_score,
        leaves: vec![2 * id as u32, 2 * id as u32 + 1],
        medoid: Example { id: format!("msg-{:04}", 100 * id), text: theme.texts[0].to_owned() },
        examples: (1..4)
            .map(|i| Example { id: format!("msg-{:04}", 100 * id + i), text: theme.texts[i].to_owned() })
            .collect(),
        sources: shares(&[(Some("email"), theme.rows / 2), (Some("chat"), theme.rows - theme.rows / 2)]),
        labels: shares(&[(Some("billing"), theme.rows)]),
        out_of_place: false,
        needed: theme.needed,
    }
}

fn shares(counts: &[(Option<&str>, u64)]) -> Vec<CategoryShare> {
    let total: u64 = counts.iter().map(|&(_, rows)| rows).sum();
    counts
        .iter()
        .map(|&(name, rows)| CategoryShare { name: name.map(str::to_owned), rows, share: rows as f64 / total as f64 })
        .collect()
}

/// A linear congruential generator: points that look scattered, the same in every run.
struct Lcg(u64);

impl Lcg {
    /// About normal, of standard deviation about 1: a sum of uniform numbers.
    fn bell(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }

    fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32
    }
}
