//! The gate: whether a corpus lost coverage against a baseline, and whether what came to it belongs.
//!
//! A [`Policy`] says which rules ([`RuleId`]) there are and how far a corpus may go. [`Evidence`] is what they look at: two
//! [profiles](crate::profile::Profile) under one codebook, and what was found of the texts that are new
//! ([`judge_added`]), of a reference ([`coverage_of`]) and of evaluation files ([`leaks`]). It is judged to a [`Verdict`].

mod added;
mod compare;
mod copies;
mod document;
#[cfg(test)]
pub(crate) mod fixture;
mod judge;
mod leakage;
mod map;
mod policy;
mod reference;
mod rules;

pub use added::{ADDED_TEXTS, added_texts, judge_added};
pub use compare::{LEAST_TEXTS, POWER};
pub use document::*;
pub use judge::Evidence;
pub use leakage::{Leak, leaks};
pub use map::map_of;
pub use policy::{Amount, OnInconclusive, Policy, PolicyParams, RuleSettings, Target};
pub use reference::coverage_of;
pub use rules::{Rule, RuleId, Unit};
