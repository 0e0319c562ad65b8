//! From what was kept of a drop to the document.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use statrs::distribution::{Beta, ContinuousCDF};

use super::batch::{Batch, OddKey, SampledText, Threshold, matrix};
use super::document::{
    AgainstSummary, ClassifierSummary, DropSummary, DropText, FlaggedGroup, FlaggedLeaf, FlaggedSummary, FlaggedText,
    Languages, MovedRegion, Repeated, SCREENING_SCHEMA_VERSION, ScreenSettings, ScreenWarning, Screening, ShiftSummary,
    SourceRows,
};
use super::language::language;
use super::screener::{Reason, Repeats, decimal};
use crate::Result;
use crate::cluster::{NAMING_CHARACTERS, TermCounts};
use crate::corpus::{ContentHash, cut};
use crate::ood::{DomainClassifier, Group, GroupParams, RegionShift, Shift, Side, separating_terms};
use crate::vectors::Rows;

/// Level of the tests of the drop as a whole, both together.
pub const SHIFT_ALPHA: f64 = 0.05;

/// How many times as many of the drop's texts as of the reference's have to lie far out for new content, and how large
/// Cramér's V has to be for a changed mix: of many texts, differences that nobody would act on are significant.
const LEAST_TIMES_BEYOND: f64 = 1.5;
const LEAST_V: f64 = 0.1;

/// Ratios of a region's shares that are no change worth acting on.
const SAME: RangeInclusive<f64> = 0.8..=1.25;

/// Texts shown of a group, and of what tells the drop from the reference.
const EXAMPLES: usize = 5;

/// Characters of a text that is shown.
const SHOWN_CHARACTERS: usize = 300;

/// Texts of a leaf from which on it is said to be flagged as a whole, and the share that has to be flagged.
const LEAST_TEXTS_OF_LEAF: u64 = 10;
const FLAGGED_AS_A_WHOLE: f64 = 0.5;

/// Share of the drop's texts whose truncation is worth a warning.
const MANY_TRUNCATED: f64 = 0.1;

/// One in so many of the drop's classified texts is taken for most, and one for least, like it.
const EXTREME: usize = 5;

