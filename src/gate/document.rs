//! What the gate decided, as data: the schema of `semcov gate --json`.
//!
//! Field names are the words of flags and configuration keys. Nothing here depends on the clock, the number of threads, the
//! order of rows or how they are divided into files, so that equal corpora get equal bytes: as far as rows have ids of their
//! own, and could be read. Where a row stands is not part of the verdict: see [`Places`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RuleId;
use crate::ood::GroupKind;

/// The version of this schema; raised when a field is removed or changes its meaning.
pub const VERDICT_SCHEMA_VERSION: u32 = 1;

/// What `semcov gate` decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Version of this schema ([`VERDICT_SCHEMA_VERSION`]).
    pub schema_version: u32,
    /// Version of semcov that wrote it.
    pub semcov_version: String,
    /// The worst outcome of all rules that may decide, those of sections included.
    pub outcome: Outcome,
    /// The exit code of the command: 0 pass or warn, 1 fail, and what `inconclusive` says.
    pub exit_code: u8,
    /// What the corpus was compared with.
    pub baseline: SideSummary,
    /// The corpus.
    pub current: SideSummary,
    /// Set where the two were embedded in different arithmetic.
    pub precision: Option<Precisions>,
    /// The texts that came and went; `None` where the baseline keeps no hashes of its texts.
    pub changes: Option<TextChanges>,
    /// The level of each rule's tests, all regions or leaves together.
    pub alpha: f64,
    /// The rules that are on, in the order of [`RuleId::ALL`].
    pub rules: Vec<RuleVerdict>,
    /// What the region test could have found.
    pub sensitivity: Sensitivity,
    /// The regions, worst first: by p-value, then ratio, then id.
    pub regions: Vec<RegionVerdict>,
    /// The rows that are new against the baseline; `None` where there are none, or they cannot be told.
    pub added: Option<AddedSummary>,
    /// The verdicts of the sections of the policy, in its order.
    pub sections: Vec<SectionVerdict>,
}

/// How a rule, or the gate, came out; from best to worst, as far as that is an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing to object to.
    Pass,
    /// Beyond `warn`, or beyond a limit of a rule that is informational.
    Warn,
    /// The data cannot tell.
    Inconclusive,
    /// Beyond `fail`.
    Fail,
}

/// One side of the comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SideSummary {
    /// Records that are not marked synthetic, those without text included.
    pub rows: u64,
    /// Rows that could not be read.
    pub bad_rows: u64,
    /// Records without text.
    pub empty: u64,
    /// Records marked synthetic: counted, and left out of everything else.
    pub synthetic: u64,
    /// Distinct texts.
    pub distinct_texts: u64,
    /// What embedded it.
    pub encoder: String,
}

/// The arithmetic of both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Precisions {
    /// Of the baseline's vectors.
    pub baseline: String,
    /// Of the corpus'.
    pub current: String,
}

/// Texts that came and went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TextChanges {
    /// Distinct texts that the baseline lacks.
    pub added: u64,
    /// Distinct texts of the baseline that are gone.
    pub removed: u64,
    /// Distinct texts that both have.
    pub kept: u64,
    /// The share of the texts that this was told from, 0 to 1: below 1 the counts are those of that share.
    pub judged_share: f64,
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuleVerdict {
    /// The rule.
    pub id: RuleId,
    /// How it came out.
    pub outcome: Outcome,
    /// Whether it may only inform: then its outcome is at most a warning, and never that of the verdict.
    pub informational: bool,
    /// Why it could not be applied; `None` where it was.
    pub not_applied: Option<NotApplied>,
    /// What it measured, where that is one figure.
    pub value: Option<f64>,
    /// The same of the baseline.
    pub baseline: Option<f64>,
    /// The limit beyond which it warns.
    pub warn: Option<f64>,
    /// The limit beyond which it fails.
    pub fail: Option<f64>,
    /// What it objects to, worst first.
    pub findings: Vec<Finding>,
}

/// Why a rule could not be applied. This is no objection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NotApplied {
    /// The baseline lacks the figure, and the policy has no limit of its own.
    NoBaseline,
    /// The baseline is compact, or an older one: it keeps no sample, or no hashes of its texts.
    CompactBaseline,
    /// No reference was named.
    NoReference,
    /// No evaluation files were named.
    NoEvaluation,
    /// The corpus has no such column.
    NoColumn,
    /// No rows are new against the baseline, or too few to judge.
    TooFewAdded,
}

/// One objection of a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// How bad it is.
    pub outcome: Outcome,
    /// What it is about.
    pub subject: Subject,
    /// The figure: a ratio, a share, a count, as the rule's.
    pub value: f64,
    /// The same of the baseline, where there is one.
    pub baseline: Option<f64>,
    /// The distinct texts of a region or a leaf; `None` of any other subject.
    pub texts: Option<TextCounts>,
    /// The limit that it is beyond; `None` for an inconclusive finding.
    pub limit: Option<f64>,
    /// The p-value, adjusted; `None` where nothing was tested.
    pub p_value: Option<f64>,
    /// Distinct texts that baseline and corpus would both need, in the same mix, to be judged; only of an inconclusive
    /// finding, and `None` there where no number would do.
    pub texts_enough: Option<u64>,
    /// A few of the texts that it is about.
    pub examples: Vec<TextExample>,
    /// 16 hexadecimal digits over rule, section and subject, never over figures: the same finding keeps it.
    pub fingerprint: String,
}

