//! The report document: the schema of `--json`, and all that the renderers know.
//!
//! Field names are the words of flags and configuration keys. Nothing here depends on the clock, the machine's paths
//! or the order of rows, so that equal runs write equal bytes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::comparison::{Coverage, Gap, Hole, Novelty, ReferenceSummary, SourceCoverage};

/// The version of this schema; raised when a field is removed or changes its meaning.
pub const SCHEMA_VERSION: u32 = 2;

/// What `semcov report` found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this schema ([`SCHEMA_VERSION`]).
    pub schema_version: u32,
    /// Version of semcov that wrote the report.
    pub semcov_version: String,
    /// What was read.
    pub corpus: CorpusSummary,
    /// What embedded it.
    pub encoder: EncoderSummary,
    /// The settings that decide the numbers.
    pub settings: Settings,
    /// How varied the corpus is.
    pub diversity: Diversity,
    /// How completely the corpus shows its own distribution, without a reference.
    pub sparsity: Sparsity,
    /// What the corpus was compared with.
    #[serde(default)]
    pub reference: Option<ReferenceSummary>,
    /// How much of the reference the corpus covers; `None` without a reference, or of one with fewer than two texts.
    #[serde(default)]
    pub coverage: Option<Coverage>,
    /// Every leaf that the reference has, most significant first; empty without a reference.
    #[serde(default)]
    pub gaps: Vec<Gap>,
    /// Holes inside leaves that are no gaps, most significant first; empty without a reference.
    #[serde(default)]
    pub holes: Vec<Hole>,
    /// Leaves of which the corpus has significantly more than the reference, most significant first.
    #[serde(default)]
    pub surplus: Vec<Gap>,
    /// What the corpus has that the reference has not; `None` without a reference, or of one too small to tell.
    #[serde(default)]
    pub novelty: Option<Novelty>,
    /// How much of the reference each source covers; empty without a reference, or if the corpus names no sources.
    #[serde(default)]
    pub source_coverage: Vec<SourceCoverage>,
    /// The codebook's regions that hold texts of the corpus or of its reference, largest first.
    pub regions: Vec<Region>,
    /// The codebook's leaves, in the order of their ids.
    pub leaves: Vec<Leaf>,
    /// Where to add examples, most needed first.
    pub needs_augmentation: Vec<Need>,
    /// The records least like the rest of the corpus, highest score first: for review, not for removal.
    pub outliers: Vec<Outlier>,
    /// Exact-duplicate groups, largest first.
    pub duplicate_groups: Vec<DuplicateGroup>,
    /// Share of each source; empty if the corpus names no sources.
    pub sources: Vec<CategoryShare>,
    /// Share of each label; empty if the corpus names no labels.
    pub labels: Vec<CategoryShare>,
    /// Distributions for display.
    pub histograms: Histograms,
    /// What the reader of the numbers should know.
    pub warnings: Vec<Warning>,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CorpusSummary {
    /// Input files, as the user named them, sorted.
    pub files: Vec<InputFile>,
    /// Records read: rows that are not bad, empty texts included.
    pub rows: u64,
    /// Rows that could not be read.
    pub bad_rows: u64,
    /// Records whose text is empty or white space; they are counted and never embedded.
    pub empty: u64,
    /// Distinct texts after Unicode NFC and white-space folding.
    pub distinct_texts: u64,
    /// Records that repeat another record's text: `rows - empty - distinct_texts`.
    pub exact_duplicates: u64,
    /// Distinct texts that were longer than the encoder's limit.
    pub truncated_texts: u64,
    /// Tokens cut off those texts.
    pub truncated_tokens: u64,
    /// Tokens embedded, over the distinct texts. `None` where the corpus brought its vectors.
    pub tokens: Option<u64>,
}

/// One input file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct InputFile {
    /// Path as the user named it; `-` for standard input.
    pub path: String,
    /// What was recognised: format, compression, and the columns used, in words.
    pub recognised: String,
    /// Records read from it.
    pub rows: u64,
}

/// What embedded the corpus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EncoderSummary {
    /// The encoder's name, or `vectors:COLUMN` where the corpus brought its vectors.
    pub id: String,
    /// Fingerprint over weights, tokenizer, pooling, prompt, truncation and precision.
    pub fingerprint: String,
    /// Components of a vector.
    pub dim: usize,
    /// Tokens kept of a text; `None` where the corpus brought its vectors.
    pub max_tokens: Option<usize>,
}

/// The settings that decide the numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// Seed of everything random.
    pub seed: u64,
    /// Leaves of the codebook.
    pub leaves: usize,
    /// Regions of the codebook.
    pub regions: usize,
    /// Rows of the reference sample of the outlier scores.
    pub sample: usize,
    /// Examples that `needs_augmentation` distributes.
    pub budget: u64,
}

