//! Names of clusters: the terms that set the texts of a cluster apart from those of the others.
//!
//! Class-based TF-IDF (Grootendorst 2022, arXiv 2203.05794): a term's weight in a class is tf log(1 + A / f), with tf
//! its frequency in the class, f its frequency in all classes, and A the mean number of terms of a class. The three
//! terms of a name are chosen by maximal marginal relevance (Carbonell & Goldstein 1998,
//! <https://doi.org/10.1145/290941.291025>): weight against likeness to the terms chosen before.
//!
//! Departures:
//! 1. A term counts once per text, so that one repetitive text does not name a class.
//! 2. Two terms are alike (1) if they share a word or its stem, else not (0): the words have no vectors here.
//! 3. Two-word terms are neighbours in the text without a stop word or a mark between them.
//! 4. A two-word term weighs half as much again, so that it stands before its words where it says most of what they do.
//! 5. A class of stop words and numbers only is named by these.
//!
//! Words are those of Unicode (UAX 29), in lower case. Scripts that write no spaces come out of it letter by letter;
//! their terms are pairs of adjacent letters. Stop words are English (the NLTK list).
//!
//! Memory: one counter per class and term. Feed a sample of some 1,000 texts per class; only the first
//! [`WORDS_PER_TEXT`] words of a text count.

use std::collections::{BTreeSet, HashMap, HashSet};

use unicode_segmentation::UnicodeSegmentation;

/// Words of a text that count.
pub const WORDS_PER_TEXT: usize = 100;

/// Texts that a region is named from: the first in the order of content hashes, a random sample.
pub(crate) const REGION_TEXTS: usize = 1_000;

/// The same, of a leaf (of each side where two corpora are compared).
pub(crate) const LEAF_TEXTS: usize = 30;

/// Characters of such a text.
pub(crate) const NAMING_CHARACTERS: usize = 500;

/// What a second word adds to a term's weight.
const TWO_WORDS: f64 = 1.5;

/// Terms of a name.
const TERMS: usize = 3;

/// Terms of the highest weights, among which those of a name are chosen.
const CANDIDATES: usize = 30;

/// A word, or two adjacent ones; the second is [`NONE`] for a word alone.
type Term = (u32, u32);

/// No second word.
const NONE: u32 = u32::MAX;

/// Counts the terms of texts, class by class.
#[derive(Clone, Debug)]
pub struct TermCounts {
    words: Vec<Word>,
    ids: HashMap<String, u32>,
    stop_words: HashSet<&'static str>,
    of_class: Vec<HashMap<Term, u32>>,
}

#[derive(Clone, Debug)]
struct Word {
    text: String,
    /// Says nothing by itself: a stop word, a number or a code that starts like one, a single letter.
    weak: bool,
}

