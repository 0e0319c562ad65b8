//! The settings of a run: a flag, else `SEMCOV_*`, else the nearest `semcov.toml`, else the default.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use semcov::gate::{OnInconclusive, RuleId, RuleSettings};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of the configuration file that is looked for here and in the folders above.
pub(crate) const FILE_NAME: &str = "semcov.toml";

/// The commented file that `semcov init` writes; a test holds it against [`Settings::defaults`].
pub(crate) const TEMPLATE: &str = include_str!("semcov.toml");

/// One definition for flag, environment variable and key of `semcov.toml`; a field that is `None` was not given.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// Column with the text, or a template over columns such as '{instruction}\n{input}' [default: recognised]
    #[arg(long, value_name = "COLUMN|TEMPLATE", env = "SEMCOV_TEXT", help_heading = "Reading")]
    pub text: Option<String>,

    /// Column with the record's id [default: recognised, else file and line]
    #[arg(long, value_name = "COLUMN", env = "SEMCOV_ID", help_heading = "Reading")]
    pub id: Option<String>,

    /// Column that says where a record came from [default: recognised]
    #[arg(long, value_name = "COLUMN", env = "SEMCOV_SOURCE", help_heading = "Reading")]
    pub source: Option<String>,

    /// Column with the record's label [default: recognised]
    #[arg(long, value_name = "COLUMN", env = "SEMCOV_LABEL", help_heading = "Reading")]
    pub label: Option<String>,

    /// Column with the name of the record's licence [default: recognised]
    #[arg(long, value_name = "COLUMN", env = "SEMCOV_LICENCE", help_heading = "Reading")]
    pub licence: Option<String>,

    /// Column that says what a record belongs to: a conversation, a document
    #[arg(long, value_name = "COLUMN", env = "SEMCOV_GROUP_BY", help_heading = "Reading")]
    pub group_by: Option<String>,

    /// Column that marks generated records [default: recognised]
    #[arg(long, value_name = "COLUMN", env = "SEMCOV_SYNTHETIC", help_heading = "Reading")]
    pub synthetic: Option<String>,

    /// Vectors that the corpus brings: a Parquet column of float lists, or a .npy file with a row per record
    #[arg(long, value_name = "COLUMN|FILE.npy", env = "SEMCOV_VECTORS", help_heading = "Reading")]
    pub vectors: Option<String>,

    /// Format of the input: jsonl, json, csv, tsv, parquet, text [default: from the content]
    #[arg(long, value_name = "FORMAT", env = "SEMCOV_INPUT_FORMAT", help_heading = "Reading")]
    pub input_format: Option<String>,

    /// Whether CSV and TSV files start with column names [default: recognised]
    #[arg(long, value_name = "BOOL", env = "SEMCOV_HEADER", help_heading = "Reading")]
    pub header: Option<bool>,

    /// Unreadable rows to put up with, N or P%, before the run fails with exit code 2 [default: 1%; for
    /// `screen` 0, for `gate` 100%: a rule counts them]
    #[arg(long, value_name = "N|P%", env = "SEMCOV_MAX_BAD_ROWS", help_heading = "Reading")]
    pub max_bad_rows: Option<String>,

    /// Encoder: a name of `semcov model list`, a Hugging Face id, or a folder [default: all-MiniLM-L6-v2]
    #[arg(long, value_name = "ID|DIR", env = "SEMCOV_ENCODER", help_heading = "Embedding")]
    pub encoder: Option<String>,

    /// What to put before every text, for encoders that want it [default: the encoder's own]
    #[arg(long, value_name = "TEXT", env = "SEMCOV_PROMPT", help_heading = "Embedding")]
    pub prompt: Option<String>,

    /// Where to run the encoder: auto, cpu, cuda, cuda:N[,M...], metal [default: auto]
    #[arg(long, value_name = "DEVICE", env = "SEMCOV_DEVICE", help_heading = "Embedding")]
    pub device: Option<String>,

    /// Arithmetic of the encoder: auto, f32, bf16, int8; auto takes that of the profile it is compared with, else the fastest
    /// whose vectors stay near those in f32 [default: auto]
    #[arg(long, value_name = "PRECISION", env = "SEMCOV_PRECISION", help_heading = "Embedding")]
    pub precision: Option<String>,

    /// Folder that keeps vectors between runs, or none [default: the user's cache folder]
    #[arg(long, value_name = "DIR|none", env = "SEMCOV_CACHE", help_heading = "Embedding")]
    pub cache: Option<String>,

    /// Threads to use [default: one per core]
    #[arg(long, value_name = "N", env = "SEMCOV_THREADS", help_heading = "Running")]
    pub threads: Option<usize>,

    /// Seed of everything random; equal seeds give equal results [default: 0]
    #[arg(long, value_name = "N", env = "SEMCOV_SEED", help_heading = "Running")]
    pub seed: Option<u64>,

    /// Leaves of the codebook: the fine clusters [default: from the number of distinct texts]
    #[arg(long, value_name = "N", env = "SEMCOV_LEAVES", help_heading = "Analysis")]
    pub leaves: Option<usize>,

    /// Regions of the codebook: the groups of leaves that the report lists [default: 50, or fewer]
    #[arg(long, value_name = "N", env = "SEMCOV_REGIONS", help_heading = "Analysis")]
    pub regions: Option<usize>,

    /// Texts that outlier scores compare with, and that a profile keeps [default: 10000]
    #[arg(long, value_name = "N", env = "SEMCOV_SAMPLE", help_heading = "Analysis")]
    pub sample: Option<usize>,

    /// Examples to distribute over the regions that need some, N or P% of the distinct texts [default: 10%]
    #[arg(long, value_name = "N|P%", env = "SEMCOV_BUDGET", help_heading = "Analysis")]
    pub budget: Option<String>,

    /// Records to list for review [default: 20]
    #[arg(long, value_name = "N", env = "SEMCOV_OUTLIERS", help_heading = "Analysis")]
    pub outliers: Option<usize>,

    /// The table `[plan]`; its flags belong to `semcov plan` alone.
    #[arg(skip)]
    pub plan: PlanSettings,

    /// The table `[screen]`; its flags belong to `semcov screen` alone.
    #[arg(skip)]
    pub screen: ScreenSettings,

    /// The table `[gate]`; its flags belong to `semcov gate` alone.
    #[arg(skip)]
    pub gate: GateSettings,
}

