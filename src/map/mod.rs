//! A map: texts on a plane, so that texts of close meaning lie close together.

mod graph;
mod layout;
mod points;
mod sample;

pub use graph::EXACT;
pub use layout::{Layout, MapMethod, MapParams, lay_out};
pub use points::{MapPoint, MapPoints, Mark, POINT_CHARACTERS, Side};
pub use sample::{MAX_POINTS, WHOLE, draw};
