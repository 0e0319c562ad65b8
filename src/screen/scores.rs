//! What was found of every row of a drop, one row each: the table of `--scores`.

use arrow_schema::{DataType, Field};
use serde::Serialize;

use super::batch::Batch;
use super::screener::{Reason, Repeats, ScreenedText, decimal};
use crate::table::TableRow;

/// What was found of a row. A row without text has its id and its reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ScoreRow<'a> {
    /// The record's id.
    pub id: &'a str,
    /// Whether it is flagged.
    pub flagged: bool,
    /// Why: `outlier`, `no_text`, `rejected` or `near_rejected`; `accepted` of a row that was kept because a reviewer
    /// decided so.
    pub reason: Option<&'a str>,
    /// Outlier score: higher is further from the reference.
    pub score: Option<f64>,
    /// Share of reference texts that lie at least as far out, 0 to 1.
    pub p_value: Option<f64>,
    /// The nearest leaf of the reference's codebook.
    pub leaf: Option<u32>,
    /// Its name.
    pub leaf_name: Option<&'a str>,
    /// The id of the nearest reference record.
    pub nearest_id: Option<&'a str>,
    /// The cosine similarity to it, -1 to 1.
    pub nearest_similarity: Option<f64>,
    /// `exact` or `near` where it repeats a text of the reference.
    pub repeats: Option<&'a str>,
}

impl TableRow for ScoreRow<'_> {
    fn columns() -> Vec<Field> {
        vec![
            Field::new("id", DataType::Utf8, false),
            Field::new("flagged", DataType::Boolean, false),
            Field::new("reason", DataType::Utf8, true),
            Field::new("score", DataType::Float64, true),
            Field::new("p_value", DataType::Float64, true),
            Field::new("leaf", DataType::UInt32, true),
            Field::new("leaf_name", DataType::Utf8, true),
            Field::new("nearest_id", DataType::Utf8, true),
            Field::new("nearest_similarity", DataType::Float64, true),
            Field::new("repeats", DataType::Utf8, true),
        ]
    }

    fn text_bytes(&self) -> usize {
        self.id.len() + self.leaf_name.map_or(0, str::len) + self.nearest_id.map_or(0, str::len)
    }
}

impl Batch<'_> {
    /// The row of a record that was screened and decided on.
    #[must_use]
    pub fn score_row<'r>(&'r self, id: &'r str, row: Option<&ScreenedText>, reason: Option<Reason>) -> ScoreRow<'r> {
        let flagged = reason.is_some();
        let Some(text) = row else {
            return ScoreRow { id, flagged, reason: reason.map(Reason::word), ..ScoreRow::default() };
        };
        let kept = || text.decision.map(|_| "accepted");
        ScoreRow {
            id,
            flagged,
            reason: reason.map(Reason::word).or_else(kept),
            score: Some(decimal(text.score)),
            p_value: Some(decimal(text.p_value)),
            leaf: Some(text.leaf),
            leaf_name: Some(self.leaf_name(text.leaf)),
            nearest_id: text.nearest.map(|nearest| self.reference_id(nearest.place)),
            nearest_similarity: text.nearest.map(|nearest| decimal(nearest.similarity)),
            repeats: text.repeats.map(|repeats| match repeats {
                Repeats::Exactly => "exact",
                Repeats::Nearly => "near",
            }),
        }
    }
}
