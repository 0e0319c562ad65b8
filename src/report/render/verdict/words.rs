//! What a verdict says, in sentences that every format shows.
//!
//! Names and ids in them are cut and made visible ([`fit`]); what they mean to a format is the format's to escape.

use std::collections::BTreeSet;

use super::super::number::{count, counted, effective, p_is, percent, similarity};
use super::super::text::{fit, fit_end};
use super::super::words::join;
use super::objection::{Objection, parts};
use crate::coverage::RAREFIED_TO;
use crate::gate::{
    AddedSummary, NotApplied, Outcome, RegionVerdict, RuleId, RuleVerdict, Sensitivity, Subject, TextExample, Unit,
    Verdict,
};

/// Columns of a name, an id or a text in a sentence.
const QUOTED: usize = 60;
/// Examples named of one finding.
const NAMED: usize = 3;

/// A finding in one sentence: where, the figures, and the limit.
pub(crate) fn finding_message(found: &Objection<'_>) -> String {
    let Objection { part, rule, finding } = found;
    let said = if finding.outcome == Outcome::Inconclusive { cannot_tell(found) } else { objection(found) };
    let said = match part.section {
        Some(name) => format!("Section “{}”: {said}", quoted(name)),
        None => uppercase_first(&said),
    };
    let mut details = Vec::new();
    details.extend(counts(found));
    details.extend(finding.p_value.map(p_is));
    if let Some(limit) = finding.limit {
        let verb = if finding.outcome == Outcome::Fail { "fails" } else { "warns" };
        let side = if rule.id.rule().lower_is_worse { "below" } else { "above" };
        details.push(format!("{verb} {side} {}", limit_figure(rule.id, limit)));
    }
    let details = if details.is_empty() { String::new() } else { format!(" ({})", details.join("; ")) };
    said + &details
}

/// [`finding_message`] with the examples, on one line.
pub(crate) fn finding_text(found: &Objection<'_>) -> String {
    let message = finding_message(found);
    match examples(found.examples()) {
        Some(examples) => format!("{message}; {} {examples}", found.examples_are()),
        None => message,
    }
}

/// The first few examples: the text where it may be shown, else the id.
pub(crate) fn examples<'a>(examples: impl IntoIterator<Item = &'a TextExample>) -> Option<String> {
    let shown: Vec<String> = examples.into_iter().take(NAMED).map(example).collect();
    (!shown.is_empty()).then(|| join(&shown))
}

/// An id, with its text where it may be shown.
pub(crate) fn example(example: &TextExample) -> String {
    let id = id(&example.id);
    example.text.as_ref().map_or(id.clone(), |text| format!("{id} “{}”", quoted(text)))
}