/// How varied the corpus is. For reading, not for gating.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Diversity {
    /// Hill numbers of the leaf shares (over distinct texts).
    pub hill: HillNumbers,
    /// Hill numbers of the leaf shares rarefied to `rarefied_to` texts, to compare corpora of different size.
    pub hill_rarefied: HillNumbers,
    /// Texts the rarefied numbers stand for.
    pub rarefied_to: u64,
    /// The Vendi score: effective number of distinct directions of meaning, 1 to `dim`.
    pub vendi: f64,
    /// Mean cosine similarity of two different texts, -1 to 1.
    pub mean_similarity: f64,
}

/// Effective numbers of leaves (Hill 1973).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HillNumbers {
    /// q = 0: leaves that hold anything.
    pub q0: f64,
    /// q = 1: exponential of the Shannon entropy.
    pub q1: f64,
    /// q = 2: inverse Simpson concentration.
    pub q2: f64,
}

/// How completely the corpus shows its own distribution. Without a reference nothing here is a gap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sparsity {
    /// Leaves with fewer distinct texts than a quarter of the mean.
    pub small_leaves: u64,
    /// Share of distinct texts in those leaves, 0 to 1.
    pub small_leaves_share: f64,
    /// Leaves whose texts lie unusually far from the centroid: mean similarity below the first quartile of all leaves by
    /// more than one and a half interquartile ranges (Tukey 1977).
    #[serde(default)]
    pub wide_leaves: u64,
    /// Good's sample coverage: the chance that another text of this kind is a near duplicate (cosine at least .85) of one
    /// that is there, 0 to 1.
    #[serde(default)]
    pub sample_coverage: f64,
    /// Near-duplicate groups among the texts looked at.
    #[serde(default)]
    pub groups: u64,
    /// Chao1: at least so many groups texts of this kind have.
    #[serde(default)]
    pub chao1: f64,
    /// Texts looked at for the three: all, or those of smallest content hash.
    #[serde(default)]
    pub grouped_texts: u64,
    /// Saturation: share of the texts that have another text of the same topic (cosine at least .7) among the first
    /// 10 %, 20 %, ... 100 % of the texts in random order. Where it is flat, more of the same adds nothing.
    #[serde(default)]
    pub saturation: Vec<f64>,
}

/// A region: a group of neighbouring leaves, made for people to read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Region {
    /// 0 to `settings.regions - 1`.
    pub id: u32,
    /// Words that set the region apart from the others (c-TF-IDF), comma-separated.
    pub name: String,
    /// Records in it.
    pub rows: u64,
    /// Share of all records with text, 0 to 1.
    pub share: f64,
    /// Share of the reference's texts in it, 0 to 1.
    #[serde(default)]
    pub reference_share: Option<f64>,
    /// Its share of the corpus over its share of the reference; `None` where the reference has nothing.
    #[serde(default)]
    pub ratio: Option<Ratio>,
    /// Distinct texts in it.
    pub distinct_texts: u64,
    /// Mean cosine similarity of its distinct texts to their leaf's centroid, -1 to 1.
    pub similarity: f64,
    /// Median outlier score of its distinct texts; higher is further from the rest of the corpus.
    pub median_score: f64,
    /// Its leaves.
    pub leaves: Vec<u32>,
    /// The text nearest to the region's centroid; of a region without corpus texts, the reference's.
    pub medoid: Example,
    /// Varied texts of the region.
    pub examples: Vec<Example>,
    /// Share of each source within the region, largest first; empty if the corpus names no sources.
    pub sources: Vec<CategoryShare>,
    /// Share of each label within the region, largest first; empty if the corpus names no labels.
    pub labels: Vec<CategoryShare>,
    /// Whether most of its texts are among the 5 % least like the rest: a region to review first, which gets no
    /// examples.
    pub out_of_place: bool,
    /// Examples to add, as in `needs_augmentation`.
    pub needed: u64,
}

/// A ratio of two shares, each count one half higher, and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ratio {
    /// The ratio.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of it; `None` where it is unbounded.
    pub high: Option<f64>,
}

/// A leaf: the finest unit of the codebook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Leaf {
    /// 0 to `settings.leaves - 1`.
    pub id: u32,
    /// The region it belongs to.
    pub region: u32,
    /// Words that set the leaf apart from the others.
    #[serde(default)]
    pub name: String,
    /// Records in it.
    pub rows: u64,
    /// Distinct texts in it.
    pub distinct_texts: u64,
    /// Share of the reference's texts in it, 0 to 1.
    #[serde(default)]
    pub reference_share: Option<f64>,
    /// Mean cosine similarity of its distinct texts to its centroid, -1 to 1; 0 of a leaf without texts.
    pub similarity: f64,
}

