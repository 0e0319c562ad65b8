//! From an embedded corpus to its profile: under a codebook of its own, or of another profile.
//!
//! The codebook is fitted to the texts of [`half()`] 0, so that the other half says how far texts lie from centroids that
//! have not seen them. A corpus of fewer than 40 distinct texts is too small to halve: there all texts are fitted to.
//! How many leaves there are depends on all distinct texts. [`Prototypes`] are fitted to the same texts.
//!
//! Cost: that of codebook and prototypes, then n (leaves + prototypes / 2 + dim) dim multiplications. Memory: 24 bytes a
//! text.

use std::collections::{BTreeMap, BTreeSet};

use super::sums::sum_leaves;
use super::{Census, MOST_ROWS, MultisetDigest, Observed, Profile, Prototypes, Provenance, Sample, SampleParams, half};
use crate::cluster::{
    Assignment, Codebook, CodebookParams, LEAF_TEXTS, NAMING_CHARACTERS, REGION_TEXTS, TermCounts, assign,
    default_leaves,
};
use crate::corpus::{Categories, CollectedTexts, Corpus, Input, TextTally, cut};
use crate::embed::{EmbeddedCorpus, EncoderDifference, EncoderId};
use crate::progress::{Progress, Stage};
use crate::vectors::Rows;
use crate::vectors::moments::Moments;
use crate::{Error, Result};

/// Distinct texts from which on the codebook is fitted to one half of them.
pub const LEAST_TEXTS_TO_HALVE: u64 = 40;

/// Characters kept of a sampled text.
const SAMPLED_CHARACTERS: usize = 300;

/// Settings of a profile with a codebook of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProfileParams {
    /// How to fit the codebook.
    pub codebook: CodebookParams,
    /// What to keep of single texts.
    pub sample: SampleParams,
}

/// Fits a codebook to an embedded corpus and observes the corpus under it. `corpus` is read once more, for the texts
/// that leaves and regions are named from.
///
/// # Errors
/// If no record has text, there are more than [`MOST_ROWS`] records, a setting is out of its range, or the corpus
/// cannot be read again.
pub fn fit(
    corpus: &Corpus,
    embedded: &EmbeddedCorpus,
    params: &ProfileParams,
    progress: &dyn Progress,
) -> Result<Profile> {
    params.sample.check()?;
    check_rows(corpus, embedded)?;
    if embedded.vectors.is_empty() {
        let got = format!("{} records without any", embedded.records.len());
        let help = "name the column that holds the text with `--text COLUMN`";
        return Err(problem(corpus, "at least one record with text", got, help));
    }
    let first_half = first_half(embedded);
    let training = first_half
        .as_deref()
        .map_or_else(|| Rows::from(&embedded.vectors), |first_half| Rows::of(&embedded.vectors, first_half));
    let leaves = params.codebook.leaves.or(Some(default_leaves(embedded.vectors.len())));
    let codebook =
        Codebook::fit(training, &CodebookParams { leaves, ..params.codebook.clone() }, progress)?.0.rounded();
    let prototypes = Prototypes::fit(training, first_half.is_some(), params.codebook.seed, progress)?;
    let observation = Observation::of(embedded, &codebook, Some(&prototypes), progress);
    let mut wanted = observation.sampled_rows(&params.sample);
    observation.naming_texts(&codebook, |_, text| {
        wanted.insert(observation.tally.kept[text as usize], NAMING_CHARACTERS);
    });
    let texts = CollectedTexts::read_normalized(corpus, &embedded.records, &wanted, progress)?;
    let (leaf_names, region_names) = observation.names(&codebook, &texts);
    Ok(Profile {
        encoder: embedded.encoder.clone(),
        codebook,
        leaf_names,
        region_names,
        census: observation.census(&params.sample),
        sample: observation.sample(&params.sample, &texts),
        provenance: observation.provenance(params.codebook.seed, true),
        prototypes: observation.prototypes,
        observed: observation.observed,
    })
}