fn objection(found: &Objection<'_>) -> String {
    let Objection { part, rule, finding } = found;
    let value = figure(rule.id, finding.value);
    let before = finding.baseline.map(|baseline| figure(rule.id, baseline));
    // Of what is a share of the whole corpus, the subject goes without saying.
    let of = if matches!(finding.subject, Subject::Corpus | Subject::Added) {
        String::new()
    } else {
        format!("{}: ", subject(&finding.subject))
    };
    let then = before.as_ref().map_or_else(String::new, |before| format!(", {before} in the baseline"));
    match rule.id {
        RuleId::RegionLoss | RuleId::LeafLoss => {
            format!("{} holds {value} of what was to be expected there", subject(&finding.subject))
        }
        RuleId::Dilution => {
            format!("{} has {value} of the share that the baseline had there", subject(&finding.subject))
        }
        RuleId::Coverage => {
            let then = before.map_or_else(String::new, |before| format!(", the baseline {before}"));
            format!("{} covers {value} of the reference{then}", subject(&finding.subject))
        }
        RuleId::Diversity => {
            let then = before.map_or_else(String::new, |before| format!(", over {before} in the baseline"));
            let Verdict { baseline, current, .. } = part.verdict;
            let texts = RAREFIED_TO.min(baseline.distinct_texts).min(current.distinct_texts);
            format!("{of}a random {} of the texts spread over {value} even leaves{then}", count(texts))
        }
        RuleId::Duplicates => format!("{of}{value} of the rows repeat the text of another row{then}"),
        RuleId::AddedOutliers => {
            let expected = part
                .verdict
                .added
                .as_ref()
                .map_or_else(String::new, |added| format!(", {} would be expected", percent(added.expected)));
            format!("{of}{value} of the new texts look unlike the baseline{expected}")
        }
        RuleId::NewContent => {
            let shares = part.verdict.added.as_ref().map_or_else(String::new, |added| {
                format!(
                    ": {} of them, {} of the baseline's",
                    percent(added.beyond_share),
                    percent(added.beyond_expected)
                )
            });
            format!("{of}{value} times as many of the new texts lie far out as of the baseline's{shares}")
        }
        RuleId::AddedDuplicates => format!("{of}{value} of the new texts nearly repeat one of the baseline's"),
        RuleId::Leakage => leak(&finding.subject, finding.value),
        RuleId::MinRows => {
            let rows = if finding.value == 1.0 { "row" } else { "rows" };
            format!("{} has {value} {rows} with text{then}", subject(&finding.subject))
        }
        RuleId::SyntheticShare => format!("{of}{value} of the records are marked synthetic{then}"),
        RuleId::UnknownLicence => {
            format!("{of}{value} of the rows have no licence that says which terms hold{then}")
        }
        RuleId::BadRows => {
            if let (Subject::BadRow { reason }, Some(row)) = (&finding.subject, found.record()) {
                return format!("Row {} could not be read: {}", place(row), quoted(reason));
            }
            let rows = if finding.value == 1.0 { "row" } else { "rows" };
            format!("{value} {rows} could not be read")
        }
    }
}

fn leak(subject: &Subject, value: f64) -> String {
    let Subject::Leak { evaluation, record } = subject else {
        return format!("{} in the corpus", counted(value.max(0.0) as u64, "evaluation text"));
    };
    let near = if value > 0.0 && value < 1.0 {
        match similarity(value) {
            one if one == "1.00" => "nearly (cosine above 0.995)".to_owned(),
            cosine => format!("nearly (cosine {cosine})"),
        }
    } else {
        "as it is".to_owned()
    };
    let (evaluation, record) = (id(evaluation), id(record));
    format!("The text of evaluation record {evaluation} stands in the corpus {near}, as {record}")
}

fn cannot_tell(found: &Objection<'_>) -> String {
    let Objection { part, rule, finding } = found;
    let why = match rule.id {
        RuleId::RegionLoss => format!(": {}", found_in(&part.verdict.sensitivity)),
        _ if finding.texts_enough.is_some() => ": there are too few texts".to_owned(),
        _ => String::new(),
    };
    let enough = finding.texts_enough.map_or_else(String::new, |texts| {
        format!("; about {} distinct texts on both sides would be enough", count(texts))
    });
    let whose = match &finding.subject {
        Subject::Corpus | Subject::Added => String::new(),
        other => format!("{}: ", subject(other)),
    };
    format!("{whose}whether {} cannot be judged{why}{enough}", asked(rule.id))
}

/// What a rule wants to know, after "whether".
fn asked(rule: RuleId) -> &'static str {
    match rule {
        RuleId::RegionLoss => "regions lost texts",
        RuleId::LeafLoss => "leaves disappeared",
        RuleId::Dilution => "regions were diluted",
        RuleId::Coverage => "the reference is covered",
        RuleId::Diversity => "the diversity fell",
        RuleId::Duplicates => "rows repeat others",
        RuleId::AddedOutliers => "the new texts belong",
        RuleId::NewContent => "the new texts have new content",
        RuleId::AddedDuplicates => "the new texts repeat the baseline",
        RuleId::Leakage => "evaluation texts stand in the corpus",
        RuleId::MinRows => "there are enough rows",
        RuleId::SyntheticShare => "too many rows are synthetic",
        RuleId::UnknownLicence => "licences are known",
        RuleId::BadRows => "all rows can be read",
    }
}

