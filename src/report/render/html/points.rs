//! The points of the map, as the page's script reads them.
//!
//! Columns rather than rows, places as integers of 16 bits, names as indices: gzip then needs some ten bytes a point, and
//! the beginning of a text three times as much. Texts travel apart, so that the map stands before they are unpacked.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::super::text::{fit, fit_end};
use crate::map::{MapPoint, MapPoints, Mark, Side};

/// Steps of a coordinate, and of a score.
const STEPS: f32 = 65_535.0;
const SCORE_STEPS: f32 = 999.0;
/// Columns of a name or an id.
const NAME_COLUMNS: usize = 60;
/// Sources or labels told apart; the rarer ones are one.
const NAMES: usize = 100;
const OTHERS: &str = "(others)";

/// A region as the map names it.
#[derive(Serialize)]
pub(super) struct NamedRegion {
    pub(super) id: u32,
    pub(super) name: String,
    /// Which of the page's colours it has.
    pub(super) slot: usize,
}

#[derive(Serialize)]
struct Columns<'a> {
    x: Vec<u16>,
    y: Vec<u16>,
    /// A character a point: `c`orpus or `r`eference.
    side: String,
    /// A character a point: the first of its mark, or `-`.
    mark: String,
    region: Vec<u32>,
    /// -1 where there is none.
    score: Vec<i32>,
    /// What the lowest and the highest score stand for.
    scores: Option<[f32; 2]>,
    source: Names,
    label: Names,
    regions: &'a [NamedRegion],
}

/// Which of some names each point has, -1 for none.
#[derive(Serialize)]
struct Names {
    names: Vec<String>,
    of: Vec<i32>,
}

#[derive(Serialize)]
struct Texts {
    id: Vec<String>,
    text: Vec<String>,
}

/// Everything about the points but their texts.
pub(super) fn columns(map: &MapPoints, regions: &[NamedRegion]) -> String {
    let points = &map.points;
    let [low, high] = bounds(points);
    let extent = (high[0] - low[0]).max(high[1] - low[1]).max(f32::MIN_POSITIVE);
    let place =
        |axis: usize| points.iter().map(move |point| steps((point.xy[axis] - low[axis]) / extent, STEPS) as u16);
    let scores = scores(points);
    let score = |point: &MapPoint| match (point.score, scores) {
        (Some(score), Some([low, high])) => {
            steps((score - low) / (high - low).max(f32::MIN_POSITIVE), SCORE_STEPS) as i32
        }
        _ => -1,
    };
    pack(&Columns {
        x: place(0).collect(),
        y: place(1).collect(),
        side: points.iter().map(|point| if point.side == Side::Corpus { 'c' } else { 'r' }).collect(),
        mark: points.iter().map(|point| point.mark.map_or('-', letter)).collect(),
        region: points.iter().map(|point| point.region).collect(),
        score: points.iter().map(score).collect(),
        scores,
        source: names(points.iter().map(|point| point.source.as_ref())),
        label: names(points.iter().map(|point| point.label.as_ref())),
        regions,
    })
}

/// Ids, and the first `columns` columns of the texts.
pub(super) fn texts(map: &MapPoints, columns: usize) -> String {
    pack(&Texts {
        id: map.points.iter().map(|point| fit_end(&point.id, NAME_COLUMNS)).collect(),
        text: map.points.iter().map(|point| fit(&point.text, columns)).collect(),
    })
}

/// Compressed, in base64; equal bytes for equal values.
pub(super) fn packed(bytes: &[u8]) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes).and_then(|()| gzip.finish()).map_or_else(|_| String::new(), |bytes| STANDARD.encode(bytes))
}

fn pack(value: &impl Serialize) -> String {
    packed(&serde_json::to_vec(value).expect("columns have only fields that JSON has"))
}

fn letter(mark: Mark) -> char {
    match mark {
        Mark::Review => 'r',
        Mark::Flagged => 'f',
        Mark::Gone => 'g',
        Mark::Added => 'a',
    }
}

/// A share of a range in whole steps; 0 of what is no number.
fn steps(share: f32, steps: f32) -> f32 {
    (share * steps).round().clamp(0.0, steps)
}

pub(super) fn bounds(points: &[MapPoint]) -> [[f32; 2]; 2] {
    points.iter().fold([[f32::INFINITY; 2], [f32::NEG_INFINITY; 2]], |[low, high], point| {
        [[0, 1].map(|axis| low[axis].min(point.xy[axis])), [0, 1].map(|axis| high[axis].max(point.xy[axis]))]
    })
}

/// The lowest and the highest score.
pub(super) fn scores(points: &[MapPoint]) -> Option<[f32; 2]> {
    let scores = points.iter().filter_map(|point| point.score).filter(|score| score.is_finite());
    scores.fold(None, |range, score| {
        let [low, high] = range.unwrap_or([score; 2]);
        Some([low.min(score), high.max(score)])
    })
}

/// The most frequent names in the order of their frequency, and who has which.
fn names<'a>(of_points: impl Iterator<Item = Option<&'a Arc<str>>> + Clone) -> Names {
    let mut count: BTreeMap<&Arc<str>, u64> = BTreeMap::new();
    of_points.clone().flatten().for_each(|name| *count.entry(name).or_default() += 1);
    let mut ranked: Vec<_> = count.into_iter().collect();
    ranked.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let rank: BTreeMap<&str, usize> =
        ranked.iter().enumerate().map(|(rank, (name, _))| (name.as_ref(), rank)).collect();
    let mut names: Vec<String> = ranked.iter().take(NAMES).map(|(name, _)| fit(name, NAME_COLUMNS)).collect();
    if ranked.len() > NAMES {
        names.push(OTHERS.to_owned());
    }
    let of = of_points.map(|name| name.map_or(-1, |name| rank[name.as_ref()].min(NAMES) as i32)).collect();
    Names { names, of }
}
