//! What changed from one profile to another.
//!
//! Under one codebook, regions and leaves are compared by their shares of the distinct texts. A region *lost* texts if
//! its share is below 0.8 of the old one, *gained* if above 1.25, and if the change is significant: both one-sided tests
//! of [`Rates`], doubled, corrected by Holm's method for the number of regions, at level .01. Where the new corpus holds
//! texts of the old one the two counts are not independent, and the test is more cautious than it says. A compact
//! profile knows rows only, which are then taken for its texts.
//!
//! A region *moved* if its content is elsewhere than it was: the cosine m of the mean directions of its rows is below
//! .98, and lower than the sampling of n texts explains. For a mean of length r that is about
//! ```text
//! 1 - m = (1 - r^2) / (2 n r^2)      for each of the two, added up; three times that is called a move
//! ```
//! Among 500 regions of about 150 and 30 or 150 queries of CLINC150, drawn from the same intents, 1 - m was 1.0 times
//! that in the mean and 2.7 times at most. With 15 of the 150 intents left out, 33 of 250 regions were beyond three.
//!
//! Under different codebooks of one encoder, regions are matched one to one so that the sum of their centroids' cosines
//! is largest (Kuhn 1955, <https://doi.org/10.1002/nav.3800020109>). Pairs of at least .9 are taken for the same region
//! and their shares compared; the others *died* or were *born*. Two codebooks draw other borders even through the same
//! corpus: of two random halves of CLINC150's training set, 30 of 50 regions are matched, and of these one or two lost or
//! gained. So nothing is said to have moved, and who wants to know what changed observes under one codebook.

use std::collections::BTreeMap;

use pathfinding::kuhn_munkres::kuhn_munkres;
use pathfinding::matrix::Matrix;
use serde::Serialize;

use super::Profile;
use crate::embed::EncoderDifference;
use crate::stats::{Rates, holm};
use crate::{Error, Result};

/// Level of the tests of all regions together.
const ALPHA: f64 = 0.01;
/// Ratios of shares below and above which a significant change counts.
const LOST: f64 = 0.8;
const GAINED: f64 = 1.25;
/// Texts that a region must have on both sides to have moved: the mean of fewer has no direction to speak of.
const LEAST_TEXTS_TO_MOVE: u64 = 10;

/// Cosine of mean directions below which a region may have moved.
const MOVED: f64 = 0.98;
/// Times the distance that sampling explains.
const BEYOND_SAMPLING: f64 = 3.0;
/// Cosine of centroids from which on regions of different codebooks are the same.
const SAME_REGION: f64 = 0.9;

/// What changed from an old profile to a new one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProfileDiff {
    /// Whether both have the same codebook; else regions are matched, and leaves are not compared.
    pub same_codebook: bool,
    /// The precisions of the encoder, where they differ: some texts may then be in another leaf by rounding alone.
    pub precision: Option<Pair<String>>,
    /// Records, those without text included.
    pub rows: Pair<u64>,
    /// Distinct texts.
    pub distinct_texts: Pair<u64>,
    /// The regions that both have, by old id.
    pub regions: Vec<RegionDiff>,
    /// Regions of the old profile that the new one lacks; none under the same codebook.
    pub died: Vec<LoneRegion>,
    /// Regions of the new profile that the old one lacks; none under the same codebook.
    pub born: Vec<LoneRegion>,
    /// The leaves, by id; none under different codebooks.
    pub leaves: Vec<LeafDiff>,
    /// Rows of every source that either has, by name.
    pub sources: Vec<NameDiff>,
    /// Rows of every label that either has, by name.
    pub labels: Vec<NameDiff>,
}

/// A value then and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pair<T> {
    /// In the old profile.
    pub old: T,
    /// In the new one.
    pub new: T,
}

/// Whether a share changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShareChange {
    /// Not significantly, or by little.
    Same,
    /// It is significantly below 0.8 of what it was.
    Lost,
    /// It is significantly above 1.25 of what it was.
    Gained,
}