/// Whom a sentence is about.
fn subject(subject: &Subject) -> String {
    let named = |what: &str, id: &u32, name: &str| {
        if name.trim().is_empty() { format!("{what} {id}") } else { format!("{what} {id} “{}”", quoted(name)) }
    };
    match subject {
        Subject::Corpus => "The corpus".to_owned(),
        Subject::Region { id, name } => named("Region", id, name),
        Subject::Leaf { id, name, region } if region.trim().is_empty() => named("Leaf", id, name),
        Subject::Leaf { id, name, region } => {
            format!("{} of the region “{}”", named("Leaf", id, name), quoted(region))
        }
        Subject::Source { name } => format!("Source “{}”", quoted(name)),
        Subject::Label { name } => format!("Label “{}”", quoted(name)),
        Subject::Added => "The new texts".to_owned(),
        Subject::Leak { evaluation, record } => {
            format!("Evaluation record {} and {}", id(evaluation), id(record))
        }
        Subject::BadRow { reason } => format!("A row that could not be read ({})", quoted(reason)),
    }
}

fn counts(found: &Objection<'_>) -> Option<String> {
    if found.rule.id == RuleId::Dilution {
        let region = found.region()?;
        return Some(format!("{} of the texts, {} now", percent(region.baseline_share), percent(region.current_share)));
    }
    let texts = found.finding.texts?;
    let copies = match found.region().map_or(0, |region| region.copies_gone) {
        0 => String::new(),
        copies => format!("; {} of those gone left a copy, which is no loss", count(copies)),
    };
    Some(format!("{} in the baseline, {} now{copies}", counted(texts.baseline, "text"), count(texts.current)))
}

/// A rule's figure.
pub(crate) fn figure(rule: RuleId, value: f64) -> String {
    match rule.rule().unit {
        Unit::Ratio | Unit::Share => percent(value),
        Unit::Count => count(value.max(0.0).round() as u64),
        Unit::Number => effective(value),
    }
}

/// A rule's limit: no decimal that says nothing.
pub(crate) fn limit_figure(rule: RuleId, limit: f64) -> String {
    figure(rule, limit).replace(".0%", "%")
}

/// The outcome as a word.
pub(crate) fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Warn => "warn",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Fail => "fail",
    }
}

/// A rule's outcome as a word or two.
pub(crate) fn rule_outcome(rule: &RuleVerdict) -> &'static str {
    match rule.outcome {
        _ if rule.not_applied.is_some() => "not applied",
        Outcome::Warn if rule.informational => "informs",
        outcome => outcome_word(outcome),
    }
}

/// The verdict in one line.
pub(crate) fn headline(verdict: &Verdict) -> String {
    format!("{}: {}", outcome_word(verdict.outcome).to_uppercase(), figures(verdict))
}

/// The verdict in one line, without its outcome.
pub(crate) fn figures(verdict: &Verdict) -> String {
    let mut figures = vec![rules_said(verdict), texts(verdict)];
    figures.extend(changes(verdict));
    figures.join(" · ")
}

/// How many rules said what, those of sections included.
fn rules_said(verdict: &Verdict) -> String {
    let of = |outcome, informational: bool| {
        let rules = verdict.all_rules().filter(|(_, rule)| rule.not_applied.is_none() && rule.outcome == outcome);
        rules.filter(|(_, rule)| rule.informational == informational || outcome != Outcome::Warn).count()
    };
    let mut said: Vec<(usize, &str, &str)> = vec![
        (of(Outcome::Fail, false), "objects", "object"),
        (of(Outcome::Inconclusive, false), "cannot tell", "cannot tell"),
        (of(Outcome::Warn, false), "warns", "warn"),
    ];
    if said.iter().all(|&(n, ..)| n == 0) {
        said.push((of(Outcome::Pass, false), "holds", "hold"));
    }
    said.push((of(Outcome::Warn, true), "informs", "inform"));
    said.retain(|&(n, ..)| n > 0);
    let phrase = |(i, &(n, one, many)): (usize, &(usize, &str, &str))| {
        let rules = if i == 0 { counted(n as u64, "rule") } else { count(n as u64) };
        format!("{rules} {}", if n == 1 { one } else { many })
    };
    let said: Vec<String> = said.iter().enumerate().map(phrase).collect();
    if said.is_empty() { "no rule applied".to_owned() } else { said.join(", ") }
}

