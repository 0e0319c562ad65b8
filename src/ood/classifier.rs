//! How well a classifier tells a drop from its reference: an effect size, and the texts that show the difference.
//!
//! The classifier two-sample test (Lopez-Paz & Oquab 2017, arXiv 1610.06545): if two samples are of one law, nothing
//! that learns on one part of them tells the rest apart. An L2 logistic regression is fitted to the vectors in two
//! folds, each of every second text of either side, and every text is scored by the model of the other fold. The area
//! under the ROC curve of these scores is the probability that a text of the drop looks more like the drop than one of
//! the reference does: .5 where nothing differs, 1 where everything does. Its 95 % interval is that of `DeLong`,
//! `DeLong` & Clarke-Pearson 1988 (<https://doi.org/10.2307/2531595>), by sorting (Sun & Xu 2014,
//! <https://doi.org/10.1109/LSP.2014.2337313>):
//! ```text
//! A = mean v      v(x) = share of the other side that x exceeds, ties half      var A = var v / m + var v' / n
//! ```
//! It takes the two models as given; those of other samples would differ. With enough texts the classifier finds
//! differences of tone or length that harm nobody, so its area is shown and never a verdict. A tenth of scattered odd
//! texts hardly moves it: those are what outlier scores are for.
//!
//! Both sides count alike: as many texts of each, those of smallest content hash. The components are not standardised:
//! those of unit vectors have about one scale, and an encoder may have some that never vary.
//!
//! Cost: at most 100 steps of L-BFGS for each of the two models, each some four products of texts x dim. Memory: some
//! 40 bytes a component of a side, while the fold is laid out.

use linfa::prelude::*;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2};

use crate::cluster::TermCounts;
use crate::stats::Interval;
use crate::vectors::Rows;

/// Texts of each side that are classified at most: those of smallest content hash.
pub const CLASSIFIED_TEXTS: usize = 5_000;

/// Texts of each side below which there is nothing to learn from.
const LEAST_TEXTS: usize = 20;

/// Weight of half the squared length of the coefficients beside the summed loss, on unit vectors.
const ALPHA: f64 = 1.0;

/// Steps of a fit at most.
const MAX_STEPS: u64 = 100;

/// Length of the gradient at which a fit ends, per text.
const TOLERANCE: f64 = 1e-4;

/// What a classifier found to tell a drop from its reference.
#[derive(Clone, Debug, PartialEq)]
pub struct DomainClassifier {
    /// Area under the ROC curve, 0 to 1: about .5 where the sides are alike, 1 where they are told apart.
    pub auc: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// Log-odds of the drop for its first texts, by the model of the other fold: the higher, the less a text looks like
    /// those of the reference.
    pub drop_scores: Vec<f32>,
}

impl DomainClassifier {
    /// Tells the vectors of a drop from those of its reference. `None` where a side has fewer than 20 texts, or where
    /// no model can be fitted.
    ///
    /// # Panics
    /// If the vectors differ in length.
    #[must_use]
    pub fn of(reference: Rows<'_>, drop: Rows<'_>) -> Option<Self> {
        assert_eq!(reference.dim(), drop.dim(), "vectors of one length");
        let texts = reference.len().min(drop.len()).min(CLASSIFIED_TEXTS);
        if texts < LEAST_TEXTS {
            return None;
        }
        let fold = |fold: usize| [reference, drop].map(|side| side.prefix(texts).fold(fold, 2));
        let (even, odd) = (fold(0), fold(1));
        let (of_odd, of_even) = rayon::join(|| held_out(even, odd), || held_out(odd, even));
        let [reference_scores, drop_scores] = zipped(of_even?, of_odd?);
        let (auc, interval) = area(&reference_scores, &drop_scores);
        Some(Self { auc, interval, drop_scores: drop_scores.into_iter().map(|score| score as f32).collect() })
    }
}

/// Log-odds of the drop for both sides of one fold, by a model of the other.
fn held_out(training: [Rows<'_>; 2], fold: [Rows<'_>; 2]) -> Option<[Vec<f64>; 2]> {
    let vectors = components(training);
    let is_drop = Array1::from_shape_fn(vectors.nrows(), |row| row >= training[0].len());
    let tolerance = TOLERANCE * vectors.nrows() as f64;
    let params = LogisticRegression::default().alpha(ALPHA).max_iterations(MAX_STEPS).gradient_tolerance(tolerance);
    let model = params.fit(&Dataset::new(vectors, is_drop)).ok()?;
    let sign = if model.labels().pos.class { 1.0 } else { -1.0 };
    let mut reference = ((components(fold).dot(model.params()) + model.intercept()) * sign).to_vec();
    let drop = reference.split_off(fold[0].len());
    let scores = [reference, drop];
    scores.iter().flatten().all(|score| score.is_finite()).then_some(scores)
}

