//! One codebook for two corpora that are to be compared.

use super::{Assignment, Codebook, CodebookParams};
use crate::Result;
use crate::progress::Progress;
use crate::vectors::{EmbeddingMatrix, Rows};

/// Fits one codebook to two corpora together, and gives the leaves of the texts of each.
///
/// The centroids do not know which text belongs to which: seeding, sampling and order go by content hash. So if both are
/// samples of one law, any part of a leaf's texts is as likely as any other to be the first's, and a test of its counts is
/// honest with every text counted. Each corpus is its vectors and their hashes, ascending.
///
/// Where `params` names no number of leaves, there are max(n / 100, 3/2 of the square root of n) for n texts of both, from
/// 10 to 4,096: somewhat finer than for one corpus; but never more than a tenth of the smaller corpus' texts, since a leaf
/// of fewer than ten expected texts can show nothing. Too few leaves mix what is missing with what is not (75 for 15,000
/// texts of CLINC150: of the leaves called gaps, 57 % were).
///
/// # Errors
/// [`crate::Error::Setting`] where a setting is out of its range.
///
/// # Panics
/// If the vectors of the two differ in length.
pub fn fit_together(
    [first, second]: [(&EmbeddingMatrix, &[u64]); 2],
    params: &CodebookParams,
    progress: &dyn Progress,
) -> Result<(Codebook, Assignment, Assignment)> {
    let both = EmbeddingMatrix::joined(first.0.clone(), second.0.clone());
    let texts_of_first = first.0.len() as u32;
    let hash = |&row: &u32| match row.checked_sub(texts_of_first) {
        None => (first.1[row as usize], 0),
        Some(row) => (second.1[row as usize], 1),
    };
    let mut order: Vec<u32> = (0..both.len() as u32).collect();
    order.sort_unstable_by_key(hash);
    let smaller = first.0.len().min(second.0.len());
    let leaves = params.leaves.unwrap_or_else(|| {
        let leaves = (both.len() / 100).max((both.len() * 9 / 4).isqrt()).clamp(10, 4096);
        leaves.min(smaller / 10).max(1)
    });
    let params = CodebookParams { leaves: Some(leaves), ..params.clone() };
    let (codebook, found) = Codebook::fit(Rows::of(&both, &order), &params, progress)?;
    let mut parts = [first.0.len(), second.0.len()]
        .map(|texts| Assignment { nearest: vec![0; texts], similarity: vec![0.0; texts] });
    for (&row, (nearest, similarity)) in order.iter().zip(found.nearest.into_iter().zip(found.similarity)) {
        let (part, row) = row.checked_sub(texts_of_first).map_or((0, row), |row| (1, row));
        parts[part].nearest[row as usize] = nearest;
        parts[part].similarity[row as usize] = similarity;
    }
    let [first, second] = parts;
    Ok((codebook, first, second))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::assign;
    use crate::cluster::kmeans::tests::bundles;
    use crate::progress::Silent;

    /// Parting one corpus in two changes no centroid, whichever part comes first.
    #[test]
    fn sides_do_not_matter() {
        let matrix = bundles(6, 50, 12, 0.4);
        let mut all = Vec::new();
        matrix.gather(0..300, &mut all);
        let side = |odd: bool| {
            let rows: Vec<usize> = (0..300).filter(|row| (row % 3 == 0) == odd).collect();
            let vectors: Vec<f32> = rows.iter().flat_map(|row| &all[row * 12..][..12]).copied().collect();
            let hashes: Vec<u64> = rows.iter().map(|&row| row as u64).collect();
            (EmbeddingMatrix::from_f32(12, &vectors), hashes)
        };
        let (a, b) = (side(true), side(false));
        let params = CodebookParams { leaves: Some(9), regions: Some(4), seed: 3 };
        let (codebook, of_a, of_b) = fit_together([(&a.0, &a.1), (&b.0, &b.1)], &params, &Silent).unwrap();
        let (reversed, of_b_first, _) = fit_together([(&b.0, &b.1), (&a.0, &a.1)], &params, &Silent).unwrap();
        assert_eq!((&codebook, &of_b), (&reversed, &of_b_first));
        assert_eq!(codebook, Codebook::fit(&EmbeddingMatrix::from_f32(12, &all), &params, &Silent).unwrap().0);
        assert_eq!(of_a, assign(&a.0, &codebook.leaves));
    }
}
