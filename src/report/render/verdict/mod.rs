//! A verdict of the gate: for a terminal, as Markdown, JSON and one line, and in the formats of CI systems (GitHub
//! workflow commands, JUnit XML, SARIF, GitLab code quality).
//!
//! All say the same sentences (`words`) of the same list (`objection`). Names, ids and texts are those of the corpus:
//! every format makes them harmless in its own way. A text is shown only where the verdict holds it.

mod github;
mod gitlab;
mod json;
mod junit;
mod markdown;
pub(super) mod objection;
mod sarif;
mod terminal;
pub(super) mod words;

pub use github::verdict_github;
pub use gitlab::verdict_gitlab;
pub use json::{verdict_json, verdict_schema};
pub use junit::verdict_junit;
pub use markdown::verdict_markdown;
pub use objection::verdict_row_ids;
pub use sarif::verdict_sarif;
pub use terminal::{rule_explained, verdict_figures, verdict_line, verdict_terminal};
