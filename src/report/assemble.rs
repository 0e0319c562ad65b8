//! Findings and texts, put into the document.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::cluster::{LEAF_TEXTS, REGION_TEXTS, TermCounts};
use crate::corpus::{CollectedTexts, Corpus, RecordTable, cut};
use crate::coverage::{diversity, sparsity};
use crate::embed::EmbeddedCorpus;
use crate::plan::REAL_TEXTS_TO_GENERATE_FROM;
use crate::report::beside::Beside;
use crate::report::compared::{Compared, Comparison};
use crate::report::document::{
    DuplicateGroup, Example, Histogram, Histograms, Leaf, Need, Outlier, Ratio, Region, Report, SCHEMA_VERSION,
    Settings,
};
use crate::report::findings::{Findings, shares};
use crate::report::reference::ReferenceTexts;
use crate::report::shown::{SHOWN_CHARACTERS, Shown};
use crate::report::tally::{Shares, mean, median, per_class};
use crate::report::{ReportParams, summary};
use crate::stats::Interval;

/// Ids listed of a duplicate group.
const DUPLICATE_IDS: usize = 20;
/// Sources or labels listed within a region.
const SHARES_PER_REGION: usize = 20;
/// p-value up to which a score is unusual.
const UNUSUAL: f32 = 0.05;
/// Bins of a histogram.
const BINS: usize = 40;

/// All that the document is made of.
pub(super) struct Assembly<'a> {
    pub(super) records: &'a RecordTable,
    pub(super) found: &'a Findings,
    pub(super) shown: &'a Shown,
    pub(super) texts: &'a CollectedTexts,
    pub(super) reference: Option<&'a ReferenceTexts<'a>>,
}

/// What leaves and regions are called.
struct Names {
    leaves: Vec<String>,
    regions: Vec<String>,
}