/// A region that both profiles have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionDiff {
    /// Its ids; equal under the same codebook.
    pub id: Pair<u32>,
    /// Its names; equal under the same codebook.
    pub name: Pair<String>,
    /// Its distinct texts.
    pub texts: Pair<u64>,
    /// Its shares of the distinct texts, 0 to 1.
    pub share: Pair<f64>,
    /// The new share over the old one, as [`Rates::ratio`].
    pub ratio: f64,
    /// Two-sided p-value of equal shares, corrected for the number of regions.
    pub p_value: f64,
    /// Whether the share changed.
    pub change: ShareChange,
    /// Cosine of the mean directions of its rows; `None` where one has no rows.
    pub similarity: Option<f64>,
    /// Whether its content is elsewhere; never under different codebooks.
    pub moved: bool,
}

/// A region that only one profile has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoneRegion {
    /// Its id.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its distinct texts.
    pub texts: u64,
    /// Its share of the distinct texts, 0 to 1.
    pub share: f64,
}

/// A leaf under one codebook.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeafDiff {
    /// Its id.
    pub id: u32,
    /// Its region.
    pub region: u32,
    /// Its name.
    pub name: String,
    /// Its distinct texts.
    pub texts: Pair<u64>,
    /// Its shares of the distinct texts, 0 to 1.
    pub share: Pair<f64>,
    /// The new share over the old one, as [`Rates::ratio`].
    pub ratio: f64,
}

/// Rows of a source or a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NameDiff {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: Pair<u64>,
}

/// Compares two profiles of one encoder, whose precisions may differ.
///
/// # Errors
/// [`Error::Profile`] if the encoders differ in anything else, or one of the profiles has no records with text.
pub fn diff(old: &Profile, new: &Profile) -> Result<ProfileDiff> {
    if let Some(EncoderDifference { field, ours, theirs }) = old.encoder.difference_beyond_precision(&new.encoder) {
        return Err(Error::Profile {
            path: "to compare".to_owned(),
            problem: format!("the encoder's {field}: expected {ours}, as in the old one, got {theirs}"),
            help: "profile both corpora with one encoder".to_owned(),
        });
    }
    for (which, profile) in [("old", old), ("new", new)] {
        if profile.rows_with_text() == 0 {
            return Err(Error::Profile {
                path: "to compare".to_owned(),
                problem: format!("the {which} one has no records with text"),
                help: "compare profiles of records with text".to_owned(),
            });
        }
    }
    let same_codebook = old.codebook == new.codebook;
    let precision = old.encoder.difference(&new.encoder);
    let sides = Pair { old: Side::of(old), new: Side::of(new) };
    let n_regions = old.codebook.n_regions();
    let pairs = if same_codebook { (0..n_regions).map(|region| (region, region)).collect() } else { matched(old, new) };
    let lone = |side: &Side<'_>, paired: &[usize]| -> Vec<LoneRegion> {
        let regions = (0..side.regions.len()).filter(|region| !paired.contains(region));
        regions.map(|region| side.lone(region)).collect()
    };
    let (old_paired, new_paired): (Vec<usize>, Vec<usize>) = pairs.iter().copied().unzip();
    Ok(ProfileDiff {
        same_codebook,
        precision: precision.map(|EncoderDifference { ours, theirs, .. }| Pair { old: ours, new: theirs }),
        rows: Pair { old: old.observed.rows, new: new.observed.rows },
        distinct_texts: Pair { old: old.distinct_texts(), new: new.distinct_texts() },
        died: lone(&sides.old, &old_paired),
        born: lone(&sides.new, &new_paired),
        regions: regions(&sides, &pairs, same_codebook),
        leaves: if same_codebook { leaves(&sides) } else { Vec::new() },
        sources: names(&old.observed.sources, &new.observed.sources),
        labels: names(&old.observed.labels, &new.observed.labels),
    })
}

/// A profile, and what is known of its regions.
struct Side<'a> {
    profile: &'a Profile,
    /// Distinct texts of the leaves, and of all.
    leaves: Vec<u64>,
    all: u64,
    regions: Vec<OfRegion>,
}

