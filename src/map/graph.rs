//! Neighbours, and how strongly they belong together.
//!
//! The fuzzy neighbourhood graph of UMAP (`McInnes`, Healy & Melville 2018, <https://arxiv.org/abs/1802.03426>, section 3.1).
//! A point i and its neighbour j at distance d have the weight `exp(-max(0, d - rho_i) / sigma_i)`, where `rho_i` is the
//! distance to the nearest neighbour that is no copy, and `sigma_i` is such that the weights of i sum to log2 k. A pair
//! with weights u and v from its two ends has u + v - uv. As in umap-learn a point counts among its k neighbours.
//!
//! Departure: up to [`EXACT`] points neighbours are searched among all of them; beyond, among those of the [`PROBED`]
//! leaves nearest to the centroid of the point's own, of a codebook made for this.
//! Cost: n^2 dim multiplications of 8 bits, or n times the points of those leaves. Memory: n x k neighbours.

use rayon::prelude::*;

use crate::cluster::assign;
use crate::cluster::kmeans::KMeansParams;
use crate::progress::{Progress, Silent};
use crate::vectors::{EmbeddingMatrix, Index, Rows};

/// Points up to which every pair is compared.
pub const EXACT: usize = 50_000;
/// Points of a leaf beyond, on average, and leaves that are searched.
const LEAF: usize = 400;
const PROBED: usize = 24;
/// Distances below are rounding: the two vectors are the same.
const SAME: f32 = 1e-6;
/// Bisection steps for sigma, and the error at which they stop.
const STEPS: usize = 64;
const TOLERANCE: f64 = 1e-5;
/// sigma is at least this share of the mean distance to the neighbours.
const LEAST_SIGMA: f64 = 1e-3;

/// The nearest others of every point, nearest first, and their cosine distances.
pub(super) type Neighbors = Vec<Vec<(u32, f32)>>;

/// The `k` nearest others of every row.
pub(super) fn neighbors(rows: Rows<'_>, k: usize, exact: usize, seed: u64, progress: &dyn Progress) -> Neighbors {
    if rows.len() <= exact {
        let found = Index::new(rows).nearest_others(rows, k, progress);
        return (0..rows.len()).map(|row| distances(found.of(row))).collect();
    }
    in_leaves(rows, k, [LEAF, PROBED], seed, progress).unwrap_or_else(|| neighbors(rows, k, rows.len(), seed, progress))
}

/// The nearest others among the points of the `probed` leaves nearest to the own one, of leaves with `leaf` points on
/// average.
fn in_leaves(
    rows: Rows<'_>,
    k: usize,
    [leaf, probed]: [usize; 2],
    seed: u64,
    progress: &dyn Progress,
) -> Option<Neighbors> {
    let n_leaves = rows.len().div_ceil(leaf);
    let params = KMeansParams { seed, max_iterations: 6, points_per_cluster: 64, ..KMeansParams::new(n_leaves) };
    let centroids = params.check().ok()?.fit(rows, None, &Silent).centroids;
    let members = assign(rows, &centroids).members(centroids.len() / rows.dim());
    let leaves = EmbeddingMatrix::from_f32(rows.dim(), &centroids);
    let near = Index::new((&leaves).into()).nearest((&leaves).into(), probed, &Silent);
    let of_leaf: Vec<Neighbors> = (0..members.len())
        .into_par_iter()
        .map(|leaf| {
            let mut among: Vec<u32> =
                near.of(leaf).0.iter().flat_map(|&near| &members[near as usize]).copied().collect();
            among.sort_unstable();
            let index_of = |rows_of: &[u32]| rows_of.iter().map(|&row| rows.index(row as usize) as u32).collect();
            let (own, others): (Vec<u32>, Vec<u32>) = (index_of(&members[leaf]), index_of(&among));
            let own = Rows::of(rows.matrix(), &own);
            let found = Index::new(Rows::of(rows.matrix(), &others)).nearest_others(own, k, progress);
            let of = |query| {
                let mut found = distances(found.of(query));
                for (other, _) in &mut found {
                    *other = among[*other as usize];
                }
                found
            };
            (0..own.len()).map(of).collect()
        })
        .collect();
    let mut neighbors = vec![Vec::new(); rows.len()];
    for (members, found) in members.iter().zip(of_leaf) {
        members.iter().zip(found).for_each(|(&row, found)| neighbors[row as usize] = found);
    }
    Some(neighbors)
}

