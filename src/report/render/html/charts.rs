//! The page's charts, as data and layout for plotly.js; the script gives them the colours of the theme.

use std::collections::BTreeMap;

use plotly::common::{Line, LineShape, Mode, TextPosition, Title};
use plotly::layout::{Axis, AxisType, BarMode, Margin, Shape, ShapeLine, ShapeType};
use plotly::{Bar, HeatMap, Layout, Plot, Scatter, Trace};
use serde::Serialize;

use super::super::number::{count, counted, percent, score};
use super::super::text::fit;
use super::super::words::region_name;
use crate::report::{CategoryShare, Histogram, Region, Report};

/// Regions, and sources or labels, of a heat map: the largest.
const HEAT_ROWS: usize = 40;
const HEAT_COLUMNS: usize = 20;
/// Columns of a name on an axis.
const NAME_COLUMNS: usize = 28;

/// A chart: what `Plotly.newPlot` takes.
#[derive(Serialize)]
pub(super) struct Chart {
    data: Vec<Box<dyn Trace>>,
    layout: Layout,
    /// What a reader of the screen hears.
    label: String,
}

/// The charts of a page, by the id of their element (`chart-` and the name).
#[derive(Serialize, Default)]
pub(super) struct Charts(BTreeMap<&'static str, Chart>);

impl Charts {
    pub(super) fn of(report: &Report) -> Self {
        let mut charts = Self::default();
        let histograms = &report.histograms;
        charts.add("similarity", histogram(&histograms.similarity, "cosine similarity to the leaf’s centre", None));
        charts.add("score", histogram(&histograms.score, "outlier score", histograms.review_from));
        charts.add("saturation", saturation(&report.sparsity.saturation));
        charts.add("sources", heat_map(&report.regions, &report.sources, |region| &region.sources, "source"));
        charts.add("labels", heat_map(&report.regions, &report.labels, |region| &region.labels, "label"));
        charts
    }

    pub(super) fn add(&mut self, name: &'static str, chart: Option<Chart>) {
        self.0.extend(chart.map(|chart| (name, chart)));
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }
}

/// plotly.js without the formula renderer that its crate adds; it begins with its licence.
pub(super) fn plotly_js() -> String {
    let sources = Plot::offline_js_sources();
    let script = sources.split_once('>').and_then(|(_, rest)| rest.split_once("</script>"));
    script.map(|(script, _)| script.to_owned()).unwrap_or_default()
}

/// Text that plotly.js shows as it is: it would read tags, links among them, in the text of labels.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn axis(title: &str) -> Axis {
    Axis::new().title(Title::with_text(title)).zero_line(false).fixed_range(true)
}

/// Bars of texts over a value, with a line where the threshold lies.
pub(super) fn histogram(histogram: &Histogram, title: &str, threshold: Option<f64>) -> Option<Chart> {
    let Histogram { start, width, counts } = histogram;
    if counts.iter().all(|&texts| texts == 0) {
        return None;
    }
    let edge = |i: usize| start + width * i as f64;
    let centers: Vec<_> = (0..counts.len()).map(|i| start + width * (i as f64 + 0.5)).collect();
    let texts = counts
        .iter()
        .enumerate()
        .map(|(i, &texts)| format!("{} to {}: {}", score(edge(i)), score(edge(i + 1)), counted(texts, "text")))
        .collect();
    let bars = Bar::new(centers, counts.clone())
        .width(0.92 * width)
        .text_array(texts)
        .text_position(TextPosition::None)
        .hover_template("%{text}<extra></extra>")
        .show_legend(false);
    let mut layout = Layout::new()
        .x_axis(axis(title))
        .y_axis(axis("texts"))
        .bar_mode(BarMode::Overlay)
        .margin(Margin::new().left(56).right(8).top(8).bottom(48));
    let mut label = format!("Histogram of {title}, {} texts", count(counts.iter().sum()));
    if let Some(threshold) = threshold {
        label += &format!("; threshold {}", score(threshold));
        layout = layout.shapes(vec![mark(threshold)]);
    }
    Some(Chart { data: vec![bars], layout, label })
}

