//! Evaluation texts that stand in the corpus, as they are or nearly.
//!
//! A text leaks if the corpus has the same text in normal form, or another one at a cosine of .95 or more. Paraphrases
//! beyond that are not found, nor texts that are part of longer ones.
//!
//! Cost: one search for the nearest neighbour of every evaluation text, as [`Index`].

use crate::corpus::TextTally;
use crate::embed::EmbeddedCorpus;
use crate::progress::Silent;
use crate::screen::NEAR_COPY;
use crate::vectors::{Rows, knn};

/// An evaluation text, and the corpus' text that it repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Leak {
    /// The smallest id of the evaluation records with the text.
    pub evaluation: String,
    /// The smallest id of the corpus' records with theirs.
    pub record: String,
    /// Their cosine similarity; 1 of equal texts.
    pub similarity: f64,
}

/// The evaluation texts that stand in any of some corpora, each with its most similar text there; the most similar first,
/// then by id.
#[must_use]
pub fn leaks(evaluation: &EmbeddedCorpus, corpora: &[&EmbeddedCorpus]) -> Vec<Leak> {
    let mut leaks: Vec<Leak> = corpora.iter().flat_map(|corpus| leaks_into(evaluation, corpus)).collect();
    let by_similarity =
        |a: &Leak, b: &Leak| b.similarity.total_cmp(&a.similarity).then_with(|| a.record.cmp(&b.record));
    leaks.sort_by(|a, b| a.evaluation.cmp(&b.evaluation).then_with(|| by_similarity(a, b)));
    leaks.dedup_by(|next, first| next.evaluation == first.evaluation);
    leaks.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then_with(|| a.evaluation.cmp(&b.evaluation)));
    leaks
}

fn leaks_into(evaluation: &EmbeddedCorpus, corpus: &EmbeddedCorpus) -> Vec<Leak> {
    if evaluation.vectors.is_empty() || corpus.vectors.is_empty() {
        return Vec::new();
    }
    let [tested, kept] = [evaluation, corpus].map(|side| TextTally::new(&side.records, side.vectors.len()).kept);
    let nearest = knn::nearest(Rows::from(&evaluation.vectors), Rows::from(&corpus.vectors), 1, &Silent);
    let leak = |text: usize| {
        let (found, similarity) = nearest.of(text);
        let (twin, similarity) = match corpus.hashes.binary_search(&evaluation.hashes[text]) {
            Ok(twin) => (twin, 1.0),
            Err(_) if similarity[0] >= NEAR_COPY => (found[0] as usize, f64::from(similarity[0]).min(1.0)),
            Err(_) => return None,
        };
        let id = |side: &EmbeddedCorpus, row: u32| side.records.id(row as usize).to_owned();
        Some(Leak { evaluation: id(evaluation, tested[text]), record: id(corpus, kept[twin]), similarity })
    };
    (0..evaluation.vectors.len()).filter_map(leak).collect()
}