/// The settings of the gate: flags of `semcov gate`, and the table `[gate]` of `semcov.toml`, where the policy stands.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct GateSettings {
    /// What the corpus should not fall behind: a profile, at first made by `semcov profile fit`
    #[arg(long, value_name = "NAME.semcov", env = "SEMCOV_BASELINE", help_heading = "Gate")]
    pub baseline: Option<PathBuf>,

    /// What the corpus should cover, for the rule `coverage`: files of rows (the option may be repeated), or a profile
    #[arg(long, value_name = "REF", env = "SEMCOV_REFERENCE", help_heading = "Gate")]
    pub reference: Option<Vec<String>>,

    /// Files that a model will be tested on, for the rule `leakage` (the option may be repeated)
    #[arg(long, value_name = "FILES", env = "SEMCOV_EVALUATION", help_heading = "Gate")]
    pub evaluation: Option<Vec<String>>,

    /// Show texts, not only the ids of their rows; names of regions and groups are made of words of the rows either way
    /// [default: false]
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true",
        env = "SEMCOV_SHOW_TEXT",
        help_heading = "Output"
    )]
    pub show_text: Option<bool>,

    /// Print annotations for GitHub Actions [default: true in its jobs]
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true",
        env = "SEMCOV_GITHUB",
        help_heading = "Output"
    )]
    pub github: Option<bool>,

    /// Level of each rule's tests, all regions together.
    #[arg(skip)]
    pub alpha: Option<f64>,

    /// What an inconclusive verdict comes to.
    #[arg(skip)]
    pub inconclusive: Option<OnInconclusive>,

    /// The settings of rules.
    #[arg(skip)]
    pub rules: BTreeMap<RuleId, RuleSettings>,

    /// Parts of the corpus with a baseline of their own.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub section: Vec<SectionSettings>,
}

