//! What was read, what embedded it, and what the reader of the numbers should know.

use std::collections::HashSet;

use crate::corpus::{Corpus, RecordTable};
use crate::embed::{EmbeddedCorpus, EncoderId};
use crate::report::document::{CorpusSummary, EncoderSummary, InputFile, Warning};

/// Distinct texts below which a report warns that its figures are unsteady.
const SMALL_CORPUS: u64 = 100;

pub(super) fn corpus(corpus: &Corpus, embedded: &EmbeddedCorpus) -> CorpusSummary {
    let mut files: Vec<InputFile> = corpus
        .inputs()
        .iter()
        .zip(&embedded.rows_per_input)
        .map(|(input, &rows)| InputFile {
            path: input.path().to_owned(),
            recognised: input.recognised().to_owned(),
            rows,
        })
        .collect();
    files.sort_unstable();
    let counts = &embedded.counts;
    CorpusSummary {
        files,
        rows: counts.rows,
        bad_rows: counts.bad_rows,
        empty: counts.empty,
        distinct_texts: counts.distinct_texts,
        exact_duplicates: counts.exact_duplicates,
        truncated_texts: counts.truncated_texts,
        truncated_tokens: counts.truncated_tokens,
        tokens: counts.tokens,
    }
}

pub(super) fn encoder(id: &EncoderId) -> EncoderSummary {
    EncoderSummary {
        id: id.name.clone(),
        fingerprint: id.fingerprint(),
        dim: id.dim,
        max_tokens: (id.max_tokens > 0).then_some(id.max_tokens),
    }
}

pub(super) fn warnings(embedded: &EmbeddedCorpus) -> Vec<Warning> {
    let counts = &embedded.counts;
    let mut warnings = Vec::new();
    if let Some(first) = counts.first_bad_rows.first() {
        warnings.push(Warning::BadRows { rows: counts.bad_rows, first: first.to_string() });
    }
    if counts.empty > 0 {
        warnings.push(Warning::Empty { rows: counts.empty });
    }
    if counts.truncated_texts > 0 {
        warnings.push(Warning::Truncated {
            texts: counts.truncated_texts,
            tokens: counts.truncated_tokens,
            max_tokens: embedded.encoder.max_tokens,
        });
    }
    if counts.distinct_texts < SMALL_CORPUS {
        warnings.push(Warning::SmallCorpus { distinct_texts: counts.distinct_texts });
    }
    warnings.extend(repeated_ids(&embedded.records));
    warnings
}

/// Counts the records whose id an earlier record has, by 64-bit hashes of the ids.
fn repeated_ids(records: &RecordTable) -> Option<Warning> {
    let mut seen = HashSet::with_capacity(records.len());
    let (mut rows, mut example) = (0, None);
    for row in 0..records.len() {
        let id = records.id(row);
        let hash = crate::corpus::ContentHash::of_bytes(id.as_bytes()).0;
        if !seen.insert(u64::from_le_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])) {
            rows += 1;
            example = example.into_iter().chain([id]).min();
        }
    }
    example.map(|example| Warning::RepeatedIds { rows, example: example.to_owned() })
}
