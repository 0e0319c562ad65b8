//! The settings of the [local score](super::local) that suit a reference, chosen without labels.
//!
//! A reference holds topics. Left out, a topic is an outlier to the rest as a new one would be. So the reference is cut
//! into regions, and of six settings, k in {5, 10} and lambda in {1/4, 1/2, 3/4}, the one is chosen that tells regions
//! left out best from the rest:
//! ```text
//! argmax_{k, lambda} sum_g w_g A_g(k, lambda)      w_g = (max_{k, lambda} A_g(k, lambda))^10
//! ```
//! 1. Regions g are those of spherical k-means with 50, 100 and 200 centroids, as far as there are 6 rows for each. It
//!    trains on 16 rows per centroid: all of 10,000 cost three times as much and choose no better.
//! 2. The first 2,000 rows of the reference are scored against the rest of it without their own region: neither among
//!    their neighbours nor in the radii of these. `A_g` is the AUROC of the rows of g among them against all rows of
//!    the reference, each left out alone. A region counts with at least 5 such rows.
//! 3. The weight leaves out regions that no setting tells apart: they are cuts through a topic, and say nothing.
//! 4. With fewer than 50 regions the sum is mostly chance, and the defaults stay. On ties, the defaults first.
//!
//! The rule is our own. What it wins and loses: METHODS.md, "Outlier scores".
//!
//! The radii come from one list of 64 neighbours for every row. Where fewer than k of a list lie outside the region,
//! the radius is the mean over those that do, and a bit too small: on 10,000 rows of CLINC150 at most one radius in
//! seventy. A row is not counted if the list of one of its neighbours does not reach outside at all (fewer than one in
//! a hundred), or if fewer than 10 rows lie outside.
//!
//! Cost: beside the fit of a local score, 2,000 x reference x dim multiplications of 8 bits for each number of regions,
//! and k-means; in all as much again as the rest of the outlier score at 7,000 rows, half of it at 15,000. Memory: 64
//! neighbours of every reference row, during the fit.

use rayon::prelude::*;

use super::{LocalParams, LocalParts, LocalScore};
use crate::Result;
use crate::cluster::Centroids;
use crate::cluster::kmeans::{KMeansParams, ValidKMeansParams};
use crate::progress::Progress;
use crate::vectors::knn::Neighbours;
use crate::vectors::{Index, Rows};

/// What is chosen from, the default first.
const SETTINGS: [LocalParams; 6] = [
    LocalParams { neighbours: 5, lambda: 0.5 },
    LocalParams { neighbours: 5, lambda: 0.25 },
    LocalParams { neighbours: 5, lambda: 0.75 },
    LocalParams { neighbours: 10, lambda: 0.5 },
    LocalParams { neighbours: 10, lambda: 0.25 },
    LocalParams { neighbours: 10, lambda: 0.75 },
];

/// The largest k that is chosen from.
const MOST_NEIGHBOURS: usize = 10;

/// Neighbours of every row that are looked up for radii.
const LISTED: usize = 64;

/// Numbers of regions.
const REGIONS: [usize; 3] = [50, 100, 200];

/// Rows that there are for each region at least.
const ROWS_PER_REGION: usize = 6;

/// Rows that k-means trains on for each region.
const POINTS_PER_REGION: usize = 16;

/// Rows that are scored without their region, at most.
const LEFT_OUT: usize = 2_000;

/// Such rows that a region needs.
const LEAST_LEFT_OUT: usize = 5;

/// Regions that a choice needs.
const LEAST_REGIONS: usize = 50;

/// AUROC of one region left out, 0 to 1, for each of [`SETTINGS`].
type Separation = [f64; SETTINGS.len()];

/// Fits the local score with the settings that its reference chooses; `seed` is that of k-means.
///
/// # Errors
/// If k-means refuses its settings; not here.
pub(crate) fn fit<'a>(reference: Rows<'a>, seed: u64, progress: &dyn Progress) -> Result<LocalScore<'a>> {
    let index = Index::new(reference);
    let others = index.nearest_others(reference, LISTED, progress);
    let chosen = best(&separations(reference, &index, &others, seed, progress)?);
    Ok(LocalScore::of_neighbours(index, &others, chosen))
}