/// A part of the corpus that is judged by itself as well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SectionSettings {
    /// What it is called.
    pub name: String,
    /// Patterns of its files, as the corpus names them.
    pub paths: Vec<String>,
    /// Its baseline.
    pub baseline: PathBuf,
    /// What its rules have otherwise than those of the corpus.
    #[serde(default)]
    pub rules: BTreeMap<RuleId, RuleSettings>,
}

/// The settings of a screening: flags of `semcov screen`, and the table `[screen]` of `semcov.toml`.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ScreenSettings {
    /// How rows are scored: ensemble, local, knn, centroid, z, rmd [default: ensemble, or z where the profile is compact]
    #[arg(long, value_name = "SCORE", env = "SEMCOV_SCORE", help_heading = "Screening")]
    pub score: Option<String>,

    /// Share of good rows that may be flagged [default: 0.05]
    #[arg(long, value_name = "SHARE", env = "SEMCOV_ALPHA", help_heading = "Screening")]
    pub alpha: Option<f64>,

    /// Instead: share of good rows among the flagged ones that may be expected. All rows are read before the first is
    /// decided on
    #[arg(long, value_name = "SHARE", env = "SEMCOV_FDR", help_heading = "Screening")]
    pub fdr: Option<f64>,

    /// Measure each row by the reference texts of its own leaf, where there are at least 100 [default: false]
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true",
        env = "SEMCOV_PER_LEAF",
        help_heading = "Screening"
    )]
    pub per_leaf: Option<bool>,

    /// Exit with 1 if one of these holds: shift, new-content, changed-mix, new-topic, language, underpowered,
    /// flagged>P%|N, duplicates>P%|N; separated by commas
    #[arg(long, value_name = "CONDITIONS", env = "SEMCOV_FAIL_ON", help_heading = "Screening")]
    pub fail_on: Option<String>,
}

/// The settings of a plan: flags of `semcov plan`, and the table `[plan]` of `semcov.toml`.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PlanSettings {
    /// What to move the corpus towards: reference, uniform, sqrt, or table (weights in semcov.toml) [default: reference,
    /// or uniform without one]
    #[arg(long, value_name = "TARGET", env = "SEMCOV_TARGET", help_heading = "Planning")]
    pub target: Option<String>,

    /// The most that synthetic texts, those already there included, may be of the result [default: 0.2]
    #[arg(long, value_name = "SHARE", env = "SEMCOV_SYNTHETIC_SHARE", help_heading = "Planning")]
    pub synthetic_share: Option<f64>,

    /// Real texts per leaf to make examples from [default: 5]
    #[arg(long, value_name = "N", env = "SEMCOV_SEEDS", help_heading = "Planning")]
    pub seeds: Option<usize>,

    /// Model that the generation requests name
    #[arg(long, value_name = "MODEL", env = "SEMCOV_MODEL", help_heading = "Planning")]
    pub model: Option<String>,

    /// Tokens that an answer may have [default: from the lengths of the seeds]
    #[arg(long, value_name = "N", env = "SEMCOV_MAX_TOKENS", help_heading = "Planning")]
    pub max_tokens: Option<u64>,

    /// File with the template of the generation prompts, in the syntax of Jinja [default: built in]
    #[arg(long, value_name = "FILE", env = "SEMCOV_PROMPT_TEMPLATE", help_heading = "Planning")]
    pub prompt_template: Option<PathBuf>,

    /// Price of a million tokens that the model reads
    #[arg(long, value_name = "USD", env = "SEMCOV_PRICE_INPUT", help_heading = "Planning")]
    pub price_input: Option<f64>,

    /// Price of a million tokens that the model writes
    #[arg(long, value_name = "USD", env = "SEMCOV_PRICE_OUTPUT", help_heading = "Planning")]
    pub price_output: Option<f64>,

    /// The most, and as a reciprocal the least, that a row's leaf weighs in --weights [default: 10]
    #[arg(long, value_name = "N", env = "SEMCOV_WEIGHT_CAP", help_heading = "Planning")]
    pub weight_cap: Option<f64>,

    /// Weights of leaves and regions for the target `table`.
    #[arg(skip)]
    pub target_weights: BTreeMap<String, f64>,

    /// Quality weights of sources, for --weights; 1 for those not named.
    #[arg(skip)]
    pub source_weights: BTreeMap<String, f64>,
}

