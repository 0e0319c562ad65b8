//! The page of a screening.

use std::collections::BTreeMap;

use minijinja::context;
use minijinja::value::Value;

use super::super::screening::{headline, kind, moved, name, next_steps, ratio, screening_json, verdict, warnings};
use super::super::words::region_name;
use super::ENTRIES;
use super::charts::{Charts, beside};
use super::frame::{Frame, serialized};
use super::no_map;
use crate::ood::GroupKind;
use crate::screen::{FlaggedGroup, FlaggedLeaf, MovedRegion, ReviewedText, Screening, ScreeningDetails, SourceRows};

/// Groups that get a card.
const CARDS: usize = 24;

/// The screening as a self-contained page: some 2 MB for plotly.js, and what its texts need; at most 6 MB and 25 bytes a
/// point.
#[must_use]
pub fn screening_html(screening: &Screening, details: &ScreeningDetails) -> String {
    let mut charts = Charts::default();
    if let Some(scores) = &details.scores {
        charts.add(
            "score",
            beside([&scores.drop, &scores.reference], ["drop", "reference"], "outlier score", scores.threshold),
        );
    }
    let regions = regions(screening, details);
    let region_names: BTreeMap<u32, String> = regions.iter().cloned().collect();
    let topics = || screening.groups.iter().filter(|group| group.kind == GroupKind::NewTopic);
    let n_moved = moved(screening).len();
    let content = context! {
        entries => ENTRIES,
        headline => headline(screening),
        rows => serialized(&screening.rows),
        kept => screening.rows.rows.saturating_sub(screening.flagged.rows),
        flagged => serialized(&screening.flagged),
        against => serialized(&screening.against),
        settings => serialized(&screening.settings),
        languages => serialized(&screening.languages),
        shift => serialized(&screening.shift),
        topics => topics().count(),
        topic_rows => topics().map(|group| group.rows).sum::<u64>(),
        next_steps => next_steps(screening).into_iter().map(|step| vec![step]).collect::<Vec<_>>(),
        found => verdict(screening),
        warnings => warnings(screening),
        has_map => details.map.is_some(),
        sampled => "Every flagged text that is kept for review is among them.",
        n_groups => screening.groups.len(),
        nearest => serialized(&details.nearest),
        groups => screening.groups.iter().take(CARDS).map(group).collect::<Vec<_>>(),
        leaves => leaves(details, &region_names),
        sources => sources(screening),
        n_moved,
        moved => moved_regions(screening),
        classifier => serialized(&screening.classifier),
        to_review => details.to_review,
        review => details.review.iter().map(|text| review_row(text, &region_names)).collect::<Vec<_>>(),
        has_charts => charts.names(),
        threshold => details.scores.as_ref().and_then(|scores| scores.threshold),
    };
    let no_map = no_map();
    let frame = Frame {
        template: "screening.html",
        mode: "screening",
        document: &screening_json(screening),
        map: details.map.as_ref().unwrap_or(&no_map),
        regions,
        sides: ["drop", "reference"],
        charts: &charts,
        review: details.review.iter().map(|row| row.text.id.as_str()).collect(),
    };
    frame.page(&content)
}

/// The regions by name, those of the largest share on either side first.
fn regions(screening: &Screening, details: &ScreeningDetails) -> Vec<(u32, String)> {
    let moved = || screening.shift.iter().flat_map(|shift| &shift.regions);
    let share = |id: u32| {
        let of_region = moved().filter(|region| region.id == id);
        of_region.map(|region| region.reference_share.max(region.drop_share)).fold(0.0, f64::max)
    };
    let mut regions: Vec<(f64, u32, String)> =
        (0..).zip(&details.regions).map(|(id, name)| (share(id), id, region_name(id, name))).collect();
    regions.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    regions.into_iter().map(|(_, id, name)| (id, name)).collect()
}

fn group(group: &FlaggedGroup) -> Value {
    context! { group => serialized(group), name => name(group), kind => kind(group.kind), class => class(group.kind) }
}

