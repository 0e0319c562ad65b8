//! Seeds: the real texts of a leaf that new examples are made from.
//!
//! The medoid says what the leaf is about; the others show its extent, by greedy k-center from the medoid (Gonzalez
//! 1985, see [`varied_members`]). Only real texts are seeds: what is generated from generated texts drifts away from
//! the data (Shumailov et al. 2024, <https://doi.org/10.1038/s41586-024-07566-y>). Near-copies are never seeds
//! together. Cost: members x count x dim.

use crate::cluster::{medoid, varied_members};
use crate::vectors::EmbeddingMatrix;

/// Seeds of a leaf, unless the user says otherwise.
pub const SEEDS: usize = 5;

/// Up to `count` seeds among the `members` of a leaf, the medoid first.
///
/// `members` and the result are rows of `matrix`; `real` says of every row of it whether the text is real. A leaf
/// without real texts has no seeds, and one whose real texts are all near-copies has one.
///
/// # Panics
/// If `real` is shorter than the matrix has rows, or `centroid` is not as long as a row.
#[must_use]
pub fn seeds(matrix: &EmbeddingMatrix, members: &[u32], centroid: &[f32], real: &[bool], count: usize) -> Vec<u32> {
    assert!(real.len() >= matrix.len(), "a flag for every row");
    assert_eq!(centroid.len(), matrix.dim(), "a centroid among the rows");
    let members: Vec<u32> = members.iter().copied().filter(|&member| real[member as usize]).collect();
    let Some(medoid) = medoid(matrix, &members, centroid).filter(|_| count > 0) else {
        return Vec::new();
    };
    let mut seeds = vec![medoid];
    seeds.extend(varied_members(matrix, &members, medoid, count - 1));
    seeds
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vectors::at;

    #[test]
    fn by_hand() {
        let matrix = at(&[0.0, 31.0, 60.0, 31.0, 29.0, 90.0]);
        let centroid = [30_f32.to_radians().cos(), 30_f32.to_radians().sin()];
        let all = [0, 1, 2, 3, 4];
        let real = [true, true, true, true, false, true];
        assert_eq!(seeds(&matrix, &all, &centroid, &real, 5), [1, 0, 2], "3 is a copy of 1, 4 is synthetic");
        assert_eq!(seeds(&matrix, &all, &centroid, &real, 2), [1, 0]);
        assert_eq!(seeds(&matrix, &all, &centroid, &real, 0), [0; 0]);
        assert_eq!(seeds(&matrix, &[4], &centroid, &real, 5), [0; 0]);
        assert_eq!(seeds(&matrix, &[], &centroid, &real, 5), [0; 0]);
    }

    proptest! {
        #[test]
        fn real_members_once(
            rows in prop::collection::vec((0f32..360.0, any::<bool>(), any::<bool>()), 1..40), count in 0usize..8,
        ) {
            let matrix = at(&rows.iter().map(|row| row.0).collect::<Vec<_>>());
            let real: Vec<bool> = rows.iter().map(|row| row.1).collect();
            let members: Vec<u32> = (0..rows.len() as u32).filter(|&row| rows[row as usize].2).collect();
            let seeds = seeds(&matrix, &members, &[1.0, 0.0], &real, count);
            prop_assert!(seeds.len() <= count);
            prop_assert!(seeds.iter().all(|seed| members.contains(seed) && real[*seed as usize]));
            for (i, &a) in seeds.iter().enumerate() {
                for &b in &seeds[..i] {
                    let apart = (rows[a as usize].0 - rows[b as usize].0).abs().to_radians().cos();
                    prop_assert!(apart < 1.0 - 1e-5, "{a} and {b} are near-copies");
                }
            }
        }
    }
}
