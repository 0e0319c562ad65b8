//! An estimate of what the generation requests take: tokens and, at prices that the user gives, money.
//!
//! A token is taken as [`CHARACTERS_PER_TOKEN`] characters, which is about right for English prose under the vendors'
//! tokenizers and too few tokens for code and for scripts other than Latin. An answer is taken to be as long as the
//! seeds of its leaf. Tokens that a model spends on reasoning are not counted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AugmentationPlan, LeafPlan, PromptTemplate};
use crate::{Error, Result};

/// Characters taken as one token.
pub const CHARACTERS_PER_TOKEN: u64 = 4;

/// Prices of a model, in USD per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Prices {
    /// Of tokens in, 0 or more.
    pub input: f64,
    /// Of tokens out, 0 or more.
    pub output: f64,
}

/// What the generation requests of a plan will take, roughly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// Requests.
    pub requests: u64,
    /// Examples that they ask for.
    pub examples: u64,
    /// Tokens of the prompts.
    pub input_tokens: u64,
    /// Tokens of the answers.
    pub output_tokens: u64,
    /// The prices given.
    pub prices: Option<Prices>,
    /// Cost in USD at those prices.
    pub cost: Option<f64>,
}

impl Estimate {
    /// Estimates what the requests of a plan take. Cost: every prompt is rendered once.
    ///
    /// # Errors
    /// [`Error::Setting`] for a price that is negative or not finite, or where the template cannot be rendered.
    pub fn of(plan: &AugmentationPlan, template: &PromptTemplate, prices: Option<Prices>) -> Result<Self> {
        for price in prices.iter().flat_map(|prices| [prices.input, prices.output]) {
            if !(price.is_finite() && price >= 0.0) {
                let expected = "USD per million tokens, 0 or more".to_owned();
                return Err(Error::Setting { setting: "prices", expected, got: price.to_string() });
            }
        }
        let mut estimate = Self { requests: 0, examples: 0, input_tokens: 0, output_tokens: 0, prices, cost: None };
        for request in plan.requests(template) {
            let request = request?;
            estimate.requests += 1;
            estimate.examples += request.count;
            estimate.input_tokens += tokens(&request.prompt);
            estimate.output_tokens += request.output_tokens;
        }
        estimate.cost = prices.map(|prices| {
            (estimate.input_tokens as f64 * prices.input + estimate.output_tokens as f64 * prices.output) / 1e6
        });
        Ok(estimate)
    }
}

/// Tokens of a text, roughly.
fn tokens(text: &str) -> u64 {
    (text.chars().count() as u64).div_ceil(CHARACTERS_PER_TOKEN)
}

/// Tokens of `count` texts as long as a leaf's seeds, roughly.
pub(super) fn output_tokens(leaf: &LeafPlan, count: u64) -> u64 {
    let seeds: u64 = leaf.seeds.iter().map(|seed| tokens(&seed.text)).sum();
    (count * seeds).div_ceil((leaf.seeds.len() as u64).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture;

    #[test]
    fn by_hand() {
        let template = PromptTemplate::new("{{ count }} of {{ seed }}").unwrap();
        let prices = Prices { input: 2.0, output: 10.0 };
        let estimate = Estimate::of(&fixture::plan(), &template, Some(prices)).unwrap();
        assert_eq!((estimate.requests, estimate.examples), (6, 80), "leaf 7 has too few real texts");
        // Leaf 12: seeds of 62, 44 and 33 characters are 16 + 11 + 9 tokens, 12 a text; 16 + 16 + 15 texts.
        // Leaf 3: seeds of 25 and 41 characters are 7 + 11 tokens, 9 a text; 15 + 15 texts.
        // Leaf 9: 46 characters are 12 tokens; 3 texts.
        assert_eq!(estimate.output_tokens, 47 * 12 + 30 * 9 + 3 * 12);
        // `16 of "…"` adds 8 characters to a seed, `3 of "…"` 7: 70, 52, 41; 33, 49; 53.
        assert_eq!(estimate.input_tokens, 18 + 13 + 11 + 9 + 13 + 14);
        assert_eq!(estimate.cost, Some((78.0 * 2.0 + 870.0 * 10.0) / 1e6));
        assert_eq!(Estimate::of(&fixture::plan(), &template, None).unwrap().cost, None);
        let none = Estimate::of(&fixture::empty(), &template, Some(prices)).unwrap();
        assert_eq!((none.requests, none.input_tokens, none.output_tokens, none.cost), (0, 0, 0, Some(0.0)));
    }

    #[test]
    fn refused_prices() {
        for price in [-0.1, f64::NAN, f64::INFINITY] {
            let prices = Prices { input: 1.0, output: price };
            assert!(Estimate::of(&fixture::plan(), &PromptTemplate::default(), Some(prices)).is_err());
        }
    }
}