/// How many texts were compared.
fn texts(verdict: &Verdict) -> String {
    let Verdict { baseline, current, .. } = verdict;
    format!("{} beside {} of the baseline", counted(current.distinct_texts, "text"), count(baseline.distinct_texts))
}

fn changes(verdict: &Verdict) -> Option<String> {
    let changes = verdict.changes.as_ref()?;
    let told = if changes.judged_share < 1.0 {
        format!(" (of the {} that were compared)", percent(changes.judged_share))
    } else {
        String::new()
    };
    Some(format!("{} new, {} gone{told}", count(changes.added), count(changes.removed)))
}

/// What there is to know of the comparison, beside its outcome.
pub(crate) fn notes(verdict: &Verdict) -> Vec<String> {
    let mut notes = Vec::new();
    let current = &verdict.current;
    let left_out: Vec<String> = [
        (current.empty, "without text"),
        (current.synthetic, "marked synthetic, left out of everything else"),
        (current.bad_rows, "more that could not be read"),
    ]
    .into_iter()
    .filter(|&(n, _)| n > 0)
    .map(|(n, what)| format!("{} {what}", count(n)))
    .collect();
    if !left_out.is_empty() {
        let were = if current.rows == 1 { "was" } else { "were" };
        notes.push(format!("{} {were} read; {}.", counted(current.rows, "record"), join(&left_out)));
    }
    notes.push(sensitivity(&verdict.sensitivity));
    if let Some(precision) = &verdict.precision {
        notes.push(format!(
            "The baseline was embedded in {}, the corpus in {}: vectors of one text have a cosine of .9995 or more, and a few \
             texts in a thousand change their region.",
            quoted(&precision.baseline),
            quoted(&precision.current),
        ));
    }
    notes
}

/// What the region test could have found.
pub(crate) fn sensitivity(sensitivity: &Sensitivity) -> String {
    let mut sentence = uppercase_first(&found_in(sensitivity));
    sentence += &format!(
        "; one of three quarters in {} of them, one of half in {}",
        percent(sensitivity.quarter_share),
        percent(sensitivity.half_share)
    );
    if let Some(texts) = sensitivity.texts_enough {
        sentence += &format!(
            "; about {} distinct texts on both sides, in the same mix, would judge enough of them",
            count(texts)
        );
    }
    sentence + "."
}

fn found_in(sensitivity: &Sensitivity) -> String {
    format!(
        "{} would be found (with a probability of {}) in {} of {}, which {} {} of the baseline's texts",
        loss(sensitivity.detect),
        percent(sensitivity.power).replace(".0%", "%"),
        count(sensitivity.judged),
        counted(sensitivity.regions, "region"),
        if sensitivity.judged == 1 { "holds" } else { "hold" },
        percent(sensitivity.judged_share),
    )
}

/// A fall to a ratio.
fn loss(detect: f64) -> String {
    match detect {
        0.0 => "a complete loss".to_owned(),
        0.25 => "a loss of three quarters".to_owned(),
        0.5 => "a loss of half".to_owned(),
        0.75 => "a loss of a quarter".to_owned(),
        _ => format!("a loss of {}", percent(1.0 - detect).replace(".0%", "%")),
    }
}

/// What is known of the new texts.
pub(crate) fn added(added: &AddedSummary) -> String {
    format!(
        "{} of {} {} unlike the baseline ({}, {} would be expected); {} nearly {} it ({}).",
        count(added.outliers),
        counted(added.texts, "new text"),
        if added.outliers == 1 { "looks" } else { "look" },
        percent(added.outlier_share),
        percent(added.expected),
        count(added.near_copies),
        if added.near_copies == 1 { "repeats" } else { "repeat" },
        percent(added.near_copy_share),
    )
}

/// The regions that fell: significantly, or by a finding.
pub(crate) fn fell(verdict: &Verdict) -> Vec<&RegionVerdict> {
    let named: BTreeSet<u32> = verdict
        .rules
        .iter()
        .flat_map(|rule| &rule.findings)
        .filter_map(|finding| match finding.subject {
            Subject::Region { id, .. } => Some(id),
            _ => None,
        })
        .collect();
    let fell =
        |region: &&RegionVerdict| named.contains(&region.id) || (region.p_value <= verdict.alpha && region.ratio < 1.0);
    verdict.regions.iter().filter(fell).collect()
}

