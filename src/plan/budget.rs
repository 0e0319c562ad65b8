//! How a budget is written: a number of examples, or a percentage of the distinct texts.

use std::fmt;
use std::str::FromStr;

use super::Budget;
use crate::Error;

impl FromStr for Budget {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let budget = match text.strip_suffix('%') {
            None => text.parse().ok().map(Self::Examples),
            Some(percent) => {
                let percent: Option<f64> = percent.trim_end().parse().ok();
                percent
                    .filter(|percent| percent.is_finite() && *percent >= 0.0)
                    .map(|percent| Self::Share(percent / 100.0))
            }
        };
        budget.ok_or_else(|| Error::Setting {
            setting: "budget",
            expected: "a number of examples, or a percentage of the distinct texts such as `10%`".to_owned(),
            got: format!("`{text}`"),
        })
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Examples(examples) => write!(f, "{examples}"),
            Self::Share(share) => write!(f, "{}%", share * 100.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["0", "250", "10%", "0%", "12.5%", "150%"] {
            assert_eq!(text.parse::<Budget>().unwrap().to_string(), text);
        }
        for text in ["", "-1", "1.5", "%", "-1%", "nan%", "inf%", "ten"] {
            let error = text.parse::<Budget>().unwrap_err().to_string();
            assert!(error.ends_with(&format!("got `{text}`")), "{error}");
        }
    }
}
