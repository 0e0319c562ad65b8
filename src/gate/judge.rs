//! From what was measured to the verdict, rule by rule.

use super::compare::{Comparison, Loss, POWER, Power, Reach, compare};
use super::document::{
    AddedSummary, Finding, NotApplied, Outcome, Precisions, RegionVerdict, RuleVerdict, SectionVerdict, Sensitivity,
    SideSummary, Subject, TextChanges, TextCounts, TextExample, VERDICT_SCHEMA_VERSION, Verdict,
};
use super::leakage::Leak;
use super::policy::{Amount, OnInconclusive, Policy, RuleSettings, Target};
use super::rules::{RuleId, Unit};
use crate::corpus::{BadRow, is_known_licence};
use crate::coverage::{RAREFIED_TO, rarefied_hill_numbers};
use crate::profile::{CensusChanges, Profile};
use crate::stats::binomial_at_least;

/// The parts of the level that the rules of regions and of leaves have, so that both together keep it.
const REGION_PART: f64 = 0.8;
const LEAF_PART: f64 = 0.2;

/// Findings of one rule that the verdict lists; `value` counts all.
const FINDINGS: usize = 100;

/// Texts that a finding or a region names.
const EXAMPLES: usize = 3;

/// Everything that the rules look at.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// What the corpus is compared with.
    pub baseline: &'a Profile,
    /// The corpus, observed under the baseline's codebook.
    pub current: &'a Profile,
    /// Coverage of the reference, 0 to 1, by the baseline and now; `None` without a reference, or where a side is
    /// compact.
    pub coverage: Option<[Option<f64>; 2]>,
    /// What was found of the added texts.
    pub added: Option<AddedSummary>,
    /// Evaluation texts that stand in the corpus; `None` without evaluation files.
    pub leaks: Option<Vec<Leak>>,
    /// The first rows that could not be read.
    pub bad_rows: &'a [BadRow],
    /// Whether texts may be shown, as far as they are known.
    pub show_text: bool,
}

impl Evidence<'_> {
    /// Judges a corpus by a policy. `section` is its name where it is a part of one.
    #[must_use]
    pub fn judge(self, policy: &Policy, section: Option<&str>) -> Verdict {
        let (baseline, current) = (self.baseline, self.current);
        let comparison = compare(baseline, current);
        let region_loss = policy.rule(RuleId::RegionLoss);
        let amount = |of: fn(&RuleSettings) -> Option<Amount>| region_loss.and_then(of).map(f64::from);
        let power = Power {
            alpha: policy.alpha * REGION_PART,
            fail: amount(|rule| rule.fail.or(rule.warn)).unwrap_or(1.0),
            detect: amount(|rule| rule.detect).unwrap_or(0.0),
        };
        let reach = power.reach(&comparison.regions);
        let judge = Judge { evidence: &self, policy, section, comparison: &comparison, reach: &reach };
        let sensitivity = judge.sensitivity(power.detect);
        let mut rules: Vec<RuleVerdict> = Vec::new();
        for id in RuleId::ALL {
            rules.extend(policy.rule(id).map(|settings| judge.rule(id, settings, &sensitivity, &rules)));
        }
        let precision = (baseline.encoder.precision != current.encoder.precision).then(|| Precisions {
            baseline: baseline.encoder.precision.clone(),
            current: current.encoder.precision.clone(),
        });
        let changes = comparison.changes.map(|changes| {
            let CensusChanges { added, removed, kept, judged_share } = changes;
            TextChanges { added, removed, kept, judged_share }
        });
        let (regions, sides) = (judge.regions(), [baseline, current].map(summary));
        let [baseline, current] = sides;
        let mut verdict = Verdict {
            schema_version: VERDICT_SCHEMA_VERSION,
            semcov_version: env!("CARGO_PKG_VERSION").to_owned(),
            outcome: Outcome::Pass,
            exit_code: 0,
            baseline,
            current,
            precision,
            changes,
            alpha: policy.alpha,
            rules,
            sensitivity,
            regions,
            added: self.added,
            sections: Vec::new(),
        };
        let decides = |rule: &&RuleVerdict| !rule.informational;
        verdict.outcome = verdict.rules.iter().filter(decides).map(|rule| rule.outcome).max().unwrap_or(Outcome::Pass);
        verdict.exit_code = exit_code(verdict.outcome, policy.inconclusive);
        verdict
    }
}