struct OfRegion {
    texts: u64,
    rows: u64,
    /// Sum of the vectors of its rows.
    sum: Vec<f64>,
}

impl<'a> Side<'a> {
    fn of(profile: &'a Profile) -> Self {
        let dim = profile.codebook.dim;
        let leaves = profile.texts_per_leaf();
        let mut regions: Vec<OfRegion> =
            profile.region_names.iter().map(|_| OfRegion { texts: 0, rows: 0, sum: vec![0.0; dim] }).collect();
        for (leaf, &region) in profile.codebook.region_of_leaf.iter().enumerate() {
            let (of_region, sums) = (&mut regions[region as usize], &profile.observed.leaves[leaf]);
            of_region.texts += leaves[leaf];
            of_region.rows += sums.all_rows();
            for (sum, &x) in of_region.sum.iter_mut().zip(&sums.sum) {
                *sum += x as f64 / 65_536.0;
            }
        }
        Self { profile, all: leaves.iter().sum(), leaves, regions }
    }

    fn share(&self, texts: u64) -> f64 {
        texts as f64 / self.all.max(1) as f64
    }

    fn lone(&self, region: usize) -> LoneRegion {
        let texts = self.regions[region].texts;
        let name = self.profile.region_names[region].clone();
        LoneRegion { id: region as u32, name, texts, share: self.share(texts) }
    }
}

