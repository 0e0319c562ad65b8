//! The texts that are new against a baseline: do they belong, and do they add anything?
//!
//! New is what the baseline's census lacks. Beyond [`ADDED_TEXTS`] new texts those of smallest content hash stand for all.
//! They are screened against the baseline as a data drop is ([`crate::screen`]), text by text: a text that several new
//! rows have counts once.

use super::document::{AddedGroup, AddedSummary, TextExample};
use crate::Result;
use crate::corpus::ContentHash;
use crate::embed::EmbeddedCorpus;
use crate::ood::NewContent;
use crate::profile::Profile;
use crate::screen::{Batch, FlaggedGroup, FlaggedText, Reason, Repeats, ScreenedText, Screener};

/// New texts that are looked at.
pub const ADDED_TEXTS: usize = 10_000;

/// Groups and texts of a group that the verdict names.
const GROUPS: usize = 20;
const EXAMPLES: usize = 3;

/// The texts that a baseline lacks, ascending: all of them, or those of smallest hash. None where the baseline has no
/// census.
#[must_use]
pub fn added_texts(baseline: &Profile, embedded: &EmbeddedCorpus) -> Vec<ContentHash> {
    let Some(census) = &baseline.census else { return Vec::new() };
    let is_new = |hash: &&ContentHash| census.contains(**hash) == Some(false);
    embedded.hashes.iter().filter(is_new).take(ADDED_TEXTS).copied().collect()
}

/// Screens the rows that have added texts. `texts` holds the rows' texts, which the summary shows if `show_text`.
///
/// # Errors
/// [`crate::Error::Encoder`] if another encoder embedded them.
///
/// # Panics
/// If there is not one text per row.
pub fn judge_added(
    screener: &Screener<'_>,
    embedded: &EmbeddedCorpus,
    texts: &[&str],
    show_text: bool,
) -> Result<AddedSummary> {
    let mut batch = Batch::new(screener);
    let rows = batch.screen(embedded, texts)?;
    let threshold = batch.threshold().p_value;
    let mut of_texts = vec![None; embedded.vectors.len()];
    for (row, screened) in rows.iter().enumerate() {
        if let Some(text) = embedded.records.text(row) {
            of_texts[text as usize] = *screened;
        }
    }
    let count = |is: &dyn Fn(&ScreenedText) -> bool| of_texts.iter().flatten().filter(|text| is(text)).count() as u64;
    let all = of_texts.len().max(1) as f64;
    let outliers = count(&|text| text.reason(threshold) == Some(Reason::Outlier));
    let near_copies = count(&|text| text.repeats == Some(Repeats::Nearly));
    let scores: Vec<f32> = of_texts.iter().flatten().map(|text| text.score).collect();
    let beyond = NewContent::of(&screener.reference_scores(), &scores);
    let groups = batch.outlier_groups()?;
    let example =
        |example: &FlaggedText| TextExample { id: example.id.clone(), text: show_text.then(|| example.text.clone()) };
    let group = |group: FlaggedGroup| AddedGroup {
        kind: group.kind,
        name: group.name,
        texts: group.texts,
        similarity: group.similarity,
        examples: group.examples.iter().take(EXAMPLES).map(example).collect(),
    };
    Ok(AddedSummary {
        texts: of_texts.len() as u64,
        outliers,
        outlier_share: outliers as f64 / all,
        expected: f64::from(threshold),
        beyond_share: beyond.share(),
        beyond_expected: beyond.reference_beyond as f64 / beyond.reference_total.max(1) as f64,
        beyond_p: beyond.p_value,
        near_copies,
        near_copy_share: near_copies as f64 / all,
        groups: groups.into_iter().take(GROUPS).map(group).collect(),
    })
}
