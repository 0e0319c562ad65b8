//! Places on a plane, by uniform manifold approximation and projection (UMAP).
//!
//! Points attract their neighbours and repel points drawn at random, so that a pair at distance d on the plane belongs
//! together by `1 / (1 + a d^2b)` where the [graph](super::graph) has its weight (`McInnes`, Healy & Melville 2018,
//! <https://arxiv.org/abs/1802.03426>, section 3.2; a and b for a least distance of .1, as in umap-learn). An edge is drawn
//! in a share of the epochs that is its weight over the largest, each time with 5 points that repel; the step falls from 1
//! to 0 over 500 epochs, or 200 above 10,000 points.
//!
//! Departures:
//! 1. It starts from the first two principal components instead of the graph's eigenvectors, which shows the global
//!    arrangement no worse (Kobak & Linderman 2021, <https://doi.org/10.1038/s41587-020-00809-z>).
//! 2. d^2b comes from a table, to seven digits: fast, and the same bits on every machine.
//! 3. One thread moves the points, edge after edge, so that the result is the same at any number of threads.
//!
//! Cost: the neighbours, and six pairs per drawn edge. Memory: 12 bytes an edge beside the graph.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::graph::{EXACT, Graph, neighbors};
use crate::cluster::random::SplitMix64;
use crate::progress::{Progress, Stage};
use crate::vectors::Rows;
use crate::vectors::moments::Moments;
use crate::vectors::pca::Pca;

/// How coordinates were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MapMethod {
    /// Uniform manifold approximation and projection.
    Umap,
    /// The first two principal components, where there are too few texts for neighbours to mean anything.
    Pca,
}

impl fmt::Display for MapMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Umap => "umap",
            Self::Pca => "pca",
        })
    }
}

/// Settings of a layout.
#[derive(Clone, Debug, PartialEq)]
pub struct MapParams {
    /// Neighbours of each point, at least 2; in the graph a point is one of its own. Default 15.
    pub neighbors: usize,
    /// Points up to which neighbours are searched among all of them. Default [`EXACT`].
    pub exact: usize,
    /// Seed of everything random.
    pub seed: u64,
}

impl Default for MapParams {
    fn default() -> Self {
        Self { neighbors: 15, exact: EXACT, seed: 0 }
    }
}

/// Where some texts lie on a plane, and who their neighbours are.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// How the coordinates were made.
    pub method: MapMethod,
    /// The place of every point; the unit means nothing.
    pub xy: Vec<[f32; 2]>,
    /// For every point the nearest others (index into the same points) and their cosine distances (0 to 2), nearest first.
    pub neighbors: Vec<Vec<(u32, f32)>>,
}

/// Points below which there is nothing but principal components, in neighbourhoods.
const NEIGHBORHOODS: usize = 3;
/// The curve `1 / (1 + a d^2b)` nearest to `exp(-(d - .1))` above a distance of .1 and 1 below, in 300 points from 0 to 3.
const A: f32 = 1.576_943_5;
const B: f32 = 0.895_060_9;
/// Points that repel, for each drawn edge.
const REPELLING: usize = 5;
/// The longest move along an axis, before the step's factor.
const CLIP: f32 = 4.0;
/// Keeps repulsion finite, in squared distance.
const CLOSE: f32 = 0.001;
/// The side of the square that the points start in, and how far each is moved at random.
const START: f64 = 10.0;
const NOISE: f64 = 1e-3;

/// Lays out rows. They should stand in an order that does not depend on that of files, such as content hashes.
#[must_use]
pub fn lay_out(rows: Rows<'_>, params: &MapParams, progress: &dyn Progress) -> Layout {
    let k = params.neighbors.max(2);
    let epochs = if rows.len() <= 10_000 { 500 } else { 200 };
    progress.start(Stage::Map, Some(rows.len() as u64 * (1 + epochs as u64)));
    let neighbors = neighbors(rows, k, params.exact, params.seed, progress);
    let start = Pca::fit(&Moments::of(rows), 2).coordinates(rows);
    let varies = start.iter().flatten().any(|&x| x != 0.0);
    if rows.len() < NEIGHBORHOODS * k || !varies {
        progress.finish();
        return Layout { method: MapMethod::Pca, xy: start, neighbors };
    }
    let mut random = SplitMix64::new(params.seed);
    let mut xy = spread(start, &mut random);
    Edges::of(&Graph::of(&neighbors, k), epochs).optimize(&mut xy, epochs, &mut random, progress);
    progress.finish();
    Layout { method: MapMethod::Umap, xy, neighbors }
}

