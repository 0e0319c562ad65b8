//! The findings of a verdict and of its sections as one list, worst first.

use std::collections::BTreeSet;

use super::super::text::visible;
use crate::gate::{Finding, Outcome, Places, RegionVerdict, RuleId, RuleVerdict, Subject, TextExample, Verdict};

/// The verdict on the corpus, or on a section of it.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    /// The section's name; `None` is the corpus as a whole.
    pub(crate) section: Option<&'a str>,
    pub(crate) verdict: &'a Verdict,
}

/// The corpus, then its sections.
pub(crate) fn parts(verdict: &Verdict) -> impl Iterator<Item = Part<'_>> {
    let sections =
        verdict.sections.iter().map(|section| Part { section: Some(&section.name), verdict: &section.verdict });
    std::iter::once(Part { section: None, verdict }).chain(sections)
}

/// A finding, and where it stands in the verdict.
#[derive(Clone, Copy)]
pub(crate) struct Objection<'a> {
    pub(crate) part: Part<'a>,
    pub(crate) rule: &'a RuleVerdict,
    pub(crate) finding: &'a Finding,
}

/// How much a finding matters, as far as formats tell it apart; a greater one matters more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Of a rule that may only inform.
    Informs,
    /// Beyond the limit that warns.
    Warns,
    /// The data cannot tell.
    CannotTell,
    /// Beyond the limit that fails.
    Fails,
}

impl Level {
    /// As a word or two.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Fails => "fail",
            Self::CannotTell => "cannot tell",
            Self::Warns => "warn",
            Self::Informs => "informs",
        }
    }
}

impl<'a> Objection<'a> {
    pub(crate) fn level(&self) -> Level {
        match self.finding.outcome {
            _ if self.rule.informational => Level::Informs,
            Outcome::Fail => Level::Fails,
            Outcome::Inconclusive => Level::CannotTell,
            Outcome::Warn | Outcome::Pass => Level::Warns,
        }
    }

    /// The texts that it is about, beside those that its subject names: of a region that fell, texts that are gone.
    pub(crate) fn examples(&self) -> impl Iterator<Item = &'a TextExample> + use<'a> {
        let gone = match self.region() {
            Some(region) if self.finding.examples.is_empty() => &region.gone,
            _ => &self.finding.examples,
        };
        let record = self.record();
        gone.iter().filter(move |example| example.text.is_some() || Some(&example.id) != record)
    }

    /// What its examples are.
    pub(crate) fn examples_are(&self) -> &'static str {
        match self.rule.id {
            RuleId::RegionLoss | RuleId::LeafLoss | RuleId::Dilution => "gone:",
            _ => "e.g.",
        }
    }

    /// The region that it is about.
    pub(crate) fn region(&self) -> Option<&'a RegionVerdict> {
        let Subject::Region { id, .. } = self.finding.subject else { return None };
        self.part.verdict.regions.iter().find(|region| region.id == id)
    }

    /// The row that its sentence names.
    pub(crate) fn record(&self) -> Option<&'a String> {
        match &self.finding.subject {
            Subject::Leak { record, .. } => Some(record),
            Subject::BadRow { .. } => self.finding.examples.first().map(|example| &example.id),
            _ => None,
        }
    }

    /// The row of the corpus that it points at, by its id. The examples of other rules are texts that are gone: whatever
    /// row has the id of one is another row.
    fn row(&self) -> Option<&'a String> {
        match self.rule.id {
            RuleId::AddedOutliers
            | RuleId::NewContent
            | RuleId::AddedDuplicates
            | RuleId::Leakage
            | RuleId::BadRows => self.record().or_else(|| self.finding.examples.first().map(|example| &example.id)),
            _ => None,
        }
    }

    /// The file and line where the first of its rows stands; the first line of `default_file` where that is not known.
    /// Paths have no leading `./`, which the readers of these formats do not compare away.
    pub(crate) fn location(&self, places: &Places, default_file: &str) -> (String, u64) {
        let place = self.row().and_then(|id| places.get(id));
        let (file, line) = place.map_or((default_file, 1), |place| (place.file.as_str(), place.line.max(1)));
        (visible(file.trim_start_matches("./")).into_owned(), line)
    }
}

/// The ids of the rows of the corpus whose places the formats of CI systems want to know: see [`Places`].
#[must_use]
pub fn verdict_row_ids(verdict: &Verdict) -> BTreeSet<&str> {
    objections(verdict).iter().filter_map(|found| found.row().map(String::as_str)).collect()
}

/// The findings of one rule, as the verdict orders them: worst first.
pub(crate) fn of_rule<'a>(part: Part<'a>, rule: &'a RuleVerdict) -> impl Iterator<Item = Objection<'a>> {
    rule.findings.iter().map(move |finding| Objection { part, rule, finding })
}

/// All findings, worst first; among equals those of the corpus come first, then the order of rules.
pub(crate) fn objections(verdict: &Verdict) -> Vec<Objection<'_>> {
    let mut all: Vec<_> =
        parts(verdict).flat_map(|part| part.verdict.rules.iter().flat_map(move |rule| of_rule(part, rule))).collect();
    all.sort_by_key(|objection| std::cmp::Reverse(objection.level()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::fixture;

    #[test]
    fn worst_first_and_sections_last() {
        let verdict = fixture::verdict();
        let all = objections(&verdict);
        let shown: Vec<_> = all.iter().map(|found| (found.level(), found.rule.id, found.part.section)).collect();
        assert!(shown.is_sorted_by_key(|&(level, ..)| std::cmp::Reverse(level)));
        assert_eq!(shown[0], (Level::Fails, RuleId::RegionLoss, None));
        assert_eq!(shown[4], (Level::Fails, RuleId::BadRows, Some("german")));
        assert_eq!(shown[5], (Level::CannotTell, RuleId::RegionLoss, Some("german")));
        assert_eq!(shown.last(), Some(&(Level::Informs, RuleId::Dilution, None)));
    }

    #[test]
    fn stands_where_its_first_text_stands() {
        let (verdict, places) = (fixture::verdict(), fixture::places());
        let lines: Vec<_> =
            objections(&verdict).iter().map(|found| (found.rule.id, found.location(&places, "./x").1)).collect();
        let elsewhere: Vec<_> = lines.into_iter().filter(|&(_, line)| line > 1).collect();
        assert_eq!(elsewhere, [(RuleId::Leakage, 11), (RuleId::BadRows, 17), (RuleId::AddedOutliers, 7)]);
        assert_eq!(objections(&verdict)[0].location(&places, "./x"), ("x".to_owned(), 1));
    }

    /// A row that has the id of a text that is gone is another one, `file:line` above all.
    #[test]
    fn what_is_gone_stands_nowhere() {
        let mut verdict = fixture::verdict();
        let gone = &mut verdict.rules[0].findings[0].examples;
        *gone = vec![TextExample { id: "new-11".to_owned(), text: None }];
        let places = fixture::places();
        assert_eq!(objections(&verdict)[0].location(&places, "x"), ("x".to_owned(), 1));
        verdict.rules[0].findings[0].examples[0].id = "faq-031".to_owned();
        let wanted = ["data/de/a.jsonl:17", "faq-300", "new-11", "new-7"];
        assert!(verdict_row_ids(&verdict).into_iter().eq(wanted));
    }
}