impl Batch<'_> {
    /// Everything that is known of the drop once its last row was decided on. `files` are the names of its inputs.
    ///
    /// # Errors
    /// If a setting is out of its range; not here.
    pub fn finish(&mut self, files: Vec<String>) -> Result<Screening> {
        let threshold = self.threshold();
        let profile = self.screener.reference.profile();
        let sample: Vec<&SampledText> = self.sample.iter().map(|(_, text)| text).collect();
        let odd = self.open_outliers();
        let (groups, flagged_groups) = self.grouped(&odd)?;
        let languages = self.languages(&sample);
        let screening = Screening {
            schema_version: SCREENING_SCHEMA_VERSION,
            semcov_version: env!("CARGO_PKG_VERSION").to_owned(),
            rows: self.drop_summary(files),
            against: AgainstSummary {
                name: self.screener.reference.name().to_owned(),
                rows: profile.rows_with_text(),
                distinct_texts: profile.distinct_texts(),
                sample: profile.sample.as_ref().map_or(0, |sample| sample.len() as u64),
                encoder: profile.encoder.name.clone(),
            },
            settings: ScreenSettings {
                score: self.screener.params.score,
                alpha: self.screener.params.alpha,
                fdr: self.screener.params.fdr,
                local: self.screener.local_params(),
                per_leaf: self.screener.params.per_leaf,
                threshold: decimal(threshold.p_value),
            },
            flagged: self.flagged(threshold),
            repeated: self.repeated(&sample),
            shift: self.shift(&sample),
            flagged_leaves: self.flagged_leaves(&sample, threshold),
            groups: flagged_groups,
            classifier: self.classifier(&sample),
            warnings: self.warnings(&sample, threshold, odd.len(), &languages),
            languages,
            sources: self.source_rows(),
        };
        let hashes = |group: &Group| group.members.iter().map(|&member| *odd[member as usize].0).collect();
        self.groups = groups.iter().map(hashes).collect();
        Ok(screening)
    }

    /// The outliers on which no reviewer decided, in groups: new topics first, the largest first.
    ///
    /// # Errors
    /// If a setting is out of its range; not here.
    pub(crate) fn outlier_groups(&self) -> Result<Vec<FlaggedGroup>> {
        Ok(self.grouped(&self.open_outliers())?.1)
    }

    /// What a reviewer decided on needs no review.
    fn open_outliers(&self) -> Vec<(&OddKey, &SampledText)> {
        let threshold = self.threshold().p_value;
        let is_open = |text: &SampledText| text.screened.reason(threshold) == Some(Reason::Outlier);
        self.odd.iter().filter(|(_, text)| is_open(text)).collect()
    }

    fn grouped(&self, odd: &[(&OddKey, &SampledText)]) -> Result<(Vec<Group>, Vec<FlaggedGroup>)> {
        let groups = groups(self.screener.reference.profile().encoder.dim, odd)?;
        let names = self.group_names(&groups, odd);
        let flagged =
            groups.iter().zip(names).zip(1..).map(|((group, name), id)| self.group(id, group, name, odd)).collect();
        Ok((groups, flagged))
    }

    fn drop_summary(&self, files: Vec<String>) -> DropSummary {
        DropSummary {
            files,
            rows: self.counts.rows,
            bad_rows: self.counts.bad_rows,
            empty: self.counts.empty,
            distinct_texts: self.sample.distinct().min(self.counts.rows - self.counts.empty),
            distinct_texts_exact: self.sample.is_complete(),
            sample: self.sample.len() as u64,
            truncated: self.counts.truncated,
        }
    }

    fn flagged(&self, threshold: Threshold) -> FlaggedSummary {
        let counts = &self.counts;
        let n = self.screener.calibration_texts();
        // Of the p-values 1/(n + 1), 2/(n + 1), ... this many are within the threshold. The share of good rows that
        // score beyond the k-th largest of n reference scores is Beta(k, n + 1 - k) distributed.
        let k = (f64::from(threshold.p_value) * (n + 1) as f64 + 1e-3).floor().min(n as f64);
        let share = Beta::new(k, n as f64 + 1.0 - k).ok().filter(|_| k >= 1.0);
        let quantile = |q: f64| share.as_ref().map_or(0.0, |share| share.inverse_cdf(q));
        FlaggedSummary {
            rows: counts.flagged,
            share: counts.flagged as f64 / counts.rows.max(1) as f64,
            outliers: counts.outliers,
            outlier_share: counts.outliers as f64 / (counts.rows - counts.empty).max(1) as f64,
            expected: k / (n + 1) as f64,
            expected_low: quantile(0.025),
            expected_high: quantile(0.975),
            decided: counts.decided,
        }
    }

    fn repeated(&self, sample: &[&SampledText]) -> Repeated {
        // A complete sample of the reference has every text of it; else only those up to its largest hash can be there.
        let reference = self.screener.reference.profile().sample.as_ref();
        let up_to = match reference {
            None => None,
            Some(reference) if reference.is_full() => reference.hashes.last().copied(),
            Some(_) => Some(u64::MAX),
        };
        let looked_up = self.sample.iter().filter(|(hash, _)| up_to.is_some_and(|last| hash.prefix() <= last)).count();
        let count = |how: Repeats| sample.iter().filter(|text| text.repeats(how)).count() as u64;
        let searched = sample.iter().any(|text| text.screened.nearest.is_some());
        let with_text = self.counts.rows - self.counts.empty;
        Repeated {
            looked_up: looked_up as u64,
            exact: count(Repeats::Exactly),
            exact_share: count(Repeats::Exactly) as f64 / looked_up.max(1) as f64,
            near: searched.then(|| count(Repeats::Nearly)),
            within: self.sample.is_complete().then(|| with_text - self.sample.len() as u64),
        }
    }

    fn shift(&self, sample: &[&SampledText]) -> Option<ShiftSummary> {
        let profile = self.screener.reference.profile();
        if sample.is_empty() {
            return None;
        }
        let codebook = &profile.codebook;
        let reference = profile.held_out_texts_per_leaf();
        let mut drop = vec![0; reference.len()];
        for text in sample {
            // A compact profile counts records, copies included.
            drop[text.screened.leaf as usize] += if profile.sample.is_none() { text.rows } else { 1 };
        }
        let scores: Vec<f32> = sample.iter().map(|text| text.screened.score).collect();
        let reference_scores = self.screener.reference_scores();
        let shift = Shift::of(
            &Side { scores: &reference_scores, regions: &reference },
            &Side { scores: &scores, regions: &drop },
        );
        let of_regions = |of_leaves: &[u64]| {
            let mut regions = vec![0; codebook.n_regions()];
            for (texts, &region) in of_leaves.iter().zip(&codebook.region_of_leaf) {
                regions[region as usize] += texts;
            }
            regions
        };
        let (new, mix) = (&shift.new_content, shift.changed_mix.as_ref());
        let beyond_expected = new.reference_beyond as f64 / new.reference_total.max(1) as f64;
        // Without a test of the mix as a whole, single regions take its half of the level.
        let new_p = if mix.is_some() { new.adjusted } else { (2.0 * new.p_value).min(1.0) };
        let new_content = new_p <= SHIFT_ALPHA && new.share() >= LEAST_TIMES_BEYOND * beyond_expected;
        let moved = RegionShift::of(&of_regions(&reference), &of_regions(&drop));
        let changed_mix = match mix {
            Some(mix) => mix.adjusted <= SHIFT_ALPHA && mix.v >= LEAST_V,
            None => {
                moved.iter().any(|moved| 2.0 * moved.adjusted <= SHIFT_ALPHA && !SAME.contains(&moved.rates.ratio()))
            }
        };
        let moved = moved.iter().map(|moved| MovedRegion {
            id: moved.region,
            name: profile.region_names[moved.region as usize].clone(),
            reference_share: moved.rates.reference as f64 / moved.rates.reference_total.max(1) as f64,
            drop_share: moved.rates.corpus as f64 / moved.rates.corpus_total.max(1) as f64,
            ratio: moved.rates.ratio(),
            p_adjusted: moved.adjusted,
        });
        Some(ShiftSummary {
            shifted: new_content || changed_mix,
            new_content,
            changed_mix,
            beyond: new.drop_beyond,
            beyond_share: new.share(),
            beyond_expected,
            new_content_p: new_p,
            changed_mix_p: mix.map(|mix| mix.adjusted),
            changed_mix_v: mix.map(|mix| mix.v),
            regions: moved.collect(),
        })
    }

    fn flagged_leaves(&self, sample: &[&SampledText], threshold: Threshold) -> Vec<FlaggedLeaf> {
        let mut leaves = self.leaves(sample, threshold);
        let whole = |leaf: &FlaggedLeaf| leaf.flagged as f64 > FLAGGED_AS_A_WHOLE * leaf.texts as f64;
        leaves.retain(|leaf| leaf.texts >= LEAST_TEXTS_OF_LEAF && whole(leaf));
        leaves
    }

    /// The sampled texts of every leaf, and those that were flagged; most flagged first.
    pub(super) fn leaves(&self, sample: &[&SampledText], threshold: Threshold) -> Vec<FlaggedLeaf> {
        let names = &self.screener.reference.profile().leaf_names;
        let mut leaves: Vec<FlaggedLeaf> =
            (0..).zip(names).map(|(id, name)| FlaggedLeaf { id, name: name.clone(), texts: 0, flagged: 0 }).collect();
        for text in sample {
            let leaf = &mut leaves[text.screened.leaf as usize];
            leaf.texts += 1;
            leaf.flagged += u64::from(text.screened.reason(threshold.p_value) == Some(Reason::Outlier));
        }
        leaves.sort_by_key(|leaf| (Reverse(leaf.flagged), leaf.id));
        leaves
    }

    /// What sets each group's texts apart from those of the others, and from those that were kept.
    fn group_names(&self, groups: &[Group], odd: &[(&OddKey, &SampledText)]) -> Vec<String> {
        let mut terms = TermCounts::new(groups.len() + 1);
        for (class, group) in (0..).zip(groups) {
            for &member in &group.members {
                terms.add(class, &cut(&odd[member as usize].1.text, NAMING_CHARACTERS));
            }
        }
        let flagged: BTreeSet<ContentHash> = odd.iter().map(|((_, hash), _)| *hash).collect();
        for (_, text) in self.sample.iter().filter(|(hash, _)| !flagged.contains(hash)) {
            terms.add(groups.len() as u32, &text.text);
        }
        let mut names = terms.names();
        names.pop();
        names
    }

    fn group(&self, id: u32, group: &Group, name: String, odd: &[(&OddKey, &SampledText)]) -> FlaggedGroup {
        let texts: Vec<&SampledText> = group.members.iter().map(|&member| odd[member as usize].1).collect();
        let searched = texts.iter().any(|text| text.screened.nearest.is_some());
        FlaggedGroup {
            id,
            kind: group.kind,
            name,
            texts: texts.len() as u64,
            rows: texts.iter().map(|text| text.rows).sum(),
            similarity: group.similarity,
            reference_similarity: searched.then_some(group.reference_similarity),
            language: language(texts.iter().map(|text| text.text.as_str())).map(str::to_owned),
            examples: texts.iter().take(EXAMPLES).map(|text| self.flagged_example(text)).collect(),
        }
    }

    pub(super) fn flagged_example(&self, text: &SampledText) -> FlaggedText {
        let nearest = text.screened.nearest;
        FlaggedText {
            id: text.id.clone(),
            text: cut(&text.text, SHOWN_CHARACTERS),
            score: decimal(text.screened.score),
            p_value: decimal(text.screened.p_value),
            nearest_id: nearest.map(|nearest| self.reference_id(nearest.place).to_owned()),
            nearest_similarity: nearest.map(|nearest| decimal(nearest.similarity)),
        }
    }

    fn classifier(&self, sample: &[&SampledText]) -> Option<ClassifierSummary> {
        let drop = matrix(self.screener.reference.profile().encoder.dim, sample.iter().copied());
        let found = DomainClassifier::of(self.screener.reference.vectors().into(), Rows::from(&drop))?;
        let mut order: Vec<usize> = (0..found.drop_scores.len()).collect();
        order.sort_by(|&a, &b| found.drop_scores[b].total_cmp(&found.drop_scores[a]).then(a.cmp(&b)));
        let extreme = order.len() / EXTREME;
        let texts = |places: &[usize]| places.iter().map(|&place| sample[place].text.clone()).collect::<Vec<_>>();
        let (most, least) = (texts(&order[..extreme]), texts(&order[order.len() - extreme..]));
        let example = |&place: &usize| DropText { id: sample[place].id.clone(), text: sample[place].text.clone() };
        Some(ClassifierSummary {
            auc: found.auc,
            auc_low: found.interval.low,
            auc_high: found.interval.high,
            texts: found.drop_scores.len() as u64,
            terms: separating_terms(most.iter().map(String::as_str), least.iter().map(String::as_str)),
            examples: order.iter().take(EXAMPLES).map(example).collect(),
        })
    }

    /// The reference's language is that of its leaves' names where the profile keeps no texts.
    fn languages(&self, sample: &[&SampledText]) -> Languages {
        let profile = self.screener.reference.profile();
        let texts = profile.sample.as_ref().and_then(|sample| sample.texts.as_ref());
        let of_reference = match texts {
            Some(texts) => language(texts.iter().map(String::as_str)),
            None => language(profile.leaf_names.iter().map(String::as_str)),
        };
        Languages {
            drop: language(sample.iter().map(|text| text.text.as_str())).map(str::to_owned),
            reference: of_reference.map(str::to_owned),
        }
    }

    fn source_rows(&self) -> Vec<SourceRows> {
        if self.sources.keys().all(Option::is_none) {
            return Vec::new();
        }
        let mut sources: Vec<SourceRows> = self
            .sources
            .iter()
            .map(|(name, &[rows, flagged])| SourceRows { name: name.clone(), rows, flagged })
            .collect();
        sources.sort_by_key(|source| Reverse(source.flagged));
        sources
    }

    fn warnings(
        &self,
        sample: &[&SampledText],
        threshold: Threshold,
        flagged: usize,
        languages: &Languages,
    ) -> Vec<ScreenWarning> {
        let mut warnings = Vec::new();
        if self.counts.rows == 0 {
            warnings.push(ScreenWarning::EmptyDrop);
        }
        let texts = self.screener.calibration_texts();
        let needed = (1.0 / self.screener.params.alpha).ceil() as u64 - 1;
        if texts < needed {
            warnings.push(ScreenWarning::Underpowered { texts, needed });
        }
        if let Some(needed) = threshold.fdr_needs {
            warnings.push(ScreenWarning::FdrUnderpowered { texts, needed });
        }
        let scores = self.screener.reference_scores();
        // All equal, as those of copies are.
        if texts > 1 && scores.iter().all(|score| *score == scores[0]) {
            warnings.push(ScreenWarning::ReferenceWithoutSpread);
        }
        if let (Some(drop), Some(reference)) = (&languages.drop, &languages.reference)
            && drop != reference
        {
            warnings.push(ScreenWarning::OtherLanguage { drop: drop.clone(), reference: reference.clone() });
        }
        let max_tokens = self.screener.reference.profile().encoder.max_tokens as u64;
        if self.counts.truncated as f64 > MANY_TRUNCATED * self.sample.distinct() as f64 {
            warnings.push(ScreenWarning::Truncated { rows: self.counts.truncated, max_tokens });
        }
        // Those left out are less likely than the last one kept.
        let last = self.odd.iter().last().map(|(_, text)| text.screened.p_value);
        if !self.odd.is_complete() && last.is_some_and(|last| last <= threshold.p_value) {
            warnings.push(ScreenWarning::ManyFlagged { grouped: flagged as u64 });
        }
        if self.sample.is_complete() && !sample.is_empty() && sample.iter().all(|text| text.repeats(Repeats::Exactly)) {
            warnings.push(ScreenWarning::NothingNew);
        }
        warnings
    }

    /// The flagged texts of every group, most suspicious first.
    pub(super) fn flagged_groups(&self) -> Vec<Vec<OddKey>> {
        let score = |key: &OddKey| self.odd.get(key).map_or(f32::MIN, |text| text.screened.score);
        let sorted = |group: &Vec<OddKey>| {
            let mut group = group.clone();
            group.sort_by(|a, b| score(b).total_cmp(&score(a)).then(a.cmp(b)));
            group
        };
        self.groups.iter().map(sorted).collect()
    }
}

fn groups(dim: usize, odd: &[(&OddKey, &SampledText)]) -> Result<Vec<Group>> {
    let vectors = matrix(dim, odd.iter().map(|(_, text)| *text));
    // Without neighbours nothing is known of the nearest reference texts; then any group that is large enough counts.
    let nearest = odd.iter().map(|(_, text)| text.screened.nearest.map_or(-1.0, |nearest| nearest.mean_similarity));
    Ok(GroupParams::default().check()?.group(&vectors, &nearest.collect::<Vec<_>>()))
}
