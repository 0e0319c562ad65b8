//! The command line as typed.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::console::Verbosity;
use crate::settings::{GateSettings, PlanSettings, ScreenSettings, Settings};

/// Semantic coverage for training data: what a corpus covers, what it lacks, what does not belong.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,

    /// Say more on standard error
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,

    /// Say nothing on standard error but errors
    #[arg(short, long, global = true)]
    quiet: bool,
}

impl Cli {
    /// The definition of the command line.
    pub(crate) fn definition() -> clap::Command {
        // Every command that reads a corpus has its arguments; this one can do without.
        let without_corpus = |arg: clap::Arg| arg.required(false).required_unless_present("explain");
        Self::command().mut_subcommand("gate", |gate| gate.mut_arg("inputs", without_corpus))
    }

    /// What was typed; ends the program with exit code 2 where that cannot be understood.
    pub(crate) fn read() -> Self {
        Self::from_arg_matches(&Self::definition().get_matches()).unwrap_or_else(|error| error.exit())
    }

    pub(crate) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Report what a corpus covers: regions, sparse places, outliers, duplicates, diversity
    #[command(after_help = "Examples:
  semcov report train.jsonl -o report.html
  semcov report train.jsonl --reference traffic.jsonl -o report.html
  semcov report 'data/*.parquet' --text '{instruction}\\n{input}' --source origin --json report.json
  zstdcat drop.jsonl.zst | semcov report - --format markdown")]
    Report(ReportArgs),

    /// Screen a data drop row by row: what belongs beside the reference, what does not, and whether the drop has shifted
    #[command(after_help = "Examples:
  semcov screen drop.jsonl --against train.semcov -o kept.jsonl --flagged flagged.jsonl
  semcov screen drop.parquet --against train.parquet --fdr 0.1 --review queue.jsonl
  semcov screen drop.jsonl --against train.semcov --html screening.html
  zcat drop.jsonl.gz | semcov screen - --against train.semcov -o - --fail-on shift,flagged>10%

Exit codes: 0 done, 1 a condition of --fail-on holds, 2 could not judge.")]
    Screen(Box<ScreenArgs>),

    /// Fail when a corpus lost coverage against its baseline, and say where in words
    #[command(after_help = "Examples:
  semcov gate 'data/*.jsonl' --baseline baseline.semcov
  semcov gate train.jsonl --baseline baseline.semcov --evaluation eval.jsonl --summary summary.md --junit junit.xml
  semcov gate train.jsonl --baseline baseline.semcov --show-text --html verdict.html
  semcov gate --explain region-loss

The first baseline is made by `semcov profile fit`; the rules stand in [gate] of semcov.toml (`semcov init` writes one).

Exit codes: 0 pass, 1 a rule fails, 2 could not judge.")]
    Gate(Box<GateArgs>),

    /// Accept, reject or look at what the gate would make the next baseline, or check policy and baseline
    #[command(after_help = "Examples:
  semcov baseline status baseline.semcov
  semcov baseline accept baseline.semcov
  semcov baseline check")]
    Baseline(BaselineArgs),

    /// Plan what to add: how many examples each leaf needs, from which seeds, and the requests that generate them
    #[command(after_help = "Examples:
  semcov plan train.jsonl --reference traffic.jsonl --budget 500 -o plan.jsonl
  semcov plan train.jsonl --budget 10% --requests openai --model MODEL -o plan.jsonl
  semcov plan train.jsonl --target sqrt --weights weights.jsonl")]
    Plan(Box<PlanArgs>),

    /// Embed a corpus and write its vectors
    #[command(after_help = "Examples:
  semcov embed train.jsonl -o vectors.parquet
  semcov embed train.jsonl --encoder ./my-encoder -o vectors.npy")]
    Embed(EmbedArgs),

    /// Summarise corpora in small files that merge, and compare them
    #[command(after_help = "Examples:
  semcov profile fit train.jsonl -o train.semcov
  semcov profile diff last-week.semcov train.semcov --format markdown")]
    Profile(ProfileArgs),

    /// List encoders, describe one, download one, or make a static one
    #[command(after_help = "Example:
  semcov model info all-MiniLM-L6-v2")]
    Model(ModelArgs),

