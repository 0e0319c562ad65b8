//! Saturation: how soon a corpus covers itself, in random order. Where the curve is flat, more of the same adds nothing.
//!
//! For the first 10 %, 20 %, ... 100 % of the texts: the share of (a sample of) all texts that have another text of the
//! same topic among these. Two texts are of one topic here from a cosine of .7: of all pairs of CLINC150's training queries
//! (Larson et al. 2019) that near, 94 % share their intent.
//!
//! The radius is fixed. With radii taken from the neighbours, as the headline coverage has them, the curve would be the
//! same for every corpus.
//!
//! Cost: 2,000 n dim multiplications.

use crate::progress::Silent;
use crate::vectors::{Rows, knn};

/// Cosine from which two texts are of one topic.
pub const SAME_TOPIC: f32 = 0.7;

/// Texts asked for: those of smallest content hash.
const QUERIES: usize = 2_000;

/// Points of the curve.
const STEPS: usize = 10;

/// Share of the texts that have another of the same topic among the first 10 %, 20 %, ... 100 % of the texts; 0 of no
/// texts.
#[must_use]
pub fn saturation<'a>(rows: impl Into<Rows<'a>>) -> Vec<f64> {
    let rows = rows.into();
    let queries = rows.prefix(QUERIES);
    let mut covered = vec![false; queries.len()];
    let part = |step: usize| rows.len() * step / STEPS;
    let mut curve = Vec::with_capacity(STEPS);
    for step in 1..=STEPS {
        let reference = rows.prefix(part(step)).skip(part(step - 1));
        let found = knn::nearest_others(queries, reference, 1, &Silent);
        for (query, covered) in covered.iter_mut().enumerate() {
            *covered |= found.of(query).1.first().is_some_and(|&cosine| cosine >= SAME_TOPIC);
        }
        let covered = covered.iter().filter(|covered| **covered).count();
        curve.push(covered as f64 / queries.len().max(1) as f64);
    }
    curve
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::EmbeddingMatrix;

    #[test]
    fn by_hand() {
        // Ten pairs of equal directions on ten axes, the second ones in the same order: axis i is met at i and 10 + i.
        let mut rows = vec![0.0; 20 * 10];
        for i in 0..20 {
            rows[i * 10 + i % 10] = 1.0;
        }
        let curve = saturation(&EmbeddingMatrix::from_f32(10, &rows));
        let want = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
        assert!(curve.iter().zip(want).all(|(found, want)| (found - want).abs() < 1e-12), "{curve:?}");
    }

    #[test]
    fn no_text_covers_itself() {
        let unit: Vec<f32> = (0..9).map(|i| if i % 4 == 0 { 1.0 } else { 0.0 }).collect();
        assert_eq!(saturation(&EmbeddingMatrix::from_f32(3, &unit)), [0.0; 10]);
        assert_eq!(saturation(&EmbeddingMatrix::from_f32(3, &[])), [0.0; 10]);
    }
}
