//! The document as one HTML file that opens offline.
//!
//! **Untrusted text.** Three layers, each sufficient alone for markup: every value that the template writes is made
//! [`visible`](super::text::visible), cut, and then escaped by minijinja; chart data travels as JSON without `<`, `>`
//! or `&`; and a Content-Security-Policy runs only the scripts that carry the page's nonce, and loads nothing. The
//! nonce is a digest of the document, so that equal reports are equal pages; a row would have to contain the digest of
//! the report that contains it.
//!
//! **Charts** are drawn by plotly.js (MIT), which its crate carries; the page shows its licence line. Without scripts
//! the tables are all there, unsorted.

mod charts;

use std::collections::BTreeMap;

use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{AutoEscape, Environment, State, context};
use serde::Serialize;

use super::json::{JsonStyle, json};
use super::text::fit;
use super::{beside, number, words};
use crate::report::{Gap, Report, gap_word};

/// Columns of a text shown; the document holds the whole of it.
const TEXT_COLUMNS: usize = 600;
/// Records of a duplicate group or of the review list that the page shows.
const ENTRIES: usize = 200;
/// The digest of an empty style sheet: plotly.js adds one and fills it by script.
const EMPTY_STYLE: &str = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";

/// The report as a self-contained page: about 4.7 MB for plotly.js, and what its rows need.
#[must_use]
pub fn html(report: &Report) -> String {
    let environment = environment();
    let template = environment.get_template("page.html").expect("the template parses: a test renders it");
    let charts = charts::Charts::of(report);
    let nonce = nonce(report);
    let region_names: BTreeMap<_, _> =
        report.regions.iter().map(|region| (region.id, words::region_name(region.id, &region.name))).collect();
    let context = context! {
        policy => format!(
            "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}' {EMPTY_STYLE}; \
             style-src-attr 'none'; img-src data: blob:; base-uri 'none'; form-action 'none'"
        ),
        nonce,
        css => Value::from_safe_string(include_str!("page.css").to_owned()),
        js => Value::from_safe_string(include_str!("page.js").to_owned()),
        plotly => Value::from_safe_string(charts::plotly_js()),
        charts => Value::from_safe_string(charts.to_script_json()),
        map_points => charts.map_points as u64,
        has_histograms => charts.has_histograms(),
        entries => ENTRIES,
        semcov_version => report.semcov_version.as_str(),
        corpus => serialized(&report.corpus),
        encoder => serialized(&report.encoder),
        settings => serialized(&report.settings),
        map_method => report.map.method.as_str(),
        duplicate_share => words::duplicate_share(report),
        needed => words::total_needed(report),
        needs => serialized(&report.needs_augmentation),
        next_steps => words::next_steps(report),
        diversity => words::diversity(report),
        sparsity => words::sparsity(report),
        reference => beside::reference(report),
        coverage => serialized(&report.coverage),
        comparison => beside::sentences(report),
        gaps => gap_rows(&beside::gaps(report)),
        surplus => gap_rows(&report.surplus.iter().collect::<Vec<_>>()),
        holes => serialized(&beside::holes(report)),
        novelty => serialized(&report.novelty),
        source_coverage => serialized(&report.source_coverage),
        warnings => words::warnings(report),
        regions => serialized(&report.regions),
        region_names => serialized(&region_names),
        swatches => serialized(charts.looks()),
        largest_share => report.regions.iter().map(|region| region.share).fold(0.0, f64::max),
        outliers => serialized(&report.outliers),
        duplicate_groups => serialized(&report.duplicate_groups),
        categories => [("Sources", &report.sources), ("Labels", &report.labels)]
            .into_iter()
            .filter(|(_, shares)| !shares.is_empty())
            .map(|(title, shares)| context! { title, shares => serialized(shares) })
            .collect::<Vec<_>>(),
    };
    template.render(context).expect("the template has its values: a test renders it")
}

/// Gaps, with what the renderers say of them alike.
fn gap_rows(gaps: &[&Gap]) -> Vec<Value> {
    let row = |gap: &&Gap| {
        context! { gap => serialized(gap), kind => gap_word(gap), ratio => beside::ratio(gap) }
    };
    gaps.iter().take(ENTRIES).map(row).collect()
}

fn serialized<T: Serialize>(value: &T) -> Value {
    Value::from(Serde(value))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_formatter(|out, state: &mut State<'_, '_>, value: &Value| match value.as_str() {
        Some(text) if value.kind() == ValueKind::String && !value.is_safe() => {
            minijinja::escape_formatter(out, state, &Value::from(fit(text, TEXT_COLUMNS)))
        }
        _ => minijinja::escape_formatter(out, state, value),
    });
    environment.add_filter("count", number::count);
    environment.add_filter("percent", number::percent);
    environment.add_filter("similarity", number::similarity);
    environment.add_filter("score", number::score);
    environment.add_filter("p_value", number::p_value);
    // A bar's length, of 100; whatever is there shows.
    environment.add_filter("bar", |share: f64, largest: f64| {
        if share > 0.0 && largest > 0.0 { format!("{:.1}", (100.0 * share / largest).max(1.0)) } else { "0".to_owned() }
    });
    environment.add_template("page.html", include_str!("page.html")).expect("the template parses: a test renders it");
    environment
}

