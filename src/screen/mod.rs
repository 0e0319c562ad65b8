//! Screening a data drop: which of its rows belong beside a reference, and whether it has shifted as a whole.
//!
//! A [`Profile`](crate::profile::Profile) is the reference ([`ScreenReference`]); a [`Screener`] scores texts against it;
//! a [`Batch`] takes a drop in, chunk by chunk in bounded memory, decides on its rows, and ends in a [`Screening`].
//!
//! ```no_run
//! # fn screen(embedded: &semcov::embed::EmbeddedCorpus, texts: &[&str]) -> semcov::Result<()> {
//! use semcov::profile::Profile;
//! use semcov::progress::Silent;
//! use semcov::screen::{Batch, ScreenParams, ScreenReference};
//!
//! let reference = ScreenReference::new("train.semcov".to_owned(), Profile::read("train.semcov".as_ref())?);
//! let screener = ScreenParams::default().check()?.fit(&reference, &Silent)?;
//! let mut batch = Batch::new(&screener);
//! let rows = batch.screen(embedded, texts)?;
//! for row in &rows {
//!     let reason = batch.decide(None, row.as_ref(), batch.threshold());
//!     println!("{}", if reason.is_some() { "flagged" } else { "kept" });
//! }
//! let screening = batch.finish(vec!["drop.jsonl".to_owned()])?;
//! # Ok(())
//! # }
//! ```

mod assemble;
mod batch;
mod bottom;
mod decisions;
mod details;
mod document;
mod fail_on;
#[cfg(test)]
pub(crate) mod fixture;
mod language;
mod params;
mod scorer;
mod scores;
mod screener;

pub use assemble::SHIFT_ALPHA;
pub use batch::{Batch, Threshold};
pub use decisions::{Decision, Decisions, ReviewLine};
pub use details::{ReviewedText, ScoreSpread, ScreeningDetails};
pub use document::*;
pub use fail_on::{FailOn, Limit};
pub use params::{ScreenParams, ValidScreenParams};
pub use scorer::Nearest;
pub use scores::ScoreRow;
pub use screener::{NEAR_COPY, Reason, Repeats, ScreenReference, ScreenedText, Screener};