impl TermCounts {
    /// No texts yet, of `classes` classes.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        let stop_words = stop_words::lookup("en").unwrap_or_default().iter().copied().collect();
        Self { words: Vec::new(), ids: HashMap::new(), stop_words, of_class: vec![HashMap::new(); classes] }
    }

    /// Counts a text of a class.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn add(&mut self, class: u32, text: &str) {
        let text = text.to_lowercase().replace('’', "'");
        let mut terms: Vec<Term> = Vec::new();
        let mut previous: Option<(u32, usize)> = None;
        for (start, word) in text.unicode_word_indices().take(WORDS_PER_TEXT) {
            let end = start + word.len();
            let id = self.word_id(word.strip_suffix("'s").unwrap_or(word));
            terms.push((id, NONE));
            if let Some((before, before_end)) = previous
                && self.are_a_term(before, &text[before_end..start], id)
            {
                terms.push((before, id));
            }
            previous = Some((id, end));
        }
        terms.sort_unstable();
        terms.dedup();
        for term in terms {
            *self.of_class[class as usize].entry(term).or_default() += 1;
        }
    }

    fn word_id(&mut self, word: &str) -> u32 {
        if let Some(&id) = self.ids.get(word) {
            return id;
        }
        let one_letter = word.chars().nth(1).is_none();
        let weak = one_letter || self.stop_words.contains(word) || !word.starts_with(char::is_alphabetic);
        let id = self.words.len() as u32;
        self.words.push(Word { text: word.to_owned(), weak });
        self.ids.insert(word.to_owned(), id);
        id
    }

    /// Whether two words with `gap` between them make a term.
    fn are_a_term(&self, first: u32, gap: &str, second: u32) -> bool {
        let [first, second] = [first, second].map(|id| &self.words[id as usize]);
        if gap.is_empty() {
            return is_letter(&first.text) && is_letter(&second.text);
        }
        first.text != second.text && !first.weak && !second.weak && (gap == "-" || gap.trim().is_empty())
    }

    /// A name for every class, all different, made of its texts' terms in order of weight.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut in_all: HashMap<Term, u64> = HashMap::new();
        let mut occurrences = 0;
        for (&term, &count) in self.of_class.iter().flatten() {
            *in_all.entry(term).or_default() += u64::from(count);
            occurrences += u64::from(count);
        }
        let classes = self.of_class.iter().filter(|terms| !terms.is_empty()).count();
        let mean_terms = occurrences as f64 / classes.max(1) as f64;

        let mut taken = BTreeSet::new();
        let mut names = Vec::with_capacity(self.of_class.len());
        for counts in &self.of_class {
            let weight = |(&term, &count): (&Term, &u32)| {
                let words = if term.1 == NONE { 1.0 } else { TWO_WORDS };
                (words * f64::from(count) * (mean_terms / in_all[&term] as f64).ln_1p(), term)
            };
            let (terms, repeats) = self.ranked(counts.iter().map(weight).collect());
            let name = distinct_name(terms, repeats, &taken);
            taken.insert(name.clone());
            names.push(name);
        }
        names
    }

    /// The terms that may stand in a name, most telling first: those that repeat no word, and the others.
    fn ranked(&self, mut terms: Vec<(f64, Term)>) -> (Vec<String>, Vec<String>) {
        let weak = |&(_, term): &(f64, Term)| term.1 == NONE && self.words[term.0 as usize].weak;
        if !terms.iter().all(weak) {
            terms.retain(|term| !weak(term));
        }
        // The weights are sums of integers times one logarithm: equal for equal counts, whatever the order of texts.
        let by_weight = |a: &(f64, Term), b: &(f64, Term)| {
            b.0.total_cmp(&a.0).then_with(|| self.words_of(a.1).cmp(&self.words_of(b.1)))
        };
        if terms.len() > CANDIDATES {
            terms.select_nth_unstable_by(CANDIDATES, by_weight);
            terms.truncate(CANDIDATES);
        }
        terms.sort_by(by_weight);
        // With likeness 0 or 1, maximal marginal relevance takes terms by weight and passes over those that are alike
        // to one taken before, until no other is left.
        let mut chosen: Vec<Term> = Vec::new();
        let mut repeats: Vec<Term> = Vec::new();
        for (_, term) in terms {
            let repeat = chosen.iter().any(|&other| self.alike(term, other));
            if repeat { &mut repeats } else { &mut chosen }.push(term);
        }
        let texts = |terms: Vec<Term>| terms.into_iter().map(|term| self.text(term)).collect();
        (texts(chosen), texts(repeats))
    }

    fn words_of(&self, term: Term) -> (&str, &str) {
        let text = |id: u32| self.words.get(id as usize).map_or("", |word| word.text.as_str());
        (text(term.0), text(term.1))
    }

    fn text(&self, term: Term) -> String {
        let (first, second) = self.words_of(term);
        let space = if second.is_empty() || is_letter(first) && is_letter(second) { "" } else { " " };
        format!("{first}{space}{second}")
    }

    /// Whether two terms share a word or its stem.
    fn alike(&self, a: Term, b: Term) -> bool {
        let ((a1, a2), (b1, b2)) = (self.words_of(a), self.words_of(b));
        [a1, a2].iter().any(|a| !a.is_empty() && [b1, b2].iter().any(|b| same_stem(a, b)))
    }
}

