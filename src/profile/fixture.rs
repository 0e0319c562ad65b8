//! Corpora that bring their vectors, for tests of what takes profiles.

use std::io::Write;

use super::{Profile, ProfileParams, SampleParams, fit, observe};
use crate::Result;
use crate::cluster::CodebookParams;
use crate::cluster::random::SplitMix64;
use crate::corpus::{Corpus, CorpusOptions};
use crate::embed::{BadRowLimit, EmbedOptions, EmbeddedCorpus, given_vectors};
use crate::progress::Silent;

/// Components of a vector.
pub(crate) const DIM: usize = 6;

/// A corpus that was read.
pub(crate) struct Read {
    pub(crate) corpus: Corpus,
    pub(crate) embedded: EmbeddedCorpus,
    _file: tempfile::NamedTempFile,
}

/// Reads lines of JSONL.
pub(crate) fn read(lines: &[String]) -> Read {
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    file.write_all(lines.concat().as_bytes()).unwrap();
    let inputs = [file.path().to_str().unwrap().to_owned()];
    let options = CorpusOptions {
        vectors: Some("vector".to_owned()),
        group_by: Some("thread".to_owned()),
        ..CorpusOptions::default()
    };
    let corpus = Corpus::open(&inputs, &options).unwrap();
    let options = EmbedOptions {
        inputs: &inputs,
        max_bad_rows: BadRowLimit::Rows(u64::MAX),
        total_rows: None,
        leave_out_synthetic: false,
    };
    let embedded = given_vectors(corpus.records(), "vector", &options, &Silent, &mut |_| Ok(())).unwrap();
    Read { corpus, embedded, _file: file }
}

/// `n` rows around five directions. Some repeat the text and vector of another row, in other white space; some have no
/// text; some have no source, label, licence or group; some cannot be read.
pub(crate) fn lines(n: usize, seed: u64) -> Vec<String> {
    const WORDS: [&str; 10] = ["rain", "snow", "jazz", "song", "train", "hotel", "card", "loan", "recipe", "oven"];
    let mut random = SplitMix64::new(seed);
    let mut draw = |below: u64| random.next_u64() % below;
    let mut lines: Vec<String> = Vec::new();
    let mut texts: Vec<(String, String)> = Vec::new();
    while lines.len() < n {
        let id = format!("{seed}-{}", draw(1_000_000));
        if !lines.is_empty() && draw(20) == 0 {
            let kind = draw(2);
            lines.push(if kind == 0 {
                "{\n".to_owned()
            } else {
                format!("{{\"id\": \"{id}\", \"text\": \" \", \"thread\": null}}\n")
            });
            continue;
        }
        let (text, vector) = if !texts.is_empty() && draw(4) == 0 {
            let (text, vector) = texts[draw(texts.len() as u64) as usize].clone();
            (text.replace(' ', ["  ", " "][draw(2) as usize]), vector)
        } else {
            let topic = draw(5) as usize;
            let mut vector = [0.0_f64; DIM];
            vector[topic] = 1.0;
            for x in &mut vector {
                *x += (draw(1000) as f64 - 500.0) / 2000.0;
            }
            let word = |i: u64| WORDS[2 * topic + i as usize];
            let text = format!("{} {} number {}", word(draw(2)), word(draw(2)), draw(1_000_000));
            let new = (text, format!("{vector:?}"));
            texts.push(new.clone());
            new
        };
        let source = ["", ", \"source\": \"mail\"", ", \"source\": \"chat\""][draw(3) as usize];
        let label = ["", ", \"label\": \"good\""][draw(2) as usize];
        let thread =
            if lines.len().is_multiple_of(3) { "null".to_owned() } else { format!("\"thread {}\"", lines.len() / 4) };
        let licence = ["", ", \"license\": \"MIT\"", ", \"license\": \"other\""][lines.len() % 3];
        lines.push(format!(
            "{{\"id\": \"{id}\", \"text\": \"{text}\", \"vector\": {vector}, \"thread\": {thread}{source}{label}{licence}}}\n"
        ));
    }
    lines
}

/// A profile of lines, with a codebook of their own.
pub(crate) fn fitted(lines: &[String], leaves: usize, sample: &SampleParams) -> Profile {
    let Read { corpus, embedded, .. } = &read(lines);
    let codebook = CodebookParams { leaves: Some(leaves), regions: Some(leaves.min(4)), seed: 7 };
    fit(corpus, embedded, &ProfileParams { codebook, sample: sample.clone() }, &Silent).unwrap()
}

/// A profile of lines under the codebook of another profile.
pub(crate) fn observed(profile: &Profile, lines: &[String], sample: &SampleParams) -> Result<Profile> {
    let Read { corpus, embedded, .. } = &read(lines);
    observe(profile, corpus, embedded, sample, &Silent)
}

/// As [`SampleParams`], with texts.
pub(crate) fn sampling(limit: usize) -> SampleParams {
    SampleParams { limit: Some(limit), texts: true }
}
