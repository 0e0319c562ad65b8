//! The page's charts, as data and layout for plotly.js.

use std::collections::{BTreeMap, BTreeSet};

use plotly::common::{DashType, HoverInfo, Line, Marker, MarkerSymbol, Mode, TextPosition, Title};
use plotly::layout::{Axis, BarMode, Legend, Margin};
use plotly::{Bar, Layout, Plot, Scatter, Trace};
use serde::Serialize;

use super::super::number::{count, counted, score};
use super::super::text::{fit, wrap};
use super::super::words::region_name;
use crate::report::{Histogram, Report};

/// Paul Tol's bright scheme without its grey: distinct under the common colour deficiencies, and on white and black
/// (Tol, Colour Schemes, SRON/EPS/TN/09-002, 2021).
const COLORS: [&str; 6] = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"];
/// Shapes told apart without colour; with the colours they make 48 pairs.
const SYMBOLS: [(MarkerSymbol, &str); 8] = [
    (MarkerSymbol::Circle, "●"),
    (MarkerSymbol::Square, "■"),
    (MarkerSymbol::Diamond, "◆"),
    (MarkerSymbol::TriangleUp, "▲"),
    (MarkerSymbol::Cross, "✚"),
    (MarkerSymbol::Star, "★"),
    (MarkerSymbol::TriangleDown, "▼"),
    (MarkerSymbol::X, "✖"),
];
/// Columns of a line and lines of a text shown beside a point.
const HOVER: (usize, usize) = (56, 4);
/// Columns of a region's name in the legend.
const LEGEND_COLUMNS: usize = 30;
/// Points drawn. They are SVG elements: WebGL traces of plotly.js compile code, which the page's policy forbids.
const MAX_POINTS: usize = 20_000;

/// How a region looks on the map and in the tables.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Swatch {
    color: &'static str,
    symbol: &'static str,
}

/// A chart: what `Plotly.newPlot` takes.
#[derive(Serialize)]
struct Chart {
    data: Vec<Box<dyn Trace>>,
    layout: Layout,
    /// What a reader of the screen hears.
    label: String,
}

/// The charts of a page.
#[derive(Serialize)]
pub(super) struct Charts {
    map: Option<Chart>,
    similarity: Option<Chart>,
    score: Option<Chart>,
    /// Points drawn on the map.
    #[serde(skip)]
    pub(super) map_points: usize,
    #[serde(skip)]
    looks: BTreeMap<u32, Swatch>,
}

impl Charts {
    pub(super) fn of(report: &Report) -> Self {
        let looks = report.regions.iter().enumerate().map(|(rank, region)| {
            let symbol = SYMBOLS[rank / COLORS.len() % SYMBOLS.len()].1;
            (region.id, Swatch { color: COLORS[rank % COLORS.len()], symbol })
        });
        let drawn = drawn(report);
        Self {
            map: (!drawn.is_empty()).then(|| map(report, &drawn)),
            similarity: histogram(&report.histograms.similarity, "cosine similarity to the leaf’s centre"),
            score: histogram(&report.histograms.score, "outlier score"),
            map_points: drawn.len(),
            looks: looks.collect(),
        }
    }

    pub(super) fn has_histograms(&self) -> bool {
        self.similarity.is_some() || self.score.is_some()
    }

    /// How each region looks, by id.
    pub(super) fn looks(&self) -> &BTreeMap<u32, Swatch> {
        &self.looks
    }

    /// JSON in which nothing can end the script element that holds it.
    pub(super) fn to_script_json(&self) -> String {
        let json = serde_json::to_string(self).expect("charts have only fields that JSON has");
        let mut safe = String::with_capacity(json.len());
        for c in json.chars() {
            match c {
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => safe.push_str(&format!("\\u{:04x}", c as u32)),
                _ => safe.push(c),
            }
        }
        safe
    }
}

/// plotly.js without the formula renderer that its crate adds; it begins with its licence.
pub(super) fn plotly_js() -> String {
    let sources = Plot::offline_js_sources();
    let script = sources.split_once('>').and_then(|(_, rest)| rest.split_once("</script>"));
    script.map(|(script, _)| script.to_owned()).unwrap_or_default()
}

