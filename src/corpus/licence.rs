//! Whether a licence is known by name: whether what a row says of its licence tells which terms hold.
//!
//! A name tells that if it is, in any case,
//! 1. an SPDX expression (ISO/IEC 5962, <https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/>) over the SPDX
//!    licence list, deprecated identifiers and usual short forms (`apache2`, `cc0`, `gplv3`) included, also with blanks or
//!    `_` for `-` (`CC BY-SA 4.0`), or
//! 2. the full name of a licence of that list (`MIT License`), or
//! 3. one of the names that the hub's data cards use beside (the constant `HUB`).
//!
//! It does not tell that if it only says that there is something (`other`, `custom`, `proprietary`), that nothing is known
//! (`unknown`, `NOASSERTION`), a family whose members differ in what they allow (`cc`), or a reference to terms that stand
//! in another document (`LicenseRef-...`). Whether a known licence is one that suits is not decided here.
//!
//! Cost: a few passes over the list of some 700 names.

use std::borrow::Cow;

use spdx::identifiers::{EXCEPTIONS, LICENSES};
use spdx::{Expression, ParseMode};

/// Names of the hub (<https://huggingface.co/docs/hub/repositories-licenses>) that are not on the SPDX list, and common
/// names of licences without their versions.
const HUB: [&str; 33] = [
    "apple-amlr",
    "apple-ascl",
    "bigcode-openrail-m",
    "bigscience-bloom-rail-1.0",
    "bigscience-openrail-m",
    "cc-by",
    "cc-by-nc",
    "cc-by-nc-nd",
    "cc-by-nc-sa",
    "cc-by-nd",
    "cc-by-sa",
    "creativeml-openrail-m",
    "deepfloyd-if-license",
    "fair-noncommercial-research-license",
    "gemma",
    "gfdl",
    "grok2-community",
    "h-research",
    "intel-research",
    "lgpl-lr",
    "llama2",
    "llama3",
    "llama3.1",
    "llama3.2",
    "llama3.3",
    "llama4",
    "odbl",
    "odc-by",
    "openmdw-1.1",
    "openrail",
    "openrail++",
    "pddl",
    "public-domain",
];

/// What the SPDX list has for "nothing is said".
const NO_ASSERTION: &str = "NOASSERTION";

/// Characters of the longest name: what is longer is the text of a licence, or none.
const LONGEST: usize = 1000;

/// Whether the text names a licence whose terms can be looked up, in any case: an SPDX expression or the full name of a
/// licence of the SPDX list, or one of the other names of data cards. `other`, `unknown`, `custom`, `proprietary`, `cc` and
/// `LicenseRef-...` name none.
#[must_use]
pub fn is_known_licence(text: &str) -> bool {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return false;
    }
    let hyphenated = text.replace([' ', '_'], "-");
    let on_the_hub = HUB.iter().any(|name| name.eq_ignore_ascii_case(&hyphenated));
    let full_name = LICENSES.iter().any(|known| known.name != NO_ASSERTION && is(known.full_name, text));
    on_the_hub || full_name || is_expression(text) || is_expression(&hyphenated)
}

/// Whether a name is a full name of the list; one without its quotation marks as well.
fn is(full_name: &str, text: &str) -> bool {
    let plain = if full_name.contains('"') { Cow::Owned(full_name.replace('"', "")) } else { Cow::Borrowed(full_name) };
    full_name.eq_ignore_ascii_case(text) || plain.eq_ignore_ascii_case(text)
}

/// Whether the text is an SPDX expression of which every term is on the list.
fn is_expression(text: &str) -> bool {
    Expression::parse_mode(&respelled(text), ParseMode::LAX).is_ok_and(|expression| {
        expression.requirements().all(|term| {
            let licence = term.req.license.id().is_some_and(|licence| licence.name != NO_ASSERTION);
            licence && term.req.addition.as_ref().is_none_or(|addition| addition.id().is_some())
        })
    })
}

