//! Two profiles under one codebook become the profile of both corpora together.
//!
//! Counts and sums add up, the smallest hashes of samples and censuses are kept: whatever the order, the result has the same bytes, and
//! they are those of [`observe`](super::observe) on all rows at once.

use super::{MOST_ROWS, Profile, Provenance};
use crate::embed::EncoderDifference;
use crate::{Error, Result};

impl Profile {
    /// The profile of both corpora together. Rows that both have observed count twice. It has a census if both have one.
    ///
    /// # Errors
    /// [`Error::Profile`], with the field that differs, unless both have the same encoder, codebook, names, seed,
    /// prototypes (or both none) and kind of sample; or if they have more than [`MOST_ROWS`] records together.
    pub fn merge(mut self, other: Self) -> Result<Self> {
        self.check_mergeable(&other)?;
        let (observed, more) = (&mut self.observed, other.observed);
        observed.rows += more.rows;
        observed.empty += more.empty;
        observed.bad_rows = observed.bad_rows.saturating_add(more.bad_rows);
        observed.synthetic = observed.synthetic.saturating_add(more.synthetic);
        for (leaf, more) in observed.leaves.iter_mut().zip(&more.leaves) {
            leaf.merge(more);
        }
        for (names, more) in [
            (&mut observed.sources, more.sources),
            (&mut observed.labels, more.labels),
            (&mut observed.licences, more.licences),
        ] {
            for (name, rows) in more {
                *names.entry(name).or_default() += rows;
            }
        }
        let dim = observed.moments.dim();
        let moments = std::mem::replace(&mut observed.moments, crate::vectors::moments::Moments::new(dim));
        observed.moments = moments.merged(more.moments);
        self.prototypes = self.prototypes.zip(other.prototypes).map(|(prototypes, more)| prototypes.merged(&more));
        self.census = self.census.zip(other.census).map(|(census, more)| census.merged(&more));
        self.sample = self.sample.zip(other.sample).map(|(sample, more)| sample.merged(more));
        let Provenance { versions, fitted, digest, .. } = other.provenance;
        self.provenance.versions.extend(versions);
        self.provenance.fitted |= fitted;
        self.provenance.digest = self.provenance.digest.merged(digest);
        Ok(self)
    }

    fn check_mergeable(&self, other: &Self) -> Result<()> {
        if let Some(EncoderDifference { field, ours, theirs }) = self.encoder.difference(&other.encoder) {
            let help = match field {
                "precision" => "profile all parts on one kind of device and in one `--precision`",
                _ => "profile all parts with one encoder",
            };
            return Err(refused(&format!("the encoder's {field}"), &ours, &theirs, help));
        }
        let same_codebook = "observe all parts under one codebook: `semcov profile observe --codebook`";
        let (ours, theirs) = (&self.codebook, &other.codebook);
        let codebooks = [
            ("the name of the encoder", self.encoder.name.clone(), other.encoder.name.clone()),
            ("the codebook's leaves", ours.n_leaves().to_string(), theirs.n_leaves().to_string()),
            ("the codebook's regions", ours.n_regions().to_string(), theirs.n_regions().to_string()),
            ("the codebook's digest", ours.fingerprint(), theirs.fingerprint()),
            ("the codebook's seed", self.provenance.seed.to_string(), other.provenance.seed.to_string()),
        ];
        for (field, ours, theirs) in codebooks {
            if ours != theirs {
                return Err(refused(field, &ours, &theirs, same_codebook));
            }
        }
        for (field, agrees) in [
            ("the codebook", ours == theirs),
            ("the codebook's leaf names", self.leaf_names == other.leaf_names),
            ("the codebook's region names", self.region_names == other.region_names),
        ] {
            if !agrees {
                return Err(refused(field, "what it is", "another", same_codebook));
            }
        }
        let prototypes = |profile: &Self| match &profile.prototypes {
            Some(prototypes) => format!("{} of digest {}", prototypes.len(), prototypes.fingerprint()),
            None => "none".to_owned(),
        };
        if prototypes(self) != prototypes(other) {
            return Err(refused("the prototypes", &prototypes(self), &prototypes(other), same_codebook));
        }
        let limit = |profile: &Self| match &profile.sample {
            Some(sample) if sample.texts.is_some() => format!("{} texts with examples", sample.limit),
            Some(sample) => format!("{} texts", sample.limit),
            None => "none (compact)".to_owned(),
        };
        if limit(self) != limit(other) {
            let help = "observe all parts with the same `--sample`, `--compact` and `--with-examples`";
            return Err(refused("the sample", &limit(self), &limit(other), help));
        }
        let rows = self.observed.rows.saturating_add(other.observed.rows);
        if rows > MOST_ROWS {
            let help = "keep the profile of each part";
            return Err(refused("the records", &format!("at most {MOST_ROWS}"), &rows.to_string(), help));
        }
        Ok(())
    }
}