/// Stretches both axes to the starting square, and moves equal places apart.
fn spread(mut xy: Vec<[f32; 2]>, random: &mut SplitMix64) -> Vec<[f32; 2]> {
    for axis in 0..2 {
        let values = xy.iter().map(|at| f64::from(at[axis]));
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        let scale = if high > low { START / (high - low) } else { 0.0 };
        for at in &mut xy {
            let noise = NOISE * (random.next_f64() - 0.5);
            at[axis] = ((f64::from(at[axis]) - low) * scale + noise) as f32;
        }
    }
    xy
}

/// The edges in both directions, and when each is drawn.
struct Edges {
    starts: Vec<usize>,
    /// The other end of each edge.
    ends: Vec<u32>,
    /// Epochs from one drawing to the next, at least 1.
    period: Vec<f32>,
}

impl Edges {
    /// Edges that are not drawn once are left out.
    fn of(graph: &Graph, epochs: usize) -> Self {
        let largest = graph.entries.iter().map(|entry| entry.1).fold(0.0, f32::max);
        let mut edges = Self { starts: vec![0], ends: Vec::new(), period: Vec::new() };
        for row in graph.starts.windows(2) {
            for &(end, weight) in &graph.entries[row[0]..row[1]] {
                if weight * epochs as f32 >= largest {
                    edges.ends.push(end);
                    edges.period.push(largest / weight);
                }
            }
            edges.starts.push(edges.ends.len());
        }
        edges
    }

    fn optimize(&self, xy: &mut [[f32; 2]], epochs: usize, random: &mut SplitMix64, progress: &dyn Progress) {
        let power = Power::new(B);
        let mut next = self.period.clone();
        for epoch in 0..epochs {
            let step = 1.0 - epoch as f32 / epochs as f32;
            for i in 0..xy.len() {
                let mut at = xy[i];
                let edges = self.starts[i]..self.starts[i + 1];
                let of_point = self.ends[edges.clone()].iter().zip(&self.period[edges.clone()]).zip(&mut next[edges]);
                for ((&end, period), next) in of_point {
                    if *next > epoch as f32 {
                        continue;
                    }
                    *next += period;
                    let end = end as usize;
                    let (apart, square) = between(at, xy[end]);
                    if square > 0.0 {
                        let curve = A * power.of(square);
                        let pull = -2.0 * B * curve / (square * (1.0 + curve));
                        for axis in 0..2 {
                            let moved = step * (pull * apart[axis]).clamp(-CLIP, CLIP);
                            at[axis] += moved;
                            xy[end][axis] -= moved;
                        }
                    }
                    for _ in 0..REPELLING {
                        let other = (((random.next_u64() >> 32) * xy.len() as u64) >> 32) as usize;
                        if other == i {
                            continue;
                        }
                        let (apart, square) = between(at, xy[other]);
                        if square > 0.0 {
                            let push = 2.0 * B / ((CLOSE + square) * (1.0 + A * power.of(square)));
                            for axis in 0..2 {
                                at[axis] += step * (push * apart[axis]).clamp(-CLIP, CLIP);
                            }
                        }
                    }
                }
                xy[i] = at;
            }
            progress.advance(xy.len() as u64, 0);
        }
    }
}

/// The difference of two places, and its squared length.
fn between(a: [f32; 2], b: [f32; 2]) -> ([f32; 2], f32) {
    let apart = [a[0] - b[0], a[1] - b[1]];
    (apart, apart[0] * apart[0] + apart[1] * apart[1])
}

/// x^b of positive normal numbers: the power of the exponent times that of the mantissa, which is interpolated in a
/// table of 1,024 steps.
struct Power {
    exponents: Vec<f32>,
    mantissas: Vec<f32>,
}

impl Power {
    const STEPS: usize = 1024;

    fn new(b: f32) -> Self {
        let b = f64::from(b);
        Self {
            exponents: (0..256).map(|e| (f64::from(e - 127) * b).exp2() as f32).collect(),
            mantissas: (0..=Self::STEPS).map(|m| (1.0 + m as f64 / Self::STEPS as f64).powf(b) as f32).collect(),
        }
    }

