//! The page of a report.

use std::collections::BTreeMap;

use minijinja::context;
use minijinja::value::Value;

use super::super::json::{JsonStyle, json};
use super::super::{beside, words};
use super::charts::Charts;
use super::frame::{Frame, serialized};
use super::{ENTRIES, points};
use crate::map::MapPoints;
use crate::report::{Gap, Region, Report, gap_word};

/// Bars of a sparkline.
const SPARK_BARS: usize = 24;
/// Gaps that get a card; all stand in the table.
const CARDS: usize = 24;

/// The report as a self-contained page: some 2 MB for plotly.js, and what its texts need; at most 6 MB and 25 bytes a point.
#[must_use]
pub fn html(report: &Report, map: &MapPoints) -> String {
    let charts = Charts::of(report);
    let document = json(report, JsonStyle::Compact);
    let name = |region: &Region| (region.id, words::region_name(region.id, &region.name));
    let regions: Vec<(u32, String)> = report.regions.iter().map(name).collect();
    let region_names: BTreeMap<u32, String> = regions.iter().cloned().collect();
    let gaps = beside::gaps(report);
    let content = context! {
        entries => ENTRIES,
        has_charts => charts.names(),
        corpus => serialized(&report.corpus),
        encoder => serialized(&report.encoder),
        settings => serialized(&report.settings),
        duplicate_share => words::duplicate_share(report),
        needed => words::total_needed(report),
        needs => serialized(&report.needs_augmentation),
        next_steps => words::next_steps(report).into_iter().map(|step| vec![step]).collect::<Vec<_>>(),
        diversity => words::diversity(report),
        sparsity => words::sparsity(report),
        reference => beside::reference(report),
        coverage => serialized(&report.coverage),
        comparison => beside::sentences(report),
        n_gaps => gaps.len(),
        cards => gap_rows(&gaps[..gaps.len().min(CARDS)]),
        gaps => gap_rows(&gaps),
        plan => beside::plan_command(report),
        surplus => gap_rows(&report.surplus.iter().collect::<Vec<_>>()),
        holes => serialized(&beside::holes(report)),
        region_of_leaf => serialized(&report.leaves.iter().map(|leaf| leaf.region).collect::<Vec<_>>()),
        novelty => serialized(&report.novelty),
        source_coverage => serialized(&report.source_coverage),
        n_sources => report.sources.iter().filter(|source| source.name.is_some()).count(),
        warnings => words::warnings(report),
        regions => report.regions.iter().map(|region| region_row(region, map)).collect::<Vec<_>>(),
        region_names => serialized(&region_names),
        largest_share => report.regions.iter().map(|region| region.share).fold(0.0, f64::max),
        outliers => serialized(&report.outliers),
        review_from => report.histograms.review_from,
        duplicate_groups => serialized(&report.duplicate_groups),
        categories => [("Sources", &report.sources), ("Labels", &report.labels)]
            .into_iter()
            .filter(|(_, shares)| !shares.is_empty())
            .map(|(title, shares)| context! { title, shares => serialized(shares) })
            .collect::<Vec<_>>(),
    };
    let frame = Frame {
        template: "report.html",
        mode: "report",
        document: &document,
        map,
        regions,
        sides: ["corpus", "reference"],
        charts: &charts,
        review: report.outliers.iter().map(|outlier| outlier.record.id.as_str()).collect(),
    };
    frame.page(&content)
}

/// Gaps, with what the renderers say of them alike.
fn gap_rows(gaps: &[&Gap]) -> Vec<Value> {
    let row = |gap: &&Gap| {
        context! { gap => serialized(gap), kind => gap_word(gap), ratio => beside::ratio(gap) }
    };
    gaps.iter().take(ENTRIES).map(row).collect()
}

/// A region, with its ratio in words, and how the scores of its texts are distributed.
fn region_row(region: &Region, map: &MapPoints) -> Value {
    context! {
        region => serialized(region),
        name => words::region_name(region.id, &region.name),
        ratio => region.ratio.map(|ratio| beside::interval(ratio.value, ratio.low, ratio.high)),
        spark => spark(region.id, map),
    }
}

/// How many of a region's texts have which score, from the lowest of the map to the highest: heights of 0 to 100.
fn spark(region: u32, map: &MapPoints) -> Vec<f64> {
    let Some([low, high]) = points::scores(&map.points) else { return Vec::new() };
    let width = ((high - low) / SPARK_BARS as f32).max(f32::MIN_POSITIVE);
    let mut texts = [0_u32; SPARK_BARS];
    let scores = map.points.iter().filter(|point| point.region == region).filter_map(|point| point.score);
    scores.for_each(|score| texts[(((score - low) / width) as usize).min(SPARK_BARS - 1)] += 1);
    let most = texts.iter().max().copied().unwrap_or_default().max(1);
    texts.iter().map(|&texts| 100.0 * f64::from(texts) / f64::from(most)).collect()
}