/// What the style sheet knows a kind as.
pub(super) fn class(kind: GroupKind) -> &'static str {
    match kind {
        GroupKind::NewTopic => "new-topic",
        GroupKind::Noise => "noise",
    }
}

fn leaves(details: &ScreeningDetails, names: &BTreeMap<u32, String>) -> Vec<Value> {
    let leaf = |(leaf, region): &(FlaggedLeaf, u32)| {
        context! {
            leaf => serialized(leaf),
            region,
            region_name => names.get(region),
            share => leaf.flagged as f64 / leaf.texts.max(1) as f64,
        }
    };
    details.leaves.iter().take(ENTRIES).map(leaf).collect()
}

fn sources(screening: &Screening) -> Vec<Value> {
    let source = |source: &SourceRows| {
        context! { source => serialized(source), share => source.flagged as f64 / source.rows.max(1) as f64 }
    };
    screening.sources.iter().map(source).collect()
}

fn moved_regions(screening: &Screening) -> Vec<Value> {
    let regions = screening.shift.iter().flat_map(|shift| &shift.regions);
    let row = |region: &MovedRegion| {
        context! { region => serialized(region), name => region_name(region.id, &region.name), ratio => ratio(region) }
    };
    regions.map(row).collect()
}

fn review_row(text: &ReviewedText, names: &BTreeMap<u32, String>) -> Value {
    context! {
        text => serialized(&text.text),
        group => text.group,
        kind => kind(text.kind),
        region => text.region,
        region_name => names.get(&text.region),
    }
}

#[cfg(test)]
mod tests {
    use super::super::markup::{assert_harmless, assert_offline, shown};
    use super::*;
    use crate::report::fixture::HOSTILE;
    use crate::screen::fixture;

    const WORDS: [&str; 3] = ["shop", "reset, device", "ref-1"];

    fn page(screening: &Screening) -> String {
        screening_html(screening, &fixture::details(screening, &WORDS))
    }

    #[test]
    fn holds_what_the_screening_holds() {
        let screening = fixture::screening();
        let (page, again) = (page(&screening), page(&screening));
        assert!(page == again, "equal documents are equal pages");
        assert_offline(&page);
        let shown = shown(&page);
        for text in [
            "data-mode=\"screening\"",
            "train.semcov",
            "router, wifi, reset",
            "new topic",
            "the wifi box blinks red",
            "ref-17",
            "credit card, interest rate",
            "vendor",
            "80.0%",
            "(none)",
            ">d-811<",
            "id=\"map-plot\"",
            "id=\"chart-score\"",
        ] {
            assert!(shown.contains(text), "{text}");
        }
        for sentence in next_steps(&screening).iter().chain(&verdict(&screening)) {
            assert!(shown.contains(sentence), "{sentence}");
        }
    }

    #[test]
    fn every_shape_renders() {
        let empty = page(&fixture::empty());
        assert!(empty.contains("No text to draw") && empty.contains("The drop has no rows"));
        let screening = fixture::screening();
        let mut compact = fixture::details(&screening, &WORDS);
        (compact.map, compact.scores) = (None, None);
        compact.review.clear();
        let compact = screening_html(&screening, &compact);
        assert!(compact.contains("the reference keeps no sample of texts"));
        for id in ["review", "distributions", "map-plot"] {
            assert!(!compact.contains(&format!("id=\"{id}\"")), "{id}");
        }
    }

    #[test]
    fn hostile_text_cannot_act() {
        let hostile = fixture::hostile();
        let details = fixture::details(&hostile, &HOSTILE);
        let harmless = [page(&fixture::screening()), page(&fixture::empty()), warned()];
        assert_harmless(&screening_html(&hostile, &details), &harmless);
    }

    /// A page with every warning.
    fn warned() -> String {
        page(&Screening { warnings: fixture::hostile().warnings, ..fixture::screening() })
    }
}