/// Observes an embedded corpus under the codebook of a profile. `corpus` is read once more if the sample keeps texts.
///
/// The corpus may have been embedded in another precision than the profile's, as on another kind of device. The new profile
/// says so: its encoder has the precision of the corpus' vectors.
///
/// # Errors
/// [`Error::Encoder`] if the corpus was embedded by another encoder than the profile's, precision aside; else as [`fit()`]. A corpus
/// without text is no error here: a part of a corpus may have none.
pub fn observe(
    profile: &Profile,
    corpus: &Corpus,
    embedded: &EmbeddedCorpus,
    params: &SampleParams,
    progress: &dyn Progress,
) -> Result<Profile> {
    params.check()?;
    check_rows(corpus, embedded)?;
    if let Some(EncoderDifference { field, ours, theirs }) =
        profile.encoder.difference_beyond_precision(&embedded.encoder)
    {
        return Err(Error::Encoder {
            encoder: embedded.encoder.name.clone(),
            problem: format!("expected the {field} {ours} of the profile's encoder, got {theirs}"),
            help: format!("embed the corpus as the profile was: by {}", profile.encoder.name),
            source: None,
        });
    }
    let observation = Observation::of(embedded, &profile.codebook, profile.prototypes.as_ref(), progress);
    let wanted = observation.sampled_rows(params);
    let texts = if wanted.is_empty() {
        CollectedTexts::default()
    } else {
        CollectedTexts::read_normalized(corpus, &embedded.records, &wanted, progress)?
    };
    Ok(Profile {
        encoder: EncoderId { precision: embedded.encoder.precision.clone(), ..profile.encoder.clone() },
        codebook: profile.codebook.clone(),
        leaf_names: profile.leaf_names.clone(),
        region_names: profile.region_names.clone(),
        census: observation.census(params),
        sample: observation.sample(params, &texts),
        provenance: observation.provenance(profile.provenance.seed, false),
        prototypes: observation.prototypes,
        observed: observation.observed,
    })
}

fn check_rows(corpus: &Corpus, embedded: &EmbeddedCorpus) -> Result<()> {
    if embedded.counts.rows <= MOST_ROWS {
        return Ok(());
    }
    let expected = format!("at most {MOST_ROWS} records in a profile");
    Err(problem(corpus, &expected, embedded.counts.rows.to_string(), "observe the corpus in parts"))
}

fn problem(corpus: &Corpus, expected: &str, got: String, help: &str) -> Error {
    let place = corpus.inputs().iter().map(Input::path).collect::<Vec<_>>().join(", ");
    Error::Corpus { place, expected: expected.to_owned(), got, help: help.to_owned() }
}

/// The texts of half 0; `None` where there are too few texts to halve them.
fn first_half(embedded: &EmbeddedCorpus) -> Option<Vec<u32>> {
    let hashes = embedded.hashes.iter().zip(0_u32..);
    let first_half: Vec<u32> = hashes.filter(|(hash, _)| half(**hash) == 0).map(|(_, text)| text).collect();
    let halved = embedded.vectors.len() as u64 >= LEAST_TEXTS_TO_HALVE && !first_half.is_empty();
    halved.then_some(first_half)
}

/// An embedded corpus in the leaves of a codebook.
struct Observation<'a> {
    embedded: &'a EmbeddedCorpus,
    assignment: Assignment,
    tally: TextTally,
    observed: Observed,
    prototypes: Option<Prototypes>,
}

impl<'a> Observation<'a> {
    fn of(
        embedded: &'a EmbeddedCorpus,
        codebook: &Codebook,
        prototypes: Option<&Prototypes>,
        progress: &dyn Progress,
    ) -> Self {
        let (records, counts) = (&embedded.records, &embedded.counts);
        let visits = 1 + u64::from(prototypes.is_some());
        progress.start(Stage::Observe, Some(embedded.vectors.len() as u64 * visits));
        let assignment = assign(&embedded.vectors, &codebook.leaves);
        let tally = TextTally::new(records, embedded.vectors.len());
        let per_name = |category: &Categories| {
            let mut rows = BTreeMap::new();
            for row in (0..records.len()).filter(|&row| records.text(row).is_some()) {
                if let Some(name) = category.get(row) {
                    // Names repeat: a string is made once for each.
                    if let Some(rows) = rows.get_mut(name) {
                        *rows += 1;
                    } else {
                        rows.insert(name.to_owned(), 1);
                    }
                }
            }
            rows
        };
        let observed = Observed {
            rows: counts.rows,
            empty: counts.empty,
            bad_rows: counts.bad_rows,
            synthetic: counts.left_out,
            leaves: sum_leaves(embedded, codebook, &assignment, &tally.rows, progress),
            moments: Moments::weighted(&embedded.vectors, &tally.rows),
            sources: per_name(&records.sources),
            labels: per_name(&records.labels),
            licences: per_name(&records.licences),
        };
        let prototypes = prototypes.map(|prototypes| prototypes.observing(embedded, &tally.rows, progress));
        progress.finish();
        Self { embedded, assignment, tally, observed, prototypes }
    }

