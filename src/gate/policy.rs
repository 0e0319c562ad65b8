//! The policy: which rules there are, and how far a corpus may go.
//!
//! A rule objects to a figure that is beyond its limits: it warns beyond `warn` and fails beyond `fail`. Rules of one
//! figure also know `target`, what the figure should reach (`auto`: what the baseline reaches), and `threshold`, by how much
//! it may miss it; both kinds of limit hold side by side. A rule that is `informational` warns at most, and never decides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rules::{RuleId, Unit};
use crate::{Error, Result};

/// A policy as typed: `[gate]` in `semcov.toml`. [`check`](Self::check) completes it by the rules' defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyParams {
    /// Level of each rule's tests, above 0 and below 1. Default .01.
    pub alpha: Option<f64>,
    /// What an inconclusive verdict comes to. Default an error.
    pub inconclusive: Option<OnInconclusive>,
    /// The settings of rules.
    pub rules: BTreeMap<RuleId, RuleSettings>,
}

/// What an inconclusive verdict comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnInconclusive {
    /// Exit code 0: said, and no more.
    Pass,
    /// Exit code 1, as a failure.
    Fail,
    /// Exit code 2: it could not be judged.
    #[default]
    Error,
}

impl std::str::FromStr for OnInconclusive {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "pass" => Ok(Self::Pass),
            "fail" => Ok(Self::Fail),
            "error" => Ok(Self::Error),
            _ => Err(Error::Setting {
                setting: "inconclusive",
                expected: "pass, fail or error".to_owned(),
                got: format!("{word:?}"),
            }),
        }
    }
}

/// The settings of a rule, as typed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RuleSettings {
    /// Whether the rule is applied at all. Default true.
    pub enabled: Option<bool>,
    /// Whether it may only inform. Default false.
    pub informational: Option<bool>,
    /// The limit beyond which it warns.
    pub warn: Option<Amount>,
    /// The limit beyond which it fails.
    pub fail: Option<Amount>,
    /// What the figure should reach.
    pub target: Option<Target>,
    /// By how much it may miss the target.
    pub threshold: Option<Amount>,
    /// The fall that has to be found in a region.
    pub detect: Option<Amount>,
    /// The share of the texts that may lie in regions which cannot be judged.
    pub unjudged: Option<Amount>,
    /// The least rows of the corpus.
    pub total: Option<u64>,
    /// The least rows of sources, by name; `*` is any that is not named.
    pub source: BTreeMap<String, u64>,
    /// The least rows of labels, by name; `*` is any that is not named.
    pub label: BTreeMap<String, u64>,
}

/// A number, or a percentage in quotes: `0.2`, `"20%"`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "AmountAsTyped", into = "f64")]
pub struct Amount(pub f64);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number, or a percentage in quotes")]
enum AmountAsTyped {
    Number(f64),
    Text(String),
}

impl TryFrom<AmountAsTyped> for Amount {
    type Error = String;

    fn try_from(typed: AmountAsTyped) -> Result<Self, String> {
        match typed {
            AmountAsTyped::Number(number) => Ok(Self(number)),
            AmountAsTyped::Text(text) => {
                let percent = text.strip_suffix('%').and_then(|percent| percent.trim().parse::<f64>().ok());
                let amount = percent.map(|percent| Self(percent / 100.0));
                amount.ok_or_else(|| format!("expected a number, or a percentage such as \"20%\", got {text:?}"))
            }
        }
    }
}

impl From<Amount> for f64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

/// What a figure should reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "TargetAsTyped", into = "TargetAsTyped")]
pub enum Target {
    /// What the baseline reaches.
    Auto,
    /// This.
    Fixed(Amount),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"auto\", a number, or a percentage in quotes")]
enum TargetAsTyped {
    Number(f64),
    Text(String),
}

impl TryFrom<TargetAsTyped> for Target {
    type Error = String;

    fn try_from(typed: TargetAsTyped) -> Result<Self, String> {
        match typed {
            TargetAsTyped::Text(text) if text == "auto" => Ok(Self::Auto),
            TargetAsTyped::Text(text) => Amount::try_from(AmountAsTyped::Text(text)).map(Self::Fixed),
            TargetAsTyped::Number(number) => Ok(Self::Fixed(Amount(number))),
        }
    }
}

impl From<Target> for TargetAsTyped {
    fn from(target: Target) -> Self {
        match target {
            Target::Auto => Self::Text("auto".to_owned()),
            Target::Fixed(amount) => Self::Number(amount.0),
        }
    }
}

