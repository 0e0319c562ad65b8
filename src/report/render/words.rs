//! What the numbers mean and what to do about them, in sentences that every renderer shows.
//!
//! The sentences hold names and ids from the corpus as they are: the renderer escapes the whole sentence.

use super::beside;
use super::number::{count, counted, effective, percent, score, similarity};
use super::text::fit;
use crate::report::{Need, Region, Report, Warning};

/// Regions named in one sentence.
const NAMED: usize = 3;

/// Columns of a name or id quoted in a sentence, and of a warning.
const QUOTED: usize = 60;
const WARNING: usize = 400;

/// A region's name, or its number where no words set it apart.
pub(crate) fn region_name(id: u32, name: &str) -> String {
    if name.trim().is_empty() { format!("region {id}") } else { name.to_owned() }
}

/// The region with an id; `Report::regions` is ordered by size.
pub(crate) fn region(report: &Report, id: u32) -> Option<&Region> {
    report.regions.iter().find(|region| region.id == id)
}

/// The name of the region with an id.
pub(crate) fn region_name_of(report: &Report, id: u32) -> String {
    region_name(id, region(report, id).map_or("", |region| &region.name))
}

/// Examples to add, over all regions.
pub(crate) fn total_needed(report: &Report) -> u64 {
    report.needs_augmentation.iter().map(|need| need.needed).sum()
}

/// Records with text.
pub(crate) fn rows_with_text(report: &Report) -> u64 {
    report.corpus.rows.saturating_sub(report.corpus.empty)
}

/// Share of the records with text that repeat another record's text.
pub(crate) fn duplicate_share(report: &Report) -> f64 {
    report.corpus.exact_duplicates as f64 / rows_with_text(report).max(1) as f64
}

/// How varied the corpus is.
pub(crate) fn diversity(report: &Report) -> Vec<String> {
    let diversity = &report.diversity;
    vec![
        format!(
            "Spread: {} of {} leaves hold texts, as evenly as {} leaves of equal size would (Hill number, q = 1).",
            count(diversity.hill.q0.round() as u64),
            count(report.settings.leaves as u64),
            effective(diversity.hill.q1),
        ),
        format!(
            "Variety: {} effective directions of meaning, of at most {} (Vendi score).",
            effective(diversity.vendi),
            count(report.encoder.dim as u64),
        ),
        format!(
            "Two texts picked at random have a mean cosine similarity of {}; 1 is the same meaning.",
            similarity(diversity.mean_similarity),
        ),
        format!(
            "To compare with a corpus of another size: {} even leaves in {} texts.",
            effective(diversity.hill_rarefied.q1),
            count(diversity.rarefied_to),
        ),
    ]
}

/// What is sparse, and what that does not say.
pub(crate) fn sparsity(report: &Report) -> Vec<String> {
    let sparsity = &report.sparsity;
    let mut sentences = vec![match sparsity.small_leaves {
        0 => "No leaf is sparse (under a quarter of the mean size).".to_owned(),
        n => format!(
            "{} of {} leaves {} sparse (under a quarter of the mean size) and {} {} of the texts.",
            count(n),
            count(report.settings.leaves as u64),
            if n == 1 { "is" } else { "are" },
            if n == 1 { "holds" } else { "hold" },
            percent(sparsity.small_leaves_share),
        ),
    }];
    if sparsity.grouped_texts > 1 && sparsity.groups == sparsity.grouped_texts {
        sentences.push(format!(
            "Sample coverage: no two of {} are near duplicates, so that nothing tells how many different ones there are.",
            counted(sparsity.grouped_texts, "text"),
        ));
    } else if sparsity.grouped_texts > 1 {
        sentences.push(format!(
            "Sample coverage: the next text of this kind is a near duplicate of one that is here with a chance of {} \
             (Good); there are at least {} different ones, and {} are here (Chao1, of {}).",
            percent(sparsity.sample_coverage),
            count(sparsity.chao1.round() as u64),
            count(sparsity.groups),
            counted(sparsity.grouped_texts, "text"),
        ));
    }
    if let [.., half, _, _, _, _, whole] = sparsity.saturation[..] {
        let verdict = match (whole, whole - half) {
            (..0.5, _) => "most texts have no other of their topic, so this is far from saturated",
            (_, ..0.05) => "the curve is flat, so more of the same adds little",
            _ => "the curve still rises, so more of the same still adds",
        };
        sentences.push(format!(
            "Saturation: {} of the texts have another of their topic among the first half of the corpus, {} among all of \
             it: {verdict}.",
            percent(half),
            percent(whole),
        ));
    }
    if report.reference.is_none() {
        sentences.push("Without a reference corpus this shows what is sparse, not what is missing.".to_owned());
    }
    sentences
}

