//! Generation requests: prompts that ask for variations of one seed each, the same for every vendor.
//!
//! The examples that a leaf needs are spread over its seeds as evenly as can be, and those of a seed over as few
//! requests as hold them, as evenly as can be: an answer of many variations repeats itself, and one answer that fails
//! costs little. A leaf that needs real data first gets no request.

use std::fmt;
use std::str::FromStr;

use super::estimate::output_tokens;
use super::{AugmentationPlan, LeafPlan, PromptTemplate, PromptVariables};
use crate::{Error, Result};

/// The most variations that a request asks for.
pub const VARIATIONS_PER_REQUEST: u64 = 20;

/// What a request is called: `l12-s3-p0-0123456789abcdef`, at most 64 characters of `a-zA-Z0-9_-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId {
    /// The leaf.
    pub leaf: u32,
    /// The seed, by its place among the leaf's seeds.
    pub seed: u32,
    /// Which of the seed's requests it is, from 0.
    pub part: u64,
    /// The digest of the plan: 16 hexadecimal digits.
    pub digest: String,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "l{}-s{}-p{}-{}", self.leaf, self.seed, self.part, self.digest)
    }
}

impl FromStr for RequestId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let mut parts = text.split('-');
            let id = Self {
                leaf: parts.next()?.strip_prefix('l')?.parse().ok()?,
                seed: parts.next()?.strip_prefix('s')?.parse().ok()?,
                part: parts.next()?.strip_prefix('p')?.parse().ok()?,
                digest: parts.next()?.to_owned(),
            };
            let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            // Written one way only: no signs, no leading zeros.
            (id.digest.len() == 16 && id.digest.bytes().all(hex) && id.to_string() == text).then_some(id)
        };
        parse().ok_or_else(|| Error::Setting {
            setting: "custom_id",
            expected: "the id of a generation request, such as `l12-s3-p0-0123456789abcdef`".to_owned(),
            got: format!("{text:?}"),
        })
    }
}

/// One prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerationRequest {
    /// What it is called.
    pub id: RequestId,
    /// Variations that it asks for, 1 to [`VARIATIONS_PER_REQUEST`].
    pub count: u64,
    /// The prompt.
    pub prompt: String,
    /// Tokens of the answer, roughly (see [`Estimate`](super::Estimate)).
    pub output_tokens: u64,
    /// Tokens at which to cut the answer off: enough for any script, and for variations twice as long as the seeds.
    pub max_tokens: u64,
}

impl AugmentationPlan {
    /// The requests of the plan: leaf by leaf as the plan has them, seed by seed. A leaf without seeds has none.
    ///
    /// Each is an error where the template cannot be rendered.
    pub fn requests<'a>(
        &'a self,
        template: &'a PromptTemplate,
    ) -> impl Iterator<Item = Result<GenerationRequest>> + 'a {
        self.generated().flat_map(move |leaf| {
            let of_seeds = evenly(leaf.needed, leaf.seeds.len() as u64);
            of_seeds.enumerate().flat_map(move |(seed, count)| {
                let parts = evenly(count, count.div_ceil(VARIATIONS_PER_REQUEST));
                (0..).zip(parts).map(move |(part, count)| self.request(template, leaf, seed, part, count))
            })
        })
    }

    fn request(
        &self,
        template: &PromptTemplate,
        leaf: &LeafPlan,
        seed: usize,
        part: u64,
        count: u64,
    ) -> Result<GenerationRequest> {
        let others = leaf.seeds.iter().enumerate().filter(|(other, _)| *other != seed);
        let variables = PromptVariables {
            seed: &leaf.seeds[seed].text,
            seeds: others.map(|(_, other)| other.text.as_str()).collect(),
            name: &leaf.name,
            count,
        };
        Ok(GenerationRequest {
            id: RequestId { leaf: leaf.leaf, seed: seed as u32, part, digest: self.header.digest.clone() },
            count,
            prompt: template.render(&variables)?,
            output_tokens: output_tokens(leaf, count),
            max_tokens: max_tokens(leaf, count),
        })
    }
}

/// `total` in `parts` parts that differ by at most 1, the larger ones first, without those of 0.
fn evenly(total: u64, parts: u64) -> impl Iterator<Item = u64> {
    (0..parts).map(move |part| total / parts + u64::from(part < total % parts)).take_while(|&part| part > 0)
}