fn exit_code(outcome: Outcome, inconclusive: OnInconclusive) -> u8 {
    match (outcome, inconclusive) {
        (Outcome::Fail, _) | (Outcome::Inconclusive, OnInconclusive::Fail) => 1,
        (Outcome::Inconclusive, OnInconclusive::Error) => 2,
        _ => 0,
    }
}

impl Verdict {
    /// The same with the verdicts of its sections, the worst of which it takes on.
    #[must_use]
    pub fn with_sections(mut self, sections: Vec<SectionVerdict>) -> Self {
        let of_sections = sections.iter().map(|section| &section.verdict);
        let outcome = of_sections.clone().map(|verdict| verdict.outcome).fold(self.outcome, Outcome::max);
        // A failure is 1 whatever else could not be judged.
        let worst = of_sections.map(|verdict| verdict.exit_code).fold(self.exit_code, u8::max);
        self.exit_code = if outcome == Outcome::Fail { 1 } else { worst };
        Self { outcome, sections, ..self }
    }
}

fn summary(profile: &Profile) -> SideSummary {
    let observed = &profile.observed;
    SideSummary {
        rows: observed.rows,
        bad_rows: observed.bad_rows,
        empty: observed.empty,
        synthetic: observed.synthetic,
        distinct_texts: profile.distinct_texts(),
        encoder: profile.encoder.name.clone(),
    }
}

struct Judge<'a> {
    evidence: &'a Evidence<'a>,
    policy: &'a Policy,
    section: Option<&'a str>,
    comparison: &'a Comparison,
    /// Of the regions.
    reach: &'a [Reach],
}