/// The vectors of one side, and behind them those of the other: texts x dim.
fn components(sides: [Rows<'_>; 2]) -> Array2<f64> {
    let [texts, dim] = [sides[0].len() + sides[1].len(), sides[0].dim()];
    let mut components = Vec::with_capacity(texts * dim);
    let mut vectors = Vec::new();
    for side in sides {
        side.gather(0..side.len(), &mut vectors);
        components.extend(vectors.iter().map(|&x| f64::from(x)));
    }
    let rows = Array2::from_shape_vec((texts, dim), components).expect("whole rows");
    // Column by column, as the gradient reads them: more than twice as fast.
    rows.t().as_standard_layout().into_owned().reversed_axes()
}

/// Puts the scores of even and odd rows of either side back in order.
fn zipped(even: [Vec<f64>; 2], odd: [Vec<f64>; 2]) -> [Vec<f64>; 2] {
    let [even_reference, even_drop] = even;
    let [odd_reference, odd_drop] = odd;
    [(even_reference, odd_reference), (even_drop, odd_drop)].map(|(even, odd)| {
        let at = |row: usize| if row.is_multiple_of(2) { even[row / 2] } else { odd[row / 2] };
        (0..even.len() + odd.len()).map(at).collect()
    })
}

/// Area under the ROC curve that tells `drop` from `reference` by higher scores, and its 95 % interval.
fn area(reference: &[f64], drop: &[f64]) -> (f64, Interval) {
    let above = exceeded(drop, reference);
    let below = exceeded(reference, drop);
    let auc = mean(&above);
    let variance = |shares: &[f64]| {
        let mean = mean(shares);
        let squares: f64 = shares.iter().map(|share| (share - mean).powi(2)).sum();
        squares / (shares.len() as f64 - 1.0) / shares.len() as f64
    };
    let half = 1.959_963_984_540_054 * (variance(&above) + variance(&below)).sqrt();
    (auc, Interval { low: (auc - half).max(0.0), high: (auc + half).min(1.0) })
}

/// For every score the share of `others` that it exceeds, ties half.
fn exceeded(scores: &[f64], others: &[f64]) -> Vec<f64> {
    let mut others = others.to_vec();
    others.sort_by(f64::total_cmp);
    let share = |&score: &f64| {
        let below = others.partition_point(|&other| other < score);
        let at_most = others.partition_point(|&other| other <= score);
        (below + at_most) as f64 / (2 * others.len()) as f64
    };
    scores.iter().map(share).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The terms that set the texts that look most like the drop apart from those that look least like it, named as a
/// cluster is ([`TermCounts`]).
#[must_use]
pub fn separating_terms<'t>(
    most: impl IntoIterator<Item = &'t str>,
    least: impl IntoIterator<Item = &'t str>,
) -> String {
    let mut terms = TermCounts::new(2);
    most.into_iter().for_each(|text| terms.add(0, text));
    least.into_iter().for_each(|text| terms.add(1, text));
    terms.names().swap_remove(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::kmeans::tests::bundles;
    use crate::vectors::{EmbeddingMatrix, at};

    fn close(got: f64, want: f64, tolerance: f64) {
        assert!((got - want).abs() <= tolerance, "{got}, expected {want}");
    }

    /// The definition, pair by pair, with `numpy` 2.4: the shares' variances with `ddof=1`, over their counts.
    #[test]
    fn interval_by_definition() {
        let (auc, interval) = area(&[0.1, 0.4, 0.35, 0.8, 0.5, 0.2], &[0.4, 0.9, 0.7, 0.35, 0.6]);
        close(auc, 0.733_333_333_333_333_3, 1e-12);
        close(interval.low, 0.414_441_578_095_085_36, 1e-12);
        assert_eq!(interval.high, 1.0, "1.05 is no share");
        // Reversed, the area is what is missing to 1.
        let (other, reversed) = area(&[0.4, 0.9, 0.7, 0.35, 0.6], &[0.1, 0.4, 0.35, 0.8, 0.5, 0.2]);
        close(other + auc, 1.0, 1e-12);
        close(reversed.high, 1.0 - interval.low, 1e-12);
    }

    /// scikit-learn 1.9: `LogisticRegression(C=1)` of twelve rows of either side on the plane, for each half of them.
    #[test]
    fn agrees_with_scikit_learn() {
        let reference: Vec<f32> = (0..24).map(|i| (i * 37 % 120) as f32).collect();
        let drop: Vec<f32> = (0..24).map(|i| (60 + i * 41 % 120) as f32).collect();
        let (reference, drop) = (at(&reference), at(&drop));
        let found = DomainClassifier::of((&reference).into(), (&drop).into()).unwrap();
        // Components are rounded to f16, 2^-12 each.
        for (row, want) in [
            (0, -0.598_193_638_148_788_1),
            (1, 0.416_458_818_054_483_8),
            (2, 1.332_424_302_349_687_6),
            (3, -0.533_923_574_262_413_4),
            (22, 0.992_224_483_739_489_1),
            (23, 1.419_140_795_659_187),
        ] {
            close(f64::from(found.drop_scores[row]), want, 5e-3);
        }
        close(found.auc, 0.857_638_888_888_889, 5e-3);
        close(found.interval.low, 0.756_260_118_804_461, 5e-3);
        close(found.interval.high, 0.959_016_758_973_316, 5e-3);
    }

    /// `bundles` of five, the first three as the reference and the others, some of the reference mixed in, as the drop.
    fn sides(mixed: usize) -> (EmbeddingMatrix, Vec<u32>, Vec<u32>) {
        let matrix = bundles(5, 60, 16, 0.3);
        let (reference, mut drop): (Vec<u32>, Vec<u32>) = (0..300).partition(|row| row * 7 % 5 < 3);
        drop.splice(..mixed, reference[..mixed].iter().copied());
        (matrix, reference, drop)
    }

    #[test]
    fn tells_apart_what_differs() {
        let (matrix, reference, drop) = sides(0);
        let found = DomainClassifier::of(Rows::of(&matrix, &reference), Rows::of(&matrix, &drop)).unwrap();
        assert!(found.auc > 0.999 && found.interval.low > 0.99 && found.drop_scores.len() == 120, "{found:?}");
        // A third of the drop is of the reference's kind: these texts look least like the drop.
        let (matrix, reference, drop) = sides(40);
        let found = DomainClassifier::of(Rows::of(&matrix, &reference[40..]), Rows::of(&matrix, &drop)).unwrap();
        assert!((0.7..0.95).contains(&found.auc), "{found:?}");
        let scores = &found.drop_scores;
        let lowest = scores[40..].iter().copied().fold(f32::INFINITY, f32::min);
        assert!(scores[..40].iter().all(|&score| score < lowest));
    }

    #[test]
    fn halves_of_one_corpus() {
        let matrix = bundles(7, 200, 24, 0.8);
        let rows = Rows::from(&matrix);
        let found = DomainClassifier::of(rows.fold(0, 2), rows.fold(1, 2)).unwrap();
        assert!((found.auc - 0.5).abs() < 0.07 && found.interval.low < 0.5 && found.interval.high > 0.5, "{found:?}");
    }

    #[test]
    fn degenerate_sides() {
        let matrix = bundles(2, 20, 8, 0.5);
        let rows = Rows::from(&matrix);
        assert_eq!(DomainClassifier::of(rows.prefix(19), rows), None);
        assert_eq!(DomainClassifier::of(rows, rows.prefix(0)), None);
        let same = DomainClassifier::of(rows, rows).unwrap();
        close(same.auc, 0.5, 1e-9);
        let zeros = EmbeddingMatrix::from_f32(8, &[0.0; 320]);
        close(DomainClassifier::of((&zeros).into(), (&zeros).into()).unwrap().auc, 0.5, 1e-9);
        let found = DomainClassifier::of((&zeros).into(), rows).unwrap();
        assert!(found.auc.is_finite() && found.drop_scores.iter().all(|score| score.is_finite()), "{found:?}");
        let copies = EmbeddingMatrix::from_f32(8, &[1.0; 320]);
        let opposite = EmbeddingMatrix::from_f32(8, &[-1.0; 320]);
        let found = DomainClassifier::of((&copies).into(), (&opposite).into()).unwrap();
        assert_eq!((found.auc, found.interval), (1.0, Interval { low: 1.0, high: 1.0 }));
        // An odd number of texts: the folds differ in size.
        assert_eq!(DomainClassifier::of(rows.prefix(21), rows).unwrap().drop_scores.len(), 21);
    }

    #[test]
    fn same_bytes_at_any_number_of_threads() {
        let (matrix, reference, drop) = sides(30);
        let found = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| DomainClassifier::of(Rows::of(&matrix, &reference), Rows::of(&matrix, &drop)))
        });
        assert!(found[0].is_some() && found[0] == found[1] && found[0] == found[2]);
    }

    #[test]
    fn terms_of_what_separates() {
        let most = ["def main(): return 1", "def parse(line): return line", "return parse(main)"];
        let least = ["please return my call", "call me at noon", "who is in line"];
        let terms = separating_terms(most, least);
        assert!(terms.contains("def") && !terms.contains("call"), "{terms}");
        assert_eq!(separating_terms([], least), "no words");
    }
}
