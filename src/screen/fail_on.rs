//! When a screening fails a pipeline: conditions on the drop as a whole.

use std::fmt;
use std::str::FromStr;

use super::{ScreenWarning, Screening};
use crate::Error;
use crate::ood::GroupKind;

/// A condition under which a screening fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FailOn {
    /// The drop has shifted, by either test.
    Shift,
    /// There is new content.
    NewContent,
    /// The mix of regions has changed.
    ChangedMix,
    /// A group of flagged texts is a new topic.
    NewTopic,
    /// The drop reads as another language than the reference.
    Language,
    /// No row could be judged at the level asked for.
    Underpowered,
    /// More rows were flagged.
    Flagged(Limit),
    /// More texts repeat one of the reference, exactly or nearly: estimated from those that could be looked up.
    Duplicates(Limit),
}

/// A count, or a share in percent, that may not be exceeded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// A number.
    Count(u64),
    /// Percent, 0 to 100.
    Percent(f64),
}

/// Conditions without a limit, by name.
const PLAIN: [(&str, FailOn); 6] = [
    ("shift", FailOn::Shift),
    ("new-content", FailOn::NewContent),
    ("changed-mix", FailOn::ChangedMix),
    ("new-topic", FailOn::NewTopic),
    ("language", FailOn::Language),
    ("underpowered", FailOn::Underpowered),
];

impl FailOn {
    /// Why a screening fails by this condition, as a sentence; `None` if it does not.
    #[must_use]
    pub fn failure(self, screening: &Screening) -> Option<String> {
        let shift = screening.shift.as_ref();
        let fails = match self {
            Self::Shift => shift.is_some_and(|shift| shift.shifted),
            Self::NewContent => shift.is_some_and(|shift| shift.new_content),
            Self::ChangedMix => shift.is_some_and(|shift| shift.changed_mix),
            Self::NewTopic => screening.groups.iter().any(|group| group.kind == GroupKind::NewTopic),
            Self::Language => {
                screening.warnings.iter().any(|warning| matches!(warning, ScreenWarning::OtherLanguage { .. }))
            }
            Self::Underpowered => screening.warnings.iter().any(|warning| {
                matches!(warning, ScreenWarning::Underpowered { .. } | ScreenWarning::FdrUnderpowered { .. })
            }),
            Self::Flagged(limit) => limit.is_exceeded(screening.flagged.rows, screening.rows.rows),
            Self::Duplicates(limit) => {
                let (repeated, texts) = (&screening.repeated, screening.rows.distinct_texts as f64);
                let near = repeated.near.unwrap_or(0) as f64 / screening.rows.sample.max(1) as f64;
                limit.is_exceeded(((repeated.exact_share + near) * texts).round() as u64, screening.rows.distinct_texts)
            }
        };
        let found = match self {
            Self::Shift => "the drop has shifted".to_owned(),
            Self::NewContent => "the drop has new content".to_owned(),
            Self::ChangedMix => "the mix of regions has changed".to_owned(),
            Self::NewTopic => "there is a new topic".to_owned(),
            Self::Language => "the drop is in another language".to_owned(),
            Self::Underpowered => "the reference is too small to judge rows at this level".to_owned(),
            Self::Flagged(_) => format!("{} of {} rows were flagged", screening.flagged.rows, screening.rows.rows),
            Self::Duplicates(_) => "too many texts repeat one of the reference".to_owned(),
        };
        fails.then(|| format!("{self}: {found}"))
    }

    /// Whether it can be judged only against texts, which a compact profile has not.
    #[must_use]
    pub fn needs_texts(self) -> bool {
        matches!(self, Self::Duplicates(_))
    }

    /// Reads a list of conditions, separated by commas.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first that is none.
    pub fn list(text: &str) -> Result<Vec<Self>, Error> {
        text.split(',').map(str::trim).filter(|condition| !condition.is_empty()).map(str::parse).collect()
    }
}

impl Limit {
    fn is_exceeded(self, count: u64, of: u64) -> bool {
        match self {
            Self::Count(limit) => count > limit,
            Self::Percent(percent) => count as f64 * 100.0 > percent * of as f64,
        }
    }
}

impl FromStr for FailOn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::Setting {
            setting: "fail-on",
            expected: format!("{}, `flagged>5%` or `duplicates>100`", PLAIN.map(|(name, _)| name).join(", ")),
            got: format!("{text:?}"),
        };
        if let Some((_, plain)) = PLAIN.iter().find(|(name, _)| *name == text) {
            return Ok(*plain);
        }
        let (name, limit) = text.split_once('>').ok_or_else(unknown)?;
        let limit = limit.trim();
        let limit = match limit.strip_suffix('%') {
            None => limit.parse().ok().map(Limit::Count),
            Some(percent) => {
                let percent = percent.trim_end().parse().ok().filter(|percent| (0.0..=100.0).contains(percent));
                percent.map(Limit::Percent)
            }
        };
        match (name.trim(), limit) {
            ("flagged", Some(limit)) => Ok(Self::Flagged(limit)),
            ("duplicates", Some(limit)) => Ok(Self::Duplicates(limit)),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for FailOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flagged(limit) => write!(f, "flagged>{limit}"),
            Self::Duplicates(limit) => write!(f, "duplicates>{limit}"),
            plain => f.write_str(PLAIN.iter().find(|(_, known)| known == plain).map_or("", |(name, _)| name)),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written_back() {
        let text = "shift,new-content,changed-mix,new-topic,language,underpowered,flagged>5%,duplicates>100";
        let conditions = FailOn::list(text).unwrap();
        assert_eq!(conditions.iter().map(ToString::to_string).collect::<Vec<_>>().join(","), text);
        assert_eq!(FailOn::list(" flagged > 2.5 % , ").unwrap(), [FailOn::Flagged(Limit::Percent(2.5))]);
        for text in ["shifted", "flagged", "flagged>", "flagged>101%", "flagged>-1", "flagged>nan%", "shift>3"] {
            let message = FailOn::list(text).unwrap_err().to_string();
            assert!(message.contains(text) && message.contains("new-topic"), "{message}");
        }
    }

    #[test]
    fn limits_may_be_reached_and_not_exceeded() {
        assert!(!Limit::Count(3).is_exceeded(3, 3) && Limit::Count(3).is_exceeded(4, 9));
        assert!(!Limit::Percent(5.0).is_exceeded(5, 100) && Limit::Percent(5.0).is_exceeded(6, 100));
        assert!(!Limit::Percent(0.0).is_exceeded(0, 0));
    }
}
