//! Plans made by hand, for tests.

use super::{AugmentationPlan, LeafPlan, PlanHeader, Target};
use crate::report::{EncoderSummary, Example};

fn header() -> PlanHeader {
    PlanHeader {
        schema_version: 0,
        digest: String::new(),
        encoder: EncoderSummary {
            id: "all-MiniLM-L6-v2".to_owned(),
            fingerprint: "53aa51172d142c89d9012cce15ae4d6c".to_owned(),
            dim: 384,
            max_tokens: Some(256),
        },
        target: Target::Reference,
        asked_budget: 150,
        budget: 110,
        synthetic_share: 0.2,
        texts: 500,
        synthetic_texts: 12,
        estimate: None,
    }
}

fn examples(prefix: &str, texts: &[&str]) -> Vec<Example> {
    let example = |(i, text): (usize, &&str)| Example { id: format!("{prefix}-{i:04}"), text: (*text).to_owned() };
    texts.iter().enumerate().map(example).collect()
}

fn leaf(leaf: u32, name: &str, texts: u64, real_texts: u64, needed: u64, seeds: &[&str]) -> LeafPlan {
    LeafPlan {
        leaf,
        region: leaf / 4,
        name: name.to_owned(),
        texts,
        real_texts,
        target_share: 1.0 / f64::from(leaf + 7),
        needed,
        collect_real_data_first: false,
        seeds: examples("msg", seeds),
        search_for: Vec::new(),
        gap: None,
    }
}

/// Four leaves with needs; one of them has too few real texts.
pub(crate) fn plan() -> AugmentationPlan {
    let mut missing = leaf(7, "返金, 注文, 配送", 12, 9, 30, &["返金はいつ頃になりますか？"]);
    missing.gap = Some("missing".to_owned());
    missing.search_for = examples("traffic", &["注文した商品がまだ届きません", "返金をお願いします"]);
    let mut thin = leaf(
        12,
        "warranty, broken, repair",
        24,
        20,
        47,
        &[
            "The screen cracked after two days, does the warranty cover it?",
            "repair has taken six weeks, I want a new one",
            "Where is the nearest repair shop?",
        ],
    );
    thin.gap = Some("thin".to_owned());
    AugmentationPlan::new(
        header(),
        vec![
            leaf(3, "", 14, 14, 30, &["Please delete all my data", "Send me a copy of what you store about me"]),
            leaf(5, "password, reset link, login", 109, 109, 0, &["Locked out after three tries"]),
            missing,
            leaf(9, "app crash, update, android", 40, 10, 3, &["App closes itself as soon as I open the camera"]),
            thin,
        ],
    )
}

/// A plan whose every text is hostile.
pub(crate) fn hostile() -> AugmentationPlan {
    use crate::report::fixture::HOSTILE;
    let leaves = HOSTILE.iter().zip(0..).map(|(text, id)| LeafPlan {
        search_for: vec![Example { id: (*text).to_owned(), text: (*text).to_owned() }],
        gap: Some((*text).to_owned()),
        seeds: vec![Example { id: (*text).to_owned(), text: (*text).to_owned() }; 2],
        ..leaf(id, text, 10, if id % 2 == 0 { 10 } else { 3 }, 5, &[])
    });
    let encoder = EncoderSummary { id: HOSTILE[0].to_owned(), ..header().encoder };
    AugmentationPlan::new(PlanHeader { encoder, ..header() }, leaves.collect())
}

/// A plan of nothing: the cap was reached.
pub(crate) fn empty() -> AugmentationPlan {
    AugmentationPlan::new(PlanHeader { budget: 0, synthetic_texts: 120, ..header() }, Vec::new())
}
