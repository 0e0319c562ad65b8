//! Near-duplicate groups, and what they say of texts not seen yet.
//!
//! Texts are grouped so that any two of a group have a cosine of at least .85 (complete link, so that groups do not
//! chain): in the order of content hashes each text joins the largest group to all of whose texts it is near, the first
//! of several, or opens one. Of N texts, `F1` of them alone in their group:
//!
//! - *Sample coverage* (Good 1953, <https://doi.org/10.1093/biomet/40.3-4.237>), C = 1 - `F1` / N, estimates the chance
//!   that the next text of the same kind falls into a group that is already there.
//! - Chao1 (Chao 1984, <https://www.jstor.org/stable/4615964>), bias-corrected, is a lower bound of the number of groups
//!   that texts of this kind have: S + F1 (F1 - 1) / (2 (F2 + 1)), S the groups seen, `F2` those of two texts.
//!
//! Cost: n^2 dim / 2 multiplications. Memory: four bytes for each pair of near texts, at most 50 MB.

use rayon::prelude::*;

use crate::vectors::{Rows, tile};

/// Cosine from which two texts are near duplicates.
pub const NEAR_DUPLICATE: f32 = 0.85;

/// Most texts that are grouped: those of smallest content hash.
pub const GROUPED_TEXTS: usize = 5_000;

/// Sizes of the near-duplicate groups of some texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearDuplicates {
    /// Texts of each group, in the order in which the groups were opened.
    pub sizes: Vec<u64>,
}

impl NearDuplicates {
    /// Groups the first [`GROUPED_TEXTS`] rows.
    #[must_use]
    pub fn of<'a>(rows: impl Into<Rows<'a>>) -> Self {
        let rows = rows.into().prefix(GROUPED_TEXTS);
        let mut groups: Vec<u32> = Vec::with_capacity(rows.len());
        let mut sizes: Vec<u64> = Vec::new();
        let mut near_in: Vec<u64> = Vec::new();
        for near in earlier_neighbours(rows) {
            for &other in &near {
                near_in[groups[other as usize] as usize] += 1;
            }
            let joined =
                near.iter().map(|&other| groups[other as usize]).filter(|&g| near_in[g as usize] == sizes[g as usize]);
            let group = joined.max_by_key(|&g| (sizes[g as usize], std::cmp::Reverse(g))).unwrap_or_else(|| {
                sizes.push(0);
                near_in.push(0);
                sizes.len() as u32 - 1
            });
            for &other in &near {
                near_in[groups[other as usize] as usize] = 0;
            }
            sizes[group as usize] += 1;
            groups.push(group);
        }
        Self { sizes }
    }

    /// Number of texts.
    #[must_use]
    pub fn texts(&self) -> u64 {
        self.sizes.iter().sum()
    }

    /// Good's sample coverage, 0 to 1; 0 of no texts.
    #[must_use]
    pub fn sample_coverage(&self) -> f64 {
        if self.sizes.is_empty() { 0.0 } else { 1.0 - self.groups_of(1) / self.texts() as f64 }
    }

    /// Chao1: at least so many groups texts of this kind have.
    #[must_use]
    pub fn chao1(&self) -> f64 {
        let (f1, f2) = (self.groups_of(1), self.groups_of(2));
        self.sizes.len() as f64 + f1 * (f1 - 1.0).max(0.0) / (2.0 * (f2 + 1.0))
    }

    fn groups_of(&self, texts: u64) -> f64 {
        self.sizes.iter().filter(|&&size| size == texts).count() as f64
    }
}

/// For every row, the rows before it that are near.
fn earlier_neighbours(rows: Rows<'_>) -> Vec<Vec<u32>> {
    let mut near: Vec<Vec<u32>> = vec![Vec::new(); rows.len()];
    tile::for_each(rows, &tile::columns(rows), near.par_chunks_mut(tile::ROWS).enumerate(), |(tile, near), columns| {
        let row = *tile * tile::ROWS + columns.row_in_tile;
        let before = row.saturating_sub(columns.column).min(columns.values.len());
        let found = columns.values[..before].iter().enumerate().filter(|(_, cosine)| **cosine >= NEAR_DUPLICATE);
        near[columns.row_in_tile].extend(found.map(|(column, _)| (columns.column + column) as u32));
    });
    near
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::kmeans::tests::bundles;
    use crate::vectors::at;

    #[test]
    fn groups_do_not_chain() {
        // arccos .85 is 31.8 degrees: 0, 20 and 30 are near each other, 50 is near 20 and 30 only.
        let found = NearDuplicates::of(&at(&[0.0, 20.0, 50.0, 30.0, 180.0]));
        assert_eq!(found.sizes, [3, 1, 1]);
        assert!((found.sample_coverage() - 0.6).abs() < 1e-12);
        assert!((found.chao1() - (3.0 + 2.0 * 1.0 / 2.0)).abs() < 1e-12);
        let none = NearDuplicates::of(&at(&[]));
        assert_eq!((none.texts(), none.sample_coverage(), none.chao1()), (0, 0.0, 0.0));
    }

    /// Against the rule read word by word.
    #[test]
    fn agrees_with_the_rule() {
        let matrix = bundles(7, 60, 6, 0.8);
        let row = |i: usize| {
            let mut row = vec![0.0; 6];
            matrix.read_row(i, &mut row);
            row
        };
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for i in 0..matrix.len() {
            let near = |&j: &usize| row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum::<f32>() >= NEAR_DUPLICATE;
            let candidates = (0..groups.len()).filter(|&g| groups[g].iter().all(near));
            match candidates.max_by_key(|&g| (groups[g].len(), std::cmp::Reverse(g))) {
                Some(group) => groups[group].push(i),
                None => groups.push(vec![i]),
            }
        }
        let sizes: Vec<u64> = groups.iter().map(|group| group.len() as u64).collect();
        assert!(sizes.iter().any(|&size| size > 2) && sizes.contains(&1));
        assert_eq!(NearDuplicates::of(&matrix).sizes, sizes);
    }
}
