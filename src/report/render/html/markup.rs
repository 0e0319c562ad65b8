//! What a browser would make of a page, for the tests of all pages.

use std::collections::BTreeSet;

use crate::report::fixture::HOSTILE;

/// What the browser parses as markup: the page without the contents of its style and script elements.
pub(super) fn markup(page: &str) -> String {
    let mut markup = String::new();
    let mut rest = page;
    while let Some(start) = rest.find("<script").into_iter().chain(rest.find("<style")).min() {
        let open = start + rest[start..].find('>').unwrap() + 1;
        let close = ["</script>", "</style>"].iter().filter_map(|end| rest[open..].find(end)).min().unwrap();
        markup.push_str(&rest[..open]);
        rest = &rest[open + close..];
    }
    markup + rest
}

/// What a reader sees of a page, tags between.
pub(super) fn shown(page: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#x2f;", "/"), ("&amp;", "&")];
    entities.iter().fold(markup(page), |shown, (entity, of)| shown.replace(entity, of))
}

/// The tags of a page, each with the names of its attributes.
pub(super) fn tags(page: &str) -> BTreeSet<String> {
    let tag = |(tag, _): (&str, &str)| tag.split('"').step_by(2).collect::<String>().trim().to_owned();
    markup(page).split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(tag).collect()
}

/// A page full of hostile text has only tags and attributes that harmless pages have, and nothing in it acts.
pub(super) fn assert_harmless(hostile: &str, harmless: &[String]) {
    let markup = markup(hostile);
    for raw in HOSTILE.iter().filter(|text| text.contains(['<', '"', '\'', '\u{1b}', '\u{202e}', '\u{2028}'])) {
        assert!(!markup.contains(raw), "{raw:?}");
        assert!(!raw.contains('<') || !hostile.contains(raw), "{raw:?}");
    }
    let acts = |c: char| {
        c != '\n'
            && (c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}'))
    };
    assert_eq!(markup.chars().find(|&c| acts(c)), None);
    let known: BTreeSet<String> = harmless.iter().flat_map(|page| tags(page)).collect();
    for tag in tags(hostile) {
        assert!(known.contains(&tag), "<{tag}>");
    }
    assert_eq!(markup.matches("<script").count(), self::markup(&harmless[0]).matches("<script").count());
    assert_offline(hostile);
}

/// A page loads nothing, has no style or handler in an attribute, and runs only what carries its nonce.
pub(super) fn assert_offline(page: &str) {
    let found = tags(page);
    for attribute in ["style=", "onclick=", "onload=", "onerror=", "onmouseover="] {
        assert!(!found.iter().any(|tag| tag.contains(attribute)), "{attribute}");
    }
    for element in ["link", "iframe", "object", "embed", "form", "base"] {
        assert!(!found.iter().any(|tag| tag.split([' ', '\n']).next() == Some(element)), "<{element}>");
    }
    let markup = markup(page);
    for (at, of) in markup.match_indices("src=\"") {
        assert!(markup[at + of.len()..].starts_with("data:image/png;base64,"), "something is loaded");
    }
    for (at, of) in markup.match_indices("href=\"") {
        assert!(markup[at + of.len()..].starts_with('#'), "a link leaves the page");
    }
    assert!(page.contains("default-src &#x27;none&#x27;") && !page.contains("unsafe-"));
}
