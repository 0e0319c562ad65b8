//! The document as a terminal summary, JSON, Markdown, or a self-contained HTML page; profiles, what changed between
//! two of them, plans, screenings and verdicts likewise.
//!
//! Renderers only format: every number they show stands in the [`Report`](super::Report) or the other document, or is a
//! sum or a share of numbers there. Names, ids and texts of the corpus are untrusted in all of them.

mod beside;
mod diff;
mod html;
mod json;
mod markdown;
mod number;
mod plan;
mod profile;
mod screening;
mod terminal;
mod text;
mod verdict;
mod words;

pub use diff::{diff_json, diff_markdown, diff_terminal};
pub use html::{html, screening_html, verdict_html};
pub use json::{JsonStyle, json, schema};
pub use markdown::markdown;
pub use plan::{plan_json, plan_markdown, plan_schema, plan_terminal};
pub use profile::{profile_json, profile_terminal};
pub use screening::{screening_json, screening_line, screening_markdown, screening_schema, screening_terminal};
pub use terminal::{TerminalStyle, terminal};
pub use verdict::{
    rule_explained, verdict_figures, verdict_github, verdict_gitlab, verdict_json, verdict_junit, verdict_line,
    verdict_markdown, verdict_row_ids, verdict_sarif, verdict_schema, verdict_terminal,
};