    /// The rows whose texts the sample keeps, if it keeps texts, and how many characters of each.
    fn sampled_rows(&self, params: &SampleParams) -> BTreeMap<u32, usize> {
        let limit = if params.texts { params.limit.unwrap_or(0) } else { 0 };
        self.tally.kept.iter().take(limit).map(|&row| (row, SAMPLED_CHARACTERS)).collect()
    }

    fn census(&self, params: &SampleParams) -> Option<Census> {
        params.limit.map(|_| Census::of(&self.embedded.hashes, &self.assignment.nearest))
    }

    fn sample(&self, params: &SampleParams, texts: &CollectedTexts) -> Option<Sample> {
        let text = |row: u32| cut(texts.get(row), SAMPLED_CHARACTERS);
        let text = params.texts.then_some(&text as &dyn Fn(u32) -> String);
        params.limit.map(|limit| Sample::of(self.embedded, &self.assignment, &self.tally, limit, text))
    }

    fn provenance(&self, seed: u64, fitted: bool) -> Provenance {
        let mut digest = MultisetDigest::default();
        for (&hash, &rows) in self.embedded.hashes.iter().zip(&self.tally.rows) {
            digest.add(hash, rows);
        }
        Provenance { versions: BTreeSet::from([env!("CARGO_PKG_VERSION").to_owned()]), seed, fitted, digest }
    }

    /// Calls `visit` with the classes that a text names, leaf and region, each if it is among the first of that class.
    fn naming_texts(&self, codebook: &Codebook, mut visit: impl FnMut([Option<u32>; 2], u32)) {
        let mut of_leaf = vec![0; codebook.n_leaves()];
        let mut of_region = vec![0; codebook.n_regions()];
        for (&leaf, text) in self.assignment.nearest.iter().zip(0..) {
            let region = codebook.region_of_leaf[leaf as usize];
            of_leaf[leaf as usize] += 1;
            of_region[region as usize] += 1;
            let leaf = Some(leaf).filter(|&leaf| of_leaf[leaf as usize] <= LEAF_TEXTS);
            let region = Some(region).filter(|&region| of_region[region as usize] <= REGION_TEXTS);
            if leaf.is_some() || region.is_some() {
                visit([leaf, region], text);
            }
        }
    }

