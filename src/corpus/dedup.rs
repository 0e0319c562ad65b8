//! Exact duplicates: texts that are equal after Unicode NFC and white-space folding.

use std::borrow::Cow;
use std::fmt;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// The byte between text and vector in what the hash of a pair is made of: no byte of UTF-8 text.
const SEPARATOR: u8 = 0xff;

/// 128 bits of the BLAKE3 digest of a text in normal form: its identity in the vector store and everywhere else.
///
/// The order of texts in every result is the order of their hashes, so that no result depends on the order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 16]);

impl ContentHash {
    /// The hash of a text that is already in normal form ([`normalize`]).
    #[must_use]
    pub fn of_normalized(text: &str) -> Self {
        Self::of_bytes(text.as_bytes())
    }

    /// The hash of a text in normal form that brings its vector.
    #[must_use]
    pub fn of_pair(text: &str, vector: &[f32]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(text.as_bytes()).update(&[SEPARATOR]);
        if cfg!(target_endian = "little") {
            hasher.update(bytemuck::cast_slice(vector));
        } else {
            hasher.update(&vector.iter().flat_map(|component| component.to_le_bytes()).collect::<Vec<u8>>());
        }
        Self::of_digest(&hasher.finalize())
    }

    /// Its first 64 bits, in the order of the hashes.
    #[must_use]
    pub fn prefix(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(first)
    }

    /// The hash of any bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self::of_digest(&blake3::hash(bytes))
    }

    fn of_digest(digest: &blake3::Hash) -> Self {
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest.as_bytes()[..16]);
        Self(hash)
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Brings a text into normal form: Unicode NFC, runs of white space folded to one space, none at the ends.
///
/// Borrows where the text is in that form already. The result is empty exactly if the text has nothing but white space.
#[must_use]
pub fn normalize(text: &str) -> Cow<'_, str> {
    if is_folded(text) {
        return match is_nfc_quick(text.chars()) {
            IsNormalized::Yes => Cow::Borrowed(text),
            _ => Cow::Owned(text.nfc().collect()),
        };
    }
    let mut folded = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.extend(word.nfc());
    }
    Cow::Owned(folded)
}

/// Whether the only white space is single spaces between words.
fn is_folded(text: &str) -> bool {
    let mut after_space = true;
    for c in text.chars() {
        if c.is_whitespace() && (c != ' ' || after_space) {
            return false;
        }
        after_space = c == ' ';
    }
    text.is_empty() || !after_space
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_form() {
        assert!(matches!(normalize("two words"), Cow::Borrowed("two words")));
        assert!(matches!(normalize(""), Cow::Borrowed("")));
        assert_eq!(normalize(" \t\r\n\u{a0}\u{3000}"), "");
        assert_eq!(normalize("  two\n\nwords\t"), "two words");
        assert_eq!(normalize("cafe\u{301}"), "café");
        assert_eq!(normalize("cafe\u{301}  au lait"), "café au lait");
    }

    proptest::proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(text in "\\PC{0,40}[ \\t\\n\u{301}\u{1100}\u{1161}]{0,3}\\PC{0,10}") {
            let once = normalize(&text).into_owned();
            proptest::prop_assert_eq!(normalize(&once), once.clone());
            proptest::prop_assert_eq!(once.is_empty(), text.trim().is_empty());
        }
    }
}
