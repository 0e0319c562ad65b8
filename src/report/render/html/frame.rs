//! What every page has around its content: style, scripts, the map's points, and the policy that lets them work.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::{Serde, Value, ValueKind, merge_maps};
use minijinja::{AutoEscape, Environment, HtmlEscape, State, UndefinedBehavior, context};
use serde::Serialize;

use super::super::number;
use super::super::text::fit;
use super::charts::{Charts, plotly_js};
use super::points::{self, NamedRegion};
use super::{glossary, picture};
use crate::map::{MapPoints, POINT_CHARACTERS, Side};

/// Columns of a text shown; the document holds the whole of it.
const TEXT_COLUMNS: usize = 600;
/// The digest of an empty style sheet: plotly.js adds one and fills it by script.
const EMPTY_STYLE: &str = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";
/// Bytes that a page may have: so many, and so many for every point.
const PAGE_BYTES: usize = 6_000_000;
const POINT_BYTES: usize = 25;
/// Columns of a text beside its point; the first that leave the page within its size, or else the last.
const SNIPPETS: [usize; 4] = [POINT_CHARACTERS, 60, 30, 0];

/// Colours of regions, sources and labels. Six, because people hold no more apart: of random colours with a contrast of 3.3 or
/// more to the ground those that lie furthest apart in `OKLab` (Ottosson 2020), also as people with a deficiency of colour
/// vision see them (Machado et al. 2009, <https://doi.org/10.1109/TVCG.2009.113>): .12 or more.
pub(super) const COLORS: [&str; 6] = ["#0a1dfa", "#b08400", "#de37a1", "#1e5b09", "#398bf6", "#7c207b"];

/// plotly.js as every page holds it.
static PLOTLY: LazyLock<String> = LazyLock::new(|| points::packed(plotly_js().as_bytes()));

const SCRIPTS: [&str; 7] = [
    include_str!("script/store.js"),
    include_str!("script/theme.js"),
    include_str!("script/filter.js"),
    include_str!("script/tables.js"),
    include_str!("script/copy.js"),
    include_str!("script/map.js"),
    include_str!("script/charts.js"),
];

const TEMPLATES: [(&str, &str); 6] = [
    ("base.html", include_str!("templates/base.html")),
    ("macros.html", include_str!("templates/macros.html")),
    ("map.html", include_str!("templates/map.html")),
    ("report.html", include_str!("templates/report.html")),
    ("screening.html", include_str!("templates/screening.html")),
    ("verdict.html", include_str!("templates/verdict.html")),
];

/// A page but for its content.
pub(super) struct Frame<'a> {
    /// The template of the content; it extends `base.html`.
    pub(super) template: &'static str,
    /// What the script knows the page as.
    pub(super) mode: &'static str,
    /// The document as JSON: of its digest the nonce is made.
    pub(super) document: &'a str,
    pub(super) map: &'a MapPoints,
    /// The regions by name, in the order in which their colours are given.
    pub(super) regions: Vec<(u32, String)>,
    /// What the two sides of the map are called.
    pub(super) sides: [&'static str; 2],
    pub(super) charts: &'a Charts,
    /// The ids of the review queue as they are, row by row.
    pub(super) review: Vec<&'a str>,
}

