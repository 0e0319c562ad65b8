//! The part of the document that says what a corpus has of a reference.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::Example;
use crate::coverage::GapKind;
use crate::stats::Interval;

/// What the corpus was compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReferenceSummary {
    /// Where it came from: a corpus, or a profile of one.
    pub kind: ReferenceKind,
    /// Its files, as the user named them, sorted.
    pub files: Vec<String>,
    /// Records with text, those marked synthetic aside.
    pub rows: u64,
    /// Distinct texts; of a large profile an estimate.
    pub distinct_texts: u64,
    /// Records marked synthetic, which are no reference and were left out.
    pub synthetic: u64,
    /// Texts that balls are drawn around: those of smallest content hash, about as many as the corpus has at most.
    pub sample: u64,
    /// Texts that the leaves' tests count: all, or of a profile its sample or those that its centroids were not fitted to.
    pub counted: u64,
    /// Whether the leaves are those of the profile; else they were fitted to corpus and reference together.
    pub frozen: bool,
}

/// Where a reference came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReferenceKind {
    /// A corpus.
    Corpus,
    /// A profile of one.
    Profile,
}

/// The headline coverage of the reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// Share of the reference's texts that have a corpus text among their nearest, over the share expected of a corpus
    /// of the same kind, 0 to 1.
    pub score: f64,
    /// 95 % interval of the score.
    pub interval: Interval,
    /// Share of the reference's texts that have a corpus text among their nearest.
    pub covered: f64,
    /// The same share, if the corpus were of the same kind as the reference.
    pub expected: f64,
    /// Share of the reference's texts in significant gaps.
    pub gap_mass: f64,
}

/// A leaf beside its reference, most significant first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// The leaf.
    pub leaf: u32,
    /// Its region.
    pub region: u32,
    /// Words that set the leaf apart.
    pub name: String,
    /// Next to nothing there (`missing`), less (`thin`), or no less (`covered`).
    pub kind: GapKind,
    /// Share of the corpus over share of the reference, each count one half higher.
    pub ratio: f64,
    /// Lower end of the ratio's 95 % interval.
    pub ratio_low: f64,
    /// Upper end of it; `None` where the reference has no text.
    pub ratio_high: Option<f64>,
    /// Probability of a share so far off, or further, if the shares were equal.
    pub p_value: f64,
    /// The same after Holm's correction over all leaves tested.
    pub p_adjusted: f64,
    /// Whether this is a gap (or a surplus): adjusted p at most .05, and a ratio below .8 (above 1.25).
    pub significant: bool,
    /// Whether it may be one: not significant, but among leaves of which one in ten is expected to be none
    /// (Benjamini-Hochberg).
    #[serde(default)]
    pub suspected: bool,
    /// Texts of the reference counted in the leaf.
    pub reference_texts: u64,
    /// Their share of all texts counted, 0 to 1.
    pub reference_share: f64,
    /// Texts of the corpus in the leaf.
    pub corpus_texts: u64,
    /// Their share of the corpus, 0 to 1.
    pub corpus_share: f64,
    /// Records of significant leaves: of a gap the reference's, those that nothing covers where there are any; of a
    /// surplus the corpus' own.
    pub examples: Vec<Example>,
}

/// A hole inside a leaf that is no gap: reference texts with no corpus text among their nearest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hole {
    /// The leaf.
    pub leaf: u32,
    /// Its name.
    pub name: String,
    /// Texts of the reference's sample in the leaf.
    pub reference_texts: u64,
    /// Those that no corpus text covers.
    pub uncovered: u64,
    /// Probability of so many or more in a corpus of the same kind.
    pub p_value: f64,
    /// The same after Holm's correction over all leaves tested.
    pub p_adjusted: f64,
    /// Mean, over the uncovered texts, of the distance to their 5th nearest corpus text less that to their 5th nearest
    /// reference text.
    pub excess: f64,
    /// Uncovered records, the furthest from the corpus first.
    pub examples: Vec<Example>,
}

/// What the corpus has that the reference has not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Novelty {
    /// Corpus texts that lie further out than 99 % of the reference's own.
    pub texts: u64,
    /// Their share of the corpus, 0 to 1.
    pub share: f64,
    /// The share expected of a corpus of the same kind.
    pub expected: f64,
    /// What they are about, largest group first.
    pub groups: Vec<NovelGroup>,
}

/// Some corpus texts that the reference has not, of close meaning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NovelGroup {
    /// Words that set the group apart.
    pub name: String,
    /// Texts in it.
    pub texts: u64,
    /// The most typical one, and varied others.
    pub examples: Vec<Example>,
}

/// How much of the reference a source of the corpus covers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceCoverage {
    /// The source; `None` for records without one. The smallest of more than 63 sources stand together as `(others)`.
    pub name: Option<String>,
    /// Its records.
    pub rows: u64,
    /// Share of the reference's texts that it covers, 0 to 1.
    pub covers: f64,
    /// Share that nothing else in the corpus covers, 0 to 1.
    pub alone: f64,
}

/// `missing`, `thin`, `covered`, or `more` than the reference has.
pub(crate) fn gap_word(gap: &Gap) -> &'static str {
    match gap.kind {
        GapKind::Missing => "missing",
        GapKind::Thin => "thin",
        GapKind::Covered if gap.significant => "more",
        GapKind::Covered => "covered",
    }
}
