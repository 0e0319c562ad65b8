//! What the stages find in an embedded corpus, before anything is put in words.

use std::collections::BTreeMap;

use crate::Result;
use crate::cluster::{Assignment, Codebook, CodebookParams};
use crate::coverage::{NearDuplicates, saturation};
use crate::embed::EmbeddedCorpus;
use crate::ood::{CentroidParams, OutlierParams, OutlierScores, score_within};
use crate::plan::{PlanParams, Target, TargetLeaves};
use crate::progress::Progress;
use crate::report::ReportParams;
use crate::report::beside::Beside;
use crate::report::reference::{Placing, Reference};
use crate::report::tally::{TextTally, median, members};
use crate::vectors::moments::Moments;

/// Median p-value up to which a region is out of place.
const OUT_OF_PLACE: f64 = 0.05;

/// The stages' results. What is indexed by a text stands in the order of the embedding matrix.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) codebook: Codebook,
    /// Each text's leaf.
    pub(super) leaf: Assignment,
    /// Each text's region.
    pub(super) region: Vec<u32>,
    /// Each region's texts, ascending.
    pub(super) members: Vec<Vec<u32>>,
    /// Each text's distance from the rest of the corpus.
    pub(super) outlier: OutlierScores,
    pub(super) moments: Moments,
    /// Each text's records.
    pub(super) tally: TextTally,
    /// For each region, whether its texts are mostly outliers.
    pub(super) out_of_place: Vec<bool>,
    /// For each leaf, the examples to add.
    pub(super) needed: Vec<u64>,
    /// Near-duplicate groups of a sample.
    pub(super) near_duplicates: NearDuplicates,
    /// Share of the texts that the first 10 %, 20 %, ... cover.
    pub(super) saturation: Vec<f64>,
    /// What is found beside the reference, and each of its texts' leaf.
    pub(super) beside: Option<(Beside, Assignment)>,
}

impl Findings {
    /// Runs the stages: cluster, compare, score, measure, plan.
    pub(super) fn of(
        embedded: &EmbeddedCorpus,
        reference: Option<&Reference>,
        params: &ReportParams,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let vectors = &embedded.vectors;
        let plan = PlanParams { budget: params.budget, ..PlanParams::default() }.check()?;

        let codebook_params = CodebookParams { leaves: params.leaves, regions: params.regions, seed: params.seed };
        let (codebook, leaf, beside) = match reference {
            None => {
                let (codebook, leaf) = Codebook::fit(vectors, &codebook_params, progress)?;
                (codebook, leaf, None)
            }
            Some(reference) => {
                let placing = reference.place(embedded, &codebook_params, progress)?;
                let beside = Beside::find(embedded, reference.vectors(), &placing, params, progress)?;
                let Placing { codebook, corpus: leaf, reference: reference_leaf, .. } = placing;
                (codebook, leaf, Some((beside, reference_leaf)))
            }
        };
        let outlier_params = OutlierParams {
            sample: params.sample,
            centroids: CentroidParams { seed: params.seed, ..CentroidParams::default() },
            ..OutlierParams::default()
        };
        let outlier = score_within(vectors, &outlier_params, progress)?;
        let moments = Moments::of(vectors);
        let tally = TextTally::new(&embedded.records, vectors.len());

        let region: Vec<u32> = leaf.nearest.iter().map(|&leaf| codebook.region_of_leaf[leaf as usize]).collect();
        let members = members(&region, codebook.n_regions());
        let p_value = |&text: &u32| outlier.p_value[text as usize];
        let out_of_place: Vec<bool> =
            members.iter().map(|m| !m.is_empty() && median(m.iter().map(p_value)) <= OUT_OF_PLACE).collect();
        let counts = leaf.counts(codebook.n_leaves());
        let reference_shares = beside.as_ref().map(|(beside, _)| shares(&beside.counted));
        let leaves = TargetLeaves {
            counts: &counts,
            reference: reference_shares.as_deref(),
            region_of_leaf: &codebook.region_of_leaf,
            region_names: &[],
            out_of_place: &leaves_out_of_place(&codebook, &out_of_place, beside.is_some()),
        };
        let target = if beside.is_some() { Target::Reference } else { Target::Uniform };
        let synthetic = tally.real.iter().filter(|real| !**real).count() as u64;
        let needed = match target.shares(&leaves, &BTreeMap::new()) {
            Ok(target) => plan.allocate(&counts, &target, synthetic).needed,
            // Everything is out of place.
            Err(_) => vec![0; counts.len()],
        };
        let near_duplicates = NearDuplicates::of(vectors);
        let saturation = saturation(vectors);
        Ok(Self {
            codebook,
            leaf,
            region,
            members,
            outlier,
            moments,
            tally,
            out_of_place,
            needed,
            near_duplicates,
            saturation,
            beside,
        })
    }
}

impl Findings {
    /// For each leaf, whether it gets no examples.
    pub(super) fn leaves_out_of_place(&self) -> Vec<bool> {
        leaves_out_of_place(&self.codebook, &self.out_of_place, self.beside.is_some())
    }
}

/// The leaves of regions out of place. What a reference wants is in place.
fn leaves_out_of_place(codebook: &Codebook, regions: &[bool], has_reference: bool) -> Vec<bool> {
    codebook.region_of_leaf.iter().map(|&region| regions[region as usize] && !has_reference).collect()
}

/// Counts as shares of their sum.
pub(super) fn shares(counts: &[u64]) -> Vec<f64> {
    let all = counts.iter().sum::<u64>().max(1) as f64;
    counts.iter().map(|&count| count as f64 / all).collect()
}