    /// Write a commented semcov.toml with the defaults
    #[command(after_help = "Example:
  semcov init")]
    Init(InitArgs),

    /// Print completions for a shell
    #[command(after_help = "Example:
  semcov completions bash > ~/.local/share/bash-completion/completions/semcov")]
    Completions(CompletionsArgs),

    /// Write manual pages
    #[command(after_help = "Example:
  semcov man ~/.local/share/man/man1")]
    Man(ManArgs),

    /// Print the JSON schema of the report, of a plan, of a screening, or of a verdict
    #[command(after_help = "Example:
  semcov schema report > report.schema.json")]
    Schema(SchemaArgs),
}

/// What to read, and with which settings: common to every command that reads a corpus.
#[derive(Args, Debug)]
pub(crate) struct CorpusArgs {
    /// Files, glob patterns, or - for standard input: JSONL, JSON, CSV, TSV, Parquet or text, also .gz and .zst
    #[arg(required = true, value_name = "CORPUS")]
    pub inputs: Vec<String>,

    #[command(flatten)]
    pub settings: Settings,

    /// Settings file to use instead of the nearest semcov.toml
    #[arg(long, value_name = "FILE", env = "SEMCOV_CONFIG", help_heading = "Running")]
    pub config: Option<PathBuf>,

    /// List the rows that could not be read, as JSONL with file, line and reason
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub bad_rows: Option<PathBuf>,
}

/// What a corpus is compared with.
#[derive(Args, Debug)]
pub(crate) struct ReferenceArgs {
    /// What the corpus should cover: production traffic, a task's examples, last month's data. A file or glob pattern (the
    /// option may be repeated), or a profile
    #[arg(long, value_name = "REF", env = "SEMCOV_REFERENCE", help_heading = "Reference")]
    pub reference: Vec<String>,

    /// Column with the reference's text, or a template over columns [default: as for the corpus]
    #[arg(
        long,
        value_name = "COLUMN|TEMPLATE",
        env = "SEMCOV_REFERENCE_TEXT",
        requires = "reference",
        help_heading = "Reference"
    )]
    pub reference_text: Option<String>,

    /// Vectors that the reference brings [default: the column of --vectors]
    #[arg(
        long,
        value_name = "COLUMN|FILE.npy",
        env = "SEMCOV_REFERENCE_VECTORS",
        requires = "reference",
        help_heading = "Reference"
    )]
    pub reference_vectors: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub corpus: CorpusArgs,

    #[command(flatten)]
    pub reference: ReferenceArgs,

    /// Write the report as one HTML page that opens offline (- for standard output)
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Write the report as JSON; `semcov schema` prints its schema (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,

    /// Write the report as Markdown (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub markdown: Option<PathBuf>,

    /// Write what was found of every record: .parquet, .jsonl, .ndjson or .csv (- for JSONL on standard output)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub rows: Option<PathBuf>,

    /// Give those rows a column with the record's text
    #[arg(long, requires = "rows", help_heading = "Output")]
    pub rows_text: bool,

    /// What to print on standard output
    #[arg(long, value_name = "FORMAT", default_value = "table", env = "SEMCOV_FORMAT", help_heading = "Output")]
    pub format: Format,
}

#[derive(Args, Debug)]
pub(crate) struct ScreenArgs {
    #[command(flatten)]
    pub corpus: CorpusArgs,

    /// What the rows should belong to: a profile, or files of rows (the option may be repeated), which are fitted to a
    /// profile that is kept in the cache
    #[arg(long, required = true, value_name = "REF", env = "SEMCOV_AGAINST", help_heading = "Reference")]
    pub against: Vec<String>,

    /// Column with the reference's text, or a template over columns [default: as for the drop]
    #[arg(long, value_name = "COLUMN|TEMPLATE", env = "SEMCOV_AGAINST_TEXT", help_heading = "Reference")]
    pub against_text: Option<String>,

    /// Vectors that the reference brings [default: the column of --vectors]
    #[arg(long, value_name = "COLUMN|FILE.npy", env = "SEMCOV_AGAINST_VECTORS", help_heading = "Reference")]
    pub against_vectors: Option<String>,