fn nonce(report: &Report) -> String {
    let digest = blake3::derive_key("semcov report page nonce v1", json(report, JsonStyle::Compact).as_bytes());
    blake3::Hash::from_bytes(digest).to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{self, HOSTILE};

    /// What the browser parses as markup: the page without the contents of its style and script elements.
    fn markup(page: &str) -> String {
        let mut markup = String::new();
        let mut rest = page;
        while let Some(start) = rest.find("<script").into_iter().chain(rest.find("<style")).min() {
            let open = start + rest[start..].find('>').unwrap() + 1;
            let close = open + rest[open..].find("</").unwrap();
            let end = ["</script>", "</style>"];
            let close = end.iter().filter_map(|end| rest[open..].find(end)).min().map_or(close, |close| open + close);
            markup.push_str(&rest[..open]);
            rest = &rest[close..];
        }
        markup + rest
    }

    #[test]
    fn holds_what_the_report_holds() {
        let report = fixture::support();
        let markup = markup(&html(&report));
        for region in &report.regions {
            assert!(markup.contains(&words::region_name(region.id, &region.name)), "{}", region.name);
        }
        for text in ["571", "+47", "139", "msg-0901", "Preheat the oven", "注文した商品", "webform", "web-form", "pca"]
        {
            assert_eq!(markup.contains(text), text != "webform", "{text}");
        }
        assert!(!markup.contains("gap"), "without a reference nothing is a gap");
        assert_eq!(html(&report), html(&report));
    }

    #[test]
    fn a_reference_has_its_section() {
        let markup = markup(&html(&fixture::compared()));
        for text in ["Coverage of the reference", "87.4%", "missing", "thin", "ticket-701", "Outside the reference"] {
            assert!(markup.contains(text), "{text}");
        }
        assert!(!markup.contains("what is sparse, not what is missing"));
    }

    #[test]
    fn every_shape_of_report_renders() {
        let minimal = html(&fixture::minimal());
        assert!(minimal.contains("Nothing stands out"));
        let mut empty = fixture::minimal();
        empty.regions.clear();
        empty.map.points.clear();
        empty.corpus.files.clear();
        assert!(html(&empty).contains("No text to draw"));
    }

    #[test]
    fn loads_nothing_and_runs_only_its_own_scripts() {
        let page = html(&fixture::support());
        let markup = markup(&page);
        for attribute in
            ["src=", "href=\"http", "style=", "onclick", "onload", "onerror", "@import", "<link", "<iframe"]
        {
            assert!(!markup.contains(attribute), "{attribute}");
        }
        let nonce = nonce(&fixture::support());
        assert_eq!(nonce.len(), 32);
        assert_eq!(markup.matches("<script").count(), 3);
        assert_eq!(markup.matches(&format!("<script nonce=\"{nonce}\">")).count(), 2);
        assert!(page.contains(&format!("script-src &#x27;nonce-{nonce}&#x27;;")), "the policy names the nonce");
        assert!(!page.contains("unsafe-"));
        assert!(page.len() < 6_000_000, "{} bytes", page.len());
    }

    #[test]
    fn plotly_is_whole_and_licensed() {
        let js = charts::plotly_js();
        assert!(js.contains("plotly.js v") && js.contains("Licensed under the MIT license"));
        assert!(!js.contains("</script"));
        assert!((4_000_000..5_000_000).contains(&js.len()), "{} bytes", js.len());
    }

    #[test]
    fn hostile_text_cannot_act() {
        let page = html(&fixture::hostile());
        let markup = markup(&page);
        assert_eq!(markup.matches("<script").count(), 3);
        assert_eq!(page.matches("</script>").count(), 3);
        for raw in HOSTILE.iter().filter(|text| text.contains(['<', '"', '\'', '\u{1b}', '\u{202e}', '\u{2028}'])) {
            assert!(!markup.contains(raw), "{raw:?}");
            assert!(!raw.contains('<') || !page.contains(raw), "{raw:?}");
        }
        let acts = |c: char| {
            c != '\n'
                && (c.is_control()
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}'))
        };
        assert_eq!(markup.chars().find(|&c| acts(c)), None);
        assert!(markup.lines().all(|line| line.len() < 50_000), "a long text is cut");

        // Every tag of the hostile page is one that the harmless page has, with attributes that it has.
        let tags = |markup: &str| -> std::collections::BTreeSet<String> {
            markup.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| shape(tag)).collect()
        };
        let mut known = tags(&self::markup(&html(&fixture::support())));
        known.extend(tags(&self::markup(&html(&fixture::compared()))));
        for tag in tags(&markup) {
            assert!(known.contains(&tag), "<{tag}>");
        }
    }

    /// A tag's name and the names of its attributes.
    fn shape(tag: &str) -> String {
        let outside_quotes: String = tag.split('"').step_by(2).collect();
        outside_quotes.trim().to_owned()
    }

    #[test]
    fn chart_data_cannot_leave_its_element() {
        let charts = charts::Charts::of(&fixture::hostile()).to_script_json();
        assert!(!charts.contains(['<', '>', '&', '\u{2028}', '\u{2029}', '\u{202e}', '\u{1b}']));
        let read: serde_json::Value = serde_json::from_str(&charts).unwrap();
        let labels = read["map"]["data"].as_array().unwrap().iter().flat_map(|trace| {
            let texts = trace["text"].as_array().into_iter().flatten();
            texts.chain([&trace["name"]]).filter_map(serde_json::Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        });
        for label in labels {
            // plotly.js reads tags in labels: only those that the renderer wrote may be there.
            let without_ours = label.replace("<br>", "").replace("<i>", "").replace("</i>", "");
            assert!(!without_ours.contains(['<', '>']), "{label}");
        }
    }
}