fn refused(field: &str, expected: &str, got: &str, help: &str) -> Error {
    Error::Profile {
        path: "to merge".to_owned(),
        problem: format!("{field}: expected {expected}, as in the first one, got {got}"),
        help: help.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::cluster::random::SplitMix64;
    use crate::profile::SampleParams;
    use crate::profile::fixture::{fitted, lines, observed, sampling};

    static LINES: LazyLock<Vec<String>> = LazyLock::new(|| lines(240, 11));
    static CODEBOOK: LazyLock<Profile> = LazyLock::new(|| fitted(&lines(120, 12), 7, &sampling(9)));

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// The same bytes from any division of a corpus, merged in any order and grouping.
        #[test]
        fn parts_merge_to_the_whole(parts in 1_u64..7, seed: u64, limit in 1_usize..300, compact: bool, texts: bool) {
            let sample = SampleParams { limit: Some(limit).filter(|_| !compact), texts: texts && !compact };
            let mut random = SplitMix64::new(seed);
            let mut shards = vec![Vec::new(); parts as usize];
            for line in LINES.iter() {
                shards[(random.next_u64() % parts) as usize].push(line.clone());
            }
            let mut profiles: Vec<Profile> =
                shards.iter().map(|shard| observed(&CODEBOOK, shard, &sample).unwrap()).collect();
            while profiles.len() > 1 {
                let mut take = || profiles.swap_remove((random.next_u64() % profiles.len() as u64) as usize);
                let (one, other) = (take(), take());
                profiles.push(one.merge(other).unwrap());
            }
            let whole = observed(&CODEBOOK, &LINES, &sample).unwrap();
            prop_assert_eq!(profiles[0].to_bytes().unwrap(), whole.to_bytes().unwrap());
        }
    }

    /// A missing census is no reason to refuse: the whole has none.
    #[test]
    fn a_census_of_one_part_only() {
        let mut other = observed(&CODEBOOK, &LINES, &sampling(9)).unwrap();
        let both = other.clone().merge(CODEBOOK.clone()).unwrap();
        let [of_both, of_other, of_codebook] =
            [&both, &other, &CODEBOOK].map(|profile| profile.census.as_ref().unwrap().len());
        // The two corpora share no text.
        assert_eq!((of_both, both.distinct_texts()), (of_other + of_codebook, of_both as u64));
        other.census = None;
        assert_eq!(other.clone().merge(CODEBOOK.clone()).unwrap().census, None);
        assert_eq!(CODEBOOK.clone().merge(other).unwrap().census, None);
    }

    /// A group goes with its id, and where ids repeat the order of rows decides nothing.
    #[test]
    fn the_group_of_the_smallest_id() {
        let row = |id: &str, thread: &str| {
            let vector = "[1.0, 0.1, 0.0, 0.0, 0.0, 0.0]";
            format!("{{\"id\": \"{id}\", \"text\": \"a\", \"vector\": {vector}, \"thread\": {thread}}}\n")
        };
        let of = |rows: &[String]| observed(&CODEBOOK, rows, &sampling(9)).unwrap();
        let found = |profile: &Profile| {
            let sample = profile.sample.as_ref().unwrap();
            assert_eq!((sample.len(), sample.rows[0]), (1, 3));
            (sample.ids[0].clone(), sample.groups[0])
        };
        let key = |group: &str| crate::corpus::ContentHash::of_bytes(group.as_bytes()).prefix();
        let (smaller, larger) = if key("x") < key("y") { ("x", "y") } else { ("y", "x") };
        let quoted = |name: &str| format!("\"{name}\"");
        for (rows, expected) in [
            ([row("2", "null"), row("1", &quoted(larger)), row("3", &quoted(smaller))], key(larger)),
            ([row("1", &quoted(larger)), row("1", &quoted(smaller)), row("2", "null")], key(smaller)),
            ([row("1", &quoted("x")), row("1", "null"), row("1", &quoted("y"))], 0),
        ] {
            let [a, b, c] = &rows;
            for order in [[a, b, c], [c, b, a], [b, a, c]] {
                let rows = order.map(String::clone);
                assert_eq!(found(&of(&rows)), ("1".to_owned(), expected));
                assert_eq!(found(&of(&rows[..1]).merge(of(&rows[1..])).unwrap()), ("1".to_owned(), expected));
            }
        }
    }

    #[test]
    fn provenance_is_joined() {
        let mut other = observed(&CODEBOOK, &LINES, &sampling(9)).unwrap();
        other.provenance.versions = ["9.9.9".to_owned()].into();
        let merged = other.clone().merge(CODEBOOK.clone()).unwrap();
        assert_eq!(merged, CODEBOOK.clone().merge(other).unwrap());
        assert!(merged.provenance.fitted);
        let versions: Vec<&str> = merged.provenance.versions.iter().map(String::as_str).collect();
        assert_eq!(versions, [env!("CARGO_PKG_VERSION"), "9.9.9"]);
    }

    #[test]
    fn refused() {
        let changed = |change: fn(&mut Profile)| {
            let mut profile = CODEBOOK.clone();
            change(&mut profile);
            let error = CODEBOOK.clone().merge(profile).unwrap_err();
            assert!(matches!(error, Error::Profile { .. }) && error.help().is_some());
            error.to_string()
        };
        for (message, expected) in [
            (changed(|profile| profile.encoder.dim = 5), "the encoder's dim: expected 6, as in the first one, got 5"),
            (changed(|profile| profile.provenance.seed = 8), "the codebook's seed: expected 7"),
            (changed(|profile| profile.codebook.leaves[0] = -1.0), "the codebook's digest: expected "),
            (changed(|profile| profile.leaf_names[0] = "other".to_owned()), "the codebook's leaf names: "),
            (changed(|profile| profile.prototypes = None), "the prototypes: expected 2 of digest "),
            (changed(|profile| profile.prototypes.as_mut().unwrap().halved = false), "the prototypes: expected 2 of"),
            (changed(|profile| profile.sample = None), "the sample: expected 9 texts with examples, as in"),
            (changed(|profile| profile.observed.rows = MOST_ROWS), "the records: expected at most 536870911, "),
        ] {
            assert!(message.starts_with(&format!("profile to merge: {expected}")), "{message}");
        }
    }
}