    /// Names of the leaves and of the regions.
    fn names(&self, codebook: &Codebook, texts: &CollectedTexts) -> (Vec<String>, Vec<String>) {
        let mut of_leaves = TermCounts::new(codebook.n_leaves());
        let mut of_regions = TermCounts::new(codebook.n_regions());
        self.naming_texts(codebook, |[leaf, region], text| {
            let text = texts.get(self.tally.kept[text as usize]);
            if let Some(leaf) = leaf {
                of_leaves.add(leaf, text);
            }
            if let Some(region) = region {
                of_regions.add(region, text);
            }
        });
        (of_leaves.names(), of_regions.names())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::fixture::{fitted, lines, observed, read, sampling};
    use crate::progress::Silent;

    #[test]
    fn counts_what_is_there() {
        let lines = lines(400, 1);
        let profile = fitted(&lines, 12, &SampleParams::default());
        let corpus = read(&lines).embedded;
        let counts = &corpus.counts;
        let found = &profile.observed;
        assert_eq!((found.rows, found.empty, found.bad_rows), (counts.rows, counts.empty, counts.bad_rows));
        assert!(counts.empty > 0 && counts.bad_rows > 0 && counts.exact_duplicates > 0);
        assert_eq!(profile.rows_with_text(), found.moments.n());
        assert_eq!(profile.distinct_texts(), counts.distinct_texts);
        let census = profile.census.as_ref().unwrap();
        assert!(census.len() as u64 == counts.distinct_texts && census.is_complete());
        assert!(corpus.hashes.iter().all(|&hash| census.contains(hash) == Some(true)));
        let mail = lines.iter().filter(|line| line.contains("mail")).count() as u64;
        assert_eq!((found.sources["mail"], found.sources.len(), found.labels.len()), (mail, 2, 1));

        let licensed = |licence: &str| lines.iter().filter(|line| line.contains(licence)).count() as u64;
        let licences =
            ["MIT", "other"].map(|licence| (licence.to_owned(), licensed(&format!("\"license\": \"{licence}\""))));
        assert_eq!(found.licences, BTreeMap::from(licences));

        // Every text in its leaf, every row counted, the halves apart.
        let assignment = assign(&corpus.vectors, &profile.codebook.leaves);
        assert_eq!(profile.texts_per_leaf(), assignment.counts(12));
        let mut rows = [[0; 2]; 12];
        let mut texts = [[0; 2]; 12];
        for row in 0..corpus.records.len() {
            let Some(text) = corpus.records.text(row) else { continue };
            rows[assignment.nearest[text as usize] as usize][half(corpus.hashes[text as usize])] += 1;
        }
        for (hash, &leaf) in corpus.hashes.iter().zip(&assignment.nearest) {
            texts[leaf as usize][half(*hash)] += 1;
        }
        assert_eq!(found.leaves.iter().map(|leaf| leaf.rows).collect::<Vec<_>>(), rows);
        for half in 0..2 {
            let of_half: Vec<u64> = texts.iter().map(|texts| texts[half]).collect();
            assert_eq!(profile.texts_per_leaf_of_half(half), of_half);
        }
        // Distances are those to the leaves' centroids, up to their rounding and that of f32 products.
        for (leaf, sums) in found.leaves.iter().enumerate() {
            let members = (0..corpus.records.len()).filter_map(|row| corpus.records.text(row));
            let members: Vec<u32> = members.filter(|&text| assignment.nearest[text as usize] == leaf as u32).collect();
            let distances = members.iter().map(|&text| 1.0 - f64::from(assignment.similarity[text as usize]));
            let mean = distances.sum::<f64>() / members.len() as f64;
            assert!((sums.mean_distance().unwrap() - mean).abs() < 1e-3, "{mean} {:?}", sums.mean_distance());
        }
        let names: BTreeSet<&String> = profile.leaf_names.iter().collect();
        assert_eq!((names.len(), profile.region_names.len()), (12, 4));
    }

    #[test]
    fn half_1_is_held_out() {
        let corpus = read(&lines(400, 2));
        let params = CodebookParams { leaves: Some(12), regions: Some(3), seed: 9 };
        let fit = |corpus: &crate::profile::fixture::Read| {
            let params = ProfileParams { codebook: params.clone(), ..ProfileParams::default() };
            super::fit(&corpus.corpus, &corpus.embedded, &params, &Silent).unwrap()
        };
        let hashes = &corpus.embedded.hashes;
        let first_half: Vec<u32> = (0..hashes.len() as u32).filter(|&text| half(hashes[text as usize]) == 0).collect();
        let of_half = Codebook::fit(Rows::of(&corpus.embedded.vectors, &first_half), &params, &Silent).unwrap().0;
        let profile = fit(&corpus);
        assert_eq!(profile.codebook, of_half.rounded());
        // Held-out texts lie further from the centroids.
        let mean = |half: usize| {
            let sum = |of: fn(&super::super::LeafSums, usize) -> f64| -> f64 {
                profile.observed.leaves.iter().map(|leaf| of(leaf, half)).sum()
            };
            sum(|leaf, half| leaf.distance[half] as f64) / sum(|leaf, half| leaf.rows[half] as f64)
        };
        assert!(mean(1) > mean(0), "{} {}", mean(1), mean(0));

        let small = read(&lines(40, 2));
        assert!((20..LEAST_TEXTS_TO_HALVE).contains(&(small.embedded.hashes.len() as u64)));
        let of_all = Codebook::fit(&small.embedded.vectors, &params, &Silent).unwrap().0;
        assert_eq!(fit(&small).codebook, of_all.rounded());
    }

    #[test]
    fn neither_order_nor_threads_matter() {
        let mut lines = lines(300, 3);
        let profile = fitted(&lines, 9, &sampling(50));
        lines.reverse();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap();
        assert_eq!(pool.install(|| fitted(&lines, 9, &sampling(50))), profile);
    }

    #[test]
    fn observing_the_same_rows() {
        let lines = lines(300, 4);
        let profile = fitted(&lines, 9, &sampling(50));
        let mut again = observed(&profile, &lines, &sampling(50)).unwrap();
        assert!(profile.provenance.fitted && !again.provenance.fitted);
        again.provenance.fitted = true;
        assert_eq!(again, profile);

        let sample = profile.sample.as_ref().unwrap();
        let texts = sample.texts.as_ref().unwrap();
        assert!(texts.iter().all(|text| text.contains(" number ") && !text.contains("  ")), "{texts:?}");
        assert_eq!((sample.len(), sample.is_full()), (50, true));
        let compact = observed(&profile, &lines, &SampleParams { limit: None, texts: false }).unwrap();
        assert_eq!((&compact.sample, &compact.census), (&None, &None));
        assert_eq!(compact.distinct_texts(), profile.rows_with_text());
        assert_eq!(compact.texts_per_leaf(), profile.rows_per_leaf());
    }

    #[test]
    fn estimates_of_distinct_texts() {
        let lines = lines(3000, 5);
        let exact = fitted(&lines, 5, &SampleParams::default());
        let mut profile = observed(&exact, &lines, &sampling(400)).unwrap();
        assert!(profile.distinct_texts_exact() && profile.distinct_texts() == exact.distinct_texts());
        profile.census = None;
        assert!(!profile.distinct_texts_exact());
        // Four standard errors of 1 / sqrt(398).
        let ratio = profile.distinct_texts() as f64 / exact.distinct_texts() as f64;
        assert!((ratio - 1.0).abs() < 0.2, "{ratio}");
        for (found, want) in profile.texts_per_leaf().into_iter().zip(exact.texts_per_leaf()) {
            // Some 80 sampled texts of a leaf, of which a quarter repeat.
            assert!((found as f64 / want as f64 - 1.0).abs() < 0.25, "{found} {want}");
        }
        // One sampled text says little, and still no leaf has fewer than one text or more than its rows.
        let poor = observed(&exact, &lines, &sampling(1)).unwrap();
        for (texts, rows) in poor.texts_per_leaf().into_iter().zip(poor.rows_per_leaf()) {
            assert!((1..=rows).contains(&texts));
        }
    }

    /// The vectors of another device: what was observed says where, and goes with what was observed there.
    #[test]
    fn another_precision() {
        let lines = lines(300, 7);
        // Of given vectors no precision is compared: these are an encoder's.
        let mut corpus = read(&lines);
        corpus.embedded.encoder.name = "encoder".to_owned();
        let params = ProfileParams { sample: sampling(20), ..ProfileParams::default() };
        let profile = super::fit(&corpus.corpus, &corpus.embedded, &params, &Silent).unwrap();
        let observe = |corpus: &crate::profile::fixture::Read| {
            super::observe(&profile, &corpus.corpus, &corpus.embedded, &sampling(20), &Silent)
        };
        let here = observe(&corpus).unwrap();
        corpus.embedded.encoder.precision = "f32-cuda".to_owned();
        let there = observe(&corpus).unwrap();
        assert_eq!(there.encoder, EncoderId { precision: "f32-cuda".to_owned(), ..profile.encoder.clone() });
        assert_eq!(Profile { encoder: here.encoder.clone(), ..there.clone() }, here);
        assert!(there.clone().merge(there.clone()).is_ok());
        let message = profile.clone().merge(there.clone()).unwrap_err().to_string();
        assert!(
            message.contains("the encoder's precision: expected f32, as in the first one, got f32-cuda"),
            "{message}"
        );

        let found = super::super::diff(&profile, &there).unwrap();
        let expected = super::super::Pair { old: "f32".to_owned(), new: "f32-cuda".to_owned() };
        assert_eq!((found.precision, found.same_codebook), (Some(expected), true));
        assert_eq!(super::super::diff(&profile, &here).unwrap().precision, None);

        corpus.embedded.encoder.weights = "others".to_owned();
        let message = observe(&corpus).unwrap_err().to_string();
        assert!(message.contains("got others"), "{message}");
    }

    #[test]
    fn refused() {
        let lines = lines(60, 6);
        let corpus = read(&lines);
        let mut profile = fitted(&lines, 3, &sampling(5));
        let zero = SampleParams { limit: Some(0), texts: false };
        assert!(matches!(observed(&profile, &lines, &zero), Err(Error::Setting { setting: "sample", .. })));
        let params = ProfileParams { sample: zero, ..ProfileParams::default() };
        let fitted = super::fit(&corpus.corpus, &corpus.embedded, &params, &Silent);
        assert!(matches!(fitted, Err(Error::Setting { .. })));
        profile.encoder.dim = 5;
        let error = observed(&profile, &lines, &sampling(5)).unwrap_err();
        let message = "encoder vectors:vector: expected the dim 5 of the profile's encoder, got 6";
        assert_eq!(error.to_string(), message);
        assert!(error.help().unwrap().contains("vectors:vector"));
    }
}