impl RuleSettings {
    /// These settings where they were given, `below` where they were not.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        let merged = |ours: &BTreeMap<String, u64>, theirs: &BTreeMap<String, u64>| {
            let mut merged = theirs.clone();
            merged.extend(ours.clone());
            merged
        };
        Self {
            enabled: self.enabled.or(below.enabled),
            informational: self.informational.or(below.informational),
            warn: self.warn.or(below.warn),
            fail: self.fail.or(below.fail),
            target: self.target.or(below.target),
            threshold: self.threshold.or(below.threshold),
            detect: self.detect.or(below.detect),
            unjudged: self.unjudged.or(below.unjudged),
            total: self.total.or(below.total),
            source: merged(&self.source, &below.source),
            label: merged(&self.label, &below.label),
        }
    }

    /// The settings of a rule where the policy is silent.
    #[must_use]
    pub fn defaults(id: RuleId) -> Self {
        toml::from_str(id.rule().defaults).expect("a test reads the defaults of every rule")
    }

    /// The keys that were given.
    fn given(&self) -> Vec<&'static str> {
        let keys = [
            ("warn", self.warn.is_some()),
            ("fail", self.fail.is_some()),
            ("target", self.target.is_some()),
            ("threshold", self.threshold.is_some()),
            ("detect", self.detect.is_some()),
            ("unjudged", self.unjudged.is_some()),
            ("total", self.total.is_some()),
            ("source", !self.source.is_empty()),
            ("label", !self.label.is_empty()),
        ];
        keys.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect()
    }

    fn check(&self, id: RuleId) -> Result<()> {
        let refused = |expected: String, got: String| Err(Error::Setting { setting: id.word(), expected, got });
        let rule = id.rule();
        let known = ["warn", "fail"].iter().filter(|_| id != RuleId::MinRows).chain(rule.keys);
        let known: Vec<&str> = known.copied().collect();
        if let Some(key) = self.given().into_iter().find(|key| !known.contains(key)) {
            return refused(format!("one of the keys enabled, informational, {}", known.join(", ")), key.to_owned());
        }
        let target = match self.target {
            Some(Target::Fixed(amount)) => Some(amount),
            _ => None,
        };
        let limits = [("warn", self.warn), ("fail", self.fail), ("target", target)];
        let shares = [("threshold", self.threshold), ("detect", self.detect), ("unjudged", self.unjudged)];
        let is_share = matches!(rule.unit, Unit::Ratio | Unit::Share);
        for (key, amount, share) in limits
            .into_iter()
            .map(|(key, amount)| (key, amount, is_share))
            .chain(shares.into_iter().map(|(key, amount)| (key, amount, true)))
        {
            let Some(Amount(amount)) = amount else { continue };
            if share && !(0.0..=1.0).contains(&amount) {
                return refused(format!("{key} from 0 to 1, or \"0%\" to \"100%\""), amount.to_string());
            }
            if rule.unit == Unit::Count && amount.fract() != 0.0 {
                return refused(format!("{key} as a whole number"), amount.to_string());
            }
            if !(amount.is_finite() && amount >= 0.0) {
                return refused(format!("{key} of 0 or more"), amount.to_string());
            }
        }
        let limit = self.fail.or(self.warn).map_or(1.0, f64::from);
        if let Some(Amount(detect)) = self.detect.filter(|detect| detect.0 >= limit && detect.0 > 0.0) {
            return refused(format!("detect to be below {limit}, from which on a region holds"), detect.to_string());
        }
        if let (Some(Amount(warn)), Some(Amount(fail))) = (self.warn, self.fail) {
            let in_order = if rule.lower_is_worse { fail <= warn } else { warn <= fail };
            if !in_order {
                let expected = if rule.lower_is_worse { "at least" } else { "at most" };
                return refused(format!("warn to be {expected} fail"), format!("warn {warn}, fail {fail}"));
            }
        }
        Ok(())
    }
}

/// A policy that passed [`PolicyParams::check`], complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Level of each rule's tests.
    pub alpha: f64,
    /// What an inconclusive verdict comes to.
    pub inconclusive: OnInconclusive,
    rules: BTreeMap<RuleId, RuleSettings>,
}

impl PolicyParams {
    /// These settings where they were given, `below` where they were not.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        let mut rules = below.rules.clone();
        for (&id, settings) in &self.rules {
            let merged = settings.over(rules.entry(id).or_default());
            rules.insert(id, merged);
        }
        Self { alpha: self.alpha.or(below.alpha), inconclusive: self.inconclusive.or(below.inconclusive), rules }
    }

    /// Checks every setting, and completes them.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first value out of its range, or key that a rule does not know.
    pub fn check(&self) -> Result<Policy> {
        let alpha = self.alpha.unwrap_or(0.01);
        if !(alpha > 0.0 && alpha < 1.0) {
            let expected = "a level above 0 and below 1".to_owned();
            return Err(Error::Setting { setting: "alpha", expected, got: alpha.to_string() });
        }
        let mut rules = BTreeMap::new();
        for id in RuleId::ALL {
            let typed = self.rules.get(&id).cloned().unwrap_or_default();
            typed.check(id)?;
            let mut complete = typed.over(&RuleSettings::defaults(id));
            if complete.threshold.is_some() {
                complete.target = complete.target.or(Some(Target::Auto));
            }
            // A limit that fails earlier than the default one warns leaves that behind.
            let complete = match complete.check(id) {
                Err(_) if typed.warn.is_none() => {
                    let complete = RuleSettings { warn: None, ..complete };
                    complete.check(id)?;
                    complete
                }
                checked => {
                    checked?;
                    complete
                }
            };
            if typed.enabled == Some(true) && complete.given().is_empty() {
                let expected = "a limit: warn, fail or target".to_owned();
                return Err(Error::Setting { setting: id.word(), expected, got: "none".to_owned() });
            }
            if complete.enabled != Some(false) && !complete.given().is_empty() {
                rules.insert(id, complete);
            }
        }
        Ok(Policy { alpha, inconclusive: self.inconclusive.unwrap_or_default(), rules })
    }
}

