//! The plan document: how many examples each leaf needs, with seeds. The schema of `plan.jsonl`.
//!
//! As in the report, field names are the words of flags and configuration keys, and nothing depends on the clock, the
//! machine's paths or the order of rows.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Estimate, REAL_TEXTS_TO_GENERATE_FROM, Target};
use crate::report::{EncoderSummary, Example};

/// The version of this schema; raised when a field is removed or changes its meaning.
pub const PLAN_SCHEMA_VERSION: u32 = 1;

/// Characters of a seed that a plan keeps: the length to [`cut`](crate::corpus::cut) its text to.
pub const SEED_CHARACTERS: usize = 4_000;

/// How many examples each leaf needs, with seeds to make them from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AugmentationPlan {
    /// The plan as a whole.
    #[serde(flatten)]
    pub header: PlanHeader,
    /// The leaves that need examples, most needed first.
    pub leaves: Vec<LeafPlan>,
}

/// A plan without its leaves: the first line of `plan.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanHeader {
    /// Version of this schema ([`PLAN_SCHEMA_VERSION`]).
    pub schema_version: u32,
    /// The first 16 hexadecimal digits of the BLAKE3 digest of the plan as compact JSON without this field. The ids of
    /// generation requests carry it, so that an answer can be told from that to another plan.
    pub digest: String,
    /// What embedded the corpus.
    pub encoder: EncoderSummary,
    /// The distribution that the plan moves the corpus towards.
    pub target: Target,
    /// Examples asked for.
    pub asked_budget: u64,
    /// Examples to add: those asked for, capped by the synthetic share.
    pub budget: u64,
    /// The most that synthetic texts may be of the resulting corpus, 0 to 1.
    pub synthetic_share: f64,
    /// Distinct texts of the corpus.
    pub texts: u64,
    /// Those of them that are synthetic already.
    pub synthetic_texts: u64,
    /// What the generation requests will take, where that was estimated.
    pub estimate: Option<Estimate>,
}

/// What a leaf needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LeafPlan {
    /// The leaf.
    pub leaf: u32,
    /// Its region.
    pub region: u32,
    /// Words that say what it is about.
    pub name: String,
    /// Distinct texts it has.
    pub texts: u64,
    /// Those of them that are not synthetic.
    pub real_texts: u64,
    /// Its share of the target distribution, 0 to 1.
    pub target_share: f64,
    /// Examples to add.
    pub needed: u64,
    /// Whether its real texts are too few to generate from (fewer than 10). Its examples are to be collected, and no
    /// request asks for them.
    pub collect_real_data_first: bool,
    /// Real texts of the corpus to make examples from, the most typical first.
    pub seeds: Vec<Example>,
    /// Texts to search for real data with, such as records of the reference that nothing covers.
    pub search_for: Vec<Example>,
    /// What the leaf is by comparison with the reference: `missing`, `thin`, or `None`.
    pub gap: Option<String>,
}

impl AugmentationPlan {
    /// A plan of these leaves: those that need nothing are left out, and the others ordered, most needed first.
    ///
    /// `schema_version`, `digest` and every leaf's `collect_real_data_first` are set here, whatever they were.
    /// Numbers are expected to be finite.
    #[must_use]
    pub fn new(mut header: PlanHeader, mut leaves: Vec<LeafPlan>) -> Self {
        header.schema_version = PLAN_SCHEMA_VERSION;
        leaves.retain(|leaf| leaf.needed > 0);
        leaves.sort_by_key(|leaf| (Reverse(leaf.needed), leaf.leaf));
        for leaf in &mut leaves {
            leaf.collect_real_data_first = leaf.real_texts < REAL_TEXTS_TO_GENERATE_FROM;
        }
        let mut plan = Self { header, leaves };
        plan.header.digest = plan.compute_digest();
        plan
    }

    /// The same plan with an estimate, and so with another digest.
    #[must_use]
    pub fn with_estimate(mut self, estimate: Estimate) -> Self {
        self.header.estimate = Some(estimate);
        self.header.digest = self.compute_digest();
        self
    }

    /// Leaves whose examples can be generated.
    pub fn generated(&self) -> impl Iterator<Item = &LeafPlan> {
        self.leaves.iter().filter(|leaf| !leaf.collect_real_data_first)
    }

    /// Leaves whose examples are to be collected as real data.
    pub fn collected(&self) -> impl Iterator<Item = &LeafPlan> {
        self.leaves.iter().filter(|leaf| leaf.collect_real_data_first)
    }

    /// What `header.digest` is to be.
    pub(super) fn compute_digest(&self) -> String {
        let mut plan = serde_json::to_value(self).expect("a plan has only fields that JSON has");
        if let Some(fields) = plan.as_object_mut() {
            fields.shift_remove("digest");
        }
        blake3::hash(plan.to_string().as_bytes()).to_hex()[..16].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture;

    #[test]
    fn most_needed_first() {
        let plan = fixture::plan();
        let needed: Vec<_> = plan.leaves.iter().map(|leaf| (leaf.leaf, leaf.needed)).collect();
        assert_eq!(needed, [(12, 47), (3, 30), (7, 30), (9, 3)], "leaf 5 needs nothing");
        let flags: Vec<bool> = plan.leaves.iter().map(|leaf| leaf.collect_real_data_first).collect();
        assert_eq!(flags, [false, false, true, false], "9 real texts are too few, 10 are not");
        assert_eq!(plan.generated().count() + plan.collected().count(), plan.leaves.len());
    }

    #[test]
    fn digest_is_of_everything_else() {
        let plan = fixture::plan();
        assert_eq!(plan.header.digest.len(), 16);
        assert!(plan.header.digest.bytes().all(|b| b.is_ascii_hexdigit()));
        let mut shuffled = plan.leaves.clone();
        shuffled.reverse();
        let again = AugmentationPlan::new(PlanHeader { digest: "x".to_owned(), ..plan.header.clone() }, shuffled);
        assert_eq!(again, plan, "neither the old digest nor the order of leaves matters");

        let mut text = plan.clone();
        text.leaves[1].seeds[0].text.push('!');
        let mut budget = plan.clone();
        budget.header.asked_budget += 1;
        for other in [text, budget] {
            assert_ne!(other.compute_digest(), plan.header.digest);
        }
    }
}
