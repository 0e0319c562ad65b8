//! A document as one HTML file that opens offline.
//!
//! **Untrusted text.** Three layers, each sufficient alone for markup: every value that a template writes is made
//! [`visible`](super::text::visible), cut, and then escaped by minijinja; the data of charts and points travels as JSON
//! without `<`, `>` or `&`, or packed in base64, and is shown as text; and a Content-Security-Policy runs only the scripts
//! that carry the page's nonce, evaluates nothing, and loads nothing.
//!
//! **Charts** are drawn by plotly.js (MIT), which its crate carries; the page holds it packed, shows its licence line, and
//! draws the map with WebGL, or with SVG where there is none. Without scripts the map is a picture, and the tables are all
//! there, unsorted.
//!
//! `frame` is what all pages share, with `points`, `picture`, `charts` and `glossary`; a file for each kind of document says
//! what is in its template. `script/` is one script in parts, in the order in which `frame` puts them together.

use crate::map::{MapMethod, MapPoints};

mod charts;
mod frame;
mod glossary;
#[cfg(test)]
mod markup;
mod picture;
mod points;
mod report;
mod screening;
mod verdict;

pub use report::html;
pub use screening::screening_html;
pub use verdict::verdict_html;

/// Entries of a list that a page shows.
const ENTRIES: usize = 200;

/// Where there is none to draw.
fn no_map() -> MapPoints {
    MapPoints { method: MapMethod::Pca, points: Vec::new(), of: [0, 0] }
}

#[cfg(test)]
mod tests;