impl Settings {
    /// The value of every setting that has one when nobody gives it.
    pub(crate) fn defaults() -> Self {
        Self {
            max_bad_rows: Some("1%".to_owned()),
            encoder: Some("all-MiniLM-L6-v2".to_owned()),
            device: Some("auto".to_owned()),
            precision: Some("auto".to_owned()),
            seed: Some(0),
            sample: Some(10_000),
            budget: Some("10%".to_owned()),
            outliers: Some(20),
            plan: PlanSettings {
                synthetic_share: Some(0.2),
                seeds: Some(5),
                weight_cap: Some(10.0),
                ..PlanSettings::default()
            },
            screen: ScreenSettings { alpha: Some(0.05), per_leaf: Some(false), ..ScreenSettings::default() },
            gate: GateSettings {
                show_text: Some(false),
                alpha: Some(0.01),
                inconclusive: Some(OnInconclusive::Error),
                ..GateSettings::default()
            },
            ..Self::default()
        }
    }

    /// These settings, completed by the configuration file (`config`, or else the nearest one), then by `defaults`.
    pub(crate) fn resolve(&self, config: Option<&Path>, defaults: &Self) -> Result<Self> {
        let file = match config {
            Some(path) => Some(path.to_owned()),
            None => nearest(&std::env::current_dir()?),
        };
        let from_file = match file {
            Some(path) => {
                let text = fs_err::read_to_string(&path)?;
                let read: Result<Self, toml::de::Error> = toml::from_str(&text);
                read.map_err(|error| {
                    let hint =
                        suggestion(error.message()).map_or(String::new(), |word| format!("; did you mean `{word}`?"));
                    anyhow::Error::new(error).context(format!("cannot read the settings of {}{hint}", path.display()))
                })?
            }
            None => Self::default(),
        };
        self.over(&from_file)?.over(defaults)
    }
}

/// The known word that is most like an unknown one, where a message has both: "unknown field `a`, expected one of `b`, `c`".
fn suggestion(message: &str) -> Option<&str> {
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = words.next().filter(|_| message.starts_with("unknown "))?;
    most_like(unknown, words)
}

/// The word that is most like an unknown one, if one is like it at all.
pub(crate) fn most_like<'a>(unknown: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |word: &str| strsim::jaro_winkler(unknown, word);
    words.into_iter().filter(|word| likeness(word) > 0.75).max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

/// Settings of which some were given.
pub(crate) trait Layered: Serialize + DeserializeOwned {
    /// These settings where they were given, `below` where they were not.
    fn over(&self, below: &Self) -> Result<Self> {
        let mut merged = serde_json::to_value(below)?;
        merge(&mut merged, serde_json::to_value(self)?);
        Ok(serde_json::from_value(merged)?)
    }
}

impl Layered for Settings {}
impl Layered for PlanSettings {}
impl Layered for ScreenSettings {}
impl Layered for GateSettings {}