/// The rules that could not be applied, and why; `None` where all were.
pub(crate) fn not_applied(verdict: &Verdict) -> Option<String> {
    let why = |rule: &RuleVerdict| Some(format!("{} ({})", rule.id, why_not(verdict, rule.not_applied?)));
    let rules: Vec<String> = verdict.rules.iter().filter_map(why).collect();
    (!rules.is_empty()).then(|| format!("Not applied: {}.", rules.join(", ")))
}

/// Why a rule could not be applied.
pub(crate) fn why_not(verdict: &Verdict, reason: NotApplied) -> &'static str {
    match reason {
        NotApplied::NoBaseline => "the baseline has no such figure",
        NotApplied::CompactBaseline => "the baseline keeps no sample of texts",
        NotApplied::NoReference => "no --reference",
        NotApplied::NoEvaluation => "no --evaluation",
        NotApplied::NoColumn => "no such column",
        NotApplied::TooFewAdded if verdict.changes.as_ref().is_some_and(|changes| changes.added == 0) => "no new texts",
        NotApplied::TooFewAdded => "too few new texts",
    }
}

/// What to do next, most pressing first; never empty. Nothing of the corpus is in it.
pub(crate) fn next_steps(verdict: &Verdict) -> Vec<String> {
    let mut steps = Vec::new();
    for outcome in [Outcome::Fail, Outcome::Inconclusive, Outcome::Warn] {
        for id in RuleId::ALL {
            let decides = |rule: &RuleVerdict| rule.id == id && rule.not_applied.is_none() && !rule.informational;
            let said = verdict.all_rules().filter(|(_, rule)| decides(rule));
            if said.map(|(_, rule)| rule.outcome).max() != Some(outcome) {
                continue;
            }
            steps.push(match outcome {
                Outcome::Inconclusive => format!("{id}: {}", more_texts(verdict, id)),
                _ => format!("{id}: {}", id.rule().why),
            });
        }
    }
    if steps.is_empty() {
        let changed = verdict.changes.as_ref().is_none_or(|changes| changes.added + changes.removed > 0);
        steps.push(if changed {
            "Nothing to object to. `semcov baseline accept` makes this corpus the next baseline.".to_owned()
        } else {
            "Nothing to object to.".to_owned()
        });
    }
    steps
}

/// What to do where a rule cannot tell.
fn more_texts(verdict: &Verdict, id: RuleId) -> String {
    let (mut enough, mut may_detect_less) = (None, false);
    for part in parts(verdict) {
        for rule in part.verdict.rules.iter().filter(|rule| rule.id == id) {
            for finding in rule.findings.iter().filter(|finding| finding.outcome == Outcome::Inconclusive) {
                enough = enough.max(finding.texts_enough);
                may_detect_less |= part.verdict.sensitivity.detect > 0.0;
            }
        }
    }
    let judging = enough.map_or_else(
        || "It cannot be judged".to_owned(),
        |texts| format!("Judging takes about {} distinct texts on both sides", count(texts)),
    );
    let less = match (id, may_detect_less) {
        (RuleId::RegionLoss, true) => "a lower `detect`, a higher `unjudged`, or a codebook of fewer regions",
        (RuleId::RegionLoss, false) => "a higher `unjudged`, or a codebook of fewer regions",
        _ => return judging + ".",
    };
    format!("{judging}; {}ask for less: {less}.", if enough.is_some() { "with fewer, " } else { "" })
}

/// A file and line; the line is never cut off.
fn place(row: &str) -> String {
    row.rsplit_once(':').map_or_else(|| quoted(row), |(file, line)| format!("{}:{}", quoted(file), quoted(line)))
}

fn quoted(text: &str) -> String {
    fit(text, QUOTED)
}

/// The id of a record.
fn id(id: &str) -> String {
    fit_end(id, QUOTED)
}