    fn of(&self, x: f32) -> f32 {
        let bits = x.to_bits();
        let place = (bits >> 13) as usize % Self::STEPS;
        let rest = (bits & 0x1fff) as f32 / 8192.0;
        let (low, high) = (self.mantissas[place], self.mantissas[place + 1]);
        self.exponents[(bits >> 23) as usize & 0xff] * (low + rest * (high - low))
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::blobs;
    use super::*;
    use crate::progress::Silent;
    use crate::vectors::EmbeddingMatrix;

    fn layout(matrix: &EmbeddingMatrix, params: &MapParams) -> Layout {
        lay_out(matrix.into(), params, &Silent)
    }

    #[test]
    fn same_bytes_at_any_number_of_threads() {
        let matrix = blobs(200, 12, 0.4, 1);
        for exact in [EXACT, 0] {
            let found = [1, 2, 4].map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| layout(&matrix, &MapParams { exact, ..MapParams::default() }))
            });
            assert!(found[0] == found[1] && found[0] == found[2]);
            let other = layout(&matrix, &MapParams { exact, seed: 1, ..MapParams::default() });
            assert_ne!(found[0].xy, other.xy, "the seed matters");
        }
    }

    /// Blobs stay together, and apart from each other.
    #[test]
    fn near_points_are_drawn_near() {
        let matrix = blobs(360, 12, 0.2, 2);
        let found = layout(&matrix, &MapParams::default());
        assert_eq!(found.method, MapMethod::Umap);
        let mut own = 0;
        for i in 0..360 {
            let mut others: Vec<usize> = (0..360).filter(|&j| j != i).collect();
            others
                .sort_by(|&a, &b| between(found.xy[i], found.xy[a]).1.total_cmp(&between(found.xy[i], found.xy[b]).1));
            own += others[..15].iter().filter(|&&j| j % 12 == i % 12).count();
        }
        assert!(own > 360 * 15 * 98 / 100, "{own} of 5,400");
    }

    #[test]
    fn few_points_and_equal_ones() {
        for n in [0, 1, 2, 3, 15, 44] {
            let found = layout(&blobs(n, 3, 0.5, 3), &MapParams::default());
            assert_eq!((found.method, found.xy.len(), found.neighbors.len()), (MapMethod::Pca, n, n));
            assert!(found.neighbors.iter().all(|others| others.len() == 15.min(n.saturating_sub(1))));
            assert!(found.xy.iter().flatten().all(|x| x.is_finite()));
        }
        assert_eq!(layout(&blobs(45, 3, 0.5, 3), &MapParams::default()).method, MapMethod::Umap);
        for exact in [0, EXACT] {
            let equal = EmbeddingMatrix::from_f32(2, &[0.6, 0.8].repeat(100));
            let found = layout(&equal, &MapParams { exact, ..MapParams::default() });
            assert!(found.method == MapMethod::Pca && found.xy.iter().flatten().all(|&x| x == 0.0));
            // Two heaps of equal points, and zero rows.
            let rows: Vec<f32> = (0..120).flat_map(|i| [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]][i % 3]).collect();
            let found = layout(&EmbeddingMatrix::from_f32(2, &rows), &MapParams { exact, ..MapParams::default() });
            assert!(found.method == MapMethod::Umap && found.xy.iter().flatten().all(|x| x.is_finite()));
        }
    }

    /// a and b minimise the squared error: its derivatives vanish there, and grow around.
    #[test]
    fn curve_is_the_nearest() {
        let error = |a: f64, b: f64| -> f64 {
            let term = |i: u32| {
                let x = 3.0 * f64::from(i) / 299.0;
                let wanted = if x < 0.1 { 1.0 } else { (0.1 - x).exp() };
                (1.0 / (1.0 + a * x.powf(2.0 * b)) - wanted).powi(2)
            };
            (0..300).map(term).sum()
        };
        let (a, b, step) = (f64::from(A), f64::from(B), 1e-4);
        let least = error(a, b);
        for (da, db) in [(step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step), (step, step), (-step, step)] {
            assert!(error(a + da, b + db) > least, "{da} {db}");
        }
    }

    #[test]
    fn table_of_powers() {
        let power = Power::new(B);
        let mut x = 1e-20_f32;
        while x < 1e12 {
            let (found, exact) = (f64::from(power.of(x)), f64::from(x).powf(f64::from(B)));
            assert!((found / exact - 1.0).abs() < 3e-7, "{x}: {found} {exact}");
            x *= 1.000_37;
        }
    }
}