/// Puts every value of `over` in its place in `below`, table by table.
fn merge(below: &mut Value, over: Value) {
    match (below, over) {
        (Value::Object(below), Value::Object(over)) => {
            for (key, value) in over {
                merge(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (below, over) => *below = over,
    }
}

/// The configuration file of `folder` or of the nearest folder above it.
pub(crate) fn nearest(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(FILE_NAME)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The template with the `# ` of every setting taken away.
    fn uncommented() -> String {
        TEMPLATE
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|rest| rest.contains(" = ")).unwrap_or(line).to_owned() + "\n")
            .collect()
    }

    #[test]
    fn the_template_shows_every_default() {
        let shown: Settings = toml::from_str(&uncommented()).unwrap();
        let defaults = Settings::defaults();
        assert_eq!(shown.over(&defaults).unwrap(), shown, "a default is missing from the template");
        assert_eq!(defaults.over(&shown).unwrap(), shown, "the template shows another value than the default");
    }

    #[test]
    fn the_template_names_every_key_once() {
        let gate = GateSettings { section: vec![section()], ..GateSettings::default() };
        let settings = serde_json::to_value(Settings { gate, ..Settings::default() }).unwrap();
        // Every key and every table, by the table that it stands in.
        let (mut table, mut shown) = (String::new(), Vec::new());
        for line in TEMPLATE.lines().map(|line| line.trim_start_matches(['#', ' '])) {
            if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.contains(' ')) {
                shown.push(format!("{table}.{key}"));
            } else if let Some(name) = line.strip_prefix('[') {
                name.trim_matches(['[', ']']).clone_into(&mut table);
                shown.push(format!(".{table}"));
            }
        }
        let of_table = |table: &str, keys: &Value| -> Vec<String> {
            let dotted = |(key, value): (&String, &Value)| match value {
                Value::Object(_) | Value::Array(_) if !table.is_empty() => format!(".{table}.{key}"),
                _ => format!("{table}.{key}"),
            };
            keys.as_object().unwrap().iter().map(dotted).collect()
        };
        let tables = ["plan", "screen", "gate"].iter().flat_map(|table| of_table(table, &settings[table]));
        for key in of_table("", &settings).into_iter().chain(tables) {
            assert_eq!(shown.iter().filter(|shown| **shown == key).count(), 1, "{key}: {shown:?}");
        }
    }

    fn section() -> SectionSettings {
        SectionSettings { name: String::new(), paths: Vec::new(), baseline: PathBuf::new(), rules: BTreeMap::new() }
    }

    #[test]
    fn as_written_the_template_sets_nothing() {
        assert_eq!(toml::from_str::<Settings>(TEMPLATE).unwrap(), Settings::default());
    }

    #[test]
    fn flags_come_before_the_file_and_the_file_before_defaults() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join(FILE_NAME), "seed = 7\nregions = 9\n").unwrap();
        let flags = Settings { seed: Some(3), ..Settings::default() };
        let resolved = flags.resolve(Some(&folder.path().join(FILE_NAME)), &Settings::defaults()).unwrap();
        assert_eq!((resolved.seed, resolved.regions, resolved.sample), (Some(3), Some(9), Some(10_000)));
        let nested = folder.path().join("a/b");
        fs_err::create_dir_all(&nested).unwrap();
        assert_eq!(nearest(&nested), Some(folder.path().join(FILE_NAME)));
    }

    #[test]
    fn unknown_keys_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs_err::write(&path, "sede = 7\n").unwrap();
        let message = format!("{:#}", Settings::default().resolve(Some(&path), &Settings::defaults()).unwrap_err());
        assert!(
            message.contains("sede") && message.contains("did you mean `seed`?") && message.contains("line 1"),
            "{message}"
        );
        fs_err::write(&path, "[gate.rules.regionloss]\nfail = 0.8\n").unwrap();
        let message = format!("{:#}", Settings::default().resolve(Some(&path), &Settings::defaults()).unwrap_err());
        assert!(message.contains("did you mean `region-loss`?"), "{message}");
    }
}
