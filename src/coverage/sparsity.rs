//! Sparsity: what is thin in a corpus by its own measure. Without a reference nothing of it is a gap.

use super::NearDuplicates;
use crate::report::Sparsity;

/// Which leaves are small, from the number of texts of every leaf; which are wide, from the mean similarity of their
/// texts to the centroid (leaves without texts aside); what near-duplicate groups say of texts not seen yet; and how
/// soon the corpus covers itself.
#[must_use]
pub fn sparsity(leaf_counts: &[u64], similarity: &[f64], groups: &NearDuplicates, saturation: &[f64]) -> Sparsity {
    let total: u64 = leaf_counts.iter().sum();
    let small = leaf_counts.iter().filter(|&&count| count * 4 * (leaf_counts.len() as u64) < total);
    let (leaves, texts) = small.fold((0, 0), |(leaves, texts), count| (leaves + 1, texts + count));
    let mut sorted: Vec<f64> = similarity
        .iter()
        .zip(leaf_counts)
        .filter(|(_, count)| **count > 0)
        .map(|(similarity, _)| *similarity)
        .collect();
    sorted.sort_by(f64::total_cmp);
    let quartile = |q: usize| sorted.get(sorted.len() * q / 4).copied().unwrap_or_default();
    let fence = quartile(1) - 1.5 * (quartile(3) - quartile(1));
    Sparsity {
        small_leaves: leaves,
        small_leaves_share: texts as f64 / total.max(1) as f64,
        wide_leaves: sorted.partition_point(|&similarity| similarity < fence) as u64,
        sample_coverage: groups.sample_coverage(),
        groups: groups.sizes.len() as u64,
        chao1: groups.chao1(),
        grouped_texts: groups.texts(),
        saturation: saturation.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_a_quarter_of_the_mean() {
        // Mean 40, a quarter 10.
        let groups = NearDuplicates { sizes: vec![2, 1, 1] };
        let found = sparsity(&[10, 9, 1, 60, 120], &[0.7, 0.72, 0.3, 0.71, 0.69], &groups, &[0.5]);
        assert_eq!((found.small_leaves, found.small_leaves_share, found.wide_leaves), (2, 0.05, 1));
        assert_eq!((found.groups, found.grouped_texts, found.sample_coverage), (3, 4, 0.5));
        let none = sparsity(&[], &[], &NearDuplicates { sizes: vec![] }, &[]);
        assert_eq!((none.small_leaves, none.small_leaves_share, none.wide_leaves), (0, 0.0, 0));
    }
}
