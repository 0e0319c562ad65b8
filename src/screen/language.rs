//! The language that texts read as.
//!
//! By the trigrams and the script of all texts together (the crate whatlang): single queries are too short to tell.

use whatlang::detect;

/// Characters that are enough to tell.
const CHARACTERS: usize = 20_000;

/// Letters below which nothing is said.
const LEAST_CHARACTERS: usize = 40;

/// The English name of the language that most of the texts read as, where that can be told.
pub(super) fn language<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<&'static str> {
    let mut joined = String::new();
    for text in texts {
        if joined.len() > CHARACTERS {
            break;
        }
        joined.push_str(text);
        joined.push_str(". ");
    }
    let letters = joined.chars().filter(|c| c.is_alphabetic()).count();
    let found = detect(&joined).filter(|found| letters >= LEAST_CHARACTERS && found.is_reliable())?;
    Some(found.lang().eng_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_languages_and_knows_when_it_cannot() {
        let german =
            ["wie setze ich mein passwort zurück", "die lampe im flur geht nicht mehr an", "wo ist die rechnung"];
        assert_eq!(language(german), Some("German"));
        let english = ["how do i reset my password", "the light in the hall does not work", "where is the invoice"];
        assert_eq!(language(english), Some("English"));
        assert_eq!(language(["ok", "yes", "12345"]), None);
        assert_eq!(language([]), None);
        let hostile = "\u{202e}\0\u{fffd}".repeat(10_000);
        assert_eq!(language([hostile.as_str()]), None);
    }
}