fn uppercase_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// What a rule measured, `–` where that is not one figure.
pub(crate) fn value(rule: &RuleVerdict) -> String {
    rule.value.map_or_else(|| "–".to_owned(), |value| figure(rule.id, value))
}

/// The same of the baseline.
pub(crate) fn baseline(rule: &RuleVerdict) -> String {
    rule.baseline.map_or_else(|| "–".to_owned(), |baseline| figure(rule.id, baseline))
}

/// A limit with its side, `–` where there is none.
pub(crate) fn limit(rule: RuleId, limit: Option<f64>) -> String {
    let side = if rule.rule().lower_is_worse { '<' } else { '>' };
    limit.map_or_else(|| "–".to_owned(), |limit| format!("{side} {}", limit_figure(rule, limit)))
}

#[cfg(test)]
mod tests {
    use super::super::objection::objections;
    use super::*;
    use crate::gate::{Finding, fixture};

    /// A rule's sentence on a subject.
    fn said(id: RuleId, outcome: Outcome, subject: Subject, value: f64, baseline: Option<f64>, limit: f64) -> String {
        let mut verdict = fixture::verdict();
        verdict.sections.clear();
        let mut rule = verdict.rules[0].clone();
        let cannot_tell = outcome == Outcome::Inconclusive;
        let of_place = matches!(subject, Subject::Region { .. } | Subject::Leaf { .. });
        let finding = Finding {
            outcome,
            subject,
            value,
            baseline,
            texts: rule.findings[0].texts.filter(|_| of_place),
            limit: (!cannot_tell).then_some(limit),
            p_value: None,
            texts_enough: cannot_tell.then_some(2_400),
            examples: Vec::new(),
            ..rule.findings[0].clone()
        };
        rule.id = id;
        rule.findings = vec![finding];
        verdict.rules = vec![rule];
        finding_message(&objections(&verdict)[0])
    }

    #[test]
    fn every_rule_in_a_sentence() {
        let region = || Subject::Region { id: 12, name: "track order".to_owned() };
        let leaf = || Subject::Leaf { id: 7, name: String::new(), region: "track order".to_owned() };
        let label = || Subject::Label { name: "order".to_owned() };
        let leak = || Subject::Leak { evaluation: "e1".to_owned(), record: "r1".to_owned() };
        let sentences = [
            said(RuleId::RegionLoss, Outcome::Fail, region(), 0.4357, None, 0.8),
            said(RuleId::LeafLoss, Outcome::Fail, leaf(), 0.0, None, 0.1),
            said(RuleId::Dilution, Outcome::Warn, region(), 0.78, None, 0.8),
            said(RuleId::Coverage, Outcome::Fail, Subject::Corpus, 0.612, Some(0.7), 0.68),
            said(RuleId::Diversity, Outcome::Warn, Subject::Corpus, 371.2, Some(420.0), 399.0),
            said(RuleId::Duplicates, Outcome::Fail, Subject::Corpus, 0.12, Some(0.018), 0.068),
            said(RuleId::AddedOutliers, Outcome::Fail, Subject::Added, 0.4, None, 0.3),
            said(RuleId::NewContent, Outcome::Warn, Subject::Added, 2.6, None, 1.5),
            said(RuleId::AddedDuplicates, Outcome::Warn, Subject::Added, 0.61, None, 0.5),
            said(RuleId::Leakage, Outcome::Fail, leak(), 0.967, None, 0.0),
            said(RuleId::Leakage, Outcome::Fail, Subject::Corpus, 12.0, None, 0.0),
            said(RuleId::MinRows, Outcome::Fail, label(), 1.0, Some(1_870.0), 500.0),
            said(RuleId::MinRows, Outcome::Fail, Subject::Corpus, 310.0, None, 500.0),
            said(RuleId::SyntheticShare, Outcome::Fail, Subject::Corpus, 0.25, None, 0.2),
            said(RuleId::UnknownLicence, Outcome::Fail, Subject::Source { name: "web".to_owned() }, 0.5, None, 0.0),
            said(RuleId::BadRows, Outcome::Fail, Subject::Corpus, 12.0, None, 0.0),
        ];
        insta::assert_snapshot!(sentences.join("\n"));
    }

