//! How many rows may be unreadable.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// How many rows of a corpus may be bad before the run fails: `10`, or `0.5%`.
///
/// A corpus whose rows are all bad fails under any limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BadRowLimit {
    /// A number of rows; the run fails at the first bad row above it.
    Rows(u64),
    /// A share of all rows in percent, 0 to 100, judged when all are read.
    Percent(f64),
}

impl BadRowLimit {
    /// Whether `bad` rows are too many, however many good ones are still to be read.
    pub(super) fn is_exceeded_for_good(self, bad: u64) -> bool {
        matches!(self, Self::Rows(allowed) if bad > allowed)
    }

    /// Whether `bad` of `rows` rows are too many.
    #[must_use]
    pub fn is_exceeded(self, bad: u64, rows: u64) -> bool {
        match self {
            Self::Rows(allowed) => bad > allowed,
            Self::Percent(percent) => bad as f64 * 100.0 > percent * rows as f64,
        }
    }
}

impl FromStr for BadRowLimit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let limit = match text.strip_suffix('%') {
            None => text.parse().ok().map(Self::Rows),
            Some(percent) => {
                percent.trim_end().parse().ok().filter(|percent| (0.0..=100.0).contains(percent)).map(Self::Percent)
            }
        };
        limit.ok_or_else(|| Error::Setting {
            setting: "max-bad-rows",
            expected: "a number of rows, or a percentage from `0%` to `100%`".to_owned(),
            got: format!("`{text}`"),
        })
    }
}

impl fmt::Display for BadRowLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(rows) => write!(f, "{rows}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["0", "10", "0%", "0.5%", "100%"] {
            assert_eq!(text.parse::<BadRowLimit>().unwrap().to_string(), text);
        }
        for text in ["", "-1", "1.5", "%", "101%", "-1%", "nan%", "ten"] {
            let error = text.parse::<BadRowLimit>().unwrap_err().to_string();
            assert!(error.ends_with(&format!("got `{text}`")), "{error}");
        }
    }

    #[test]
    fn limits() {
        let limit = |text: &str| text.parse::<BadRowLimit>().unwrap();
        assert!(!limit("0").is_exceeded(0, 0) && limit("0").is_exceeded(1, 9));
        assert!(!limit("2").is_exceeded_for_good(2) && limit("2").is_exceeded_for_good(3));
        assert!(!limit("10%").is_exceeded(1, 10) && limit("10%").is_exceeded(2, 19));
        assert!(!limit("10%").is_exceeded_for_good(100));
    }
}
