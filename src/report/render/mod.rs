//! The document as a terminal summary, JSON, Markdown, or a self-contained HTML page; profiles, what changed between
//! two of them, plans and screenings likewise.
//!
//! Renderers only format: every number they show stands in the [`Report`](super::Report), or is a sum or a share of
//! numbers there. Names, ids and texts of the corpus are untrusted in all of them.

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
mod words;

pub use diff::{diff_json, diff_markdown, diff_terminal};
pub use html::html;
pub use json::{JsonStyle, json, schema};
pub use markdown::markdown;
pub use plan::{plan_json, plan_markdown, plan_schema, plan_terminal};
pub use profile::{profile_json, profile_terminal};
pub use screening::{screening_json, screening_line, screening_markdown, screening_schema, screening_terminal};
pub use terminal::{TerminalStyle, terminal};
