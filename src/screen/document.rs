//! What a screening found, as data: the schema of `semcov screen --json`.
//!
//! Field names are the words of flags and configuration keys. Nothing here depends on the clock, the machine's paths or
//! the order of rows (but for which sources are told apart where there are more than 1,000), so that equal runs write
//! equal bytes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ood::{GroupKind, LocalParams, ScoreKind};

/// The version of this schema; raised when a field is removed or changes its meaning.
pub const SCREENING_SCHEMA_VERSION: u32 = 1;

/// What `semcov screen` found in a data drop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Screening {
    /// Version of this schema ([`SCREENING_SCHEMA_VERSION`]).
    pub schema_version: u32,
    /// Version of semcov that wrote it.
    pub semcov_version: String,
    /// What was read.
    pub rows: DropSummary,
    /// What it was screened against.
    pub against: AgainstSummary,
    /// The settings that decide the numbers.
    pub settings: ScreenSettings,
    /// How many rows were flagged, and how many would be if all belonged.
    pub flagged: FlaggedSummary,
    /// What the drop repeats of the reference.
    pub repeated: Repeated,
    /// Whether the drop as a whole has shifted; `None` where one side has no texts.
    pub shift: Option<ShiftSummary>,
    /// Leaves most of whose texts were flagged, largest first.
    pub flagged_leaves: Vec<FlaggedLeaf>,
    /// The flagged texts, except for those that a reviewer decided on, in groups: new topics first, the largest first.
    pub groups: Vec<FlaggedGroup>,
    /// What tells the drop from the reference; `None` where there are too few texts to say.
    pub classifier: Option<ClassifierSummary>,
    /// The languages that the texts read as.
    pub languages: Languages,
    /// Rows and flagged rows of each source, most flagged first; empty if the drop names no sources.
    pub sources: Vec<SourceRows>,
    /// What the reader of the numbers should know.
    pub warnings: Vec<ScreenWarning>,
}

/// What was read of a drop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DropSummary {
    /// Input files, as the user named them, in the order read.
    pub files: Vec<String>,
    /// Records: rows that are not bad, those without text included.
    pub rows: u64,
    /// Rows that could not be read.
    pub bad_rows: u64,
    /// Records without text: nothing can be said of them, so they are flagged.
    pub empty: u64,
    /// Distinct texts.
    pub distinct_texts: u64,
    /// Whether that is their exact number; else it is estimated from a sample.
    pub distinct_texts_exact: bool,
    /// Texts on which everything about the drop as a whole is computed: those of smallest content hash.
    pub sample: u64,
    /// Records whose text was longer than the encoder's limit.
    pub truncated: u64,
}

/// What the drop was screened against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgainstSummary {
    /// The profile, or the files, as the user named them.
    pub name: String,
    /// Its records with text.
    pub rows: u64,
    /// Its distinct texts.
    pub distinct_texts: u64,
    /// Those that the rows of the drop were compared with; 0 of a compact profile.
    pub sample: u64,
    /// What embedded it.
    pub encoder: String,
}

/// The settings that decide the numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScreenSettings {
    /// The score.
    pub score: ScoreKind,
    /// The share of good rows that may be flagged.
    pub alpha: f64,
    /// The share of good rows among the flagged that was asked for.
    pub fdr: Option<f64>,
    /// Neighbours and weight of the radii in the local part of the score, which the ensemble chooses for each reference;
    /// `None` of a score without.
    pub local: Option<LocalParams>,
    /// Whether rows were compared with the reference texts of their own leaf, where there are enough.
    pub per_leaf: bool,
    /// The p-value up to which rows were flagged: `alpha`, or what `fdr` comes to.
    pub threshold: f64,
}

/// How many rows were flagged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlaggedSummary {
    /// Rows flagged, for whatever reason.
    pub rows: u64,
    /// Their share of all rows, 0 to 1.
    pub share: f64,
    /// Rows flagged as outliers.
    pub outliers: u64,
    /// Their share of the rows with text, 0 to 1.
    pub outlier_share: f64,
    /// The share of good rows that this threshold flags, 0 to 1.
    pub expected: f64,
    /// The interval that holds that share with a probability of 95 %, given the size of the reference.
    pub expected_low: f64,
    /// Its upper end.
    pub expected_high: f64,
    /// Rows kept or flagged because a reviewer decided so.
    pub decided: u64,
}

/// What the drop repeats of the reference: rows that add nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Repeated {
    /// Texts of the drop that could be looked up by content hash: all of them while the profile's sample is complete.
    pub looked_up: u64,
    /// Of these, texts that the reference has.
    pub exact: u64,
    /// `exact` over `looked_up`, 0 to 1.
    pub exact_share: f64,
    /// Texts of the drop's sample with a reference text at a cosine of .95 or more, other than itself. Where the
    /// profile's sample is not complete, there may be more. `None` where no neighbours were searched.
    pub near: Option<u64>,
    /// Records that repeat the text of another record of the drop; `None` where the sample does not hold all texts.
    pub within: Option<u64>,
}