    #[command(flatten)]
    pub screen: ScreenSettings,

    /// Write the rows that are kept, as they came; .gz and .zst compress (- for standard output)
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Write the rows that are flagged, as they came (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub flagged: Option<PathBuf>,

    /// Write what was found of every row: .parquet, .jsonl, .ndjson or .csv (- for JSONL on standard output)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub scores: Option<PathBuf>,

    /// Write the flagged texts for review, group by group, as JSONL with an empty field `verdict`
    #[arg(long, value_name = "FILE", help_heading = "Review")]
    pub review: Option<PathBuf>,

    /// Heed the verdicts in a reviewed file: accepted texts are kept, rejected ones and their near copies flagged (the
    /// option may be repeated)
    #[arg(long, value_name = "FILE", help_heading = "Review")]
    pub decisions: Vec<PathBuf>,

    /// Write the reference with the accepted rows merged into it
    #[arg(long, value_name = "NAME.semcov", requires = "decisions", help_heading = "Review")]
    pub merge_accepted: Option<PathBuf>,

    /// Write the screening as one HTML page that opens offline (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub html: Option<PathBuf>,

    /// Write the screening as JSON; `semcov schema screening` prints its schema (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,

    /// Write the screening as Markdown (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub markdown: Option<PathBuf>,

    /// What to print on standard output
    #[arg(long, value_name = "FORMAT", default_value = "table", env = "SEMCOV_FORMAT", help_heading = "Output")]
    pub format: Format,
}

#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub corpus: CorpusArgs,

    #[command(flatten)]
    pub reference: ReferenceArgs,

    #[command(flatten)]
    pub plan: PlanSettings,

    /// Write the plan as JSONL: a header, then a line per leaf; `semcov schema plan` prints its schema
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Write generation requests in this vendor's batch format; nothing is sent
    #[arg(long, value_name = "openai|anthropic", help_heading = "Output")]
    pub requests: Option<String>,

    /// Where the requests go; a second file gets -2 before its extension [default: the plan's name with .requests]
    #[arg(long, value_name = "FILE", requires = "requests", help_heading = "Output")]
    pub requests_output: Option<PathBuf>,

    /// Write a weight per record, for reweighting or oversampling instead of generating, as JSONL with id and weight
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub weights: Option<PathBuf>,

    /// What to print on standard output
    #[arg(long, value_name = "FORMAT", default_value = "table", env = "SEMCOV_FORMAT", help_heading = "Output")]
    pub format: Format,
}

#[derive(Args, Debug)]
pub(crate) struct GateArgs {
    #[command(flatten)]
    pub corpus: CorpusArgs,

    #[command(flatten)]
    pub gate: GateSettings,

    /// Column with the reference's text, or a template over columns [default: as for the corpus]
    #[arg(long, value_name = "COLUMN|TEMPLATE", env = "SEMCOV_REFERENCE_TEXT", help_heading = "Gate")]
    pub reference_text: Option<String>,

    /// Vectors that the reference brings [default: the column of --vectors]
    #[arg(long, value_name = "COLUMN|FILE.npy", env = "SEMCOV_REFERENCE_VECTORS", help_heading = "Gate")]
    pub reference_vectors: Option<String>,

    /// Column with the evaluation files' text, or a template over columns [default: as for the corpus]
    #[arg(long, value_name = "COLUMN|TEMPLATE", env = "SEMCOV_EVALUATION_TEXT", help_heading = "Gate")]
    pub evaluation_text: Option<String>,

    /// Vectors that the evaluation files bring [default: the column of --vectors]
    #[arg(long, value_name = "COLUMN|FILE.npy", env = "SEMCOV_EVALUATION_VECTORS", help_heading = "Gate")]
    pub evaluation_vectors: Option<String>,

    /// Print what a rule looks at, why, and its settings
    #[arg(long, value_name = "RULE")]
    pub explain: Option<String>,

    /// Where the profile of the corpus goes [default: NAME.pending.semcov beside the baseline, where `semcov baseline
    /// accept` looks for it]
    #[arg(long, value_name = "FILE|none", help_heading = "Output")]
    pub pending: Option<String>,