impl Frame<'_> {
    /// The page with its content.
    pub(super) fn page(&self, content: &Value) -> String {
        let environment = environment();
        let template = environment.get_template(self.template).expect("the template parses: a test renders it");
        let regions: Vec<NamedRegion> = self
            .regions
            .iter()
            .enumerate()
            .map(|(rank, (id, name))| NamedRegion { id: *id, name: fit(name, 60), slot: rank % COLORS.len() })
            .collect();
        let slot = |id: u32| regions.iter().find(|region| region.id == id).map_or(0, |region| region.slot);
        let nonce = self.nonce();
        let frame = context! {
            mode => self.mode,
            policy => format!(
                "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}' {EMPTY_STYLE}; \
                 style-src-attr 'none'; img-src data: blob:; base-uri 'none'; form-action 'none'"
            ),
            nonce,
            css => Value::from_safe_string(include_str!("templates/page.css").to_owned()),
            script => Value::from_safe_string(format!("\"use strict\";\n(() => {{\n{}}})();", SCRIPTS.concat())),
            plotly => Value::from_safe_string(PLOTLY.clone()),
            charts => Value::from_safe_string(script_json(self.charts)),
            review_ids => Value::from_safe_string(script_json(&self.review)),
            picture => self.picture(slot).map(|png| Value::from_safe_string(STANDARD.encode(png))),
            map => context! {
                method => self.map.method.to_string(),
                drawn => self.map.points.len(),
                corpus => self.map.drawn(Side::Corpus),
                reference => self.map.drawn(Side::Reference),
                of => self.map.of.iter().sum::<u64>(),
                sides => self.sides,
            },
            points => Value::from_safe_string(points::columns(self.map, &regions)),
            slots => serialized(&regions.iter().map(|region| (region.id, region.slot)).collect::<BTreeMap<_, _>>()),
            glossary => serialized(&glossary::TERMS),
            semcov_version => env!("CARGO_PKG_VERSION"),
        };
        let mut page = String::new();
        for columns in SNIPPETS {
            let texts = Value::from_safe_string(points::texts(self.map, columns));
            let context = merge_maps([context! { texts }, frame.clone(), content.clone()]);
            page = template.render(context).expect("the template has its values: a test renders it");
            if page.len() <= PAGE_BYTES + POINT_BYTES * self.map.points.len() {
                break;
            }
        }
        page
    }

    fn picture(&self, slot: impl Fn(u32) -> usize) -> Option<Vec<u8>> {
        let colors = COLORS.map(|color| {
            let channel = |at: usize| u8::from_str_radix(&color[at..at + 2], 16).unwrap_or_default();
            [channel(1), channel(3), channel(5)]
        });
        picture::png(self.map, &colors, slot)
    }

    /// A digest of all that is shown, so that equal documents are equal pages; a row would have to contain the digest of the
    /// page that contains it.
    fn nonce(&self) -> String {
        let mut digest = blake3::Hasher::new_derive_key("semcov report page nonce v2");
        digest.update(self.document.as_bytes());
        for text in self.map.points.iter().flat_map(|point| [&point.id, &point.text]) {
            digest.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        digest.finalize().to_hex()[..32].to_owned()
    }
}

/// JSON in which nothing can end the script element that holds it.
pub(super) fn script_json(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("a page has only values that JSON has");
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => safe.push_str(&format!("\\u{:04x}", c as u32)),
            _ => safe.push(c),
        }
    }
    safe
}

pub(super) fn serialized<T: Serialize>(value: &T) -> Value {
    Value::from(Serde(value))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
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
    environment.add_filter("explained", |sentence: &str| {
        let escaped = HtmlEscape(&fit(sentence, TEXT_COLUMNS)).to_string();
        Value::from_safe_string(glossary::explained(&escaped))
    });
    environment.add_filter("short", |name: &str| fit(name, 60));
    // A bar's length, of 100; whatever is there shows.
    environment.add_filter("bar", |share: f64, largest: f64| {
        if share > 0.0 && largest > 0.0 { format!("{:.1}", (100.0 * share / largest).max(1.0)) } else { "0".to_owned() }
    });
    // A term that the glossary explains.
    environment.add_function("term", |name: &str, shown: Option<&str>| {
        let means = glossary::means(name).unwrap_or_default();
        Value::from_safe_string(format!("<dfn title=\"{means}\">{}</dfn>", shown.unwrap_or(name)))
    });
    for (name, source) in TEMPLATES {
        environment.add_template(name, source).expect("the template parses: a test renders it");
    }
    environment
}
