//! The page, as markup: what a browser makes of it stands in `tests/browser`.

use std::io::Read as _;

use base64::Engine as _;

use super::super::words;
use super::charts::{Charts, plotly_js};
use super::markup::markup;
use super::*;
use crate::map::{MapPoint, MapPoints};
use crate::report::fixture::{self, HOSTILE};

/// Scripts, and blocks of data that are none, of a page.
const SCRIPTS: usize = 6;

/// What a block of packed data holds.
fn unpacked(page: &str, id: &str) -> String {
    let (_, block) = page.split_once(&format!("id=\"{id}\">")).unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(block.split_once('<').unwrap().0).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn holds_what_the_report_holds() {
    let report = fixture::support();
    let markup = markup(&html(&report, &fixture::map()));
    for region in &report.regions {
        assert!(markup.contains(&words::region_name(region.id, &region.name)), "{}", region.name);
    }
    for text in ["571", "+47", "139", "msg-0901", "Preheat the oven", "注文した商品", "webform", "web-form", "UMAP"]
    {
        assert_eq!(markup.contains(text), text != "webform", "{text}");
    }
    let content = markup.split("id=\"words\"").next().unwrap();
    assert!(!content.to_lowercase().contains("gap"), "without a reference nothing is a gap");
    assert_eq!(html(&report, &fixture::map()), html(&report, &fixture::map()));
}

#[test]
fn a_reference_has_its_section() {
    let markup = markup(&html(&fixture::compared(), &fixture::map()));
    for text in ["Coverage of the reference", "87.4%", "missing", "thin", "ticket-701", "Outside the reference"] {
        assert!(markup.contains(text), "{text}");
    }
    assert!(!markup.contains("what is sparse, not what is missing"));
}

#[test]
fn every_shape_of_report_renders() {
    let minimal = html(&fixture::minimal(), &fixture::map());
    assert!(minimal.contains("Nothing stands out"));
    let mut empty = fixture::minimal();
    empty.regions.clear();
    empty.corpus.files.clear();
    let nothing = MapPoints { points: Vec::new(), ..fixture::map() };
    assert!(html(&empty, &nothing).contains("No text to draw"));
}

#[test]
fn loads_nothing_and_runs_only_its_own_script() {
    let page = html(&fixture::support(), &fixture::map());
    let markup = markup(&page);
    for attribute in ["href=\"http", "style=", "onclick", "onload", "onerror", "@import", "<link", "<iframe"] {
        assert!(!markup.contains(attribute), "{attribute}");
    }
    assert!(markup.split("src=\"").skip(1).all(|source| source.starts_with("data:image/png;base64,")));
    let scripts: Vec<&str> = markup.split("<script").skip(1).map(|tag| tag.split('>').next().unwrap()).collect();
    let nonce = scripts.iter().find_map(|tag| tag.strip_prefix(" nonce=\"")).unwrap().trim_end_matches('"');
    assert_eq!(nonce.len(), 32);
    assert_eq!((scripts.len(), scripts.iter().filter(|tag| tag.contains("nonce")).count()), (SCRIPTS, 1));
    assert!(page.contains(&format!("script-src &#x27;nonce-{nonce}&#x27;;")), "the policy names the nonce");
    assert!(!page.contains("unsafe-") && !page.contains("eval("));
    let other = MapPoints { points: fixture::map().points[1..].to_vec(), ..fixture::map() };
    assert!(!html(&fixture::support(), &other).contains(nonce), "what the map shows is in the digest");
}

#[test]
fn stays_within_its_size() {
    let text = |i: usize| {
        (0..20).fold(String::new(), |text, word| text + &format!("{:x} ", (i * 31 + word) * 7_919 * (i + 3) % 99_991))
    };
    let point = |i: usize| MapPoint { text: text(i), ..fixture::map().points[i % 500].clone() };
    let map = MapPoints { points: (0..60_000).map(point).collect(), ..fixture::map() };
    let page = html(&fixture::support(), &map);
    assert!(page.len() <= 6_000_000 + 25 * 60_000, "{} bytes", page.len());
    assert!(html(&fixture::support(), &fixture::map()).len() < 2_500_000);
}

#[test]
fn plotly_is_whole_and_licensed() {
    let js = plotly_js();
    assert!(js.contains("plotly.js v") && js.contains("Licensed under the MIT license"));
    assert!(!js.contains("</script"));
    assert!((4_000_000..5_000_000).contains(&js.len()), "{} bytes", js.len());
}

#[test]
fn hostile_text_cannot_act() {
    let page = html(&fixture::hostile(), &fixture::hostile_map());
    let markup = markup(&page);
    assert_eq!(markup.matches("<script").count(), SCRIPTS);
    assert_eq!(page.matches("</script>").count(), SCRIPTS);
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
    let mut known = tags(&self::markup(&html(&fixture::support(), &fixture::map())));
    known.extend(tags(&self::markup(&html(&fixture::compared(), &fixture::map()))));
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
    let charts = frame::script_json(&Charts::of(&fixture::hostile()));
    assert!(!charts.contains(['<', '>', '&', '\u{2028}', '\u{2029}', '\u{202e}', '\u{1b}']));
    let read: serde_json::Value = serde_json::from_str(&charts).unwrap();
    let labels: Vec<&str> = ["/sources/data/0/x", "/sources/data/0/y", "/labels/data/0/x", "/labels/data/0/y"]
        .iter()
        .flat_map(|axis| read.pointer(axis).and_then(serde_json::Value::as_array).unwrap())
        .filter_map(serde_json::Value::as_str)
        .collect();
    assert!(labels.iter().any(|label| label.contains("&lt;")), "{labels:?}");
    // plotly.js reads tags in labels.
    assert!(labels.iter().all(|label| !label.contains(['<', '>'])));
}

#[test]
fn points_travel_whole() {
    let (report, map) = (fixture::hostile(), fixture::hostile_map());
    let page = html(&report, &map);
    let [points, texts]: [serde_json::Value; 2] =
        ["points", "texts"].map(|id| serde_json::from_str(&unpacked(&page, id)).unwrap());
    for column in [&points["x"], &points["y"], &points["region"], &points["score"], &texts["id"], &texts["text"]] {
        assert_eq!(column.as_array().unwrap().len(), map.points.len());
    }
    let places: Vec<u64> = points["x"].as_array().unwrap().iter().filter_map(serde_json::Value::as_u64).collect();
    let west = |i: &usize| places[*i];
    let by_place = (0..places.len()).min_by_key(west).unwrap();
    assert_eq!(map.points[by_place].xy[0], map.points.iter().map(|point| point.xy[0]).fold(f32::INFINITY, f32::min));
    assert_eq!(
        points["mark"].as_str().unwrap().matches('r').count(),
        map.points.iter().filter(|point| point.mark.is_some()).count()
    );
    let acts = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}');
    let strings = texts["id"].as_array().unwrap().iter().chain(texts["text"].as_array().unwrap());
    assert!(
        strings
            .filter_map(serde_json::Value::as_str)
            .all(|text| !text.chars().any(acts) && text.chars().count() <= 110)
    );
}

#[test]
fn plotly_comes_as_it_was_packed() {
    assert_eq!(unpacked(&html(&fixture::minimal(), &fixture::map()), "plotly-js"), plotly_js());
}

#[test]
fn a_command_is_one_that_a_shell_reads_as_meant() {
    let mut report = fixture::compared();
    report.corpus.files[0].path = "data/it's $(all).jsonl".to_owned();
    report.corpus.files.truncate(1);
    let command = words_of_the_plan(&report).unwrap();
    assert!(command.starts_with("semcov plan 'data/it'\\''s $(all).jsonl' --reference "), "{command}");
    report.corpus.files[0].path = "-".to_owned();
    assert_eq!(words_of_the_plan(&report), None);
}

fn words_of_the_plan(report: &crate::report::Report) -> Option<String> {
    super::super::beside::plan_command(report)
}
