//! The rules that the gate knows: what each looks at, why, and what it takes for good where the policy is silent.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A rule of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuleId {
    /// A region lost texts.
    RegionLoss,
    /// A leaf disappeared.
    LeafLoss,
    /// A region's share fell, though it may hold as many texts as before.
    Dilution,
    /// The corpus covers less of a reference.
    Coverage,
    /// Texts spread over fewer leaves.
    Diversity,
    /// Rows repeat other rows.
    Duplicates,
    /// New rows look unlike the baseline.
    AddedOutliers,
    /// More of the new rows lie far out than chance explains.
    NewContent,
    /// New rows nearly repeat the baseline.
    AddedDuplicates,
    /// Evaluation texts stand in the corpus.
    Leakage,
    /// A source, a label or the corpus has too few rows.
    MinRows,
    /// Rows are marked synthetic.
    SyntheticShare,
    /// Rows have no licence that says which terms hold.
    UnknownLicence,
    /// Rows could not be read.
    BadRows,
}

/// What a rule's figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// What is left of what was expected; 1 is all of it.
    Ratio,
    /// A part of a whole, 0 to 1.
    Share,
    /// A number of rows or texts.
    Count,
    /// An effective number of leaves, or how many times as many.
    Number,
}

/// What is known of a rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The rule.
    pub id: RuleId,
    /// What it is called where people read it.
    pub title: &'static str,
    /// What it looks at and when it objects.
    pub what: &'static str,
    /// Why one would want it, and what to do when it objects.
    pub why: &'static str,
    /// What its figure is.
    pub unit: Unit,
    /// Whether a lower figure is worse.
    pub lower_is_worse: bool,
    /// The keys that it takes beside `warn`, `fail` and `informational`.
    pub keys: &'static [&'static str],
    /// Its settings where the policy is silent, as TOML.
    pub defaults: &'static str,
}

impl RuleId {
    /// All rules, in the order in which they are shown.
    pub const ALL: [Self; 14] = [
        Self::RegionLoss,
        Self::LeafLoss,
        Self::Dilution,
        Self::Coverage,
        Self::Diversity,
        Self::Duplicates,
        Self::AddedOutliers,
        Self::NewContent,
        Self::AddedDuplicates,
        Self::Leakage,
        Self::MinRows,
        Self::SyntheticShare,
        Self::UnknownLicence,
        Self::BadRows,
    ];