    /// Write the verdict as Markdown, for a pull request (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub summary: Option<PathBuf>,

    /// Write the verdict as one HTML page that opens offline; texts only with --show-text (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub html: Option<PathBuf>,

    /// Write the verdict as JSON; `semcov schema verdict` prints its schema (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,

    /// Write the rules as JUnit test cases (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub junit: Option<PathBuf>,

    /// Write the findings as SARIF 2.1.0 (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub sarif: Option<PathBuf>,

    /// Write the findings as a GitLab code quality report (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub gitlab: Option<PathBuf>,

    /// What to print on standard output
    #[arg(long, value_name = "FORMAT", default_value = "table", env = "SEMCOV_FORMAT", help_heading = "Output")]
    pub format: Format,
}

#[derive(Args, Debug)]
pub(crate) struct BaselineArgs {
    #[command(subcommand)]
    pub command: BaselineCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BaselineCommand {
    /// Print what is pending, and what would change
    Status(BaselineFileArgs),
    /// Make the pending baseline the baseline
    Accept {
        #[command(flatten)]
        file: BaselineFileArgs,
        /// Do it in a CI job, too
        #[arg(long)]
        in_ci: bool,
    },
    /// Remove the pending baseline
    Reject(BaselineFileArgs),
    /// Check the policy in semcov.toml and the baselines, without reading a corpus
    Check(BaselineFileArgs),
}

/// Which baseline is meant.
#[derive(Args, Debug)]
pub(crate) struct BaselineFileArgs {
    /// The baseline [default: those that semcov.toml names]
    #[arg(value_name = "NAME.semcov")]
    pub baseline: Option<PathBuf>,

    /// Settings file to use instead of the nearest semcov.toml
    #[arg(long, value_name = "FILE", env = "SEMCOV_CONFIG")]
    pub config: Option<PathBuf>,
}

/// What `report`, `plan`, `screen`, `gate` and `profile diff` print on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A summary for the terminal
    Table,
    /// The whole document
    Json,
    /// A summary for a pull request
    Markdown,
}

#[derive(Args, Debug)]
pub(crate) struct EmbedArgs {
    #[command(flatten)]
    pub corpus: CorpusArgs,