    #[test]
    fn every_rule_that_cannot_tell() {
        let said = |id| said(id, Outcome::Inconclusive, Subject::Corpus, 0.0, None, 0.0);
        insta::assert_snapshot!(RuleId::ALL.map(said).join("\n"));
    }

    #[test]
    fn headlines() {
        let mut verdict = fixture::passing();
        assert_eq!(headline(&verdict), "PASS: 2 rules hold · 600 texts beside 600 of the baseline · 0 new, 0 gone");
        verdict.rules[0].outcome = Outcome::Warn;
        verdict.rules[0].informational = true;
        verdict.changes.as_mut().unwrap().judged_share = 0.4;
        assert_eq!(
            headline(&verdict),
            "PASS: 1 rule holds, 1 informs · 600 texts beside 600 of the baseline · 0 new, 0 gone (of the 40.0% that were compared)"
        );
        verdict.outcome = Outcome::Inconclusive;
        verdict.rules[0].outcome = Outcome::Inconclusive;
        verdict.changes = None;
        assert_eq!(headline(&verdict), "INCONCLUSIVE: 1 rule cannot tell · 600 texts beside 600 of the baseline");
        verdict.rules.clear();
        assert_eq!(headline(&verdict), "INCONCLUSIVE: no rule applied · 600 texts beside 600 of the baseline");
    }

    /// A cosine below 1 is no copy, however it is rounded.
    #[test]
    fn a_near_leak_is_never_one() {
        let leak = |cosine| super::leak(&Subject::Leak { evaluation: "e".to_owned(), record: "r".to_owned() }, cosine);
        assert!(leak(1.0).contains("as it is") && leak(0.9949).contains("(cosine 0.99)"));
        assert!(leak(0.9951).contains("above 0.995"), "{}", leak(0.9951));
    }

    #[test]
    fn numbers_agree() {
        let mut verdict = fixture::verdict();
        verdict.current.rows = 1;
        verdict.sensitivity.judged = 1;
        assert!(notes(&verdict)[0].starts_with("1 record was read"), "{}", notes(&verdict)[0]);
        assert!(notes(&verdict)[1].contains("in 1 of 50 regions, which holds"), "{}", notes(&verdict)[1]);
        let mut few = verdict.added.clone().unwrap();
        (few.outliers, few.near_copies) = (1, 1);
        assert!(added(&few).starts_with("1 of 80 new texts looks unlike"), "{}", added(&few));
        assert!(added(&few).contains("1 nearly repeats it"), "{}", added(&few));
        assert_eq!(why_not(&verdict, NotApplied::TooFewAdded), "too few new texts");
        assert_eq!(why_not(&fixture::passing(), NotApplied::TooFewAdded), "no new texts");
    }

    /// What is asked for already is not advised, and no number is made up.
    #[test]
    fn what_cannot_be_judged_is_told_what_helps() {
        let mut verdict = fixture::verdict();
        let step = |verdict: &Verdict| more_texts(&verdict.sections[0].verdict, RuleId::RegionLoss);
        assert!(step(&verdict).contains("2,400 distinct texts on both sides"), "{}", step(&verdict));
        assert!(!step(&verdict).contains("detect"), "{}", step(&verdict));
        let section = &mut verdict.sections[0].verdict;
        section.sensitivity.detect = 0.5;
        section.rules[0].findings[0].texts_enough = None;
        assert!(
            step(&verdict).starts_with("It cannot be judged; ask for less: a lower `detect`"),
            "{}",
            step(&verdict)
        );
        let found = objections(&verdict).into_iter().find(|found| found.finding.outcome == Outcome::Inconclusive);
        let said = finding_message(&found.unwrap());
        assert!(said.contains("cannot be judged") && !said.contains("enough"), "{said}");
    }

    #[test]
    fn accepts_only_what_changed() {
        let mut verdict = fixture::passing();
        assert_eq!(next_steps(&verdict), ["Nothing to object to."]);
        verdict.changes.as_mut().unwrap().added = 1;
        assert!(next_steps(&verdict)[0].contains("baseline accept"));
    }
}
