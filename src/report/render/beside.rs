//! What a comparison with a reference says, in sentences that every renderer shows.

use super::number::{count, counted, percent};
use super::text::fit;
use crate::coverage::GAP_ALPHA;
use crate::report::{Example, Gap, Hole, Report, gap_word};

/// Gaps named in one sentence.
const NAMED: usize = 3;
/// Files named in a command.
const FILES_NAMED: usize = 6;
/// Columns of a name quoted in a sentence.
const QUOTED: usize = 60;

/// The significant gaps, most significant first.
pub(crate) fn gaps(report: &Report) -> Vec<&Gap> {
    report.gaps.iter().filter(|gap| gap.significant).collect()
}

/// The holes that stand out, most significant first.
pub(crate) fn holes(report: &Report) -> Vec<&Hole> {
    report.holes.iter().filter(|hole| hole.p_adjusted <= GAP_ALPHA).collect()
}

/// What is shown of a record: its text, or its id where the text was not kept.
pub(crate) fn shown(example: &Example) -> &str {
    if example.text.is_empty() { &example.id } else { &example.text }
}

/// A ratio with its interval: `.25 [.13, .46]`.
pub(crate) fn ratio(gap: &Gap) -> String {
    interval(gap.ratio, gap.ratio_low, gap.ratio_high)
}

/// A value with its interval, which may have no upper end.
pub(crate) fn interval(value: f64, low: f64, high: Option<f64>) -> String {
    let high = high.map_or_else(|| "…".to_owned(), decimals);
    format!("{} [{}, {high}]", decimals(value), decimals(low))
}

/// The command that plans what fills the gaps; `None` without a reference, or with too many files to name.
pub(crate) fn plan_command(report: &Report) -> Option<String> {
    let reference = &report.reference.as_ref()?.files;
    let corpus: Vec<&str> = report.corpus.files.iter().map(|file| file.path.as_str()).collect();
    let nameable = |path: &str| !path.starts_with('-') && !path.chars().any(char::is_control);
    let paths = || corpus.iter().copied().chain(reference.iter().map(String::as_str));
    if corpus.len() + reference.len() > FILES_NAMED || !paths().all(nameable) {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,@:=".contains(c);
    let quoted = |path: &str| {
        if path.chars().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
    };
    let corpus: Vec<String> = corpus.into_iter().map(quoted).collect();
    let reference: Vec<String> = reference.iter().map(|path| format!("--reference {}", quoted(path))).collect();
    Some(format!(
        "semcov plan {} {} --budget {} -o plan.jsonl",
        corpus.join(" "),
        reference.join(" "),
        report.settings.budget.max(1)
    ))
}

fn decimals(ratio: f64) -> String {
    if ratio < 9.95 { format!("{ratio:.2}") } else { format!("{ratio:.0}") }
}

/// The comparison in sentences, headline first; none without a reference.
pub(crate) fn sentences(report: &Report) -> Vec<String> {
    let Some(reference) = &report.reference else { return Vec::new() };
    let mut sentences = Vec::new();
    sentences.push(match &report.coverage {
        Some(coverage) => format!(
            "Coverage {} (95 % interval {} to {}): {} of the reference's texts have one of the corpus among their nearest; of a corpus of the same kind {} would.",
            percent(coverage.score),
            percent(coverage.interval.low),
            percent(coverage.interval.high),
            percent(coverage.covered),
            percent(coverage.expected),
        ),
        None if reference.sample == 0 => {
            "A compact profile has no sample: it says where there is less, not how much is covered. It counts records, \
             copies included; so both sides are counted so here."
                .to_owned()
        }
        None => "The reference has too few texts to say how much of it is covered.".to_owned(),
    });
    let gaps = gaps(report);
    let mass = gaps.iter().map(|gap| gap.reference_share).sum();
    sentences.push(match gaps.len() {
        0 => format!("No significant gap in the {} leaves that the reference has.", count(report.gaps.len() as u64)),
        _ => format!(
            "{} among {} leaves that the reference has, with {} of its texts.",
            counted(gaps.len() as u64, "significant gap"),
            count(report.gaps.len() as u64),
            percent(mass),
        ),
    });
    let suspected: Vec<&Gap> = report.gaps.iter().filter(|gap| gap.suspected).collect();
    if let Some(first) = suspected.first() {
        sentences.push(format!(
            "{} may be short as well, “{}” first; about one in ten of such findings is chance.",
            counted(suspected.len() as u64, "more leaf").replace("leafs", "leaves"),
            fit(&first.name, QUOTED),
        ));
    }
    if let Some(novelty) = &report.novelty {
        sentences.push(format!(
            "{} of the corpus ({}) lie outside the reference; of a corpus of the same kind {} would.",
            counted(novelty.texts, "text"),
            percent(novelty.share),
            percent(novelty.expected),
        ));
    }
    if reference.synthetic > 0 {
        sentences.push(format!(
            "{} of the reference are marked synthetic and were left out.",
            counted(reference.synthetic, "record")
        ));
    }
    sentences
}

/// What the comparison was with.
pub(crate) fn reference(report: &Report) -> Option<String> {
    let reference = report.reference.as_ref()?;
    let more = reference.files.len().saturating_sub(1);
    Some(format!(
        "{}{}: {}, {} distinct",
        fit(reference.files.first().map_or("", String::as_str), QUOTED),
        if more > 0 { format!(" and {more} more") } else { String::new() },
        counted(reference.rows, "record"),
        count(reference.distinct_texts),
    ))
}

/// What to do about the gaps, and about what the reference does not have.
pub(crate) fn next_steps(report: &Report) -> Vec<String> {
    let mut steps = Vec::new();
    let gaps = gaps(report);
    if !gaps.is_empty() {
        let names: Vec<String> =
            gaps.iter().take(NAMED).map(|gap| format!("“{}” ({})", fit(&gap.name, QUOTED), gap_word(gap))).collect();
        let first = if gaps.len() > NAMED { ", first" } else { ":" };
        steps.push(format!(
            "Fill {}{first} {}; semcov plan with the same reference says how many examples, and from which seeds.",
            counted(gaps.len() as u64, "gap"),
            names.join(", "),
        ));
    }
    if let Some(novelty) = report.novelty.as_ref().filter(|novelty| novelty.share > 2.0 * novelty.expected)
        && let Some(group) = novelty.groups.first()
    {
        steps.push(format!(
            "Look at what the reference does not have, “{}” first ({}): wanted, or out of place?",
            fit(&group.name, QUOTED),
            counted(group.texts, "text"),
        ));
    }
    steps
}
