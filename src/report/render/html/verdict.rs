//! The page of a verdict.

use minijinja::context;
use minijinja::value::Value;

use super::super::number::percent;
use super::super::screening::kind;
use super::super::verdict::objection::{Objection, Part, of_rule, parts};
use super::super::verdict::verdict_json;
use super::super::verdict::words;
use super::super::words::region_name;
use super::ENTRIES;
use super::charts::Charts;
use super::frame::{Frame, serialized};
use super::no_map;
use super::screening::class;
use crate::gate::{AddedSummary, Outcome, RegionVerdict, RuleVerdict, Verdict};
use crate::map::MapPoints;

/// The verdict as a self-contained page: some 2 MB for plotly.js, and what its texts need; at most 6 MB and 25 bytes a
/// point. Texts stand in it only where verdict and map have them.
#[must_use]
pub fn verdict_html(verdict: &Verdict, map: Option<&MapPoints>) -> String {
    let all: Vec<Part<'_>> = parts(verdict).collect();
    let (whole, sections) = all.split_first().expect("the corpus itself is the first part");
    let content = context! {
        entries => ENTRIES,
        outcome => words::outcome_word(verdict.outcome),
        class => class_of(verdict.outcome),
        exit_code => verdict.exit_code,
        figures => words::figures(verdict),
        next_steps => words::next_steps(verdict).iter().map(|step| coded(step)).collect::<Vec<_>>(),
        baseline => serialized(&verdict.baseline),
        current => serialized(&verdict.current),
        precision => serialized(&verdict.precision),
        alpha => verdict.alpha,
        has_map => map.is_some(),
        sampled => "They are those of smallest content hash on both sides, a random sample.",
        whole => part(whole),
        sections => sections.iter().take(ENTRIES).map(part).collect::<Vec<_>>(),
        n_sections => sections.len(),
    };
    let no_map = no_map();
    let frame = Frame {
        template: "verdict.html",
        mode: "verdict",
        document: &verdict_json(verdict),
        map: map.unwrap_or(&no_map),
        regions: regions(verdict),
        sides: ["corpus", "baseline"],
        charts: &Charts::default(),
        review: Vec::new(),
    };
    frame.page(&content)
}

/// The regions by name, the largest of the baseline first.
fn regions(verdict: &Verdict) -> Vec<(u32, String)> {
    let mut regions: Vec<&RegionVerdict> = verdict.regions.iter().collect();
    regions.sort_by_key(|region| (std::cmp::Reverse(region.baseline.max(region.current)), region.id));
    regions.into_iter().map(|region| (region.id, region_name(region.id, &region.name))).collect()
}

/// What the style sheet knows an outcome as.
fn class_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Warn => "warn",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Fail => "fail",
    }
}

/// Our own words, of which every second part is code.
fn coded(words: &str) -> Vec<String> {
    words.split('`').map(str::to_owned).collect()
}

/// The corpus, or a section of it.
fn part(part: &Part<'_>) -> Value {
    let Part { section, verdict } = *part;
    context! {
        section,
        headline => words::headline(verdict),
        outcome => words::outcome_word(verdict.outcome),
        class => class_of(verdict.outcome),
        notes => words::notes(verdict),
        not_applied => words::not_applied(verdict),
        rules => verdict.rules.iter().map(|rule| rule_row(*part, rule)).collect::<Vec<_>>(),
        n_regions => verdict.regions.len(),
        n_fell => words::fell(verdict).len(),
        regions => verdict.regions.iter().take(ENTRIES).map(region).collect::<Vec<_>>(),
        changes => serialized(&verdict.changes),
        sensitivity => words::sensitivity(&verdict.sensitivity),
        added => verdict.added.as_ref().map(added),
    }
}

