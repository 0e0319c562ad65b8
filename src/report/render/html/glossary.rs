//! The words of the pages, each in a line: shown on hover, and at the end.

/// Words and what they mean, in the order of the alphabet. No markup, no quotes.
pub(super) const TERMS: [(&str, &str); 16] = [
    ("baseline", "The state of the corpus that was last accepted, as a profile."),
    ("cosine similarity", "Of two vectors the cosine of the angle between them: 1 is the same meaning, 0 unrelated."),
    (
        "coverage",
        "Share of the reference’s texts that have a text of the corpus among their nearest, over the share that a corpus of the same kind would reach.",
    ),
    ("encoder", "The model that turns a text into a vector, so that close meanings become close vectors."),
    ("flagged", "Held back for review: further from the reference than the threshold allows."),
    (
        "gap",
        "A leaf where the corpus has significantly less than its share of the reference: next to nothing (missing), or less than four fifths (thin).",
    ),
    ("Hill number", "How many leaves of equal size would be as diverse as the leaves found."),
    ("interval", "A range that holds the true value in 95 of 100 such samples."),
    ("leaf", "A small cluster of texts with close meaning; some leaves make a region."),
    ("new topic", "Flagged texts that are close to each other and far from the reference: a subject that it lacks."),
    ("p", "How often chance alone would give a value so far out, 0 to 1; small is unlikely."),
    ("region", "A group of neighbouring leaves, named by the words that set it apart."),
    (
        "saturation",
        "How many texts already have another of their topic; where it is flat, more of the same adds nothing.",
    ),
    ("score", "How far a text lies from the rest of the corpus, or from the reference; higher is further."),
    ("sparse", "Holding few texts beside the other leaves; whether more are wanted only a reference can tell."),
    ("Vendi score", "How many unrelated texts would be as varied as the corpus."),
];

/// What a word means.
pub(super) fn means(term: &str) -> Option<&'static str> {
    TERMS.iter().find(|(name, _)| *name == term).map(|(_, means)| *means)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order_and_harmless() {
        assert!(TERMS.is_sorted_by_key(|(term, _)| term.to_lowercase()));
        assert!(TERMS.iter().all(|(term, means)| !format!("{term}{means}").contains(['<', '>', '&', '"'])));
    }
}
