//! What a page shows of a screening beside its document: a map, the texts to review, and how scores spread.
//!
//! The map has the texts of the reference's sample and those kept of the drop: its sample, and every flagged text that is
//! kept ([`Batch`] says how many). Both are laid out together, so that what is new in the drop lies apart.
//!
//! Memory: the vectors of those texts once more in half precision (20 MB for 25,000 texts of 384 components), what
//! [`lay_out`] takes, and 200 bytes a point.

use std::collections::BTreeMap;

use super::batch::{Batch, SampledText, matrix};
use super::document::{FlaggedLeaf, FlaggedText, Screening};
use crate::corpus::{ContentHash, cut};
use crate::map::{MapParams, MapPoint, MapPoints, Mark, POINT_CHARACTERS, Side, lay_out};
use crate::ood::GroupKind;
use crate::progress::Progress;
use crate::report::Histogram;
use crate::vectors::{EmbeddingMatrix, Rows};

/// Texts to review that a page has; the review queue has them all.
const REVIEWED_TEXTS: usize = 1_000;

/// Bins of a histogram.
const BINS: usize = 60;

/// What a page shows of a screening beside its document.
#[derive(Clone, Debug, PartialEq)]
pub struct ScreeningDetails {
    /// The texts of the reference's sample and those kept of the drop, flagged ones marked; `None` where a side has none:
    /// of a compact profile, or of a drop without texts.
    pub map: Option<MapPoints>,
    /// The first texts of the review queue, in its order.
    pub review: Vec<ReviewedText>,
    /// Texts of the whole queue.
    pub to_review: u64,
    /// The beginnings of the reference's texts that those of the queue are nearest to, by the ids of their records; empty
    /// where the profile keeps no texts.
    pub nearest: BTreeMap<String, String>,
    /// The names of the regions of the reference's codebook, by id.
    pub regions: Vec<String>,
    /// The leaves in which the drop's sample has texts, each with its region in the reference's codebook; most flagged first.
    pub leaves: Vec<(FlaggedLeaf, u32)>,
    /// How the scores of both sides spread; `None` where the drop has no texts.
    pub scores: Option<ScoreSpread>,
}

/// A flagged text on which nobody decided.
#[derive(Clone, Debug, PartialEq)]
pub struct ReviewedText {
    /// The number of its group in the screening.
    pub group: u32,
    /// What the group is.
    pub kind: GroupKind,
    /// Its region in the reference's codebook.
    pub region: u32,
    /// The text.
    pub text: FlaggedText,
}

/// Outlier scores of reference and drop over the same bins.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreSpread {
    /// Of the reference's texts (rows, of a compact profile), each left out of it.
    pub reference: Histogram,
    /// Of the drop's sample.
    pub drop: Histogram,
    /// The score beyond which rows are flagged; `None` where leaves have one of their own, or none is flagged.
    pub threshold: Option<f64>,
}