fn rule_row(part: Part<'_>, rule: &RuleVerdict) -> Value {
    let of_rule: Vec<Objection<'_>> = of_rule(part, rule).collect();
    context! {
        id => rule.id.to_string(),
        title => rule.id.rule().title,
        what => coded(rule.id.rule().what),
        why => coded(rule.id.rule().why),
        outcome => words::rule_outcome(rule),
        class => if rule.not_applied.is_some() { "none" } else { class_of(rule.outcome) },
        why_not => rule.not_applied.map(|reason| words::why_not(part.verdict, reason)),
        value => words::value(rule),
        baseline => words::baseline(rule),
        warn => words::limit(rule.id, rule.warn),
        fail => words::limit(rule.id, rule.fail),
        n_findings => of_rule.len(),
        findings => of_rule.iter().take(ENTRIES).map(finding).collect::<Vec<_>>(),
    }
}

fn finding(found: &Objection<'_>) -> Value {
    let examples: Vec<_> = found.examples().collect();
    context! {
        level => found.level().word(),
        class => class_of(found.finding.outcome),
        message => words::finding_message(found),
        region => found.region().map(|region| region.id),
        examples_are => found.examples_are(),
        examples => serialized(&examples),
    }
}

fn region(region: &RegionVerdict) -> Value {
    context! {
        region => serialized(region),
        name => region_name(region.id, &region.name),
        detectable => region.detectable.map(percent),
    }
}

fn added(added: &AddedSummary) -> Value {
    let groups = added.groups.iter().take(ENTRIES).map(|group| {
        context! { group => serialized(group), kind => kind(group.kind), class => class(group.kind) }
    });
    context! { sentence => words::added(added), groups => groups.collect::<Vec<_>>(), n_groups => added.groups.len() }
}

#[cfg(test)]
mod tests {
    use super::super::markup::{assert_harmless, assert_offline, markup, shown};
    use super::*;
    use crate::gate::fixture;
    use crate::report::fixture::HOSTILE;

    const IDS: [&str; 4] = ["faq-031", "faq-112", "new-7", "new-9"];

    fn page(verdict: &Verdict) -> String {
        verdict_html(verdict, Some(&fixture::map(&IDS, true)))
    }

    #[test]
    fn holds_what_the_verdict_holds() {
        let verdict = fixture::verdict();
        let (page, again) = (page(&verdict), page(&verdict));
        assert!(page == again, "equal documents are equal pages");
        assert_offline(&page);
        let shown = shown(&page);
        for text in [
            "data-mode=\"verdict\"",
            "region-loss",
            "track order, package",
            "where is my parcel?",
            "faq-112",
            "region 7",
            "weather, rain",
            "german",
            "id=\"map-plot\"",
            "no --reference",
        ] {
            assert!(shown.contains(text), "{text}");
        }
        for (_, rule) in verdict.all_rules() {
            assert!(shown.contains(rule.id.rule().title), "{}", rule.id);
        }
        for part in parts(&verdict) {
            for found in part.verdict.rules.iter().flat_map(|rule| of_rule(part, rule)) {
                let message = words::finding_message(&found);
                assert!(shown.contains(&message), "{message}");
            }
        }
    }

    #[test]
    fn every_shape_renders() {
        let passing = verdict_html(&fixture::passing(), None);
        assert!(passing.contains("the baseline keeps no sample of texts") && passing.contains("Nothing to object to."));
        let mut bare = fixture::passing();
        bare.changes = None;
        bare.rules.clear();
        bare.regions.clear();
        assert!(verdict_html(&bare, None).contains("cannot be told"));
        let mut huge = fixture::huge();
        huge.sections.truncate(1);
        let huge = page(&huge);
        assert!(huge.contains("more findings in the JSON document") && huge.contains("more regions"));
    }

    #[test]
    fn hostile_text_cannot_act() {
        let harmless = [page(&fixture::verdict()), page(&fixture::passing())];
        for hostile in [fixture::hostile(), fixture::names()] {
            assert_harmless(&verdict_html(&hostile, Some(&fixture::map(&HOSTILE, true))), &harmless);
        }
    }

    /// Only what the verdict holds of a text is in its page.
    #[test]
    fn no_text_that_the_verdict_lacks() {
        let shown = |show_text| verdict_html(&fixture::passing(), Some(&fixture::map(&["only-in-the-map"], show_text)));
        assert_ne!(shown(true), shown(false));
        assert!(!markup(&shown(true)).contains("only-in-the-map"));
    }
}