/// Indices of the points to draw: all, or every listed outlier and an even sample of the rest.
fn drawn(report: &Report) -> Vec<usize> {
    let points = &report.map.points;
    if points.len() <= MAX_POINTS {
        return (0..points.len()).collect();
    }
    let outliers = outlier_ids(report);
    let is_outlier = |i: &usize| outliers.contains(points[*i].record.id.as_str());
    let mut kept: Vec<_> = (0..points.len()).filter(is_outlier).take(MAX_POINTS).collect();
    let rest: Vec<_> = (0..points.len()).filter(|i| !is_outlier(i)).collect();
    let room = MAX_POINTS - kept.len();
    kept.extend((0..room.min(rest.len())).map(|i| rest[i * rest.len() / room.min(rest.len())]));
    kept.sort_unstable();
    kept
}

fn outlier_ids(report: &Report) -> BTreeSet<&str> {
    report.outliers.iter().map(|outlier| outlier.record.id.as_str()).collect()
}

fn map(report: &Report, drawn: &[usize]) -> Chart {
    let mut by_region: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for &i in drawn {
        by_region.entry(report.map.points[i].region).or_default().push(i);
    }
    let mut data: Vec<Box<dyn Trace>> = Vec::new();
    for (rank, region) in report.regions.iter().enumerate() {
        let Some(members) = by_region.get(&region.id) else { continue };
        let (x, y) = coordinates(report, members);
        let texts = members.iter().map(|&i| hover(report, i)).collect();
        let marker = Marker::new()
            .color(COLORS[rank % COLORS.len()])
            .symbol(SYMBOLS[rank / COLORS.len() % SYMBOLS.len()].0.clone())
            .size(if drawn.len() > 3_000 { 5 } else { 8 })
            .opacity(0.85)
            .line(Line::new().width(0.5));
        data.push(
            Scatter::new(x, y)
                .mode(Mode::Markers)
                .name(escape(&fit(&region_name(region.id, &region.name), LEGEND_COLUMNS)))
                .meta(region.id as usize)
                .text_array(texts)
                .hover_template("%{text}<extra>%{fullData.name}</extra>")
                .marker(marker),
        );
    }
    let outliers = outlier_ids(report);
    let ringed: Vec<_> =
        drawn.iter().copied().filter(|&i| outliers.contains(report.map.points[i].record.id.as_str())).collect();
    if !ringed.is_empty() {
        let (x, y) = coordinates(report, &ringed);
        let ring =
            Marker::new().symbol(MarkerSymbol::CircleOpen).size(16).line(Line::new().width(2.0).dash(DashType::Solid));
        data.push(Scatter::new(x, y).mode(Mode::Markers).name("to review").hover_info(HoverInfo::Skip).marker(ring));
    }
    let axis = || Axis::new().show_tick_labels(false).zero_line(false).show_grid(true);
    let layout = Layout::new()
        .x_axis(axis())
        .y_axis(axis().scale_anchor("x"))
        .legend(Legend::new())
        .hover_mode(plotly::layout::HoverMode::Closest)
        .margin(Margin::new().left(8).right(8).top(8).bottom(8));
    let label = format!("Map of {} in {}", counted(drawn.len() as u64, "text"), counted(data.len() as u64, "group"));
    Chart { data, layout, label }
}

fn coordinates(report: &Report, members: &[usize]) -> (Vec<f32>, Vec<f32>) {
    members.iter().map(|&i| (report.map.points[i].x, report.map.points[i].y)).unzip()
}

/// A point's text, id and score in the markup that plotly.js draws.
fn hover(report: &Report, point: usize) -> String {
    let point = &report.map.points[point];
    let (columns, lines) = HOVER;
    let text: Vec<_> =
        wrap(&fit(&point.record.text, columns * lines), columns).iter().map(|line| escape(line)).collect();
    format!(
        "{}<br><i>{} · score {}</i>",
        text.join("<br>"),
        escape(&fit(&point.record.id, columns)),
        score(point.score)
    )
}

/// Text that plotly.js shows as it is: it would read tags, links among them, in the text of labels.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn histogram(histogram: &Histogram, title: &str) -> Option<Chart> {
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
    let layout = Layout::new()
        .x_axis(Axis::new().title(Title::with_text(title)).zero_line(false).fixed_range(true))
        .y_axis(Axis::new().title(Title::with_text("texts")).fixed_range(true))
        .bar_mode(BarMode::Overlay)
        .margin(Margin::new().left(56).right(8).top(8).bottom(48));
    let label = format!("Histogram of {title}, {} texts", count(counts.iter().sum()));
    Some(Chart { data: vec![bars], layout, label })
}