/// The text with identifiers and operators as the specification writes them, which is where case matters.
fn respelled(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let pieces = text.split_inclusive(|c| !is_word(c)).flat_map(|piece| {
        let (word, between) = piece.split_at(piece.find(|c| !is_word(c)).unwrap_or(piece.len()));
        [spelled(word), between]
    });
    pieces.collect()
}

fn spelled(word: &str) -> &str {
    let licences = LICENSES.iter().map(|licence| licence.name);
    let mut known = licences.chain(EXCEPTIONS.iter().map(|exception| exception.name)).chain(["AND", "OR", "WITH"]);
    known.find(|known| known.eq_ignore_ascii_case(word)).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_tell_and_names_that_do_not() {
        for known in [
            "MIT",
            "mit",
            "apache-2.0",
            "Apache-2.0",
            "APACHE-2.0",
            "apache2",
            "Apache 2.0",
            "cc-by-4.0",
            "CC BY 4.0",
            "cc_by_sa_4.0",
            "CC-BY-NC-SA 3.0",
            "cc0",
            "CC0-1.0",
            "MIT OR Apache-2.0",
            "mit or apache-2.0",
            "MIT/Apache-2.0",
            "(bsd-2-clause and mit) or cc0-1.0",
            "GPL-2.0+",
            "gpl-3.0-or-later with classpath-exception-2.0",
            "gplv3",
            "odc-by",
            "ODbL-1.0",
            "cdla-permissive-2.0",
            "etalab-2.0",
            "openrail",
            "OpenRAIL++",
            "llama2",
            "llama3.1",
            "public domain",
            "MIT License",
            "apache license 2.0",
            "BSD 3-Clause New or Revised License",
            "Creative Commons Attribution 4.0 International",
            "  MIT\n",
        ] {
            assert!(is_known_licence(known), "{known}");
        }
        for unknown in [
            "",
            " ",
            "unknown",
            "Unknown",
            "other",
            "none",
            "None",
            "n/a",
            "N/A",
            "na",
            "null",
            "-",
            "?",
            "custom",
            "proprietary",
            "commercial",
            "all rights reserved",
            "cc",
            "varies",
            "see README",
            "license",
            "NOASSERTION",
            "noassertion",
            "MIT OR NOASSERTION",
            "MIT OR unknown",
            "MIT AND",
            "mitigated",
            "apache-ish",
            "LicenseRef-custom",
            "DocumentRef-a:LicenseRef-b",
            "MIT WITH AdditionRef-c",
            "licence MIT",
            "MIT, Apache-2.0",
            "許可",
        ] {
            assert!(!is_known_licence(unknown), "{unknown}");
        }
        assert!(!is_known_licence(&"MIT OR ".repeat(1000)) && !is_known_licence(&"(".repeat(LONGEST)));
        assert!(HUB.is_sorted());
    }

    #[test]
    fn every_name_of_the_list() {
        for licence in LICENSES.iter().filter(|licence| licence.name != NO_ASSERTION) {
            for name in [licence.name, licence.full_name, &licence.name.to_lowercase(), &licence.name.to_uppercase()] {
                assert!(is_known_licence(name), "{name}");
            }
        }
        // What is on the SPDX list needs no entry of its own.
        for name in HUB {
            assert!(!is_expression(name), "{name}");
        }
    }

    proptest! {
        /// Whatever stands in a column.
        #[test]
        fn never_panics(
            text in "\\PC{0,20}",
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "MIT", "gpl", "GPL-2.0", "+", " ", "(", ")", "/", " WITH ", "or", " AND ", "LicenseRef-", "DocumentRef-a:",
                    "AdditionRef-", "LLVM-exception", "é", ":", "cc0", "_", "-only",
                ]),
                0..9,
            ),
        ) {
            let _ = (is_known_licence(&text), is_known_licence(&parts.concat()));
        }
    }
}