impl OfRegion {
    /// 1 - m that the sampling of its texts explains.
    fn sampling(&self) -> f64 {
        let square = dot(&self.sum, &self.sum) / (self.rows as f64 * self.rows as f64);
        (1.0 - square) / (2.0 * self.texts as f64 * square)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn rates(sides: &Pair<Side<'_>>, texts: Pair<u64>) -> Rates {
    Rates { reference: texts.old, reference_total: sides.old.all, corpus: texts.new, corpus_total: sides.new.all }
}

/// Compares the regions of every pair.
fn regions(sides: &Pair<Side<'_>>, pairs: &[(usize, usize)], same_codebook: bool) -> Vec<RegionDiff> {
    let both = |&(old, new): &(usize, usize)| Pair { old: &sides.old.regions[old], new: &sides.new.regions[new] };
    let of_pair = |pair| {
        let Pair { old, new } = both(pair);
        rates(sides, Pair { old: old.texts, new: new.texts })
    };
    let rates: Vec<Rates> = pairs.iter().map(of_pair).collect();
    let two_sided = |rates: &Rates| (2.0 * rates.p_lower().min(rates.p_higher())).min(1.0);
    let p_values = holm(&rates.iter().map(two_sided).collect::<Vec<_>>());
    let compare = |((pair, rates), p_value): ((&(usize, usize), &Rates), f64)| {
        let Pair { old, new } = both(pair);
        let ratio = rates.ratio();
        let similarity = (old.rows > 0 && new.rows > 0).then(|| mean_cosine(old, new));
        let explained = BEYOND_SAMPLING * (old.sampling() + new.sampling());
        RegionDiff {
            id: Pair { old: pair.0 as u32, new: pair.1 as u32 },
            name: Pair {
                old: sides.old.profile.region_names[pair.0].clone(),
                new: sides.new.profile.region_names[pair.1].clone(),
            },
            texts: Pair { old: old.texts, new: new.texts },
            share: Pair { old: sides.old.share(old.texts), new: sides.new.share(new.texts) },
            ratio,
            p_value,
            change: share_change(ratio, p_value),
            similarity,
            moved: same_codebook
                && old.texts.min(new.texts) >= LEAST_TEXTS_TO_MOVE
                && similarity.is_some_and(|cosine| cosine < MOVED && 1.0 - cosine > explained),
        }
    };
    pairs.iter().zip(&rates).zip(p_values).map(compare).collect()
}

fn share_change(ratio: f64, p_value: f64) -> ShareChange {
    let significant = p_value <= ALPHA;
    if significant && ratio < LOST {
        ShareChange::Lost
    } else if significant && ratio > GAINED {
        ShareChange::Gained
    } else {
        ShareChange::Same
    }
}

/// Cosine of the mean directions; 1 where the rows of one cancel out and so have none.
fn mean_cosine(old: &OfRegion, new: &OfRegion) -> f64 {
    let lengths = (dot(&old.sum, &old.sum) * dot(&new.sum, &new.sum)).sqrt();
    if lengths > 0.0 { (dot(&old.sum, &new.sum) / lengths).clamp(-1.0, 1.0) } else { 1.0 }
}

fn leaves(sides: &Pair<Side<'_>>) -> Vec<LeafDiff> {
    let profile = sides.new.profile;
    let compare = |(leaf, name): (usize, &String)| {
        let texts = Pair { old: sides.old.leaves[leaf], new: sides.new.leaves[leaf] };
        LeafDiff {
            id: leaf as u32,
            region: profile.codebook.region_of_leaf[leaf],
            name: name.clone(),
            texts,
            share: Pair { old: sides.old.share(texts.old), new: sides.new.share(texts.new) },
            ratio: rates(sides, texts).ratio(),
        }
    };
    profile.leaf_names.iter().enumerate().map(compare).collect()
}

/// The regions that are the same under both codebooks, by old id.
fn matched(old: &Profile, new: &Profile) -> Vec<(usize, usize)> {
    let cosine = |old_region: usize, new_region: usize| -> f64 {
        let widened = |centroid: &[f32]| centroid.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let (a, b) = (widened(old.codebook.region(old_region as u32)), widened(new.codebook.region(new_region as u32)));
        dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
    };
    // The matching takes whole numbers, and no more rows than columns.
    let weight = |old, new| (cosine(old, new) * f64::from(1 << 30)).round() as i64;
    let (n_old, n_new) = (old.codebook.n_regions(), new.codebook.n_regions());
    let mut pairs: Vec<(usize, usize)> = if n_old <= n_new {
        let weights = Matrix::from_fn(n_old, n_new, |(old, new)| weight(old, new));
        kuhn_munkres(&weights).1.into_iter().enumerate().collect()
    } else {
        let weights = Matrix::from_fn(n_new, n_old, |(new, old)| weight(old, new));
        kuhn_munkres(&weights).1.into_iter().enumerate().map(|(new, old)| (old, new)).collect()
    };
    pairs.retain(|&(old, new)| cosine(old, new) >= SAME_REGION);
    pairs.sort_unstable();
    pairs
}

fn names(old: &BTreeMap<String, u64>, new: &BTreeMap<String, u64>) -> Vec<NameDiff> {
    let mut rows: BTreeMap<&String, Pair<u64>> = BTreeMap::new();
    for (name, &count) in old {
        rows.insert(name, Pair { old: count, new: 0 });
    }
    for (name, &count) in new {
        rows.entry(name).or_insert(Pair { old: 0, new: 0 }).new = count;
    }
    rows.into_iter().map(|(name, rows)| NameDiff { name: name.clone(), rows }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::SampleParams;
    use crate::profile::fixture::{fitted, lines, observed, sampling};

    const WORDS: [&str; 2] = ["jazz", "song"];

    fn of_second_topic(line: &str) -> bool {
        WORDS.iter().any(|word| line.contains(word))
    }

    #[test]
    fn of_the_same_rows() {
        let profile = fitted(&lines(600, 41), 12, &SampleParams::default());
        let diff = diff(&profile, &profile).unwrap();
        assert!(diff.same_codebook && diff.born.is_empty() && diff.died.is_empty());
        assert_eq!((diff.regions.len(), diff.leaves.len()), (4, 12));
        for region in &diff.regions {
            assert_eq!((region.change, region.moved, region.p_value), (ShareChange::Same, false, 1.0));
            assert!((region.similarity.unwrap() - 1.0).abs() < 1e-12 && (region.ratio - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn another_draw_of_the_same_topics_is_no_change() {
        for seed in 0..20 {
            let old = fitted(&lines(400, 100 + seed), 12, &SampleParams::default());
            let new = observed(&old, &lines(300, 200 + seed), &SampleParams::default()).unwrap();
            let diff = diff(&old, &new).unwrap();
            // At level .01 one of 20 draws may call a region changed with probability .2; these do not.
            assert!(diff.regions.iter().all(|region| region.change == ShareChange::Same && !region.moved), "{diff:?}");
        }
    }

    #[test]
    fn a_topic_is_lost_and_the_others_gain() {
        let all = lines(900, 43);
        let old = fitted(&all, 10, &SampleParams::default());
        let kept: Vec<String> = all.iter().filter(|line| !of_second_topic(line)).cloned().collect();
        let new = observed(&old, &kept, &SampleParams::default()).unwrap();
        let found = diff(&old, &new).unwrap();
        let hit: Vec<&RegionDiff> =
            found.regions.iter().filter(|region| WORDS.iter().any(|word| region.name.old.contains(word))).collect();
        assert!(!hit.is_empty());
        for region in hit {
            let whole_region = region.texts.new * 10 < region.texts.old;
            assert!(!whole_region || region.change == ShareChange::Lost, "{region:?}");
            assert!(whole_region || region.moved, "a region of two topics of which one is gone: {region:?}");
        }
        assert_eq!(found.rows, Pair { old: old.observed.rows, new: new.observed.rows });
        let back = diff(&new, &old).unwrap();
        for (there, back) in found.regions.iter().zip(&back.regions) {
            assert!((there.p_value - back.p_value).abs() <= 1e-9 * there.p_value, "{there:?} {back:?}");
            assert_eq!(there.share.old, back.share.new);
        }
    }

    #[test]
    fn regions_of_another_codebook() {
        let all = lines(900, 44);
        let with: Vec<String> = all.clone();
        let without: Vec<String> = all.into_iter().filter(|line| !of_second_topic(line)).collect();
        let of = |lines: &[String], regions| {
            let read = crate::profile::fixture::read(lines);
            let codebook = crate::cluster::CodebookParams { leaves: Some(20), regions: Some(regions), seed: 5 };
            let params = crate::profile::ProfileParams { codebook, sample: sampling(5000) };
            crate::profile::fit(&read.corpus, &read.embedded, &params, &crate::progress::Silent).unwrap()
        };
        let (five, four) = (of(&with, 5), of(&without, 4));
        let found = diff(&five, &four).unwrap();
        assert!(!found.same_codebook && found.leaves.is_empty() && found.born.is_empty());
        assert_eq!((found.regions.len(), found.died.len()), (4, 1));
        assert!(WORDS.iter().any(|word| found.died[0].name.contains(word)), "{:?}", found.died);
        assert!(found.regions.iter().all(|region| region.similarity.unwrap() > 0.98 && !region.moved));
        let back = diff(&four, &five).unwrap();
        assert_eq!((back.born, back.died.len()), (found.died, 0));
    }

    #[test]
    fn names_of_either() {
        let map = |names: &[(&str, u64)]| names.iter().map(|&(name, rows)| (name.to_owned(), rows)).collect();
        let found = names(&map(&[("a", 3), ("b", 2)]), &map(&[("b", 5), ("c", 1)]));
        let found: Vec<_> = found.iter().map(|diff| (diff.name.as_str(), diff.rows.old, diff.rows.new)).collect();
        assert_eq!(found, [("a", 3, 0), ("b", 2, 5), ("c", 0, 1)]);
    }

    #[test]
    fn another_encoder_is_refused() {
        let old = fitted(&lines(60, 45), 3, &sampling(5));
        let mut new = old.clone();
        new.encoder.name = "other".to_owned();
        let message = diff(&old, &new).unwrap_err().to_string();
        assert_eq!(
            message,
            "profile to compare: the encoder's name: expected vectors:vector, as in the old one, got other"
        );
    }

    #[test]
    fn nothing_observed() {
        let old = fitted(&lines(60, 46), 3, &sampling(5));
        let mut new = old.clone();
        new.observed.leaves = vec![crate::profile::LeafSums::new(crate::profile::fixture::DIM); 3];
        (new.observed.rows, new.observed.empty) = (0, 0);
        let message = diff(&old, &new).unwrap_err().to_string();
        assert_eq!(message, "profile to compare: the new one has no records with text");
    }
}
