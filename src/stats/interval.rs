//! Intervals of shares.

use statrs::distribution::{Beta, ContinuousCDF};

/// A 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Jeffreys' 95 % interval of a share, of which `successes` of `trials` were seen: the central part of the
/// Beta(k + 1/2, n - k + 1/2) posterior, with the ends 0 and 1 where nothing or everything was a success (Brown, Cai &
/// `DasGupta` 2001, <https://doi.org/10.1214/ss/1009213286>). From 0 to 1 where there was no trial.
///
/// # Panics
/// If there are more successes than trials.
#[must_use]
pub fn jeffreys(successes: u64, trials: u64) -> Interval {
    assert!(successes <= trials, "{successes} successes of {trials}");
    jeffreys_of(successes as f64, trials as f64)
}

/// [`jeffreys`] of trials that depend on each other: k successes of n tell as much as k / `design_effect` of
/// n / `design_effect` independent ones (Kish 1965).
///
/// # Panics
/// If there are more successes than trials, or the design effect is not positive.
#[must_use]
pub fn jeffreys_clustered(successes: u64, trials: u64, design_effect: f64) -> Interval {
    assert!(successes <= trials && design_effect > 0.0, "{successes} successes of {trials}, effect {design_effect}");
    jeffreys_of(successes as f64 / design_effect, trials as f64 / design_effect)
}

fn jeffreys_of(k: f64, n: f64) -> Interval {
    let posterior = Beta::new(k + 0.5, n - k + 0.5).expect("both shapes are positive");
    Interval {
        low: if k == 0.0 { 0.0 } else { posterior.inverse_cdf(0.025) },
        high: if k == n { 1.0 } else { posterior.inverse_cdf(0.975) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SciPy 1.17: `scipy.stats.beta.ppf([.025, .975], k + .5, n - k + .5)`.
    #[test]
    fn agrees_with_scipy() {
        for (k, n, low, high) in [
            (5, 10, 0.223_528_670_252_705, 0.776_471_329_747_294),
            (1, 1000, 0.000_107_918_804_681, 0.004_664_458_808_791),
            (99_000, 100_000, 0.989_369_040_893_544, 0.990_602_596_661_851),
        ] {
            let found = jeffreys(k, n);
            assert!((found.low - low).abs() < 1e-7 && (found.high - high).abs() < 1e-7, "{k} {n} {found:?}");
        }
        assert_eq!(jeffreys(0, 0), Interval { low: 0.0, high: 1.0 });
        assert_eq!(jeffreys_clustered(20, 40, 4.0), jeffreys(5, 10));
        assert_eq!((jeffreys(0, 9).low, jeffreys(9, 9).high), (0.0, 1.0));
    }
}