/// Whether the drop as a whole has shifted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShiftSummary {
    /// Whether there is new content, or the mix has changed.
    pub shifted: bool,
    /// Whether more texts lie beyond the 99th percentile: significantly at .05 for both tests together, and at least 1.5
    /// times as many.
    pub new_content: bool,
    /// Whether texts spread over the leaves in other shares: significantly, and with a Cramér's V of at least .1. Where
    /// there are too few texts to test all leaves: whether a region moved significantly at .025.
    pub changed_mix: bool,
    /// Texts of the drop beyond the reference's 99th percentile of scores.
    pub beyond: u64,
    /// Their share, 0 to 1.
    pub beyond_share: f64,
    /// The reference's own share beyond it.
    pub beyond_expected: f64,
    /// p-value of *new content* (Fisher's exact test), adjusted for both tests.
    pub new_content_p: f64,
    /// p-value of *changed mix* (G-test over leaves), adjusted for both tests; `None` where there was nothing to test.
    pub changed_mix_p: Option<f64>,
    /// Cramér's V of the mix, 0 (the same) to 1.
    pub changed_mix_v: Option<f64>,
    /// The regions, most significantly moved first.
    pub regions: Vec<MovedRegion>,
}

/// A region's share in the drop beside its share in the reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MovedRegion {
    /// Its id in the codebook.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its share of the reference's texts, 0 to 1.
    pub reference_share: f64,
    /// Its share of the drop's texts, 0 to 1.
    pub drop_share: f64,
    /// The one over the other, each count one half higher.
    pub ratio: f64,
    /// p-value, two-sided, adjusted for the number of regions by Holm's method.
    pub p_adjusted: f64,
}

/// A leaf most of whose texts were flagged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlaggedLeaf {
    /// Its id in the codebook.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Texts of the drop in it.
    pub texts: u64,
    /// Those that were flagged.
    pub flagged: u64,
}

/// Flagged texts that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlaggedGroup {
    /// Its number, from 1.
    pub id: u32,
    /// A topic that the reference lacks, or texts that have nothing in common.
    pub kind: GroupKind,
    /// What sets its texts apart from the others of the drop.
    pub name: String,
    /// Distinct texts.
    pub texts: u64,
    /// Records with these texts.
    pub rows: u64,
    /// Mean cosine similarity of two of its texts; 1 of a single text.
    pub similarity: f64,
    /// Mean cosine similarity of its texts to the nearest reference texts; `None` where no neighbours were searched.
    pub reference_similarity: Option<f64>,
    /// The language that its texts read as, where that can be told.
    pub language: Option<String>,
    /// Its most central texts.
    pub examples: Vec<FlaggedText>,
}

/// A flagged text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlaggedText {
    /// The smallest id of the records with it.
    pub id: String,
    /// Its first characters.
    pub text: String,
    /// Its outlier score.
    pub score: f64,
    /// Its p-value.
    pub p_value: f64,
    /// The id of the nearest reference record.
    pub nearest_id: Option<String>,
    /// Its cosine similarity to that.
    pub nearest_similarity: Option<f64>,
}

/// What tells the drop from the reference: an effect size and its explanation, not a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClassifierSummary {
    /// Area under the ROC curve of a held-out logistic regression, 0 to 1: .5 tells nothing apart, 1 everything.
    pub auc: f64,
    /// The lower end of its 95 % interval.
    pub auc_low: f64,
    /// The upper end.
    pub auc_high: f64,
    /// Texts of each side.
    pub texts: u64,
    /// What sets the texts that are least like the reference apart from the others of the drop.
    pub terms: String,
    /// Texts of the drop that are least like the reference's.
    pub examples: Vec<DropText>,
}

/// A text of the drop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DropText {
    /// The smallest id of the records with it.
    pub id: String,
    /// Its first characters.
    pub text: String,
}

/// The languages that texts read as, in English; `None` where that cannot be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Languages {
    /// Of the drop.
    pub drop: Option<String>,
    /// Of the reference's sampled texts, or of the names of its leaves where the profile keeps no texts.
    pub reference: Option<String>,
}

/// Rows of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceRows {
    /// Its name; `None` for rows without one, and for what comes after the first 1,000 sources.
    pub name: Option<String>,
    /// Its rows.
    pub rows: u64,
    /// Those that were flagged.
    pub flagged: u64,
}

/// What the reader of the numbers should know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ScreenWarning {
    /// The drop has no records.
    EmptyDrop,
    /// The reference has too few texts for any row to be flagged at this level.
    Underpowered {
        /// Texts of the reference that p-values count.
        texts: u64,
        /// Texts that would be enough.
        needed: u64,
    },
    /// The false discovery rate asked for cannot be held with so few reference texts: `alpha` was used.
    FdrUnderpowered {
        /// Texts of the reference that p-values count.
        texts: u64,
        /// Texts that would be enough.
        needed: u64,
    },
    /// All reference texts are near copies of one another: distances to them mean little.
    ReferenceWithoutSpread,
    /// The drop reads as another language than the reference.
    OtherLanguage {
        /// Of the drop.
        drop: String,
        /// Of the reference.
        reference: String,
    },
    /// Many texts were longer than the encoder's limit: only their beginnings were judged.
    Truncated {
        /// Records that were cut.
        rows: u64,
        /// Tokens that the encoder reads.
        max_tokens: u64,
    },
    /// More texts were flagged than are kept: groups and the review queue hold those of smallest p-value.
    ManyFlagged {
        /// Texts that are in groups.
        grouped: u64,
    },
    /// Every text of the drop is in the reference.
    NothingNew,
}