fn distances((index, similarity): (&[u32], &[f32])) -> Vec<(u32, f32)> {
    let distance = |cosine: f32| if 1.0 - cosine < SAME { 0.0 } else { 1.0 - cosine };
    index.iter().zip(similarity).map(|(&other, &cosine)| (other, distance(cosine))).collect()
}

/// Pairs with weights, as the entries of a symmetric sparse matrix, row by row.
#[derive(Debug, PartialEq)]
pub(super) struct Graph {
    /// Where each row's entries begin; one more at the end.
    pub(super) starts: Vec<usize>,
    /// Column and weight (above 0, at most 1) of every entry, columns ascending within a row.
    pub(super) entries: Vec<(u32, f32)>,
}

impl Graph {
    /// The graph of `k` neighbours, of which a point itself is one.
    pub(super) fn of(neighbors: &[Vec<(u32, f32)>], k: usize) -> Self {
        let others = |row: usize| &neighbors[row][..neighbors[row].len().min(k - 1)];
        let sum: f64 = (0..neighbors.len()).flat_map(others).map(|&(_, d)| f64::from(d)).sum();
        let mean = sum / (neighbors.len() * k).max(1) as f64;
        let directed: Vec<Vec<(u32, f32)>> = (0..neighbors.len())
            .into_par_iter()
            .map(|row| {
                let distances: Vec<f32> = others(row).iter().map(|&(_, distance)| distance).collect();
                let (rho, sigma) = smooth(&distances, k, mean);
                let weight = |distance: f32| (-(f64::from(distance) - rho).max(0.0) / sigma).exp() as f32;
                others(row).iter().map(|&(other, distance)| (other, weight(distance))).collect()
            })
            .collect();
        // Entries of both directions, the own one first; then those of the same pair put together.
        let mut both: Vec<Vec<(u32, f32)>> = directed.clone();
        for (row, others) in (0..).zip(&directed) {
            for &(other, weight) in others {
                both[other as usize].push((row, weight));
            }
        }
        let mut graph = Self { starts: vec![0], entries: Vec::new() };
        for mut row in both {
            row.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            for pair in row.chunk_by(|a, b| a.0 == b.0) {
                let weight = pair.iter().fold(0.0, |sum, &(_, weight)| sum + weight - sum * weight);
                if weight > 0.0 {
                    graph.entries.push((pair[0].0, weight));
                }
            }
            graph.starts.push(graph.entries.len());
        }
        graph
    }
}