/// A record shown as an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Example {
    /// The record's id; of several with the same text, the first in the order of ids.
    pub id: String,
    /// Its text, cut to a length that can be shown.
    pub text: String,
}

/// A region below its water-filled share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Need {
    /// The region.
    pub region: u32,
    /// Its name.
    pub name: String,
    /// Distinct texts it has.
    pub distinct_texts: u64,
    /// Examples to add.
    pub needed: u64,
    /// Real texts to start from; fewer than 10 is too few to generate from: collect real data first.
    pub collect_real_data_first: bool,
}

/// A record unlike the rest of the corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outlier {
    /// The record.
    pub record: Example,
    /// Its region.
    pub region: u32,
    /// Outlier score: higher is further from the rest of the corpus.
    pub score: f64,
    /// Share of the reference sample that scores at least as high, 0 to 1.
    pub p_value: f64,
    /// The record's source.
    pub source: Option<String>,
    /// The record's label.
    pub label: Option<String>,
}

/// Records with the same text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DuplicateGroup {
    /// The text, cut to a length that can be shown, under the id of the first record in the order of ids.
    pub kept: Example,
    /// Records in the group.
    pub rows: u64,
    /// Ids of the other records (the first ones of a long list), in the order of ids.
    pub duplicates: Vec<String>,
}

/// A source or label and its share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CategoryShare {
    /// The source or label; `None` for records without one.
    pub name: Option<String>,
    /// Records.
    pub rows: u64,
    /// Share of the records counted, 0 to 1.
    pub share: f64,
}

/// Distributions for display.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Histograms {
    /// Cosine similarity of each distinct text to its leaf's centroid.
    pub similarity: Histogram,
    /// Outlier scores of the distinct texts.
    pub score: Histogram,
    /// The lowest score with a p-value of at most .05; `None` if no text has one.
    #[serde(default)]
    pub review_from: Option<f64>,
}

/// Counts over equal bins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Histogram {
    /// Left edge of the first bin.
    pub start: f64,
    /// Width of a bin.
    pub width: f64,
    /// Texts per bin.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Counts values over `bins` equal bins from `range[0]` to `range[1]`; what lies beyond counts in the bin at that end.
    pub(crate) fn over(range: [f64; 2], bins: usize, values: &[f32]) -> Self {
        let [start, end] = range;
        let width = ((end - start) / bins as f64).max(1e-6);
        let mut counts = vec![0; bins];
        for &value in values {
            counts[(((f64::from(value) - start) / width) as usize).min(bins - 1)] += 1;
        }
        Self { start, width, counts }
    }
}

/// What the reader of the numbers should know, as data; [`Warning::message`] puts it in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Warning {
    /// Texts longer than the encoder's limit were cut.
    Truncated {
        /// Texts cut.
        texts: u64,
        /// Tokens cut.
        tokens: u64,
        /// The limit.
        max_tokens: usize,
    },
    /// Records without text.
    Empty {
        /// Such records.
        rows: u64,
    },
    /// Rows that could not be read.
    BadRows {
        /// Such rows.
        rows: u64,
        /// The first: file, line, reason.
        first: String,
    },
    /// Too few distinct texts for the figures to be stable.
    SmallCorpus {
        /// Distinct texts.
        distinct_texts: u64,
    },
    /// Records have an id that an earlier record has.
    RepeatedIds {
        /// Such records.
        rows: u64,
        /// One such id.
        example: String,
    },
}

impl Warning {
    /// The warning in one sentence, with the next step.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Truncated { texts, tokens, max_tokens } => format!(
                "{texts} texts are longer than the encoder's {max_tokens} tokens; {tokens} tokens were cut off and not judged"
            ),
            Self::Empty { rows: 1 } => "1 record has no text; it was counted and not embedded".to_owned(),
            Self::Empty { rows } => format!("{rows} records have no text; they were counted and not embedded"),
            Self::BadRows { rows, first } => {
                format!("{rows} rows could not be read (first: {first}); list them with --bad-rows FILE")
            }
            Self::SmallCorpus { distinct_texts } => format!(
                "{distinct_texts} distinct texts are few: names, scores and counts will change with a few more rows"
            ),
            Self::RepeatedIds { rows, example } => {
                format!(
                    "{rows} records repeat the id of another (for example {example:?}); name a column of unique ids with --id"
                )
            }
        }
    }
}
