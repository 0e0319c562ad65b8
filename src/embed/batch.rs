//! Batches of texts of about one length under a token budget.

use std::ops::Range;

/// Cuts texts, sorted by length with the longest first, into batches of at most `budget` tokens when each is padded
/// to the longest of its batch. A text above the budget is a batch of its own.
pub(super) fn batches(lengths: impl IntoIterator<Item = usize>, budget: usize) -> Vec<Range<usize>> {
    let mut batches: Vec<Range<usize>> = Vec::new();
    let mut longest = 0;
    for (i, length) in lengths.into_iter().enumerate() {
        match batches.last_mut() {
            Some(batch) if (batch.len() + 1) * longest <= budget => batch.end = i + 1,
            _ => {
                longest = length;
                batches.push(i..i + 1);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn every_text_is_in_one_batch_within_the_budget(
            mut lengths in proptest::collection::vec(0usize..50, 0..60),
            budget in 0usize..200,
        ) {
            lengths.sort_unstable_by(|a, b| b.cmp(a));
            let batches = batches(lengths.iter().copied(), budget);
            let in_order: Vec<usize> = batches.iter().cloned().flatten().collect();
            proptest::prop_assert_eq!(in_order, (0..lengths.len()).collect::<Vec<_>>());
            for pair in batches.windows(2) {
                // A batch ends only where one more text would not fit.
                proptest::prop_assert!((pair[0].len() + 1) * lengths[pair[0].start] > budget);
            }
            for batch in batches {
                proptest::prop_assert!(batch.len() * lengths[batch.start] <= budget || batch.len() == 1);
            }
        }
    }
}