/// `rho` and `sigma` of a point, from the ascending distances of its others; `mean` is that of all points.
fn smooth(distances: &[f32], k: usize, mean: f64) -> (f64, f64) {
    let rho = distances.iter().find(|&&distance| distance > 0.0).map_or(0.0, |&distance| f64::from(distance));
    let target = (k as f64).log2();
    let (mut low, mut high, mut sigma) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..STEPS {
        let sum: f64 = distances.iter().map(|&d| (-(f64::from(d) - rho).max(0.0) / sigma).exp()).sum();
        if (sum - target).abs() < TOLERANCE {
            break;
        }
        if sum > target {
            high = sigma;
        } else {
            low = sigma;
        }
        sigma = if high.is_finite() { f64::midpoint(low, high) } else { sigma * 2.0 };
    }
    // As in umap-learn, the point's own distance of 0 counts in the mean.
    let own_mean = distances.iter().map(|&d| f64::from(d)).sum::<f64>() / (distances.len() + 1) as f64;
    let least = LEAST_SIGMA * if rho > 0.0 { own_mean } else { mean };
    (rho, sigma.max(least).max(f64::MIN_POSITIVE))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cluster::random::SplitMix64;

    /// `n` points around `centers` random directions of 16 components.
    pub(in crate::map) fn blobs(n: usize, centers: usize, spread: f32, seed: u64) -> EmbeddingMatrix {
        let mut random = SplitMix64::new(seed);
        let mut normal = || (0..12).map(|_| random.next_f64() as f32).sum::<f32>() - 6.0;
        let directions: Vec<f32> = (0..centers * 16).map(|_| normal()).collect();
        let rows: Vec<f32> = (0..n)
            .flat_map(|i| (0..16).map(move |axis| i % centers * 16 + axis))
            .map(|at| directions[at] + spread * normal())
            .collect();
        EmbeddingMatrix::from_f32(16, &rows)
    }

    /// Points 0, .1, .25, .5, .9 and .9 on a line, three others each; values of umap-learn 0.5.12 (`smooth_knn_dist` and
    /// `fuzzy_simplicial_set` with 4 neighbours).
    #[test]
    fn agrees_with_umap_learn() {
        let neighbors: Neighbors = vec![
            vec![(1, 0.1), (2, 0.25), (3, 0.5)],
            vec![(0, 0.1), (2, 0.15), (3, 0.4)],
            vec![(1, 0.15), (0, 0.25), (3, 0.25)],
            vec![(2, 0.25), (1, 0.4), (4, 0.4)],
            vec![(5, 0.0), (3, 0.4), (2, 0.65)],
            vec![(4, 0.0), (3, 0.4), (2, 0.65)],
        ];
        let expected = [(0.1, 0.366_577), (0.1, 0.199_272), (0.15, 0.144_268), (0.25, 0.216_404), (0.4, 0.015_625)];
        for (point, (rho, sigma)) in neighbors.iter().zip(expected) {
            let distances: Vec<f32> = point.iter().map(|&(_, distance)| distance).collect();
            let found = smooth(&distances, 4, 0.0);
            assert!((found.0 - rho).abs() < 1e-6 && (found.1 - sigma).abs() < 2e-5, "{found:?} {rho} {sigma}");
        }
        let graph = Graph::of(&neighbors, 4);
        let expected: [&[(u32, f32)]; 6] = [
            &[(1, 1.0), (2, 0.832_092), (3, 0.335_821)],
            &[(0, 1.0), (2, 1.0), (3, 0.610_955)],
            &[(0, 0.832_092), (1, 1.0), (3, 1.0)],
            &[(0, 0.335_821), (1, 0.610_955), (2, 1.0), (4, 1.0), (5, 1.0)],
            &[(3, 1.0), (5, 1.0)],
            &[(3, 1.0), (4, 1.0)],
        ];
        for (row, expected) in expected.iter().enumerate() {
            let found = &graph.entries[graph.starts[row]..graph.starts[row + 1]];
            // What is below 1e-6 there is left out.
            let found: Vec<_> = found.iter().filter(|(_, weight)| *weight > 1e-6).collect();
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (found, expected) in found.iter().zip(*expected) {
                assert!(found.0 == expected.0 && (found.1 - expected.1).abs() < 2e-5, "{found:?} {expected:?}");
            }
        }
    }

    #[test]
    fn leaves_find_nearly_what_all_pairs_do() {
        let matrix = blobs(4_000, 100, 0.6, 1);
        let exact = neighbors((&matrix).into(), 15, usize::MAX, 0, &Silent);
        let [found, again] = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| in_leaves((&matrix).into(), 15, [50, PROBED], 0, &Silent)).unwrap()
        });
        assert!(found == again, "at any number of threads");
        let hits: usize = exact
            .iter()
            .zip(&found)
            .map(|(exact, found)| found.iter().filter(|(other, _)| exact.iter().any(|(kept, _)| kept == other)).count())
            .sum();
        assert!(found.iter().enumerate().all(|(row, found)| {
            found.len() == 15
                && found.is_sorted_by(|a, b| a.1 <= b.1)
                && found.iter().all(|&(other, _)| other != row as u32)
        }));
        assert!(hits > 4_000 * 15 * 95 / 100, "{hits} of 60,000");
    }
}