impl Policy {
    /// The settings of a rule that is on.
    #[must_use]
    pub fn rule(&self, id: RuleId) -> Option<&RuleSettings> {
        self.rules.get(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(toml: &str) -> PolicyParams {
        #[derive(Deserialize)]
        struct Gate {
            rules: BTreeMap<RuleId, RuleSettings>,
        }
        let Gate { rules } = toml::from_str(toml).unwrap();
        PolicyParams { rules, ..PolicyParams::default() }
    }

    #[test]
    fn defaults_pass_their_own_check() {
        let policy = PolicyParams::default().check().unwrap();
        for id in RuleId::ALL {
            RuleSettings::defaults(id).check(id).unwrap();
            let on = !matches!(id, RuleId::MinRows | RuleId::SyntheticShare | RuleId::UnknownLicence);
            assert_eq!(policy.rule(id).is_some(), on, "{id}");
        }
        assert_eq!((policy.alpha, policy.inconclusive), (0.01, OnInconclusive::Error));
        let region_loss = policy.rule(RuleId::RegionLoss).unwrap();
        assert_eq!((region_loss.fail, region_loss.unjudged), (Some(Amount(0.8)), Some(Amount(0.2))));
    }

    #[test]
    fn what_is_typed_comes_first() {
        let typed = params(
            "[rules.region-loss]\nfail = \"50%\"\n[rules.leaf-loss]\nenabled = false\n[rules.coverage]\ntarget = 0.9\n\
             [rules.min-rows.source]\n\"*\" = 10\nforum = 100\n[rules.duplicates]\nfail = 0.01",
        );
        let policy = typed.check().unwrap();
        let region_loss = policy.rule(RuleId::RegionLoss).unwrap();
        assert_eq!((region_loss.warn, region_loss.fail), (Some(Amount(0.9)), Some(Amount(0.5))));
        assert_eq!(policy.rule(RuleId::LeafLoss), None);
        let coverage = policy.rule(RuleId::Coverage).unwrap();
        assert_eq!((coverage.target, coverage.threshold), (Some(Target::Fixed(Amount(0.9))), Some(Amount(0.02))));
        assert_eq!(policy.rule(RuleId::MinRows).unwrap().source["forum"], 100);
        // A section's settings come before the corpus' own.
        let section = params("[rules.region-loss]\nfail = 0.4\n[rules.min-rows.source]\nforum = 5");
        let policy = section.over(&typed).check().unwrap();
        assert_eq!(policy.rule(RuleId::RegionLoss).unwrap().fail, Some(Amount(0.4)));
        assert_eq!(
            policy.rule(RuleId::MinRows).unwrap().source,
            BTreeMap::from([("*".to_owned(), 10), ("forum".to_owned(), 5)])
        );
        // A limit beyond the other one's default leaves that behind.
        let policy = params("[rules.region-loss]\nfail = 0.95").check().unwrap();
        assert_eq!(policy.rule(RuleId::RegionLoss).unwrap().warn, None);
        // By how much it may miss what it is not said to reach.
        let policy = params("[rules.synthetic-share]\nthreshold = 0.05").check().unwrap();
        assert_eq!(policy.rule(RuleId::SyntheticShare).unwrap().target, Some(Target::Auto));
    }

    #[test]
    fn refused() {
        for (toml, expected) in [
            ("[rules.leakage]\ntarget = 0.5", "one of the keys enabled, informational, warn, fail"),
            ("[rules.region-loss]\nfail = 80", "fail from 0 to 1"),
            ("[rules.duplicates]\nthreshold = \"120%\"", "threshold from 0 to 1"),
            ("[rules.bad-rows]\nfail = -1", "fail of 0 or more"),
            ("[rules.region-loss]\nwarn = 0.5\nfail = 0.6", "warn to be at least fail"),
            ("[rules.bad-rows]\nfail = \"1%\"", "fail as a whole number"),
            ("[rules.added-outliers]\nwarn = \"40%\"", "warn to be at most fail"),
            ("[rules.unknown-licence]\nenabled = true", "a limit: warn, fail or target"),
            ("[rules.region-loss]\ndetect = 0.8", "detect to be below 0.8"),
            ("[rules.min-rows]\nfail = 6", "one of the keys enabled, informational, total, source, label"),
        ] {
            let error = params(toml).check().unwrap_err().to_string();
            assert!(error.contains(expected), "{toml}: {error}");
        }
        assert!(PolicyParams { alpha: Some(0.0), ..PolicyParams::default() }.check().is_err());
        let read = |toml: &str| toml::from_str::<RuleSettings>(toml).unwrap_err().to_string();
        assert!(read("fail = \"much\"").contains("\"much\""), "{}", read("fail = \"much\""));
        assert!(read("fial = 1").contains("unknown field `fial`"), "{}", read("fial = 1"));
    }
}