impl Judge<'_> {
    /// Applies a rule; `before` are the verdicts of those before it.
    fn rule(
        &self,
        id: RuleId,
        settings: &RuleSettings,
        sensitivity: &Sensitivity,
        before: &[RuleVerdict],
    ) -> RuleVerdict {
        let Evidence { baseline, current, .. } = *self.evidence;
        match id {
            RuleId::RegionLoss => self.region_loss(settings, sensitivity),
            RuleId::LeafLoss => {
                let finding = |loss: &Loss| (self.leaf(loss.id), loss.lost.0, loss.lost.1);
                self.losses(id, settings, LEAF_PART, &self.comparison.leaves, finding)
            }
            RuleId::Dilution => {
                // What is said to be lost is said once.
                let lost = before.iter().filter(|rule| rule.id == RuleId::RegionLoss);
                let is_said = |loss: &&Loss| {
                    lost.clone().flat_map(|rule| &rule.findings).any(|said| said.subject == self.region(loss.id))
                };
                let whole: Vec<Loss> = self.comparison.regions.iter().filter(|loss| !is_said(loss)).copied().collect();
                let finding = |loss: &Loss| (self.region(loss.id), loss.diluted.0, loss.diluted.1);
                self.losses(id, settings, 1.0, &whole, finding)
            }
            RuleId::Coverage => match self.evidence.coverage {
                None => Self::not_applied(id, settings, NotApplied::NoReference),
                Some([_, None]) => Self::not_applied(id, settings, NotApplied::CompactBaseline),
                Some([baseline, Some(current)]) => self.figure(id, settings, current, baseline),
            },
            RuleId::Diversity => {
                let leaves = [baseline, current].map(Profile::texts_per_leaf);
                let texts = leaves.iter().map(|leaves| leaves.iter().sum()).fold(RAREFIED_TO, u64::min);
                let [baseline, current] = leaves.map(|leaves| rarefied_hill_numbers(&leaves, texts).q1);
                self.figure(id, settings, current, Some(baseline))
            }
            RuleId::Duplicates => {
                let share = |profile: &Profile| {
                    let rows = profile.rows_with_text();
                    1.0 - profile.distinct_texts().min(rows) as f64 / rows.max(1) as f64
                };
                let share = |profile: &Profile| if profile.rows_with_text() == 0 { 0.0 } else { share(profile) };
                // Rows alone cannot tell.
                let compact = |profile: &Profile| profile.sample.is_none() && profile.census.is_none();
                let of_baseline = Some(baseline).filter(|baseline| !compact(baseline)).map(share);
                self.figure(id, settings, share(current), of_baseline)
            }
            RuleId::AddedOutliers => self.added(id, settings, |added| [added.outliers, added.texts]),
            RuleId::NewContent => self.new_content(settings),
            RuleId::AddedDuplicates => self.added(id, settings, |added| [added.near_copies, added.texts]),
            RuleId::Leakage => self.leakage(settings),
            RuleId::MinRows => self.min_rows(settings),
            RuleId::SyntheticShare => {
                let share = |profile: &Profile| {
                    let all = profile.observed.rows + profile.observed.synthetic;
                    profile.observed.synthetic as f64 / all.max(1) as f64
                };
                self.figure(id, settings, share(current), Some(share(baseline)))
            }
            RuleId::UnknownLicence => {
                let share = |profile: &Profile| {
                    let known = profile.observed.licences.iter().filter(|(licence, _)| is_known_licence(licence));
                    let known: u64 = known.map(|(_, rows)| rows).sum();
                    1.0 - known as f64 / profile.rows_with_text().max(1) as f64
                };
                let has_column = |profile: &Profile| !profile.observed.licences.is_empty();
                if !has_column(baseline) && !has_column(current) {
                    return Self::not_applied(id, settings, NotApplied::NoColumn);
                }
                self.figure(id, settings, share(current), has_column(baseline).then(|| share(baseline)))
            }
            RuleId::BadRows => self.bad_rows(settings),
        }
    }

    /// A rule that found nothing yet.
    fn open(id: RuleId, settings: &RuleSettings) -> RuleVerdict {
        RuleVerdict {
            id,
            outcome: Outcome::Pass,
            informational: settings.informational == Some(true),
            not_applied: None,
            value: None,
            baseline: None,
            warn: settings.warn.map(f64::from),
            fail: settings.fail.map(f64::from),
            findings: Vec::new(),
        }
    }

    fn not_applied(id: RuleId, settings: &RuleSettings, why: NotApplied) -> RuleVerdict {
        RuleVerdict { not_applied: Some(why), ..Self::open(id, settings) }
    }

    /// Sorts the findings, and takes on the worst.
    fn close(mut rule: RuleVerdict) -> RuleVerdict {
        if rule.informational {
            for finding in &mut rule.findings {
                finding.outcome = finding.outcome.min(Outcome::Warn);
            }
        }
        // Stable: of equal outcomes the order is the rule's.
        rule.findings.sort_by_key(|finding| std::cmp::Reverse(finding.outcome));
        rule.findings.truncate(FINDINGS);
        rule.outcome = rule.findings.iter().map(|finding| finding.outcome).max().unwrap_or(Outcome::Pass);
        rule
    }

    /// The limit that a figure is beyond, and what that comes to.
    fn beyond(rule: &RuleVerdict, value: f64) -> Option<(Outcome, f64)> {
        let worse = |limit: f64| if rule.id.rule().lower_is_worse { value < limit } else { value > limit };
        let limits = [(Outcome::Fail, rule.fail), (Outcome::Warn, rule.warn)];
        limits
            .into_iter()
            .find_map(|(outcome, limit)| limit.filter(|&limit| worse(limit)).map(|limit| (outcome, limit)))
    }

    fn finding(&self, id: RuleId, (outcome, limit): (Outcome, f64), subject: Subject, value: f64) -> Finding {
        Finding {
            outcome,
            fingerprint: self.fingerprint(id, &subject),
            subject,
            value,
            baseline: None,
            texts: None,
            limit: Some(limit),
            p_value: None,
            texts_enough: None,
            examples: Vec::new(),
        }
    }

    /// Digits that stay with a finding from run to run.
    fn fingerprint(&self, id: RuleId, subject: &Subject) -> String {
        let codebook = || self.evidence.baseline.codebook.fingerprint();
        let place = match subject {
            Subject::Corpus | Subject::Added => String::new(),
            Subject::Region { id, .. } => format!("region {} {id}", codebook()),
            Subject::Leaf { id, .. } => format!("leaf {} {id}", codebook()),
            Subject::Source { name } => format!("source {name}"),
            Subject::Label { name } => format!("label {name}"),
            Subject::Leak { evaluation, record } => format!("leak {evaluation} {record}"),
            Subject::BadRow { reason } => format!("bad row {reason}"),
        };
        let mut hasher = blake3::Hasher::new();
        for part in [id.word(), self.section.unwrap_or_default(), &place] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }

    /// A rule of one figure.
    fn figure(&self, id: RuleId, settings: &RuleSettings, value: f64, baseline: Option<f64>) -> RuleVerdict {
        let mut rule = Self::open(id, settings);
        (rule.value, rule.baseline) = (Some(value), baseline);
        let target = match settings.target {
            Some(Target::Auto) => baseline,
            Some(Target::Fixed(Amount(target))) => Some(target),
            None => None,
        };
        let Amount(threshold) = settings.threshold.unwrap_or(Amount(0.0));
        // The threshold of an effective number is a part of it.
        let threshold = |target: f64| if id.rule().unit == Unit::Number { threshold * target } else { threshold };
        let (lower, stricter): (bool, fn(f64, f64) -> f64) =
            if id.rule().lower_is_worse { (true, f64::max) } else { (false, f64::min) };
        if let Some(target) = target {
            let limit = if lower { target - threshold(target) } else { target + threshold(target) };
            rule.fail = Some(rule.fail.map_or(limit, |fail| stricter(fail, limit)));
        }
        if target.is_none() && rule.fail.is_none() && rule.warn.is_none() {
            return RuleVerdict { not_applied: Some(NotApplied::NoBaseline), ..rule };
        }
        if let Some(beyond) = Self::beyond(&rule, value) {
            let finding = self.finding(id, beyond, Subject::Corpus, value);
            rule.findings.push(Finding { baseline, ..finding });
        }
        Self::close(rule)
    }

    /// Losses beyond the limits that are significant at a part of the level.
    fn losses(
        &self,
        id: RuleId,
        settings: &RuleSettings,
        part: f64,
        losses: &[Loss],
        finding: impl Fn(&Loss) -> (Subject, f64, f64),
    ) -> RuleVerdict {
        let mut rule = Self::open(id, settings);
        let mut significant: Vec<(&Loss, Subject, f64, f64)> = losses
            .iter()
            .map(|loss| (loss, finding(loss)))
            .map(|(loss, (subject, ratio, p_value))| (loss, subject, ratio, p_value))
            .filter(|(.., p_value)| *p_value <= self.policy.alpha * part)
            .collect();
        significant.sort_by(|a, b| a.3.total_cmp(&b.3).then(a.2.total_cmp(&b.2)).then(a.0.id.cmp(&b.0.id)));
        rule.value = significant.iter().map(|(_, _, ratio, _)| *ratio).reduce(f64::min);
        for (loss, subject, ratio, p_value) in significant {
            let Some(beyond) = Self::beyond(&rule, ratio) else { continue };
            let examples = match subject {
                Subject::Leaf { .. } => self.gone(|leaf| leaf == loss.id),
                _ => self.gone(|leaf| self.evidence.baseline.codebook.region_of_leaf[leaf as usize] == loss.id),
            };
            let [baseline, current] = loss.texts;
            let texts = Some(TextCounts { baseline, current });
            let finding = self.finding(id, beyond, subject, ratio);
            rule.findings.push(Finding { texts, p_value: Some(p_value), examples, ..finding });
        }
        Self::close(rule)
    }

    fn region_loss(&self, settings: &RuleSettings, sensitivity: &Sensitivity) -> RuleVerdict {
        let id = RuleId::RegionLoss;
        let finding = |loss: &Loss| (self.region(loss.id), loss.lost.0, loss.lost.1);
        let mut rule = self.losses(id, settings, REGION_PART, &self.comparison.regions, finding);
        let [before, now] = self.comparison.all;
        if before > 0 && now == 0 {
            let limit = rule.fail.or(rule.warn).unwrap_or(0.0);
            rule.findings.push(self.finding(id, (Outcome::Fail, limit), Subject::Corpus, 0.0));
        } else if sensitivity.judged_share < 1.0 - self.may_be_unjudged() {
            let unjudged = 1.0 - sensitivity.judged_share;
            let finding = self.finding(id, (Outcome::Inconclusive, 0.0), Subject::Corpus, unjudged);
            rule.findings.push(Finding { limit: None, texts_enough: sensitivity.texts_enough, ..finding });
        }
        Self::close(rule)
    }

    /// What the region test could have found.
    fn sensitivity(&self, detect: f64) -> Sensitivity {
        let unjudged = self.may_be_unjudged();
        let mut regions: Vec<&Loss> = self.comparison.regions.iter().filter(|region| region.texts[0] > 0).collect();
        let all: u64 = regions.iter().map(|region| region.texts[0]).sum();
        let is_judged = |region: &&&Loss| self.is_judged(region);
        let judged_texts: u64 = regions.iter().filter(is_judged).map(|region| region.texts[0]).sum();
        let judged = regions.iter().filter(is_judged).count() as u64;
        let judged_share = if all == 0 { 1.0 } else { judged_texts as f64 / all as f64 };
        regions.sort_by(|a, b| self.times_enough(a).total_cmp(&self.times_enough(b)));
        let mut texts = 0;
        let enough = regions.iter().find(|region| {
            texts += region.texts[0];
            texts as f64 >= (1.0 - unjudged) * all as f64
        });
        let [before, now] = self.comparison.all;
        let texts_enough = enough
            .map(|region| self.times_enough(region))
            .filter(|times| judged_share < 1.0 - unjudged && times.is_finite())
            .map(|times| (times * before.max(now) as f64).ceil() as u64);
        let share_that_finds = |rho: f64| {
            let finds =
                |region: &&&Loss| self.reach[region.id as usize].detectable.is_some_and(|largest| largest >= rho);
            regions.iter().filter(finds).map(|region| region.texts[0]).sum::<u64>() as f64 / all.max(1) as f64
        };
        Sensitivity {
            detect,
            power: POWER,
            regions: regions.len() as u64,
            judged,
            judged_share,
            quarter_share: share_that_finds(0.25),
            half_share: share_that_finds(0.5),
            texts_enough,
        }
    }

    /// The share of the baseline's texts that may lie in regions which cannot be judged.
    fn may_be_unjudged(&self) -> f64 {
        let settings = self.policy.rule(RuleId::RegionLoss);
        settings.and_then(|settings| settings.unjudged).map_or(1.0, |Amount(share)| share)
    }

    /// A region in which the fall that has to be found would be, or a loss was.
    fn is_judged(&self, region: &Loss) -> bool {
        self.times_enough(region) <= 1.0 || region.lost.1 <= self.policy.alpha * REGION_PART
    }

    fn times_enough(&self, region: &Loss) -> f64 {
        self.reach[region.id as usize].times_enough
    }

    fn regions(&self) -> Vec<RegionVerdict> {
        let baseline = self.evidence.baseline;
        let mut order: Vec<&Loss> = self.comparison.regions.iter().collect();
        order.sort_by(|a, b| a.lost.1.total_cmp(&b.lost.1).then(a.lost.0.total_cmp(&b.lost.0)).then(a.id.cmp(&b.id)));
        let [before, now] = self.comparison.all.map(|all| all.max(1) as f64);
        let region = |loss: &Loss| RegionVerdict {
            id: loss.id,
            name: baseline.region_names[loss.id as usize].clone(),
            baseline: loss.texts[0],
            current: loss.texts[1],
            copies_gone: loss.copies_gone,
            baseline_share: loss.texts[0] as f64 / before,
            current_share: loss.texts[1] as f64 / now,
            baseline_copies: loss.cell.copies.before,
            current_copies: loss.cell.copies.fresh,
            ratio: loss.lost.0,
            p_value: loss.lost.1,
            detectable: self.reach[loss.id as usize].detectable,
            judged: self.is_judged(loss),
            gone: self.gone(|leaf| baseline.codebook.region_of_leaf[leaf as usize] == loss.id),
        };
        order.into_iter().map(region).collect()
    }

    /// A few of the baseline's sampled texts in some leaves that the corpus lacks.
    fn gone(&self, is_in: impl Fn(u32) -> bool) -> Vec<TextExample> {
        let Evidence { baseline, current, show_text, .. } = *self.evidence;
        let (Some(sample), Some(census)) = (&baseline.sample, &current.census) else { return Vec::new() };
        let is_gone = |&text: &usize| is_in(sample.leaves[text]) && census.lacks(sample.hashes[text]);
        let example = |text: usize| TextExample {
            id: sample.ids[text].clone(),
            text: sample.texts.as_ref().filter(|_| show_text).map(|texts| texts[text].clone()),
        };
        (0..sample.len()).filter(is_gone).take(EXAMPLES).map(example).collect()
    }

    fn region(&self, id: u32) -> Subject {
        Subject::Region { id, name: self.evidence.baseline.region_names[id as usize].clone() }
    }

    fn leaf(&self, id: u32) -> Subject {
        let baseline = self.evidence.baseline;
        let region = baseline.codebook.region_of_leaf[id as usize];
        Subject::Leaf {
            id,
            name: baseline.leaf_names[id as usize].clone(),
            region: baseline.region_names[region as usize].clone(),
        }
    }

    /// A rule on the share of added texts: it objects if significantly more than the limit are counted.
    fn added(&self, id: RuleId, settings: &RuleSettings, count: impl Fn(&AddedSummary) -> [u64; 2]) -> RuleVerdict {
        let baseline = self.evidence.baseline;
        if baseline.sample.is_none() || baseline.census.is_none() {
            return Self::not_applied(id, settings, NotApplied::CompactBaseline);
        }
        let Some(added) = &self.evidence.added else {
            return Self::not_applied(id, settings, NotApplied::TooFewAdded);
        };
        let [counted, texts] = count(added);
        let mut rule = Self::open(id, settings);
        let value = counted as f64 / texts.max(1) as f64;
        rule.value = Some(value);
        let significant = |count: u64, limit: f64| binomial_at_least(count, texts, limit) <= self.policy.alpha;
        let limits = [(Outcome::Fail, rule.fail), (Outcome::Warn, rule.warn)];
        let beyond = limits.into_iter().find_map(|(outcome, limit)| {
            limit.filter(|&limit| value > limit && significant(counted, limit)).map(|limit| (outcome, limit))
        });
        if let Some(beyond) = beyond {
            let examples = added.groups.iter().flat_map(|group| &group.examples).take(EXAMPLES).cloned().collect();
            let p_value = Some(binomial_at_least(counted, texts, beyond.1));
            let examples = if id == RuleId::AddedOutliers { examples } else { Vec::new() };
            rule.findings.push(Finding { p_value, examples, ..self.finding(id, beyond, Subject::Added, value) });
        } else if !limits.iter().filter_map(|(_, limit)| *limit).any(|limit| significant(texts, limit)) {
            rule.not_applied = Some(NotApplied::TooFewAdded);
        }
        Self::close(rule)
    }

    /// How many times as many of the added texts lie far out as of the baseline's.
    fn new_content(&self, settings: &RuleSettings) -> RuleVerdict {
        let id = RuleId::NewContent;
        let baseline = self.evidence.baseline;
        if baseline.sample.is_none() || baseline.census.is_none() {
            return Self::not_applied(id, settings, NotApplied::CompactBaseline);
        }
        let Some(added) = self.evidence.added.as_ref().filter(|added| added.beyond_expected > 0.0) else {
            return Self::not_applied(id, settings, NotApplied::TooFewAdded);
        };
        let mut rule = Self::open(id, settings);
        let times = added.beyond_share / added.beyond_expected;
        rule.value = Some(times);
        if added.beyond_p <= self.policy.alpha
            && let Some(beyond) = Self::beyond(&rule, times)
        {
            let examples = added.groups.iter().flat_map(|group| &group.examples).take(EXAMPLES).cloned().collect();
            let finding = self.finding(id, beyond, Subject::Added, times);
            rule.findings.push(Finding { p_value: Some(added.beyond_p), examples, ..finding });
        }
        Self::close(rule)
    }

    fn leakage(&self, settings: &RuleSettings) -> RuleVerdict {
        let id = RuleId::Leakage;
        let Some(leaks) = &self.evidence.leaks else {
            return Self::not_applied(id, settings, NotApplied::NoEvaluation);
        };
        let mut rule = Self::open(id, settings);
        let value = leaks.len() as f64;
        rule.value = Some(value);
        if let Some(beyond) = Self::beyond(&rule, value) {
            for leak in leaks {
                let subject = Subject::Leak { evaluation: leak.evaluation.clone(), record: leak.record.clone() };
                let examples = vec![TextExample { id: leak.record.clone(), text: None }];
                rule.findings.push(Finding { examples, ..self.finding(id, beyond, subject, leak.similarity) });
            }
        }
        Self::close(rule)
    }

    fn bad_rows(&self, settings: &RuleSettings) -> RuleVerdict {
        let id = RuleId::BadRows;
        let mut rule = Self::open(id, settings);
        let [baseline, current] =
            [self.evidence.baseline, self.evidence.current].map(|side| side.observed.bad_rows as f64);
        (rule.value, rule.baseline) = (Some(current), Some(baseline));
        if let Some(beyond) = Self::beyond(&rule, current) {
            for bad in self.evidence.bad_rows {
                let subject = Subject::BadRow { reason: bad.reason.clone() };
                let examples = vec![TextExample { id: format!("{}:{}", bad.file, bad.line), text: None }];
                rule.findings.push(Finding { examples, ..self.finding(id, beyond, subject, current) });
            }
        }
        Self::close(rule)
    }

    fn min_rows(&self, settings: &RuleSettings) -> RuleVerdict {
        let id = RuleId::MinRows;
        let mut rule = Self::open(id, settings);
        let (before, now) = (&self.evidence.baseline.observed, &self.evidence.current.observed);
        let mut judge = |subject: Subject, baseline: u64, rows: u64, least: u64| {
            if rows < least {
                let finding = self.finding(id, (Outcome::Fail, least as f64), subject, rows as f64);
                rule.findings.push(Finding { baseline: Some(baseline as f64), ..finding });
            }
        };
        if let Some(least) = settings.total {
            let [baseline, rows] = [self.evidence.baseline, self.evidence.current].map(Profile::rows_with_text);
            judge(Subject::Corpus, baseline, rows, least);
        }
        let source: fn(String) -> Subject = |name| Subject::Source { name };
        let label: fn(String) -> Subject = |name| Subject::Label { name };
        for (limits, before, now, subject) in [
            (&settings.source, &before.sources, &now.sources, source),
            (&settings.label, &before.labels, &now.labels, label),
        ] {
            let mut names: Vec<&String> = limits.keys().filter(|name| *name != "*").collect();
            if limits.contains_key("*") {
                names.extend(before.keys().chain(now.keys()));
            }
            names.sort_unstable();
            names.dedup();
            for name in names {
                let Some(&least) = limits.get(name).or_else(|| limits.get("*")) else { continue };
                let rows = |names: &std::collections::BTreeMap<String, u64>| names.get(name).copied().unwrap_or(0);
                judge(subject(name.clone()), rows(before), rows(now), least);
            }
        }
        Self::close(rule)
    }
}
