//! Targets: the distribution that a plan moves the corpus towards, as a share for every leaf.
//!
//! ```text
//! reference  q[c] ~ the reference's share of leaf c: what is used is what is trained on
//! uniform    q[c] ~ 1: every leaf as large as the others
//! sqrt       q[c] ~ sqrt(n[c]), n the corpus' own counts: lifts small leaves without levelling large ones
//! table      q[c] ~ weights given by region or leaf
//! ```
//! The square root is temperature sampling (Arivazhagan et al. 2019, arXiv:1907.05019) at the temperature 2.
//! Leaves out of place have the share 0, whatever the target.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Known keys that an error names.
const SUGGESTIONS: usize = 5;
/// Characters of an unknown key that are compared with the known ones.
const COMPARED: usize = 60;

/// What a plan moves the corpus towards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The shares of a reference corpus.
    Reference,
    /// The same share for every leaf.
    #[default]
    Uniform,
    /// The square root of the corpus' own counts.
    Sqrt,
    /// Weights by region or leaf, given by the user.
    Table,
}

impl Target {
    const WORDS: [(&'static str, Self); 4] =
        [("reference", Self::Reference), ("uniform", Self::Uniform), ("sqrt", Self::Sqrt), ("table", Self::Table)];

    /// The target share of every leaf; they sum to 1.
    ///
    /// `table` serves the target [`Table`](Self::Table) alone. Its keys name leaves: `leaf:3` one of them, `region:12`
    /// or a region's name all of the region's (of several regions, if they have that name), and `*` all that no other
    /// key names. The narrowest key that names a leaf has it: `leaf:N` before `region:N` before a name before `*`. A
    /// key's weight is spread over its leaves in place by the reference's shares, or evenly where there is no reference
    /// or it has nothing there. Leaves without a key have the share 0.
    ///
    /// # Errors
    /// [`Error::Setting`] where the target needs a reference or a table that is not there, a key is unknown, a weight
    /// is negative or not finite, or no leaf is left with a share.
    ///
    /// # Panics
    /// If the lengths of `leaves` differ.
    pub fn shares(self, leaves: &TargetLeaves<'_>, table: &BTreeMap<String, f64>) -> Result<Vec<f64>> {
        let k = leaves.counts.len();
        assert!(
            k == leaves.region_of_leaf.len()
                && k == leaves.out_of_place.len()
                && leaves.reference.is_none_or(|reference| reference.len() == k),
            "one value per leaf"
        );
        let wrong = |expected: &str, got: &str| Error::Setting {
            setting: "target",
            expected: expected.to_owned(),
            got: got.to_owned(),
        };
        let weights = match self {
            Self::Reference => {
                leaves.reference.ok_or_else(|| wrong("a reference corpus for the target `reference`", "none"))?.to_vec()
            }
            Self::Uniform => vec![1.0; k],
            Self::Sqrt => leaves.counts.iter().map(|&count| (count as f64).sqrt()).collect(),
            Self::Table if table.is_empty() => return Err(wrong("a table of weights for the target `table`", "none")),
            Self::Table => leaves.table_weights(table)?,
        };
        let in_place = weights.into_iter().zip(leaves.out_of_place);
        let mut shares: Vec<f64> =
            in_place.map(|(weight, &out)| if out || !weight.is_finite() { 0.0 } else { weight.max(0.0) }).collect();
        // First by the largest: the sum of large numbers may not be finite.
        let largest = shares.iter().copied().fold(0.0, f64::max);
        if largest == 0.0 {
            return Err(wrong("a share above 0 for a leaf that is not out of place", "none"));
        }
        for share in &mut shares {
            *share /= largest;
        }
        let sum: f64 = shares.iter().sum();
        for share in &mut shares {
            *share /= sum;
        }
        Ok(shares)
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::WORDS.into_iter().find(|(word, _)| *word == text);
        found.map(|(_, target)| target).ok_or_else(|| Error::Setting {
            setting: "target",
            expected: "`reference`, `uniform`, `sqrt` or `table`".to_owned(),
            got: format!("`{text}`"),
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::WORDS.into_iter().find(|(_, target)| target == self).map_or("", |(word, _)| word);
        f.write_str(word)
    }
}

/// What target shares are made from. Every slice but the names has one value per leaf.
#[derive(Clone, Copy, Debug)]
pub struct TargetLeaves<'a> {
    /// Distinct texts of the corpus.
    pub counts: &'a [u64],
    /// What the reference has, in any unit; `None` without a reference.
    pub reference: Option<&'a [f64]>,
    /// The region of each leaf.
    pub region_of_leaf: &'a [u32],
    /// The name of each region, which may be empty.
    pub region_names: &'a [String],
    /// Leaves that get nothing.
    pub out_of_place: &'a [bool],
}

/// How narrowly a key of a table names a leaf.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Names {
    Rest,
    RegionByName,
    Region,
    Leaf,
}

impl TargetLeaves<'_> {
    fn table_weights(&self, table: &BTreeMap<String, f64>) -> Result<Vec<f64>> {
        // For each leaf, the narrowest key that names it, and its index.
        let mut key_of: Vec<Option<(Names, usize)>> = vec![None; self.counts.len()];
        for (index, (key, weight)) in table.iter().enumerate() {
            if !(weight.is_finite() && *weight >= 0.0) {
                return Err(Error::Setting {
                    setting: "target",
                    expected: "weights of 0 or more".to_owned(),
                    got: format!("{weight} for {key:?}"),
                });
            }
            let names = self.named(key)?;
            for (leaf, key_of) in key_of.iter_mut().enumerate() {
                if self.names(names, key, leaf) && key_of.is_none_or(|(other, _)| other < names) {
                    *key_of = Some((names, index));
                }
            }
        }
        let mut weights = vec![0.0; self.counts.len()];
        for (index, &weight) in table.values().enumerate() {
            let in_place = |leaf: &usize| !self.out_of_place[*leaf];
            let leaves: Vec<usize> = (0..weights.len())
                .filter(in_place)
                .filter(|&leaf| key_of[leaf].is_some_and(|(_, key)| key == index))
                .collect();
            let reference = |leaf: usize| self.reference.map_or(0.0, |reference| reference[leaf]);
            let sum: f64 = leaves.iter().map(|&leaf| reference(leaf)).sum();
            for &leaf in &leaves {
                let part = if sum > 0.0 { reference(leaf) / sum } else { 1.0 / leaves.len() as f64 };
                weights[leaf] = weight * part;
            }
        }
        Ok(weights)
    }

    /// What a key names, if anything.
    fn named(&self, key: &str) -> Result<Names> {
        if key == "*" {
            return Ok(Names::Rest);
        }
        let leaves = 0..self.counts.len();
        let named = [Names::Leaf, Names::Region, Names::RegionByName]
            .into_iter()
            .find(|&names| leaves.clone().any(|leaf| self.names(names, key, leaf)));
        named.ok_or_else(|| Error::Setting {
            setting: "target",
            expected: format!("keys that are known, such as {}", self.closest(key).join(", ")),
            got: format!("{key:?}"),
        })
    }

    /// Whether `key`, read as `names`, names a leaf.
    fn names(&self, names: Names, key: &str, leaf: usize) -> bool {
        let region = self.region_of_leaf[leaf];
        let is = |prefix: &str, id: &dyn fmt::Display| key.strip_prefix(prefix).is_some_and(|k| k == id.to_string());
        match names {
            Names::Rest => true,
            Names::RegionByName => {
                !key.is_empty() && self.region_names.get(region as usize).is_some_and(|name| name == key)
            }
            Names::Region => is("region:", &region),
            Names::Leaf => is("leaf:", &leaf),
        }
    }

    /// Known keys, the closest first, as an error quotes them.
    fn closest(&self, key: &str) -> Vec<String> {
        let key: Vec<char> = key.to_lowercase().chars().take(COMPARED).collect();
        let names = self.region_names.iter().filter(|name| !name.is_empty()).cloned();
        let regions = (0..self.region_names.len()).map(|region| format!("region:{region}"));
        let leaves = (0..self.counts.len()).map(|leaf| format!("leaf:{leaf}"));
        let mut known: Vec<(usize, usize, String)> = names
            .chain(regions)
            .chain(leaves)
            .map(|known| {
                let characters: Vec<char> = known.to_lowercase().chars().collect();
                (distance_within(&key, &characters), characters.len().abs_diff(key.len()), known)
            })
            .collect();
        known.sort_by_key(|known| (known.0, known.1));
        known.dedup_by(|a, b| a.2 == b.2);
        known.into_iter().take(SUGGESTIONS).map(|(_, _, known)| format!("{known:?}")).collect()
    }
}

/// Fewest insertions, deletions and replacements that make `key` a part of `name` (Sellers 1980,
/// <https://doi.org/10.1016/0196-6774(80)90016-4>): one word of a region's name is close to the name.
fn distance_within(key: &[char], name: &[char]) -> usize {
    let mut above = vec![0; name.len() + 1];
    for (i, k) in key.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, n) in name.iter().enumerate() {
            row.push((above[j] + usize::from(k != n)).min(above[j + 1] + 1).min(row[j] + 1));
        }
        above = row;
    }
    above.into_iter().min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 3] = ["refund, invoice", "parcel", ""];

    /// Regions of two, two and one leaves.
    fn shares(target: Target, reference: Option<&[f64]>, table: &[(&str, f64)], out: [bool; 5]) -> Result<Vec<f64>> {
        let names = NAMES.map(str::to_owned);
        let leaves = TargetLeaves {
            counts: &[16, 4, 9, 0, 1],
            reference,
            region_of_leaf: &[0, 0, 1, 1, 2],
            region_names: &names,
            out_of_place: &out,
        };
        target.shares(&leaves, &table.iter().map(|&(key, weight)| (key.to_owned(), weight)).collect())
    }

    const IN_PLACE: [bool; 5] = [false; 5];
    const REFERENCE: &[f64] = &[30.0, 10.0, 0.0, 0.0, 40.0];

    #[test]
    fn by_hand() {
        assert_eq!(shares(Target::Uniform, None, &[], IN_PLACE).unwrap(), [0.2; 5]);
        let out = [false, false, false, true, true];
        assert_eq!(shares(Target::Sqrt, None, &[], out).unwrap(), [4.0 / 9.0, 2.0 / 9.0, 3.0 / 9.0, 0.0, 0.0]);
        assert_eq!(shares(Target::Reference, Some(REFERENCE), &[], IN_PLACE).unwrap(), [0.375, 0.125, 0.0, 0.0, 0.5]);
    }

    #[test]
    fn tables_by_hand() {
        let table = |reference, table: &[(&str, f64)], out| shares(Target::Table, reference, table, out).unwrap();
        // By the reference within region 0, evenly within region 1, where the reference has nothing.
        let both = [("refund, invoice", 1.0), ("region:1", 3.0)];
        assert_eq!(table(Some(REFERENCE), &both, IN_PLACE), [0.1875, 0.0625, 0.375, 0.375, 0.0]);
        assert_eq!(table(None, &both, IN_PLACE), [0.125, 0.125, 0.375, 0.375, 0.0]);
        // The narrowest key has the leaf; `*` is the rest together.
        let narrow = [("leaf:0", 2.0), ("refund, invoice", 1.0), ("region:0", 4.0), ("*", 2.0)];
        assert_eq!(table(None, &narrow, [false, false, false, true, false]), [0.25, 0.5, 0.125, 0.0, 0.125]);
        let large = [("leaf:0", f64::MAX), ("leaf:1", f64::MAX)];
        assert_eq!(table(None, &large, IN_PLACE), [0.5, 0.5, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn refused() {
        let error = |target, table: &[(&str, f64)], out| shares(target, None, table, out).unwrap_err().to_string();
        assert!(error(Target::Reference, &[], IN_PLACE).contains("a reference corpus"));
        assert!(error(Target::Table, &[], IN_PLACE).contains("a table"));
        assert!(error(Target::Uniform, &[], [true; 5]).contains("above 0"));
        assert!(error(Target::Table, &[("parcel", 0.0)], IN_PLACE).contains("above 0"));
        for weight in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(error(Target::Table, &[("parcel", weight)], IN_PLACE).contains("weights of 0 or more"));
        }
        for key in ["region:3", "leaf:5", "leaf:01", "region:", "", "refunds"] {
            assert!(error(Target::Table, &[(key, 1.0)], IN_PLACE).ends_with(&format!("got {key:?}")));
        }
        let closest = error(Target::Table, &[("invoices", 1.0)], IN_PLACE);
        assert!(closest.contains("such as \"refund, invoice\", "), "{closest}");
        let closest = error(Target::Table, &[("leaf:44", 1.0)], IN_PLACE);
        assert!(closest.contains("such as \"leaf:4\", \"leaf:0\", \"leaf:1\", \"leaf:2\", \"leaf:3\""), "{closest}");
    }

    #[test]
    fn distances_by_hand() {
        let distance = |key: &str, name: &str| {
            distance_within(&key.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
        };
        assert_eq!(distance("login", "password, login, mail"), 0);
        assert_eq!(distance("lgin", "password, login, mail"), 1);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("", "abc"), 0);
    }

    #[test]
    fn words() {
        for word in ["reference", "uniform", "sqrt", "table"] {
            let target: Target = word.parse().unwrap();
            assert_eq!(target.to_string(), word);
            assert_eq!(serde_json::to_value(target).unwrap(), word, "the word of the document is that of the flag");
        }
        assert!("Uniform".parse::<Target>().is_err());
    }

    proptest! {
        #[test]
        fn sum_to_one_in_place(
            leaves in prop::collection::vec((0u64..1000, 0u32..4, any::<bool>(), 0f64..1e9), 1..30),
            word in prop::sample::select(&["reference", "uniform", "sqrt", "table"]),
        ) {
            let counts: Vec<u64> = leaves.iter().map(|leaf| leaf.0).collect();
            let regions: Vec<u32> = leaves.iter().map(|leaf| leaf.1).collect();
            let out: Vec<bool> = leaves.iter().map(|leaf| leaf.2).collect();
            let reference: Vec<f64> = leaves.iter().map(|leaf| leaf.3).collect();
            let leaves = TargetLeaves {
                counts: &counts,
                reference: Some(&reference),
                region_of_leaf: &regions,
                region_names: &["a", "b", "c", "d"].map(str::to_owned),
                out_of_place: &out,
            };
            let table = BTreeMap::from([("*".to_owned(), 2.0), ("leaf:0".to_owned(), 1.0)]);
            if let Ok(shares) = word.parse::<Target>().unwrap().shares(&leaves, &table) {
                prop_assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                prop_assert!(shares.iter().zip(&out).all(|(&share, &out)| share >= 0.0 && (!out || share == 0.0)));
            }
        }
    }
}
