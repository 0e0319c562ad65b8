//! From an analysis to what to do about it: a plan of examples to add, or weights for the rows that are there.

use std::collections::{BTreeMap, BTreeSet};

use crate::corpus::{CollectedTexts, Corpus, cut};
use crate::plan::{
    AugmentationPlan, LeafPlan, LeafWeights, PlanHeader, PlanParams, REAL_TEXTS_TO_GENERATE_FROM, SEED_CHARACTERS,
    SEEDS, Target, TargetLeaves, seeds,
};
use crate::progress::Progress;
use crate::report::document::Example;
use crate::report::findings::shares;
use crate::report::shown::SHOWN_CHARACTERS;
use crate::report::{Analysis, Gap, gap_word};
use crate::{Error, Result};

/// Texts to search real data with, per leaf.
const SEARCHES: usize = 3;

/// The settings of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct AugmentParams {
    /// What the plan moves the corpus towards; the reference where there is one, else an even share for every leaf.
    pub target: Option<Target>,
    /// Weights by leaf or region, for the target `table`.
    pub target_weights: BTreeMap<String, f64>,
    /// Budget and synthetic share.
    pub plan: PlanParams,
    /// Seeds per leaf, at least 1. Default 5.
    pub seeds: usize,
}

impl Default for AugmentParams {
    fn default() -> Self {
        Self { target: None, target_weights: BTreeMap::new(), plan: PlanParams::default(), seeds: SEEDS }
    }
}

