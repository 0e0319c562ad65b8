//! A map as a page draws it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::MapMethod;

/// Characters of a text that a point keeps.
pub const POINT_CHARACTERS: usize = 100;

/// Which of the two compared corpora a text stands in; a text that both have is drawn in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What is looked at: the corpus of a report, a drop of new data, the current state.
    Corpus,
    /// What it is compared with: a reference, a profile, the baseline.
    Reference,
}

/// What is to be seen at once of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// On the list for review.
    Review,
    /// Held back by a screening.
    Flagged,
    /// In the baseline, and no longer there.
    Gone,
    /// Not in the baseline.
    Added,
}

/// A map: some distinct texts, each with its place and what is known of it.
///
/// Memory: some 200 bytes a point, most of it the text.
#[derive(Clone, Debug, PartialEq)]
pub struct MapPoints {
    /// How the coordinates were made.
    pub method: MapMethod,
    /// The points, corpus before reference, each side in the order of content hashes.
    pub points: Vec<MapPoint>,
    /// Distinct texts of corpus and reference, drawn or not.
    pub of: [u64; 2],
}

impl MapPoints {
    /// Points drawn of one side.
    #[must_use]
    pub fn drawn(&self, side: Side) -> u64 {
        self.points.iter().filter(|point| point.side == side).count() as u64
    }

    /// Whether some texts are not drawn.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        (self.points.len() as u64) < self.of[0] + self.of[1]
    }
}

/// A distinct text on the map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapPoint {
    /// Its place; the unit means nothing, distances mean little beyond near and far.
    pub xy: [f32; 2],
    /// Which side it stands in.
    pub side: Side,
    /// Its region in the codebook of the document that the map goes with.
    pub region: u32,
    /// Its outlier score, higher is further; `None` of reference texts.
    pub score: Option<f32>,
    /// What is to be seen at once, if anything.
    pub mark: Option<Mark>,
    /// Source of the record that stands for it.
    pub source: Option<Arc<str>>,
    /// Label of the record that stands for it.
    pub label: Option<Arc<str>>,
    /// Id of the record that stands for it.
    pub id: String,
    /// Its first [`POINT_CHARACTERS`] characters; untrusted, as all text of rows. Empty where the text is not known.
    pub text: String,
}
