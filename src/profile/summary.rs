//! A profile in numbers that people read.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Profile, Provenance};
use crate::embed::EncoderId;

/// What `semcov profile show` shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProfileSummary {
    /// What made the vectors.
    pub encoder: EncoderId,
    /// 16 hexadecimal digits over the centroids.
    pub codebook: String,
    /// Leaves of the codebook.
    pub leaves: usize,
    /// Records, those without text included.
    pub rows: u64,
    /// Records without text.
    pub empty: u64,
    /// Rows that could not be read.
    pub bad_rows: u64,
    /// Records marked synthetic, which were left out.
    pub synthetic: u64,
    /// Distinct texts, see [`Profile::distinct_texts`].
    pub distinct_texts: u64,
    /// Whether that is their exact number.
    pub distinct_texts_exact: bool,
    /// Prototypes that outlier scores are told from; `None` in a profile that has none.
    pub prototypes: Option<usize>,
    /// Texts kept in the sample; `None` in a compact profile.
    pub sample: Option<usize>,
    /// Whether the sample keeps the texts themselves.
    pub examples: bool,
    /// The regions, by id: largest first in the corpus that the codebook was fitted to.
    pub regions: Vec<RegionSummary>,
    /// Rows with text of every source.
    pub sources: BTreeMap<String, u64>,
    /// Rows with text of every label.
    pub labels: BTreeMap<String, u64>,
    /// Where the profile comes from.
    pub provenance: Provenance,
}

/// A region of a profile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionSummary {
    /// Its id.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its leaves.
    pub leaves: usize,
    /// Its rows.
    pub rows: u64,
    /// Its share of the rows with text, 0 to 1.
    pub share: f64,
    /// Its distinct texts, see [`Profile::texts_per_leaf`].
    pub distinct_texts: u64,
    /// Mean cosine of its rows to their leaves' centroids; `None` where there are no rows.
    pub similarity: Option<f64>,
}

impl Profile {
    /// The profile in numbers that people read.
    #[must_use]
    pub fn summary(&self) -> ProfileSummary {
        let observed = &self.observed;
        ProfileSummary {
            encoder: self.encoder.clone(),
            codebook: self.codebook.fingerprint(),
            leaves: self.codebook.n_leaves(),
            rows: observed.rows,
            empty: observed.empty,
            bad_rows: observed.bad_rows,
            synthetic: observed.synthetic,
            distinct_texts: self.distinct_texts(),
            distinct_texts_exact: self.distinct_texts_exact(),
            prototypes: self.prototypes.as_ref().map(super::Prototypes::len),
            sample: self.sample.as_ref().map(super::Sample::len),
            examples: self.sample.as_ref().is_some_and(|sample| sample.texts.is_some()),
            regions: self.region_summaries(),
            sources: observed.sources.clone(),
            labels: observed.labels.clone(),
            provenance: self.provenance.clone(),
        }
    }

    fn region_summaries(&self) -> Vec<RegionSummary> {
        let all_rows = self.rows_with_text().max(1) as f64;
        let named = self.region_names.iter().zip(0..);
        let mut regions: Vec<RegionSummary> = named
            .map(|(name, id)| RegionSummary {
                id,
                name: name.clone(),
                leaves: 0,
                rows: 0,
                share: 0.0,
                distinct_texts: 0,
                similarity: None,
            })
            .collect();
        let mut distances = vec![0.0; regions.len()];
        let leaves = self.observed.leaves.iter().zip(self.texts_per_leaf()).zip(&self.codebook.region_of_leaf);
        for ((sums, texts), &region) in leaves {
            let of_region = &mut regions[region as usize];
            of_region.leaves += 1;
            of_region.rows += sums.all_rows();
            of_region.distinct_texts += texts;
            distances[region as usize] += sums.mean_distance().unwrap_or(0.0) * sums.all_rows() as f64;
        }
        for (region, distance) in regions.iter_mut().zip(distances) {
            region.share = region.rows as f64 / all_rows;
            region.similarity = (region.rows > 0).then(|| 1.0 - distance / region.rows as f64);
        }
        regions
    }
}

#[cfg(test)]
mod tests {
    use crate::profile::fixture::{fitted, lines, sampling};

    #[test]
    fn adds_up() {
        let profile = fitted(&lines(300, 31), 9, &sampling(500));
        let summary = profile.summary();
        assert!(summary.distinct_texts_exact && summary.examples);
        assert_eq!(summary.regions.iter().map(|region| region.leaves).sum::<usize>(), 9);
        assert_eq!(summary.regions.iter().map(|region| region.rows).sum::<u64>(), profile.rows_with_text());
        assert_eq!(summary.regions.iter().map(|region| region.distinct_texts).sum::<u64>(), summary.distinct_texts);
        assert!((summary.regions.iter().map(|region| region.share).sum::<f64>() - 1.0).abs() < 1e-12);
        // Vectors at distances of up to 25 % of their length from five axes.
        assert!(summary.regions.iter().all(|region| region.similarity.is_some_and(|cosine| cosine > 0.8)));
    }
}