    /// Where the vectors go: .parquet (id and vector) or .npy (a row per record)
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct ProfileArgs {
    #[command(subcommand)]
    pub command: ProfileCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// Fit a codebook to a corpus and write what it covers
    #[command(after_help = "Example:
  semcov profile fit train.jsonl -o train.semcov")]
    Fit(ProfileFitArgs),

    /// Write what a corpus covers under the codebook of another profile
    #[command(after_help = "Leaves, regions and seed are those of the codebook.

Example:
  semcov profile observe part-2.jsonl --codebook part-1.semcov -o part-2.semcov")]
    Observe(ProfileObserveArgs),

    /// Merge profiles under one codebook; their order does not matter
    #[command(after_help = "Example:
  semcov profile merge part-1.semcov part-2.semcov -o all.semcov")]
    Merge(ProfileMergeArgs),

    /// Print what a profile holds
    #[command(after_help = "Example:
  semcov profile show train.semcov")]
    Show(ProfileShowArgs),

    /// Print what changed from one profile to another
    #[command(after_help = "Example:
  semcov profile diff last-week.semcov train.semcov --format markdown")]
    Diff(ProfileDiffArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ProfileFitArgs {
    #[command(flatten)]
    pub corpus: CorpusArgs,

    /// Where the profile goes
    #[arg(short, long, value_name = "NAME.semcov", help_heading = "Output")]
    pub output: PathBuf,

    #[command(flatten)]
    pub sample: SampleArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ProfileObserveArgs {
    #[command(flatten)]
    pub corpus: CorpusArgs,

    /// The profile whose codebook to use
    #[arg(long, value_name = "NAME.semcov", help_heading = "Reading")]
    pub codebook: PathBuf,

    /// Where the profile goes
    #[arg(short, long, value_name = "NAME.semcov", help_heading = "Output")]
    pub output: PathBuf,

    #[command(flatten)]
    pub sample: SampleArgs,
}

/// What a profile keeps of single texts.
#[derive(Args, Debug)]
pub(crate) struct SampleArgs {
    /// Keep nothing of single texts
    #[arg(long, help_heading = "Output")]
    pub compact: bool,

    /// Keep the first 300 characters of the sampled texts
    #[arg(long, conflicts_with = "compact", help_heading = "Output")]
    pub with_examples: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ProfileMergeArgs {
    /// Profiles under one codebook
    #[arg(required = true, value_name = "NAME.semcov")]
    pub profiles: Vec<PathBuf>,

    /// Where the merged profile goes
    #[arg(short, long, value_name = "NAME.semcov")]
    pub output: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct ProfileShowArgs {
    /// The profile
    #[arg(value_name = "NAME.semcov")]
    pub profile: PathBuf,

    /// What to print
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: ShowFormat,
}

/// What `profile show` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShowFormat {
    /// A summary for the terminal
    Table,
    /// The summary as JSON
    Json,
}

#[derive(Args, Debug)]
pub(crate) struct ProfileDiffArgs {
    /// The profile of what was
    pub old: PathBuf,

    /// The profile of what is
    pub new: PathBuf,

    /// What to print
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}

#[derive(Args, Debug)]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    pub command: ModelCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// List the encoders that semcov knows, and where they are
    List,
    /// Describe an encoder: dimensions, limits, pooling, prompt, licence, digest
    Info {
        /// Encoder: a name of `semcov model list`, a Hugging Face id, or a folder
        encoder: String,

        /// Folder that keeps static encoders between runs, or none [default: the user's cache folder]
        #[arg(long, value_name = "DIR|none", env = "SEMCOV_CACHE")]
        cache: Option<String>,
    },
    /// Download an encoder, so that later runs need no network
    Pull {
        /// Encoder: a name of `semcov model list`, or a Hugging Face id
        encoder: String,
    },
    /// Make a static encoder of a transformer, in the format of Model2Vec
    #[command(
        after_help = "A static encoder has a vector for every token, and a text's vector is their mean: far faster \
                            than the transformer it is made of, and coarser. `--encoder static` makes one by itself, the \
                            same for every corpus. Here tokens may be weighted by how rare they are in corpora of yours; \
                            what is screened or gated with such an encoder needs the same folder again.

Examples:
  semcov model distill -o static-minilm
  semcov model distill train.jsonl -o static-train
  semcov screen drop.jsonl --against train.jsonl --encoder ./static-train"
    )]
    Distill(ModelDistillArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ModelDistillArgs {
    /// Corpora whose token frequencies weight the tokens [default: estimated by Zipf's law]
    #[arg(value_name = "CORPUS")]
    pub inputs: Vec<String>,

    /// Column with the text, or a template over columns such as '{instruction}\n{input}' [default: recognised]
    #[arg(long, value_name = "COLUMN|TEMPLATE", env = "SEMCOV_TEXT")]
    pub text: Option<String>,

    /// The transformer: a name of `semcov model list`, a Hugging Face id, or a folder
    #[arg(long, value_name = "ID|DIR", default_value = crate::encoder::DISTILLED)]
    pub encoder: String,

    /// Components of a vector; at most those of the transformer
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub dim: usize,

    /// Folder to write the encoder to
    #[arg(short, long, value_name = "FOLDER")]
    pub output: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// Folder to write semcov.toml to
    #[arg(default_value = ".")]
    pub folder: PathBuf,

    /// Overwrite an existing file
    #[arg(long)]
    pub force: bool,
}

#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// Which document
    #[arg(value_enum, default_value = "report")]
    pub document: Document,
}

/// A document that has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Document {
    /// `semcov report --json`
    Report,
    /// `semcov plan --format json`
    Plan,
    /// `semcov screen --json`
    Screening,
    /// `semcov gate --json`
    Verdict,
}

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// Shell to complete for
    pub shell: clap_complete::Shell,
}

#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Folder to write the pages to; without one the page of `semcov` is printed
    pub folder: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
