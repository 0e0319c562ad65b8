//! The outlier scores, by name.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;

/// How far a text lies from a reference, in one of several measures. Higher is further in all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// The local score and a quarter of z, on a common scale: the default.
    #[default]
    Ensemble,
    /// Mean distance to the nearest reference texts, less half of their mean radius.
    Local,
    /// Mean distance to the nearest reference texts.
    Knn,
    /// Distance to the nearest prototype.
    Centroid,
    /// The same, beside the distances of the reference texts of that prototype.
    Z,
    /// Relative Mahalanobis distance.
    Rmd,
}

impl ScoreKind {
    /// Every score, under the name that [`ScoreKind::from_str`] takes.
    pub const ALL: [(&'static str, Self); 6] = [
        ("ensemble", Self::Ensemble),
        ("local", Self::Local),
        ("knn", Self::Knn),
        ("centroid", Self::Centroid),
        ("z", Self::Z),
        ("rmd", Self::Rmd),
    ];
}

impl fmt::Display for ScoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name))
    }
}

impl FromStr for ScoreKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|&(_, kind)| kind).ok_or_else(|| Error::Setting {
            setting: "score",
            expected: format!("one of {}", Self::ALL.map(|(known, _)| known).join(", ")),
            got: format!("{name:?}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_are_those_of_the_schema() {
        for (name, kind) in ScoreKind::ALL {
            assert_eq!(name.parse::<ScoreKind>().unwrap(), kind);
            assert_eq!(kind.to_string(), name);
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
        }
        assert!("lof".parse::<ScoreKind>().unwrap_err().to_string().contains("rmd"));
    }
}