/// The warnings, in words.
pub(crate) fn warnings(report: &Report) -> Vec<String> {
    report.warnings.iter().map(Warning::message).map(|message| fit(&message, WARNING)).collect()
}

/// What to do next, most pressing first; never empty.
pub(crate) fn next_steps(report: &Report) -> Vec<String> {
    let corpus = &report.corpus;
    let mut steps = Vec::new();
    if corpus.bad_rows > 0 {
        steps.push(format!(
            "Repair {}: no figure here counts {} (--bad-rows FILE lists {}).",
            counted(corpus.bad_rows, "unreadable row"),
            if corpus.bad_rows == 1 { "it" } else { "them" },
            if corpus.bad_rows == 1 { "it" } else { "them" },
        ));
    }
    steps.extend(beside::next_steps(report));
    steps.extend(add_examples(report));
    steps.extend(collect_first(report));
    if let Some(first) = report.outliers.first() {
        let id = fit(&first.record.id, QUOTED);
        steps.push(match report.outliers.len() {
            1 => format!("Review {id}, the record least like the rest (score {}).", score(first.score)),
            n => format!(
                "Review the {n} records least like the rest, {id} first (score {}): keep what belongs, fix or drop the rest.",
                score(first.score)
            ),
        });
    }
    if corpus.exact_duplicates > 0 {
        steps.push(format!(
            "Drop {} ({} of the records), unless the repetition is meant to add weight.",
            counted(corpus.exact_duplicates, "exact duplicate"),
            percent(duplicate_share(report)),
        ));
    }
    if let (true, Some(limit)) = (corpus.truncated_texts > 0, report.encoder.max_tokens) {
        steps.push(format!(
            "Split {}, or take an encoder that reads more than {} tokens: what lies beyond was not judged.",
            counted(corpus.truncated_texts, "long text"),
            count(limit as u64),
        ));
    }
    if steps.is_empty() {
        steps.push("Nothing stands out: every region has its share, and no text repeats.".to_owned());
    }
    steps
}

fn add_examples(report: &Report) -> Option<String> {
    let needs: Vec<_> = report.needs_augmentation.iter().filter(|need| need.needed > 0).collect();
    let first = needs.first()?;
    let name = |i: usize| format!("{} (+{})", quoted(needs[i]), count(needs[i].needed));
    if needs.len() == 1 {
        let examples = counted(first.needed, "example");
        return Some(format!("Add {examples} to {}.", quoted(first)));
    }
    let named: Vec<_> = (0..needs.len().min(NAMED)).map(name).collect();
    Some(format!(
        "Add {} to {}: {} {}.",
        counted(total_needed(report), "example"),
        counted(needs.len() as u64, "region"),
        if needs.len() > NAMED { "first" } else { "to" },
        join(&named),
    ))
}

fn collect_first(report: &Report) -> Option<String> {
    let few: Vec<_> = report.needs_augmentation.iter().filter(|need| need.collect_real_data_first).collect();
    let names: Vec<_> = few.iter().take(NAMED).map(|need| quoted(need)).collect();
    match few.len() {
        0 => None,
        1 => Some(format!("Collect real texts for {} before generating any: it has fewer than 10.", names[0])),
        n if n <= NAMED => Some(format!(
            "Collect real texts for {} before generating any: they have fewer than 10 each.",
            join(&names)
        )),
        n => Some(format!(
            "Collect real texts for {n} regions before generating any, {} among them: they have fewer than 10 each.",
            join(&names)
        )),
    }
}

/// A region's name as a sentence quotes it.
fn quoted(need: &Need) -> String {
    format!("“{}”", fit(&region_name(need.region, &need.name), QUOTED))
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn join(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [init @ .., last] => format!("{} and {last}", init.join(", ")),
    }
}