    /// The word of policies and files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::RegionLoss => "region-loss",
            Self::LeafLoss => "leaf-loss",
            Self::Dilution => "dilution",
            Self::Coverage => "coverage",
            Self::Diversity => "diversity",
            Self::Duplicates => "duplicates",
            Self::AddedOutliers => "added-outliers",
            Self::NewContent => "new-content",
            Self::AddedDuplicates => "added-duplicates",
            Self::Leakage => "leakage",
            Self::MinRows => "min-rows",
            Self::SyntheticShare => "synthetic-share",
            Self::UnknownLicence => "unknown-licence",
            Self::BadRows => "bad-rows",
        }
    }

    /// What is known of the rule.
    #[must_use]
    pub fn rule(self) -> &'static Rule {
        &RULES[self as usize]
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// In the order of [`RuleId::ALL`].
const RULES: [Rule; 14] = [
    Rule {
        id: RuleId::RegionLoss,
        title: "regions lost texts",
        what: "Compares the distinct texts of every region with what the baseline had there. Objects where \
               significantly less is left (exact test, Holm's correction over all regions, four fifths of the level \
               `alpha`) and the ratio of what is left to what was to be expected is below the limit. Near copies and \
               records of one group (`--group-by`) count for less than independent texts. A region is not lost \
               because the corpus grew elsewhere, shrank as a whole (`min-rows` is about that), or lost copies of \
               texts that stay; one of fewer than 10 texts is not tested. Inconclusive where regions that hold more \
               than `unjudged` of the baseline's texts are too small for a fall to `detect` to be found with a \
               probability of .9.",
        why: "A topic that went missing makes a model forget it. Bring the texts back, or, if they went on purpose, \
              accept the new baseline with `semcov baseline accept`.",
        unit: Unit::Ratio,
        lower_is_worse: true,
        keys: &["detect", "unjudged"],
        defaults: "warn = 0.9\nfail = 0.8\ndetect = 0\nunjudged = \"20%\"",
    },
    Rule {
        id: RuleId::LeafLoss,
        title: "leaves disappeared",
        what: "As region-loss, for every leaf and at the other fifth of `alpha`: objects to a fine cluster of which \
               too little is left, though its region as a whole may not show it.",
        why: "One intent that is quietly lost is a small part of its region. Bring its texts back, or accept the new \
              baseline.",
        unit: Unit::Ratio,
        lower_is_worse: true,
        keys: &[],
        defaults: "warn = 0.9\nfail = 0.8",
    },
    Rule {
        id: RuleId::Dilution,
        title: "regions were diluted",
        what: "As region-loss, for shares alone: objects also where a region holds as many texts as before and the \
               others grew.",
        why: "The mix decides what a model spends its training on. Make the rule fail where every corpus is a fresh \
              draw, whatever its size.",
        unit: Unit::Ratio,
        lower_is_worse: true,
        keys: &[],
        defaults: "warn = 0.8\ninformational = true",
    },
    Rule {
        id: RuleId::Coverage,
        title: "coverage of the reference",
        what: "The share of the reference's texts (`--reference`) that have a text of the corpus nearby, over the \
               share expected of a corpus of the reference's own kind. Objects where it misses `target` by more than \
               `threshold`; `auto` is what the baseline reaches.",
        why: "The reference is what the corpus is for. `semcov report --reference` says where the gaps are, `semcov \
              plan` what to add.",
        unit: Unit::Share,
        lower_is_worse: true,
        keys: &["target", "threshold"],
        defaults: "target = \"auto\"\nthreshold = \"2%\"",
    },
    Rule {
        id: RuleId::Diversity,
        title: "diversity",
        what: "The effective number of leaves (Hill number of order 1) of 1,000 texts. Objects where it misses \
               `target` by more than `threshold` of it; `auto` is the baseline's.",
        why: "It hardly moves when topics are lost, so it informs, and never fails unless that is asked for.",
        unit: Unit::Number,
        lower_is_worse: true,
        keys: &["target", "threshold"],
        defaults: "target = \"auto\"\nthreshold = \"5%\"\ninformational = true",
    },
    Rule {
        id: RuleId::Duplicates,
        title: "duplicate rows",
        what: "The share of the rows with text that repeat the text of another row. Objects where it exceeds `target` \
               by more than `threshold`; `auto` is the baseline's.",
        why: "Repeated rows weigh more in training, and are memorised. Remove them.",
        unit: Unit::Share,
        lower_is_worse: false,
        keys: &["target", "threshold"],
        defaults: "target = \"auto\"\nthreshold = \"5%\"",
    },
    Rule {
        id: RuleId::AddedOutliers,
        title: "new rows unlike the baseline",
        what: "Screens the texts that the baseline lacks. Objects where significantly more of them than the limit \
               look unlike it (exact binomial test, level `alpha`). One in twenty good texts looks so.",
        why: "Rows of another kind are a new topic, which the baseline should learn, or do not belong. `semcov \
              screen` has them one by one.",
        unit: Unit::Share,
        lower_is_worse: false,
        keys: &[],
        defaults: "warn = \"15%\"\nfail = \"30%\"",
    },
    Rule {
        id: RuleId::NewContent,
        title: "new content among the new rows",
        what: "Counts the texts that the baseline lacks and that lie beyond the 99th percentile of its own outlier \
               scores. Objects where that is significant (Fisher's exact test, level `alpha`) and more than the limit \
               times what the baseline has there.",
        why: "A part of the new rows is of another kind, though not enough of them to fail as outliers: a domain that \
              was rewritten, another style. `semcov screen` has them one by one.",
        unit: Unit::Number,
        lower_is_worse: false,
        keys: &[],
        defaults: "warn = 1.5",
    },
    Rule {
        id: RuleId::AddedDuplicates,
        title: "new rows that repeat the baseline",
        what: "The share of the new texts that nearly repeat one of the baseline's sample (cosine of .95 or more). \
               Objects where significantly more of them than the limit do.",
        why: "They add little.",
        unit: Unit::Share,
        lower_is_worse: false,
        keys: &[],
        defaults: "warn = \"30%\"",
    },
    Rule {
        id: RuleId::Leakage,
        title: "evaluation texts in the corpus",
        what: "Counts the texts of the evaluation files (`--evaluation`) that stand in the corpus, as they are or \
               nearly (cosine of .95 or more).",
        why: "A model that was trained on its test looks better than it is. Remove them from one of the two.",
        unit: Unit::Count,
        lower_is_worse: false,
        keys: &[],
        defaults: "fail = 0",
    },
    Rule {
        id: RuleId::MinRows,
        title: "rows of sources and labels",
        what: "Rows with text of each source and label, and of the corpus. Objects to fewer than `total`, or than the \
               tables `source` and `label` name; `\"*\"` is every one that the baseline or the corpus has.",
        why: "A source that was dropped, or a label with too few examples to be learned.",
        unit: Unit::Count,
        lower_is_worse: true,
        keys: &["total", "source", "label"],
        defaults: "",
    },
    Rule {
        id: RuleId::SyntheticShare,
        title: "synthetic rows",
        what: "The share of the records that are marked synthetic.",
        why: "Generated text narrows a corpus: keep it to a part of it.",
        unit: Unit::Share,
        lower_is_worse: false,
        keys: &["target", "threshold"],
        defaults: "",
    },
    Rule {
        id: RuleId::UnknownLicence,
        title: "rows of unknown licence",
        what: "The share of the rows with text whose licence is missing or names no terms, in a corpus that has a \
               column of licences.",
        why: "What has no licence may not be used. Name the licence, or leave the rows out.",
        unit: Unit::Share,
        lower_is_worse: false,
        keys: &["target", "threshold"],
        defaults: "",
    },
    Rule {
        id: RuleId::BadRows,
        title: "rows that could not be read",
        what: "Counts the rows that could not be read.",
        why: "They are not in the training either. `--bad-rows FILE` lists them with file, line and reason.",
        unit: Unit::Count,
        lower_is_worse: false,
        keys: &[],
        defaults: "fail = 0",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        for (place, id) in RuleId::ALL.into_iter().enumerate() {
            assert_eq!((id as usize, id.rule().id), (place, id));
            assert_eq!(serde_json::to_value(id).unwrap(), id.word());
        }
    }
}
