//! Counts over records: how many rows stand behind a leaf, a region, a source, a label.

use std::collections::BTreeMap;

pub(super) use crate::corpus::TextTally;
use crate::corpus::{Categories, RecordTable};
use crate::report::CategoryShare;

/// Sums `rows` over classes: `class_of[i]` is the class of text `i`.
pub(super) fn per_class(rows: &[u64], class_of: &[u32], classes: usize) -> Vec<u64> {
    let mut sums = vec![0; classes];
    for (&rows, &class) in rows.iter().zip(class_of) {
        sums[class as usize] += rows;
    }
    sums
}

/// The texts of every class, ascending.
pub(super) fn members(class_of: &[u32], classes: usize) -> Vec<Vec<u32>> {
    let mut members = vec![Vec::new(); classes];
    for (text, &class) in class_of.iter().enumerate() {
        members[class as usize].push(text as u32);
    }
    members
}

/// Shares of a category over all records that have text, and within every region.
pub(super) struct Shares {
    /// Over the corpus, largest first; empty if no record has a value.
    pub(super) all: Vec<CategoryShare>,
    /// Within each region, largest first, at most as many as asked for.
    pub(super) by_region: Vec<Vec<CategoryShare>>,
}

impl Shares {
    pub(super) fn new(
        category: &Categories,
        records: &RecordTable,
        region_of_text: &[u32],
        regions: usize,
        most: usize,
    ) -> Self {
        if category.is_empty() {
            return Self { all: Vec::new(), by_region: vec![Vec::new(); regions] };
        }
        let mut counts = vec![BTreeMap::<Option<&str>, u64>::new(); regions];
        for row in 0..records.len() {
            let Some(text) = records.text(row) else { continue };
            *counts[region_of_text[text as usize] as usize].entry(category.get(row)).or_default() += 1;
        }
        let mut all = BTreeMap::new();
        for (&name, &rows) in counts.iter().flatten() {
            *all.entry(name).or_default() += rows;
        }
        let by_region = counts.iter().map(|counts| shares(counts, most)).collect();
        Self { all: shares(&all, usize::MAX), by_region }
    }
}

fn shares(counts: &BTreeMap<Option<&str>, u64>, most: usize) -> Vec<CategoryShare> {
    let total: u64 = counts.values().sum();
    let mut shares: Vec<_> = counts
        .iter()
        .map(|(name, &rows)| CategoryShare {
            name: name.map(str::to_owned),
            rows,
            share: rows as f64 / total.max(1) as f64,
        })
        .collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.rows));
    shares.truncate(most);
    shares
}

/// The mean; 0 of nothing.
pub(super) fn mean(values: impl ExactSizeIterator<Item = f32>) -> f64 {
    let n = values.len().max(1) as f64;
    values.map(f64::from).sum::<f64>() / n
}

/// The median; 0 of nothing.
pub(super) fn median(values: impl Iterator<Item = f32>) -> f64 {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    match values.len() {
        0 => 0.0,
        n => f64::midpoint(f64::from(values[(n - 1) / 2]), f64::from(values[n / 2])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Record;

    fn records() -> RecordTable {
        let mut records = RecordTable::default();
        for (id, source, text) in [
            ("b", Some("mail"), Some(0)),
            ("a", Some("chat"), Some(0)),
            ("c", None, Some(1)),
            ("d", Some("mail"), None),
        ] {
            let record = Record { id: id.to_owned(), source: source.map(str::to_owned), ..Record::default() };
            records.push(&record, text);
        }
        records
    }

    #[test]
    fn the_smallest_id_stands_for_a_text() {
        let tally = TextTally::new(&records(), 2);
        assert_eq!(tally.rows, [2, 1]);
        assert_eq!(tally.kept, [1, 2]);
        assert_eq!(per_class(&tally.rows, &[1, 0], 2), [1, 2]);
        assert_eq!(members(&[1, 0, 1], 2), [vec![1], vec![0, 2]]);
    }

    #[test]
    fn shares_count_records_with_text_and_name_those_without_a_source() {
        let records = records();
        let shares = Shares::new(&records.sources, &records, &[0, 1], 2, 1);
        let all: Vec<_> = shares.all.iter().map(|share| (share.name.as_deref(), share.rows)).collect();
        assert_eq!(all, [(None, 1), (Some("chat"), 1), (Some("mail"), 1)]);
        assert_eq!(shares.by_region[0].len(), 1);
        assert!((shares.by_region[1][0].share - 1.0).abs() < f64::EPSILON);
        assert!(Shares::new(&records.labels, &records, &[0, 1], 2, 1).all.is_empty());
    }
}