/// Where to cut off an answer of `count` texts.
///
/// No script takes much more than a token for 3 bytes of UTF-8. Twice that for variations longer than the seeds, 8
/// tokens a text for quotes and escapes, and 512 for what a model says beside its answer.
fn max_tokens(leaf: &LeafPlan, count: u64) -> u64 {
    let bytes: u64 = leaf.seeds.iter().map(|seed| seed.text.len() as u64).sum();
    let mean = bytes.div_ceil(3 * (leaf.seeds.len() as u64).max(1));
    512 + count * (8 + 2 * mean)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::plan::fixture;

    fn requests(plan: &AugmentationPlan) -> Vec<GenerationRequest> {
        plan.requests(&PromptTemplate::new("{{ count }} {{ seed }} {{ seeds }}").unwrap())
            .collect::<Result<_>>()
            .unwrap()
    }

    #[test]
    fn by_hand() {
        let plan = fixture::plan();
        let requests = requests(&plan);
        let asked: Vec<_> = requests.iter().map(|r| (r.id.leaf, r.id.seed, r.id.part, r.count)).collect();
        // 47 over three seeds; 30 over two; leaf 7 needs real texts first; 3 from one seed.
        assert_eq!(asked, [(12, 0, 0, 16), (12, 1, 0, 16), (12, 2, 0, 15), (3, 0, 0, 15), (3, 1, 0, 15), (9, 0, 0, 3)]);
        assert_eq!(
            requests[4].prompt,
            r#"15 "Send me a copy of what you store about me" ["Please delete all my data"]"#
        );
        // 66 bytes in two seeds: 11 tokens a text, for any script.
        assert_eq!(requests[4].max_tokens, 512 + 15 * (8 + 2 * 11));
        assert_eq!(requests[4].id.to_string(), format!("l3-s1-p0-{}", plan.header.digest));
    }

    #[test]
    fn many_examples_take_several_requests() {
        let mut plan = fixture::plan();
        plan.leaves.truncate(1);
        plan.leaves[0].needed = 125;
        let counts: Vec<_> = requests(&plan).iter().map(|r| (r.id.seed, r.id.part, r.count)).collect();
        let expected = [
            (0, 0, 14),
            (0, 1, 14),
            (0, 2, 14),
            (1, 0, 14),
            (1, 1, 14),
            (1, 2, 14),
            (2, 0, 14),
            (2, 1, 14),
            (2, 2, 13),
        ];
        assert_eq!(counts, expected, "42, 42 and 41, each in three parts");
        plan.leaves[0].needed = 2;
        assert_eq!(requests(&plan).len(), 2, "the third seed gets none");
    }

    #[test]
    fn ids_read_back() {
        let longest = RequestId { leaf: u32::MAX, seed: u32::MAX, part: u64::MAX, digest: "f".repeat(16) };
        assert!(longest.to_string().len() <= 64);
        for id in [longest, RequestId { leaf: 0, seed: 3, part: 12, digest: "0123456789abcdef".to_owned() }] {
            assert_eq!(id.to_string().parse::<RequestId>().unwrap(), id);
        }
        for text in [
            "",
            "l1-s2-p3",
            "l1-s2-p3-0123456789abcde",
            "l1-s2-p3-0123456789ABCDEF",
            "l01-s2-p3-0123456789abcdef",
            "l+1-s2-p3-0123456789abcdef",
            "s1-l2-p3-0123456789abcdef",
            "l1-s2-p3-0123456789abcdef-x",
            "l4294967296-s2-p3-0123456789abcdef",
        ] {
            assert!(text.parse::<RequestId>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_example_is_asked_for_once(needed in 1u64..3000, seeds in 1usize..8) {
            let mut plan = fixture::plan();
            plan.leaves.truncate(1);
            plan.leaves[0].needed = needed;
            let seed = plan.leaves[0].seeds[0].clone();
            plan.leaves[0].seeds = vec![seed; seeds];
            let requests = requests(&plan);
            prop_assert_eq!(requests.iter().map(|r| r.count).sum::<u64>(), needed);
            prop_assert!(requests.iter().all(|r| (1..=VARIATIONS_PER_REQUEST).contains(&r.count)));
            let ids: BTreeSet<String> = requests.iter().map(|r| r.id.to_string()).collect();
            prop_assert_eq!(ids.len(), requests.len());
            let of_seed = |seed| requests.iter().filter(|r| r.id.seed == seed).map(|r| r.count).sum::<u64>();
            let spread: Vec<u64> = (0..seeds as u32).map(of_seed).collect();
            prop_assert!(spread.iter().max().unwrap() - spread.iter().min().unwrap() <= 1);
        }
    }
}