fn is_letter(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(char::is_alphabetic) && chars.next().is_none()
}

/// Whether two words are equal, or begin with the same four or more letters and differ in at most three at the end.
fn same_stem(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let common = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    common >= 4 && common + 3 >= a.chars().count().max(b.chars().count())
}

/// Up to three terms; more where another class has these, then terms that repeat words, and a number in the end.
fn distinct_name(mut terms: Vec<String>, repeats: Vec<String>, taken: &BTreeSet<String>) -> String {
    let shortest = terms.len().min(TERMS);
    terms.extend(repeats);
    let base = if terms.is_empty() { "no words".to_owned() } else { terms[..shortest].join(", ") };
    let longer = (shortest + 1..=terms.len()).map(|n| terms[..n].join(", "));
    let numbered = (2_u32..).map(|n| format!("{base} ({n})"));
    let mut names = std::iter::once(base.clone()).chain(longer).chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(classes: &[&[&str]]) -> Vec<String> {
        let mut counts = TermCounts::new(classes.len());
        for (class, texts) in classes.iter().enumerate() {
            texts.iter().for_each(|text| counts.add(class as u32, text));
        }
        counts.names()
    }

    #[test]
    fn telling_terms_without_repetition() {
        let found = names(&[
            &["My credit card was declined.", "Why was the credit card declined?", "A new credit card, please"],
            &["Play some jazz", "I'm playing jazz music", "play the song again, please", "what's the song called"],
        ]);
        assert_eq!(found, ["credit card, declined, new", "jazz, play, song"]);
    }

    #[test]
    fn by_hand() {
        // Class 0 has 4 terms (red, fox, red fox; red), class 1 has 2: A = 3. Weights in class 0: red 2 ln(1 + 3/3),
        // fox ln(1 + 3/1), red fox 1.5 ln 4; in class 1: red ln 2, dog ln 4, but "red dog" is no term across a comma.
        let mut counts = TermCounts::new(2);
        counts.add(0, "red fox");
        counts.add(0, "red");
        counts.add(1, "red, dog");
        // The words of "red fox" are not repeated.
        assert_eq!(counts.names(), ["red fox", "dog, red"]);
    }

    #[test]
    fn one_text_cannot_name_a_class() {
        let spam = "buy ".repeat(50);
        assert!(names(&[&[&spam, "weather today", "weather tomorrow", "sunny weather"]])[0].starts_with("weather"));
    }

    #[test]
    fn names_are_never_empty_nor_equal() {
        let found = names(&[&["what is it"], &["what is it"], &["?!", "😀"], &[], &["12 15"]]);
        assert!(found[0].contains("what"), "{found:?}");
        assert_eq!(found[2..], ["no words", "no words (2)", "12, 15"]);
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 5);
    }

    #[test]
    fn scripts_without_spaces() {
        assert_eq!(names(&[&["天气怎么样", "天气好"], &["播放音乐", "音乐"]])[1], "音乐, 播放");
        assert_eq!(names(&[&["Привет, мир", "Мир!"]]), ["мир, привет"]);
        assert_eq!(names(&[&["नमस्ते दुनिया"]]), ["नमस्ते दुनिया"]);
    }

    #[test]
    fn order_of_texts_does_not_matter() {
        let texts = ["pay my bill", "bill is due", "pay rent", "due date of the bill", "rent is due", "pay due date"];
        let reversed: Vec<&str> = texts.iter().rev().copied().collect();
        assert_eq!(names(&[&texts, &["other"]]), names(&[&reversed, &["other"]]));
    }

    #[test]
    fn stems() {
        for (a, b, same) in [
            ("alarm", "alarms", true),
            ("play", "playing", true),
            ("set", "settings", false),
            ("cart", "card", false),
            ("weather", "weight", false),
            ("translate", "translation", true),
        ] {
            assert_eq!(same_stem(a, b), same, "{a} {b}");
        }
    }
}
