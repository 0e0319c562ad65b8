//! Sparsity: what is thin in a corpus by its own measure. Without a reference nothing of it is a gap.

use crate::report::Sparsity;

/// Leaves with fewer distinct texts than a quarter of the mean, from the number of texts of every leaf.
#[must_use]
pub fn sparsity(leaf_counts: &[u64]) -> Sparsity {
    let total: u64 = leaf_counts.iter().sum();
    let small = leaf_counts.iter().filter(|&&count| count * 4 * (leaf_counts.len() as u64) < total);
    let (leaves, texts) = small.fold((0, 0), |(leaves, texts), count| (leaves + 1, texts + count));
    Sparsity { small_leaves: leaves, small_leaves_share: texts as f64 / total.max(1) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_a_quarter_of_the_mean() {
        // Mean 40, a quarter 10.
        let found = sparsity(&[10, 9, 1, 60, 120]);
        assert_eq!((found.small_leaves, found.small_leaves_share), (2, 0.05));
        let none = sparsity(&[]);
        assert_eq!((none.small_leaves, none.small_leaves_share), (0, 0.0));
    }
}
