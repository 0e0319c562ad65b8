//! The settings of a run: a flag, else `SEMCOV_*`, else the nearest `semcov.toml`, else the default.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::{Deserialize, Serialize};

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

    /// Column that says what a record belongs to: a conversation, a document
    #[arg(long, value_name = "COLUMN", env = "SEMCOV_GROUP_BY", help_heading = "Reading")]
    pub group_by: Option<String>,

    /// Vectors that the corpus brings: a Parquet column of float lists, or a .npy file with a row per record
    #[arg(long, value_name = "COLUMN|FILE.npy", env = "SEMCOV_VECTORS", help_heading = "Reading")]
    pub vectors: Option<String>,

    /// Format of the input: jsonl, json, csv, tsv, parquet, text [default: from the content]
    #[arg(long, value_name = "FORMAT", env = "SEMCOV_INPUT_FORMAT", help_heading = "Reading")]
    pub input_format: Option<String>,

    /// Whether CSV and TSV files start with column names [default: recognised]
    #[arg(long, value_name = "BOOL", env = "SEMCOV_HEADER", help_heading = "Reading")]
    pub header: Option<bool>,

    /// Unreadable rows to put up with, N or P%, before the run fails with exit code 2 [default: 1%]
    #[arg(long, value_name = "N|P%", env = "SEMCOV_MAX_BAD_ROWS", help_heading = "Reading")]
    pub max_bad_rows: Option<String>,

    /// Encoder: a name of `semcov model list`, a Hugging Face id, or a folder [default: all-MiniLM-L6-v2]
    #[arg(long, value_name = "ID|DIR", env = "SEMCOV_ENCODER", help_heading = "Embedding")]
    pub encoder: Option<String>,

    /// What to put before every text, for encoders that want it [default: the encoder's own]
    #[arg(long, value_name = "TEXT", env = "SEMCOV_PROMPT", help_heading = "Embedding")]
    pub prompt: Option<String>,

    /// Where to run the encoder: auto, cpu, cuda, cuda:N, metal [default: auto]
    #[arg(long, value_name = "DEVICE", env = "SEMCOV_DEVICE", help_heading = "Embedding")]
    pub device: Option<String>,

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
}

impl Settings {
    /// The value of every setting that has one when nobody gives it.
    pub(crate) fn defaults() -> Self {
        Self {
            max_bad_rows: Some("1%".to_owned()),
            encoder: Some("all-MiniLM-L6-v2".to_owned()),
            device: Some("auto".to_owned()),
            seed: Some(0),
            sample: Some(10_000),
            budget: Some("10%".to_owned()),
            outliers: Some(20),
            ..Self::default()
        }
    }

    /// These settings, completed by the configuration file (`config`, or else the nearest one), then by the defaults.
    pub(crate) fn resolve(&self, config: Option<&Path>) -> Result<Self> {
        let file = match config {
            Some(path) => Some(path.to_owned()),
            None => nearest(&std::env::current_dir()?),
        };
        let from_file = match file {
            Some(path) => {
                let text = fs_err::read_to_string(&path)?;
                toml::from_str(&text).with_context(|| format!("cannot read the settings of {}", path.display()))?
            }
            None => Self::default(),
        };
        self.over(&from_file)?.over(&Self::defaults())
    }

    /// These settings where they were given, `below` where they were not.
    fn over(&self, below: &Self) -> Result<Self> {
        let (mut merged, mine) = (serde_json::to_value(below)?, serde_json::to_value(self)?);
        if let (Some(merged), serde_json::Value::Object(mine)) = (merged.as_object_mut(), mine) {
            merged.extend(mine.into_iter().filter(|(_, value)| !value.is_null()));
        }
        Ok(serde_json::from_value(merged)?)
    }
}

/// The configuration file of `folder` or of the nearest folder above it.
fn nearest(folder: &Path) -> Option<PathBuf> {
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
        let serde_json::Value::Object(keys) = serde_json::to_value(Settings::default()).unwrap() else {
            unreachable!()
        };
        for key in keys.keys() {
            let lines =
                TEMPLATE.lines().filter(|line| line.trim_start_matches(['#', ' ']).starts_with(&format!("{key} = ")));
            assert_eq!(lines.count(), 1, "{key}");
        }
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
        let resolved = flags.resolve(Some(&folder.path().join(FILE_NAME))).unwrap();
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
        let message = format!("{:#}", Settings::default().resolve(Some(&path)).unwrap_err());
        assert!(message.contains("sede") && message.contains("`seed`") && message.contains("line 1"), "{message}");
    }
}