/// Distinct texts on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TextCounts {
    /// In the baseline.
    pub baseline: u64,
    /// Now.
    pub current: u64,
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Subject {
    /// The corpus as a whole.
    Corpus,
    /// A region of the codebook.
    Region {
        /// Its id.
        id: u32,
        /// Its name.
        name: String,
    },
    /// A leaf of the codebook.
    Leaf {
        /// Its id.
        id: u32,
        /// Its name.
        name: String,
        /// The name of its region.
        region: String,
    },
    /// A source.
    Source {
        /// Its name.
        name: String,
    },
    /// A label.
    Label {
        /// Its name.
        name: String,
    },
    /// The rows that are new against the baseline.
    Added,
    /// A text that stands in an evaluation file and in the corpus.
    Leak {
        /// The evaluation record's id.
        evaluation: String,
        /// The corpus record's id.
        record: String,
    },
    /// A row that could not be read.
    BadRow {
        /// Why.
        reason: String,
    },
}

/// A text, by the smallest id of its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TextExample {
    /// The id.
    pub id: String,
    /// Its first characters, if texts are to be shown and it is known.
    pub text: Option<String>,
}

/// What the region test could have found at its power.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sensitivity {
    /// The fall that has to be found for a region to count as judged: a ratio of shares, 0 for a complete loss.
    pub detect: f64,
    /// The probability with which it has to be found.
    pub power: f64,
    /// Regions with texts in the baseline.
    pub regions: u64,
    /// Those that were judged.
    pub judged: u64,
    /// The share of the baseline's texts in regions that were judged, 0 to 1.
    pub judged_share: f64,
    /// The share of the baseline's texts in regions where a fall to a quarter would be found, 0 to 1.
    pub quarter_share: f64,
    /// The share of the baseline's texts in regions where a fall to one half would be found, 0 to 1.
    pub half_share: f64,
    /// Distinct texts that baseline and corpus would both need, in the same mix, for enough of the regions to be judged;
    /// `None` where enough were, or no number would do.
    pub texts_enough: Option<u64>,
}

/// A region then and now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RegionVerdict {
    /// Its id in the codebook.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its distinct texts in the baseline.
    pub baseline: u64,
    /// Its distinct texts now.
    pub current: u64,
    /// Of the baseline's texts those that are gone while a copy of them stays: they are no loss.
    pub copies_gone: u64,
    /// Its share of the baseline's distinct texts, 0 to 1.
    pub baseline_share: f64,
    /// Its share of the distinct texts now, 0 to 1.
    pub current_share: f64,
    /// How many texts tell as much as one independent text, at least 1: in the baseline, where what came is told from it.
    pub baseline_copies: f64,
    /// The same now.
    pub current_copies: f64,
    /// What is left of what was to be expected.
    pub ratio: f64,
    /// p-value of a loss, one-sided, adjusted for the number of regions.
    pub p_value: f64,
    /// The largest ratio to which a fall would be found at the power asked for; `None` where not even a complete loss
    /// would.
    pub detectable: Option<f64>,
    /// Whether the fall that has to be found would be.
    pub judged: bool,
    /// Some of the baseline's sampled texts in it that are gone.
    pub gone: Vec<TextExample>,
}

/// The rows that are new against the baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AddedSummary {
    /// Distinct texts that were looked at: all that are new, or those of smallest content hash.
    pub texts: u64,
    /// Texts that look unlike the baseline.
    pub outliers: u64,
    /// Their share, 0 to 1.
    pub outlier_share: f64,
    /// The share expected of texts that belong, 0 to 1.
    pub expected: f64,
    /// The share of the texts beyond the 99th percentile of the baseline's outlier scores, 0 to 1.
    pub beyond_share: f64,
    /// The baseline's own share beyond it, 0 to 1.
    pub beyond_expected: f64,
    /// p-value of as many beyond it, one-sided.
    pub beyond_p: f64,
    /// Texts that nearly repeat one of the baseline's.
    pub near_copies: u64,
    /// Their share, 0 to 1.
    pub near_copy_share: f64,
    /// The outliers in groups: new topics first.
    pub groups: Vec<AddedGroup>,
}

/// Added texts that look unlike the baseline and belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AddedGroup {
    /// A topic that the baseline lacks, or texts that have nothing in common.
    pub kind: GroupKind,
    /// What sets its texts apart.
    pub name: String,
    /// Distinct texts.
    pub texts: u64,
    /// Mean cosine similarity of two of its texts.
    pub similarity: f64,
    /// Its most central texts.
    pub examples: Vec<TextExample>,
}

/// The verdict on a part of the corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SectionVerdict {
    /// The section's name in the policy.
    pub name: String,
    /// The patterns of its files.
    pub paths: Vec<String>,
    /// What was decided.
    pub verdict: Verdict,
}

/// Where a row stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as the user named it.
    pub file: String,
    /// The line (text formats) or row, from 1.
    pub line: u64,
}

/// Where the rows of a verdict stand, by id; what is not there stands nowhere that could be pointed at.
pub type Places = BTreeMap<String, Place>;

impl Verdict {
    /// Every rule's verdict, with the name of its section; `None` is the corpus as a whole.
    pub fn all_rules(&self) -> impl Iterator<Item = (Option<&str>, &RuleVerdict)> {
        let of_sections = self
            .sections
            .iter()
            .flat_map(|section| section.verdict.rules.iter().map(|rule| (Some(section.name.as_str()), rule)));
        self.rules.iter().map(|rule| (None, rule)).chain(of_sections)
    }
}