/// Bars of one distribution and a line of another, over the same bins, as shares of their texts.
pub(super) fn beside(
    [bars, line]: [&Histogram; 2],
    names: [&str; 2],
    title: &str,
    threshold: Option<f64>,
) -> Option<Chart> {
    let share = |histogram: &Histogram| -> Vec<f64> {
        let all = histogram.counts.iter().sum::<u64>().max(1) as f64;
        histogram.counts.iter().map(|&texts| texts as f64 / all).collect()
    };
    if bars.counts.iter().all(|&texts| texts == 0) {
        return None;
    }
    let edge = |i: usize| bars.start + bars.width * i as f64;
    let centers: Vec<f64> = (0..bars.counts.len()).map(|i| bars.start + bars.width * (i as f64 + 0.5)).collect();
    let hover = |name: &str, shares: &[f64]| -> Vec<String> {
        let bin = |(i, &share): (usize, &f64)| {
            format!("{} to {}: {} of the {name}", score(edge(i)), score(edge(i + 1)), percent(share))
        };
        shares.iter().enumerate().map(bin).collect()
    };
    let [of_bars, of_line] = [share(bars), share(line)];
    let drawn_bars = Bar::new(centers.clone(), of_bars.clone())
        .name(names[0])
        .width(0.92 * bars.width)
        .text_array(hover(names[0], &of_bars))
        .text_position(TextPosition::None)
        .hover_template("%{text}<extra></extra>")
        .show_legend(false);
    // The script draws what has this meta in the colour of what is compared with.
    let drawn_line = Scatter::new(centers, of_line.clone())
        .name(names[1])
        .mode(Mode::Lines)
        .meta("soft")
        .line(Line::new().width(2.5).shape(LineShape::Hvh))
        .text_array(hover(names[1], &of_line))
        .hover_template("%{text}<extra></extra>")
        .show_legend(false);
    let mut layout = Layout::new()
        .x_axis(axis(title))
        .y_axis(axis("share of the texts").tick_format(".0%"))
        .bar_mode(BarMode::Overlay)
        .margin(Margin::new().left(64).right(8).top(8).bottom(48));
    let mut label = format!("Histogram of {title}, {} and {}", names[0], names[1]);
    if let Some(threshold) = threshold {
        label += &format!("; threshold {}", score(threshold));
        layout = layout.shapes(vec![mark(threshold)]);
    }
    Some(Chart { data: vec![drawn_bars, drawn_line], layout, label })
}

/// A line where a threshold lies.
fn mark(threshold: f64) -> Shape {
    let line = Shape::new().shape_type(ShapeType::Line).x0(threshold).x1(threshold).y0(0).y1(1).y_ref("paper");
    line.line(ShapeLine::new().width(2.0))
}

/// The share of texts that have another of their topic, over the share of the corpus looked at.
fn saturation(shares: &[f64]) -> Option<Chart> {
    let whole = shares.last()?;
    let looked_at: Vec<f64> = (1..=shares.len()).map(|i| i as f64 / shares.len() as f64).collect();
    let texts = looked_at
        .iter()
        .zip(shares)
        .map(|(looked_at, share)| format!("{} of the texts: {}", percent(*looked_at), percent(*share)))
        .collect();
    let curve = Scatter::new(looked_at, shares.to_vec())
        .mode(Mode::LinesMarkers)
        .line(Line::new().width(2.5))
        .text_array(texts)
        .hover_template("%{text}<extra></extra>");
    let layout = Layout::new()
        .x_axis(axis("share of the corpus").tick_format(".0%"))
        .y_axis(axis("have another of their topic").tick_format(".0%").range(vec![0.0, 1.0]))
        .margin(Margin::new().left(64).right(8).top(8).bottom(48));
    Some(Chart { data: vec![curve], layout, label: format!("Saturation curve, up to {}", percent(*whole)) })
}

/// Share of each source or label within each region.
fn heat_map(
    regions: &[Region],
    categories: &[CategoryShare],
    of_region: impl Fn(&Region) -> &[CategoryShare],
    what: &str,
) -> Option<Chart> {
    let (columns, rows) = (&categories[..categories.len().min(HEAT_COLUMNS)], &regions[..regions.len().min(HEAT_ROWS)]);
    if columns.len() < 2 || rows.len() < 2 {
        return None;
    }
    let share = |region: &Region, category: &CategoryShare| {
        of_region(region).iter().find(|of| of.name == category.name).map_or(0.0, |of| of.share)
    };
    let x = told_apart(columns.iter().map(|category| category.name.as_deref().unwrap_or("(none)")));
    // The largest stands at the top.
    let names: Vec<String> = rows.iter().map(|region| region_name(region.id, &region.name)).collect();
    let mut y = told_apart(names.iter().map(String::as_str));
    y.reverse();
    let z: Vec<Vec<f64>> =
        rows.iter().rev().map(|region| columns.iter().map(|of| share(region, of)).collect()).collect();
    let hover = format!("%{{y}}<br>{what} %{{x}}: %{{z:.1%}}<extra></extra>");
    let map = HeatMap::new(x, y, z).hover_template(&hover).zmin(0.0).zmax(1.0);
    let names = || Axis::new().type_(AxisType::Category).fixed_range(true).auto_margin(true);
    let layout = Layout::new()
        .x_axis(names().tick_angle(-40.0))
        .y_axis(names())
        .height(120 + 22 * rows.len())
        .margin(Margin::new().left(8).right(8).top(8).bottom(8));
    let label = format!("Share of each {what} within each region: {} regions, {} {what}s", rows.len(), columns.len());
    Some(Chart { data: vec![map], layout, label })
}

/// Names as labels, each another: plotly.js takes equal ones for one.
fn told_apart<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for name in names {
        let label = escape(&fit(name, NAME_COLUMNS));
        let same = labels.iter().filter(|other| other.split(" #").next() == Some(&label)).count();
        labels.push(if same == 0 { label } else { format!("{label} #{}", same + 1) });
    }
    labels
}