impl Batch<'_> {
    /// What a page shows beside a finished screening.
    #[must_use]
    pub fn details(&self, screening: &Screening, progress: &dyn Progress) -> ScreeningDetails {
        let profile = self.screener.reference().profile();
        let region_of_leaf = &profile.codebook.region_of_leaf;
        let queue = self.queue(screening);
        let reviewed = queue.iter().take(REVIEWED_TEXTS).map(|(group, _, text)| ReviewedText {
            group: group.id,
            kind: group.kind,
            region: region_of_leaf[text.screened.leaf as usize],
            text: self.flagged_example(text),
        });
        let sample: Vec<&SampledText> = self.sample.iter().map(|(_, text)| text).collect();
        let leaves = self.leaves(&sample, self.threshold()).into_iter().filter(|leaf| leaf.texts > 0);
        let texts = profile.sample.as_ref().and_then(|sample| sample.texts.as_ref());
        let places = queue.iter().filter_map(|(.., text)| Some(text.screened.nearest?.place));
        let shown = |texts: &[String], place: u32| {
            (self.reference_id(place).to_owned(), cut(&texts[place as usize], POINT_CHARACTERS))
        };
        ScreeningDetails {
            nearest: texts.map_or_else(BTreeMap::new, |texts| places.map(|place| shown(texts, place)).collect()),
            map: self.map(screening, progress),
            review: reviewed.collect(),
            to_review: queue.len() as u64,
            regions: profile.region_names.clone(),
            leaves: leaves
                .map(|leaf| (region_of_leaf[leaf.id as usize], leaf))
                .map(|(region, leaf)| (leaf, region))
                .collect(),
            scores: self.score_spread(),
        }
    }

    /// The sampled texts and the flagged ones.
    fn mapped(&self) -> BTreeMap<ContentHash, &SampledText> {
        let threshold = self.threshold().p_value;
        let flagged = self.odd.iter().filter(|(_, text)| text.screened.reason(threshold).is_some());
        let sampled = self.sample.iter().map(|(hash, text)| (*hash, text));
        sampled.chain(flagged.map(|((_, hash), text)| (*hash, text))).collect()
    }

    fn map(&self, screening: &Screening, progress: &dyn Progress) -> Option<MapPoints> {
        let profile = self.screener.reference().profile();
        let sample = profile.sample.as_ref().filter(|sample| !sample.is_empty())?;
        let of_drop = self.mapped();
        if of_drop.is_empty() {
            return None;
        }
        let drop = matrix(profile.encoder.dim, of_drop.values().copied());
        let joined = EmbeddingMatrix::joined(drop, self.screener.reference().vectors().clone());
        let layout = lay_out(Rows::from(&joined), &MapParams::default(), progress);
        let (threshold, region_of_leaf) = (self.threshold().p_value, &profile.codebook.region_of_leaf);
        let mut places = layout.xy.into_iter();
        let drop_points = of_drop.values().zip(&mut places).map(|(text, xy)| MapPoint {
            xy,
            side: Side::Corpus,
            region: region_of_leaf[text.screened.leaf as usize],
            mark: text.screened.reason(threshold).is_some().then_some(Mark::Flagged),
            score: Some(text.screened.score),
            source: text.source.clone(),
            label: text.label.clone(),
            id: text.id.clone(),
            text: cut(&text.text, POINT_CHARACTERS),
        });
        let mut points: Vec<MapPoint> = drop_points.collect();
        points.extend(sample.map_points(Side::Reference, places, &profile.codebook, true));
        Some(MapPoints {
            method: layout.method,
            points,
            of: [screening.rows.distinct_texts, screening.against.distinct_texts],
        })
    }

    fn score_spread(&self) -> Option<ScoreSpread> {
        let drop: Vec<f32> = self.sample.iter().map(|(_, text)| text.screened.score).collect();
        let reference = self.screener.reference_scores();
        if drop.is_empty() || reference.is_empty() {
            return None;
        }
        let widened = |[low, high]: [f64; 2], &x: &f32| [low.min(f64::from(x)), high.max(f64::from(x))];
        let range = drop.iter().chain(&reference).fold([f64::INFINITY, f64::NEG_INFINITY], widened);
        let [reference_bins, drop] = [&reference, &drop].map(|scores| Histogram::over(range, BINS, scores));
        Some(ScoreSpread { threshold: self.threshold_score(&reference), reference: reference_bins, drop })
    }

    /// The greatest reference score that would not be flagged: what lies beyond it is.
    fn threshold_score(&self, reference: &[f32]) -> Option<f64> {
        let (calibration, p_value) = (&self.screener.calibration, self.threshold().p_value);
        if self.screener.params.per_leaf || calibration.p_value(f32::INFINITY) > p_value {
            return None;
        }
        let kept = reference.iter().filter(|&&score| calibration.p_value(score) > p_value);
        kept.copied().reduce(f32::max).map(f64::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::MapMethod;
    use crate::profile::fixture::{fitted, lines, read, sampling};
    use crate::profile::{Profile, SampleParams};
    use crate::progress::Silent;
    use crate::screen::{Decisions, ScreenParams, ScreenReference};

    /// A drop of the reference's five topics, and a sixth one: some of it with a source, a label, or an equal id.
    fn drop_lines() -> Vec<String> {
        let mut all = lines(150, 9);
        for i in 0..12 {
            let x = -1.0 + f64::from(i) * 0.01;
            all.push(format!(
                "{{\"id\": \"new-{}\", \"text\": \"router {i}\", \"vector\": [{x}, -0.5, -0.4, 0, 0.1, -1], \"source\": \"shop\", \"label\": \"l{i}\"}}\n",
                i / 2,
            ));
        }
        all
    }

    fn reference(sample: &SampleParams) -> Profile {
        fitted(&lines(600, 2), 12, sample)
    }

    /// What came out for a drop.
    struct Screened {
        found: ScreeningDetails,
        /// Texts of flagged rows.
        flagged: Vec<String>,
        /// The review queue.
        queue: String,
    }

    fn details(profile: &Profile, lines: &[String], params: ScreenParams, decisions: Decisions) -> Screened {
        let reference = ScreenReference::new("reference".to_owned(), profile.clone());
        let screener = params.check().unwrap().fit(&reference, &Silent).unwrap().heeding(decisions, None);
        let mut batch = Batch::new(&screener);
        let flagged = if lines.is_empty() { Vec::new() } else { take(&mut batch, lines) };
        let screening = batch.finish(vec![]).unwrap();
        let mut queue = Vec::new();
        batch.write_review(&screening, &mut queue).unwrap();
        Screened { found: batch.details(&screening, &Silent), flagged, queue: String::from_utf8(queue).unwrap() }
    }

    /// Screens lines, and decides on them: the texts of flagged rows.
    fn take(batch: &mut Batch<'_>, lines: &[String]) -> Vec<String> {
        let drop = read(lines);
        let rows = drop.corpus.records().filter_map(|row| row.unwrap().record.ok());
        let texts: Vec<String> = rows.map(|record| record.text).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let rows = batch.screen(&drop.embedded, &texts).unwrap();
        let threshold = batch.threshold();
        let mut flagged = Vec::new();
        for (text, row) in texts.iter().zip(&rows) {
            if batch.decide(None, row.as_ref(), threshold).is_some() && row.is_some() {
                flagged.push((*text).to_owned());
            }
        }
        flagged
    }

    #[test]
    fn what_is_flagged_is_marked_and_queued() {
        let profile = reference(&sampling(300));
        let lines = drop_lines();
        let Screened { found, flagged, .. } = details(&profile, &lines, ScreenParams::default(), Decisions::default());
        let map = found.map.unwrap();
        assert_eq!(map.method, MapMethod::Umap);
        assert_eq!((map.drawn(Side::Reference), map.of[1]), (300, profile.distinct_texts()));
        assert_eq!(map.drawn(Side::Corpus), map.of[0], "every text of a small drop");
        assert!(map.points.is_sorted_by_key(|point| point.side));
        let normal = |text: &str| crate::corpus::normalize(text).into_owned();
        let marked: std::collections::BTreeSet<String> = map
            .points
            .iter()
            .filter(|point| point.mark == Some(Mark::Flagged))
            .map(|point| point.text.clone())
            .collect();
        assert_eq!(marked, flagged.iter().map(|text| normal(text)).collect());
        assert!((0..12).all(|i| marked.contains(&format!("router {i}"))), "{marked:?}");
        assert_eq!(found.to_review, marked.len() as u64);
        let queued: std::collections::BTreeSet<String> =
            found.review.iter().map(|line| line.text.text.clone()).collect();
        assert_eq!(queued, marked);

        // Beyond the threshold lies what is flagged, and nothing else.
        // What the examples are nearest to can be read.
        let sample = profile.sample.as_ref().unwrap();
        for line in &found.review {
            let id = line.text.nearest_id.as_ref().unwrap();
            let text = &found.nearest[id];
            assert!((0..sample.len()).any(|i| sample.ids[i] == *id && sample.texts.as_ref().unwrap()[i] == *text));
        }

        let spread = found.scores.unwrap();
        let threshold = spread.threshold.unwrap();
        for point in map.points.iter().filter(|point| point.side == Side::Corpus) {
            let score = f64::from(point.score.unwrap());
            assert_eq!(score > threshold, point.mark.is_some(), "{score} {threshold}");
        }
        let in_leaves: u64 = found.leaves.iter().map(|(leaf, _)| leaf.texts).sum();
        assert_eq!((in_leaves, found.regions.len()), (map.of[0], profile.codebook.n_regions()));
        assert_eq!(found.leaves.iter().map(|(leaf, _)| leaf.flagged).sum::<u64>(), found.to_review);
        assert!(found.leaves.iter().all(|(leaf, region)| profile.codebook.region_of_leaf[leaf.id as usize] == *region));
        assert_eq!(spread.drop.counts.iter().sum::<u64>(), map.of[0]);
        assert_eq!(spread.reference.counts.iter().sum::<u64>(), 300);
        let region = |point: &MapPoint| point.region as usize;
        assert!(map.points.iter().all(|point| region(point) < profile.codebook.n_regions()));
        let of_reference: Vec<&MapPoint> = map.points.iter().filter(|point| point.side == Side::Reference).collect();
        for (i, point) in of_reference.into_iter().enumerate() {
            assert_eq!((&point.id, point.score, point.mark), (&sample.ids[i], None, None));
            assert_eq!(point.region, profile.codebook.region_of_leaf[sample.leaves[i] as usize]);
        }
        let router = map.points.iter().find(|point| point.text == "router 4").unwrap();
        assert_eq!(
            (router.id.as_str(), router.source.as_deref(), router.label.as_deref()),
            ("new-2", Some("shop"), Some("l4"))
        );
    }

    #[test]
    fn the_order_of_rows_does_not_matter() {
        let profile = reference(&sampling(200));
        let lines = drop_lines();
        let backward: Vec<String> = lines.iter().rev().cloned().collect();
        let one = details(&profile, &lines, ScreenParams::default(), Decisions::default()).found;
        assert_eq!(one, details(&profile, &backward, ScreenParams::default(), Decisions::default()).found);
    }

    #[test]
    fn decisions_rates_and_references_without_texts() {
        let profile = reference(&sampling(300));
        let queue = details(&profile, &drop_lines(), ScreenParams::default(), Decisions::default()).queue;
        let line = queue.lines().find(|line| line.contains("\"router 3\"")).unwrap();
        let mut decisions = Decisions::default();
        let accepted = line.replace("\"verdict\":null", "\"verdict\":\"accept\"");
        decisions.read(accepted.as_bytes(), "queue").unwrap();
        assert_eq!(decisions.counts(), [1, 0]);
        let found = details(&profile, &drop_lines(), ScreenParams::default(), decisions).found;
        let map = found.map.unwrap();
        assert!(map.points.iter().any(|point| point.text == "router 3" && point.mark.is_none()));
        assert!(map.points.iter().any(|point| point.text == "router 4" && point.mark.is_some()));

        // A rate that flags nothing has no threshold.
        let strict = ScreenParams { alpha: 0.001, ..ScreenParams::default() };
        let Screened { found, flagged, .. } = details(&profile, &drop_lines(), strict, Decisions::default());
        assert_eq!((found.scores.unwrap().threshold, flagged.len(), found.to_review), (None, 0, 0));

        let without_texts = reference(&SampleParams { limit: Some(100), texts: false });
        let Screened { found, .. } =
            details(&without_texts, &drop_lines(), ScreenParams::default(), Decisions::default());
        assert!(found.nearest.is_empty() && found.to_review > 0);
        assert!(found.map.unwrap().points.iter().all(|point| (point.side == Side::Corpus) != point.text.is_empty()));

        let compact = reference(&SampleParams { limit: None, texts: false });
        let z = ScreenParams { score: crate::ood::ScoreKind::Z, ..ScreenParams::default() };
        let Screened { found, .. } = details(&compact, &drop_lines(), z.clone(), Decisions::default());
        assert!(found.map.is_none() && found.scores.is_some());
        let Screened { found, .. } = details(&compact, &[], z, Decisions::default());
        assert!(found.map.is_none() && found.scores.is_none());
    }
}
