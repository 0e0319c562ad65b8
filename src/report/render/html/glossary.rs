//! The words of the pages, each in a line: shown on hover, and at the end.

/// Words and what they mean, in the order of the alphabet. No markup, no quotes.
pub(super) const TERMS: [(&str, &str); 18] = [
    ("baseline", "The state of the corpus that was last accepted, as a profile."),
    ("Chao1", "At least so many different texts of this kind there are, by how many occur once and how many twice."),
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
    ("sample coverage", "The chance that the next text of this kind is nearly one that is here (Good’s estimate)."),
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

/// Escaped HTML in which the first place of every word is marked with what it means.
pub(super) fn explained(html: &str) -> String {
    let lower = html.to_ascii_lowercase();
    let mut places: Vec<(usize, usize, &str)> = Vec::new();
    let mut terms: Vec<_> = TERMS.iter().filter(|(term, _)| term.len() > 1).collect();
    terms.sort_by_key(|(term, _)| std::cmp::Reverse(term.len()));
    for (term, means) in terms {
        let forms = if *term == "leaf" { vec!["leaf", "leaves"] } else { vec![*term] };
        let found = forms.into_iter().filter_map(|form| place(&lower, &form.to_ascii_lowercase())).min();
        if let Some((start, end)) = found.filter(|(start, end)| places.iter().all(|(a, b, _)| end <= a || b <= start)) {
            places.push((start, end, means));
        }
    }
    places.sort_unstable();
    let (mut explained, mut done) = (String::new(), 0);
    for (start, end, means) in places {
        explained += &format!("{}<dfn title=\"{means}\">{}</dfn>", &html[done..start], &html[start..end]);
        done = end;
    }
    explained + &html[done..]
}

/// Where a word, or several of what it names, first stands by itself.
fn place(text: &str, word: &str) -> Option<(usize, usize)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '-';
    text.match_indices(word).find_map(|(start, _)| {
        let end = start + word.len();
        let end = if text[end..].starts_with('s') { end + 1 } else { end };
        let apart = !text[..start].ends_with(is_word) && !text[end..].starts_with(is_word);
        apart.then_some((start, end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_explained_once_and_nothing_else_changes() {
        let sentence =
            "Of 8 leaves and regions, a leaf (Vendi score) scores: Hill numbers, &lt;gap&gt; and gap-free gaps";
        let explained = explained(sentence);
        assert_eq!(explained.matches("<dfn ").count(), 5, "{explained}");
        let parts: Vec<&str> = explained.split(['<', '>']).collect();
        let text: String = parts.iter().filter(|part| !part.starts_with("dfn ") && **part != "/dfn").copied().collect();
        assert_eq!(text, sentence);
        for marked in [">leaves</dfn>", ">regions</dfn>", ">Vendi score</dfn>", ">Hill numbers</dfn>", ";<dfn"] {
            assert!(explained.contains(marked), "{marked} in {explained}");
        }
    }

    #[test]
    fn in_order_and_harmless() {
        assert!(TERMS.is_sorted_by_key(|(term, _)| term.to_lowercase()));
        assert!(TERMS.iter().all(|(term, means)| !format!("{term}{means}").contains(['<', '>', '&', '"'])));
    }
}