impl Assembly<'_> {
    pub(super) fn report(&self, corpus: &Corpus, embedded: &EmbeddedCorpus, params: &ReportParams) -> Report {
        let found = self.found;
        let sources = self.shares(&self.records.sources);
        let labels = self.shares(&self.records.labels);
        let names = self.names();
        let compared = self.compared(&names.leaves);
        let reference_shares = self.reference_shares();
        let regions = self.regions(&names.regions, &sources, &labels, reference_shares.as_deref());
        let leaves = self.leaves(&names.leaves, reference_shares.as_deref());
        let leaf_sizes: Vec<u64> = leaves.iter().map(|leaf| leaf.distinct_texts).collect();
        let leaf_similarity: Vec<f64> = leaves.iter().map(|leaf| leaf.similarity).collect();
        Report {
            schema_version: SCHEMA_VERSION,
            semcov_version: env!("CARGO_PKG_VERSION").to_owned(),
            corpus: summary::corpus(corpus, embedded),
            encoder: summary::encoder(&embedded.encoder),
            settings: Settings {
                seed: params.seed,
                leaves: found.codebook.n_leaves(),
                regions: found.codebook.n_regions(),
                sample: found.outlier.sample,
                budget: found.needed.iter().sum(),
            },
            diversity: diversity(&leaf_sizes, &found.moments),
            sparsity: sparsity(&leaf_sizes, &leaf_similarity, &found.near_duplicates, &found.saturation),
            reference: compared.reference,
            coverage: compared.coverage,
            gaps: compared.gaps,
            holes: compared.holes,
            surplus: compared.surplus,
            novelty: compared.novelty,
            source_coverage: compared.source_coverage,
            needs_augmentation: needs(&regions),
            regions,
            leaves,
            outliers: self.shown.outliers.iter().map(|&text| self.outlier(text)).collect(),
            duplicate_groups: self.duplicate_groups(),
            sources: sources.all,
            labels: labels.all,
            histograms: Histograms {
                similarity: histogram(&found.leaf.similarity),
                score: histogram(&found.outlier.score),
                review_from: review_from(&found.outlier.score, &found.outlier.p_value),
            },
            warnings: summary::warnings(embedded),
        }
    }

    fn shares(&self, category: &crate::corpus::Categories) -> Shares {
        let regions = self.found.codebook.n_regions();
        Shares::new(category, self.records, &self.found.region, regions, SHARES_PER_REGION)
    }

    /// The comparison with the reference, if there is one.
    fn compared(&self, leaf_names: &[String]) -> Compared {
        match (&self.found.beside, &self.shown.beside, self.reference) {
            (Some((beside, _)), Some(shown), Some(texts)) => {
                Comparison { assembly: self, beside, shown, texts, leaf_names }.compared()
            }
            _ => Compared::default(),
        }
    }

    /// Share of the reference in every leaf.
    fn reference_shares(&self) -> Option<Vec<f64>> {
        self.found.beside.as_ref().map(|(beside, _)| shares(&beside.counted))
    }

    /// A text of the corpus that was asked for.
    pub(super) fn text(&self, text: u32) -> &str {
        self.texts.get(self.found.tally.kept[text as usize])
    }

    /// The record that stands for a text.
    pub(super) fn example(&self, text: u32) -> Example {
        let row = self.found.tally.kept[text as usize];
        Example { id: self.records.id(row as usize).to_owned(), text: cut(self.texts.get(row), SHOWN_CHARACTERS) }
    }

    fn names(&self) -> Names {
        let found = self.found;
        if let (Some((Beside { frozen: true, .. }, _)), Some(reference)) = (&found.beside, self.reference)
            && let Some((leaves, regions)) = reference.reference().names()
        {
            return Names { leaves: leaves.to_vec(), regions: regions.to_vec() };
        }
        let (mut leaves, mut regions) =
            (TermCounts::new(found.codebook.n_leaves()), TermCounts::new(found.codebook.n_regions()));
        for (region, members) in found.members.iter().enumerate() {
            members.iter().take(REGION_TEXTS).for_each(|&text| regions.add(region as u32, self.text(text)));
        }
        for (leaf, members) in found.leaf.members(found.codebook.n_leaves()).iter().enumerate() {
            members.iter().take(LEAF_TEXTS).for_each(|&text| leaves.add(leaf as u32, self.text(text)));
        }
        if let (Some(shown), Some(reference)) = (&self.shown.beside, self.reference) {
            for (leaf, texts) in shown.naming.iter().enumerate() {
                for &text in texts {
                    leaves.add(leaf as u32, reference.naming(text));
                    regions.add(found.codebook.region_of_leaf[leaf], reference.naming(text));
                }
            }
        }
        Names { leaves: leaves.names(), regions: regions.names() }
    }

    /// The regions that hold texts, of the corpus or of its reference, largest first.
    fn regions(
        &self,
        names: &[String],
        sources: &Shares,
        labels: &Shares,
        reference_shares: Option<&[f64]>,
    ) -> Vec<Region> {
        let found = self.found;
        let rows = per_class(&found.tally.rows, &found.region, found.codebook.n_regions());
        let all_rows = rows.iter().sum::<u64>() as f64;
        let leaves_of = |region: u32| -> Vec<u32> {
            let leaves = found.codebook.region_of_leaf.iter().enumerate();
            leaves.filter(|(_, of)| **of == region).map(|(leaf, _)| leaf as u32).collect()
        };
        let ratio = |region: u32| self.ratio(&leaves_of(region));
        let reference_share = |region: u32| -> Option<f64> {
            reference_shares.map(|shares| leaves_of(region).iter().map(|&leaf| shares[leaf as usize]).sum())
        };
        let shown = |region: usize| -> Box<dyn Iterator<Item = Example> + '_> {
            if !found.members[region].is_empty() {
                let texts = std::iter::once(&self.shown.medoids[region]).chain(&self.shown.examples[region]);
                return Box::new(texts.map(|&text| self.example(text)));
            }
            let missing = self.shown.beside.as_ref().zip(self.reference);
            Box::new(missing.into_iter().flat_map(move |(shown, reference)| {
                shown.missing[region].iter().map(|&text| reference.example(text, SHOWN_CHARACTERS))
            }))
        };
        let mut regions: Vec<Region> = found
            .members
            .iter()
            .enumerate()
            .filter(|(id, members)| !members.is_empty() || reference_share(*id as u32) > Some(0.0))
            .map(|(id, members)| Region {
                id: id as u32,
                name: names[id].clone(),
                rows: rows[id],
                share: rows[id] as f64 / all_rows.max(1.0),
                reference_share: reference_share(id as u32),
                ratio: ratio(id as u32),
                distinct_texts: members.len() as u64,
                similarity: mean(members.iter().map(|&text| found.leaf.similarity[text as usize])),
                median_score: median(members.iter().map(|&text| found.outlier.score[text as usize])),
                leaves: leaves_of(id as u32),
                medoid: shown(id).next().unwrap_or_else(|| Example { id: String::new(), text: String::new() }),
                examples: shown(id).skip(1).collect(),
                sources: sources.by_region[id].clone(),
                labels: labels.by_region[id].clone(),
                out_of_place: found.out_of_place[id],
                needed: leaves_of(id as u32).iter().map(|&leaf| found.needed[leaf as usize]).sum(),
            })
            .collect();
        regions.sort_by_key(|region| (Reverse(region.rows), region.id));
        regions
    }

    /// How much of its share of the reference some leaves have, by the counts of the leaves' tests.
    fn ratio(&self, leaves: &[u32]) -> Option<Ratio> {
        let (beside, _) = self.found.beside.as_ref()?;
        let rates = beside.rates(leaves);
        let Interval { low, high } = rates.ratio_interval();
        (rates.reference > 0).then(|| Ratio {
            value: rates.ratio(),
            low,
            high: Some(high).filter(|high| high.is_finite()),
        })
    }

    fn leaves(&self, names: &[String], reference_shares: Option<&[f64]>) -> Vec<Leaf> {
        let found = self.found;
        let leaves = found.codebook.n_leaves();
        let rows = per_class(&found.tally.rows, &found.leaf.nearest, leaves);
        let members = found.leaf.members(leaves);
        members
            .iter()
            .enumerate()
            .map(|(id, members)| Leaf {
                id: id as u32,
                region: found.codebook.region_of_leaf[id],
                name: names[id].clone(),
                rows: rows[id],
                reference_share: reference_shares.map(|shares| shares[id]),
                distinct_texts: members.len() as u64,
                similarity: mean(members.iter().map(|&text| found.leaf.similarity[text as usize])),
            })
            .collect()
    }

    fn outlier(&self, text: u32) -> Outlier {
        let row = self.found.tally.kept[text as usize] as usize;
        Outlier {
            record: self.example(text),
            region: self.found.region[text as usize],
            score: f64::from(self.found.outlier.score[text as usize]),
            p_value: f64::from(self.found.outlier.p_value[text as usize]),
            source: self.records.sources.get(row).map(str::to_owned),
            label: self.records.labels.get(row).map(str::to_owned),
        }
    }

    fn duplicate_groups(&self) -> Vec<DuplicateGroup> {
        let (records, tally) = (self.records, &self.found.tally);
        let mut ids: BTreeMap<u32, Vec<&str>> = self.shown.duplicated.iter().map(|&text| (text, Vec::new())).collect();
        for row in 0..records.len() {
            let Some(text) = records.text(row) else { continue };
            if let Some(ids) = ids.get_mut(&text).filter(|_| tally.kept[text as usize] as usize != row) {
                ids.push(records.id(row));
            }
        }
        let group = |&text: &u32| {
            let mut others = ids.remove(&text).unwrap_or_default();
            others.sort_unstable();
            DuplicateGroup {
                kept: self.example(text),
                rows: tally.rows[text as usize],
                duplicates: others.into_iter().take(DUPLICATE_IDS).map(str::to_owned).collect(),
            }
        };
        self.shown.duplicated.iter().map(group).collect()
    }
}

/// The regions that get examples, most first.
fn needs(regions: &[Region]) -> Vec<Need> {
    let mut needs: Vec<Need> = regions
        .iter()
        .filter(|region| region.needed > 0)
        .map(|region| Need {
            region: region.id,
            name: region.name.clone(),
            distinct_texts: region.distinct_texts,
            needed: region.needed,
            collect_real_data_first: region.distinct_texts < REAL_TEXTS_TO_GENERATE_FROM,
        })
        .collect();
    needs.sort_by_key(|need| (Reverse(need.needed), need.region));
    needs
}

/// The lowest score that is unusual.
fn review_from(scores: &[f32], p_values: &[f32]) -> Option<f64> {
    let unusual = scores.iter().zip(p_values).filter(|(_, p)| **p <= UNUSUAL).map(|(score, _)| f64::from(*score));
    unusual.min_by(f64::total_cmp)
}

fn histogram(values: &[f32]) -> Histogram {
    let range = values
        .iter()
        .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &x| [low.min(f64::from(x)), high.max(f64::from(x))]);
    Histogram::over(range, BINS, values)
}