impl Analysis<'_> {
    /// The target share of every leaf.
    fn target(&self, params: &AugmentParams) -> Result<(Target, Vec<f64>)> {
        let codebook = &self.found.codebook;
        let reference: Option<Vec<f64>> = self.found.beside.as_ref().map(|(beside, _)| shares(&beside.counted));
        let mut region_names = vec![String::new(); codebook.n_regions()];
        for region in &self.report.regions {
            region_names[region.id as usize].clone_from(&region.name);
        }
        let leaves = TargetLeaves {
            counts: &self.found.leaf.counts(codebook.n_leaves()),
            reference: reference.as_deref(),
            region_of_leaf: &codebook.region_of_leaf,
            region_names: &region_names,
            out_of_place: &self.found.leaves_out_of_place(),
        };
        let usual = if reference.is_some() { Target::Reference } else { Target::Uniform };
        let target = params.target.unwrap_or(usual);
        Ok((target, target.shares(&leaves, &params.target_weights)?))
    }

    /// What to add, and from which texts. `corpus` is read once more, for the seeds.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] where a setting cannot be used; if the corpus cannot be read again.
    pub fn plan(&self, corpus: &Corpus, params: &AugmentParams, progress: &dyn Progress) -> Result<AugmentationPlan> {
        let found = &self.found;
        let real = &found.tally.real;
        let (target, target_shares) = self.target(params)?;
        let counts = found.leaf.counts(found.codebook.n_leaves());
        let synthetic = real.iter().filter(|real| !**real).count() as u64;
        let plan = params.plan.clone().check()?;
        let allocation = plan.allocate(&counts, &target_shares, synthetic);

        let members = found.leaf.members(counts.len());
        let needing: Vec<u32> = (0..counts.len() as u32).filter(|&leaf| allocation.needed[leaf as usize] > 0).collect();
        let seeds_of: Vec<Vec<u32>> = needing
            .iter()
            .map(|&leaf| {
                let centroid = found.codebook.leaf(leaf);
                seeds(self.vectors, &members[leaf as usize], centroid, real, params.seeds.max(1))
            })
            .collect();
        let searches = self.searches(&needing, &members);
        let kept = |text: &u32| found.tally.kept[*text as usize];
        let wanted = seeds_of.iter().flatten().map(|text| (kept(text), SEED_CHARACTERS)).collect();
        let texts = CollectedTexts::read(corpus, self.records, &wanted, progress)?;
        let wanted = searches.iter().flatten().map(|&text| (text, SHOWN_CHARACTERS)).collect();
        let reference = self.reference.map(|reference| reference.texts(&wanted, progress)).transpose()?;

        let gaps: BTreeMap<u32, &Gap> = self.report.gaps.iter().map(|gap| (gap.leaf, gap)).collect();
        let leaves = needing.iter().zip(seeds_of.iter().zip(&searches)).map(|(&leaf, (seeds, searches))| {
            let of_leaf = &members[leaf as usize];
            let seeds: Vec<Example> = seeds
                .iter()
                .map(|text| Example {
                    id: self.records.id(kept(text) as usize).to_owned(),
                    text: cut(texts.get(kept(text)), SEED_CHARACTERS),
                })
                .collect();
            let real_texts = of_leaf.iter().filter(|&&text| real[text as usize]).count() as u64;
            let search_for = match &reference {
                Some(reference) => searches.iter().map(|&text| reference.example(text, SHOWN_CHARACTERS)).collect(),
                None if real_texts < REAL_TEXTS_TO_GENERATE_FROM => seeds.iter().take(SEARCHES).cloned().collect(),
                None => Vec::new(),
            };
            LeafPlan {
                leaf,
                region: found.codebook.region_of_leaf[leaf as usize],
                name: self.report.leaves[leaf as usize].name.clone(),
                texts: of_leaf.len() as u64,
                real_texts,
                target_share: target_shares[leaf as usize],
                needed: allocation.needed[leaf as usize],
                collect_real_data_first: false,
                seeds,
                search_for,
                gap: gaps.get(&leaf).filter(|gap| gap.significant).map(|gap| gap_word(gap).to_owned()),
            }
        });
        let header = PlanHeader {
            schema_version: 0,
            digest: String::new(),
            encoder: self.report.encoder.clone(),
            target,
            asked_budget: allocation.asked,
            budget: allocation.budget,
            synthetic_share: params.plan.synthetic_share,
            texts: counts.iter().sum(),
            synthetic_texts: synthetic,
            estimate: None,
        };
        Ok(AugmentationPlan::new(header, leaves.collect()))
    }

    /// Reference texts to search real data with: those of leaves with few real texts and of significant gaps, first the
    /// ones that nothing covers.
    fn searches(&self, needing: &[u32], members: &[Vec<u32>]) -> Vec<Vec<u32>> {
        let Some((beside, leaf)) = &self.found.beside else { return vec![Vec::new(); needing.len()] };
        let reference = leaf.members(self.found.codebook.n_leaves());
        let is_gap: Vec<u32> = beside.gaps.iter().filter(|gap| gap.significant).map(|gap| gap.leaf).collect();
        let few = |leaf: u32| {
            let real = members[leaf as usize].iter().filter(|&&text| self.found.tally.real[text as usize]);
            (real.count() as u64) < REAL_TEXTS_TO_GENERATE_FROM
        };
        let search = |&leaf: &u32| {
            if !few(leaf) && !is_gap.contains(&leaf) {
                return Vec::new();
            }
            let mut texts = reference[leaf as usize].clone();
            texts.sort_by_key(|&text| (beside.is_covered(text) != Some(false), text));
            texts.truncate(SEARCHES);
            texts
        };
        needing.iter().map(search).collect()
    }

    /// A weight for every record in the order read, to reweight or oversample the corpus instead of adding to it: the
    /// weight of its source (1 where there is none) times that of its leaf, 1 on average; 0 of a record without text.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] where a setting cannot be used.
    pub fn weights(
        &self,
        params: &AugmentParams,
        source_weights: &BTreeMap<String, f64>,
        cap: f64,
    ) -> Result<Vec<f64>> {
        let (_, target) = self.target(params)?;
        let found = &self.found;
        let known: BTreeSet<&str> = (0..self.records.len()).filter_map(|row| self.records.sources.get(row)).collect();
        if let Some(unknown) = source_weights.keys().find(|source| !known.contains(source.as_str())) {
            let known: Vec<String> = known.iter().take(5).map(|source| format!("`{source}`")).collect();
            return Err(Error::Setting {
                setting: "source-weights",
                expected: format!("sources of the corpus, such as {}", known.join(", ")),
                got: format!("`{unknown}`"),
            });
        }
        let leaf: Vec<Option<u32>> = (0..self.records.len())
            .map(|row| self.records.text(row).map(|text| found.leaf.nearest[text as usize]))
            .collect();
        let mut counts = vec![0; found.codebook.n_leaves()];
        leaf.iter().flatten().for_each(|&leaf| counts[leaf as usize] += 1);
        let of_source = |row: usize| {
            self.records.sources.get(row).and_then(|source| source_weights.get(source)).copied().unwrap_or(1.0)
        };
        let source: Vec<f64> = (0..self.records.len()).map(of_source).collect();
        LeafWeights::new(&counts, &target, cap)?.of_rows(&leaf, &source)
    }

    /// The records' ids, in the order read.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        (0..self.records.len()).map(|row| self.records.id(row))
    }
}
