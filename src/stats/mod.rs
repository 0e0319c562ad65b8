//! The tests, corrections and intervals that judge counts.

mod corrections;
mod interval;
mod rates;
mod turnover;

pub use corrections::{benjamini_hochberg, holm};
pub use interval::{Interval, jeffreys, jeffreys_clustered};
pub use rates::{Rates, binomial_at_least};
pub(crate) use turnover::hypergeometric;
pub use turnover::{Copies, Turnover};