/// Rows that [`fit`] visits on `n` rows, at most.
pub(crate) fn row_visits(n: usize) -> u64 {
    let left_out = n.min(LEFT_OUT) as u64;
    // The settings are in their ranges, as `fit` finds again.
    numbers_of_regions(n)
        .map(|regions| left_out + k_means(regions, 0).map_or(0, |k_means| k_means.row_visits(n)))
        .sum::<u64>()
        + n as u64
}

fn numbers_of_regions(n: usize) -> impl Iterator<Item = usize> {
    REGIONS.into_iter().filter(move |regions| regions * ROWS_PER_REGION <= n)
}

fn k_means(regions: usize, seed: u64) -> Result<ValidKMeansParams> {
    KMeansParams { max_iterations: 10, points_per_cluster: POINTS_PER_REGION, seed, ..KMeansParams::new(regions) }
        .check()
}

/// How well every setting tells the regions of a reference from the rest, all numbers of regions in one list.
fn separations(
    reference: Rows<'_>,
    index: &Index<'_>,
    others: &Neighbours,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Vec<Separation>> {
    let mut separations = Vec::new();
    if numbers_of_regions(reference.len()).next().is_none() {
        return Ok(separations);
    }
    let good = SETTINGS.map(|setting| {
        let score = |row: usize| {
            LocalParts::of(others.of(row), others, setting.neighbours, |other| other == row as u32)
                .local(setting.lambda)
        };
        let mut scores: Vec<f32> = (0..reference.len()).into_par_iter().map(score).collect();
        scores.sort_by(f32::total_cmp);
        scores
    });
    for regions in numbers_of_regions(reference.len()) {
        let centroids = k_means(regions, seed)?.fit(reference, None, progress).centroids;
        let region = Centroids::new(reference.dim(), centroids).assign(reference).nearest;
        for bad in left_out_scores(reference, index, others, &region, progress) {
            if bad.len() >= LEAST_LEFT_OUT {
                separations.push(std::array::from_fn(|setting| {
                    auroc(&good[setting], bad.iter().map(|scores| scores[setting]))
                }));
            }
        }
    }
    Ok(separations)
}

/// For every region the scores, under each of [`SETTINGS`], of the first rows that lie in it, as if it were not there.
fn left_out_scores(
    reference: Rows<'_>,
    index: &Index<'_>,
    others: &Neighbours,
    region: &[u32],
    progress: &dyn Progress,
) -> Vec<Vec<[f32; SETTINGS.len()]>> {
    let rows = reference.prefix(LEFT_OUT);
    let together = |row: usize, other: usize| region[row] == region[other];
    let found = index.nearest_but(rows, MOST_NEIGHBOURS, together, progress);
    let score = |row: usize| {
        let (nearest, own) = (found.of(row), region[row]);
        let is_left_out = |other: u32| region[other as usize] == own;
        let reaches_outside = |&other: &u32| others.of(other as usize).0.iter().any(|&other| !is_left_out(other));
        let counts = nearest.0.len() == MOST_NEIGHBOURS && nearest.0.iter().all(reaches_outside);
        counts.then(|| {
            SETTINGS
                .map(|setting| LocalParts::of(nearest, others, setting.neighbours, is_left_out).local(setting.lambda))
        })
    };
    let scores: Vec<Option<_>> = (0..rows.len()).into_par_iter().map(score).collect();
    let mut by_region = vec![Vec::new(); region.iter().max().map_or(0, |&last| last as usize + 1)];
    for (scores, &region) in scores.into_iter().zip(region) {
        by_region[region as usize].extend(scores);
    }
    by_region
}

/// The probability that a bad row scores above a good one, ties counting half. `good` ascends.
fn auroc(good: &[f32], bad: impl ExactSizeIterator<Item = f32>) -> f64 {
    let pairs = 2 * good.len() * bad.len();
    let right: usize =
        bad.map(|bad| good.partition_point(|&good| good < bad) + good.partition_point(|&good| good <= bad)).sum();
    right as f64 / pairs as f64
}

/// The setting that separates regions best, the default where there are too few of them.
fn best(separations: &[Separation]) -> LocalParams {
    if separations.len() < LEAST_REGIONS {
        return LocalParams::default();
    }
    let mut sums = [0.0; SETTINGS.len()];
    for separation in separations {
        let square = separation.iter().fold(0.0_f64, |most, &auroc| most.max(auroc)).powi(2);
        let weight = square * square * square * square * square;
        for (sum, auroc) in sums.iter_mut().zip(separation) {
            *sum += weight * auroc;
        }
    }
    let mut best = 0;
    for (setting, &sum) in sums.iter().enumerate() {
        if sum > sums[best] {
            best = setting;
        }
    }
    SETTINGS[best]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::kmeans::tests::bundles;
    use crate::cluster::random::SplitMix64;
    use crate::progress::Silent;
    use crate::vectors::EmbeddingMatrix;

    const DEFAULT: usize = 0;
    const OTHER: usize = 4;

    /// Regions under the default and under another setting; all further settings tell nothing apart.
    fn regions(count: usize, default: f64, other: f64) -> Vec<Separation> {
        let mut separation = [0.5; SETTINGS.len()];
        (separation[DEFAULT], separation[OTHER]) = (default, other);
        vec![separation; count]
    }

    /// The other setting wins .1 in each of 150 regions that are hardly told apart, and loses .1 in each of 50 that
    /// are. Weighed by .6^10 = .006 and .9^10 = .349 it wins .09 and loses 1.74.
    #[test]
    fn by_hand() {
        assert_eq!(SETTINGS[DEFAULT], LocalParams::default());
        let hardly = regions(150, 0.5, 0.6);
        assert_eq!(best(&hardly), SETTINGS[OTHER]);
        let both = [hardly, regions(50, 0.9, 0.8)].concat();
        assert_eq!(best(&both), LocalParams::default());
    }

    #[test]
    fn too_few_regions_and_ties_leave_the_defaults() {
        assert_eq!(best(&regions(LEAST_REGIONS - 1, 0.5, 0.9)), LocalParams::default());
        assert_eq!(best(&regions(LEAST_REGIONS, 0.5, 0.9)), SETTINGS[OTHER]);
        assert_eq!(best(&regions(LEAST_REGIONS, 0.9, 0.9)), LocalParams::default());
        assert_eq!(best(&[]), LocalParams::default());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]
        /// A setting that is best in every region is chosen, whatever the weights are, and in whatever order they come.
        #[test]
        fn the_best_everywhere_is_chosen(winner in 0..SETTINGS.len(), count in LEAST_REGIONS..90, seed: u64) {
            let mut random = SplitMix64::new(seed);
            let mut separations: Vec<Separation> = (0..count)
                .map(|_| {
                    let mut separation = [0.0; SETTINGS.len()].map(|_: f64| random.next_f64());
                    separation[winner] = separation.iter().fold(0.0_f64, |most, &x| most.max(x)) + 0.01;
                    separation
                })
                .collect();
            prop_assert_eq!(best(&separations), SETTINGS[winner]);
            separations.reverse();
            prop_assert_eq!(best(&separations), SETTINGS[winner]);
        }
    }

    #[test]
    fn ties_count_half() {
        let found = auroc(&[1.0, 2.0, 2.0, 3.0], [2.0, 5.0].into_iter());
        assert!((found - (2.0 + 4.0) / 8.0).abs() < 1e-12, "{found}");
    }

    /// Leaving a region out gives what fitting without it gives. Up to 65 rows the lists of neighbours hold all others.
    #[test]
    fn a_region_left_out_is_out() {
        let (n, dim) = (60, 8);
        let all = bundles(4, 15, dim, 0.7);
        let region: Vec<u32> = (0..n).map(|row| row as u32 * 7 % 4).collect();
        let index = Index::new((&all).into());
        let others = index.nearest_others((&all).into(), LISTED, &Silent);
        let found = left_out_scores((&all).into(), &index, &others, &region, &Silent);
        let rows_of = |keep: &dyn Fn(u32) -> bool| {
            let rows: Vec<usize> = (0..n).filter(|&row| keep(region[row])).collect();
            let mut data = Vec::new();
            all.gather(rows, &mut data);
            EmbeddingMatrix::from_f32(dim, &data)
        };
        assert_eq!(found.len(), 4);
        for (region, found) in (0..).zip(&found) {
            let (rest, queries) = (rows_of(&|other| other != region), rows_of(&|other| other == region));
            assert_eq!(found.len(), 15);
            for (setting, params) in SETTINGS.into_iter().enumerate() {
                let expected = LocalScore::fit((&rest).into(), params, &Silent).score((&queries).into(), &Silent);
                for (scores, expected) in found.iter().zip(expected) {
                    // Rows rounded to f16 a second time, 2^-12 per component.
                    assert!((scores[setting] - expected).abs() < 3e-4, "{} {expected}", scores[setting]);
                }
            }
        }
    }

    fn draw(random: &mut SplitMix64) -> f64 {
        (0..4).map(|_| random.next_f64() - 0.5).sum()
    }

    /// `n` rows: row i around centre i mod 40 of families of 5 centres, with the spread that `spread` gives its family
    /// for centres around the family, and for the row around its centre.
    fn families(n: usize, spread: impl Fn(usize, usize) -> (f64, f64)) -> EmbeddingMatrix {
        const DIM: usize = 16;
        let mut random = SplitMix64::new(3);
        let mut directions = |count: usize| -> Vec<f64> { (0..count * DIM).map(|_| draw(&mut random)).collect() };
        let (middles, centres, rows) = (directions(8), directions(40), directions(n));
        let component = |row: usize, i: usize| {
            let (centre, family) = (row % 40, row % 40 % 8);
            let (apart, within) = spread(family, row / 40);
            middles[family * DIM + i] + apart * centres[centre * DIM + i] + within * rows[row * DIM + i]
        };
        let data: Vec<f32> =
            (0..n).flat_map(|row| (0..DIM).map(move |i| (row, i))).map(|(row, i)| component(row, i) as f32).collect();
        EmbeddingMatrix::from_f32(DIM, &data)
    }

    /// Half of the families are five times as wide as the others: distances compare only beside radii.
    fn uneven() -> EmbeddingMatrix {
        families(1_600, |family, _| if family % 2 == 0 { (0.2, 0.1) } else { (1.0, 0.5) })
    }

    /// All families are alike, and every fifth row strays: what is nearest to a left-out topic are rows far from all
    /// others, whose radii hide it.
    fn strays() -> EmbeddingMatrix {
        families(1_600, |_, round| if round % 5 == 0 { (0.7, 0.9) } else { (0.7, 0.2) })
    }

    #[test]
    fn the_layout_decides() {
        let chosen = |matrix: &EmbeddingMatrix| fit(matrix.into(), 0, &Silent).unwrap().params();
        assert!(chosen(&uneven()).lambda > 0.5);
        assert!(chosen(&strays()).lambda < 0.5);
    }

    #[test]
    fn same_bytes_at_any_number_of_threads() {
        let matrix = uneven();
        let found = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let index = Index::new((&matrix).into());
                let others = index.nearest_others((&matrix).into(), LISTED, &Silent);
                separations((&matrix).into(), &index, &others, 0, &Silent).unwrap()
            })
        });
        assert!(found[0] == found[1] && found[0] == found[2]);
    }

    #[test]
    fn degenerate_references() {
        let axes: Vec<f32> = (0..400).flat_map(|i| if i < 397 { [1.0, 0.0] } else { [0.0, 1.0] }).collect();
        let random = bundles(30, 11, 4, 1.0);
        let mut rows = Vec::new();
        random.gather(0..320, &mut rows);
        for (dim, rows) in [
            (2, vec![]),
            (2, vec![1.0, 0.0]),
            (2, [0.6, 0.8].repeat(20)),
            (2, [0.6, 0.8].repeat(400)),
            (2, axes),
            (4, rows),
        ] {
            let matrix = EmbeddingMatrix::from_f32(dim, &rows);
            let fitted = fit((&matrix).into(), 0, &Silent).unwrap();
            assert!(SETTINGS.contains(&fitted.params()));
            // The lists that are kept are those of a fit with the chosen settings.
            let given = LocalScore::fit((&matrix).into(), fitted.params(), &Silent);
            assert_eq!(fitted.left_out_parts(), given.left_out_parts());
            if dim == 2 {
                assert_eq!(fitted.params(), LocalParams::default());
            }
        }
    }
}
