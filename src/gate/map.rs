//! A map of what the gate compares: the sampled texts of the baseline and of the corpus, laid out together.
//!
//! A baseline's text that is gone is marked, and a text of the corpus that is new: as far as the censuses tell. Of a text that
//! both samples have there are two points in about one place.

use crate::map::{MapParams, MapPoint, MapPoints, Mark, Side, lay_out};
use crate::profile::{Census, Profile, Sample};
use crate::progress::Progress;
use crate::vectors::{EmbeddingMatrix, Rows};

/// The map of a baseline and of the corpus as observed under its codebook; `None` where one of them is compact. Texts are
/// shown if `show_text`, and the samples have them.
///
/// Memory: the vectors of both samples in half precision (15 MB for two of 10,000 texts and 384 components), what [`lay_out`]
/// takes, and 200 bytes a point.
#[must_use]
pub fn map_of(baseline: &Profile, current: &Profile, show_text: bool, progress: &dyn Progress) -> Option<MapPoints> {
    let [before, now] = [baseline, current].map(|profile| profile.sample.as_ref());
    let (before, now) = (before?, now?);
    if before.is_empty() && now.is_empty() {
        return None;
    }
    let dim = baseline.encoder.dim;
    let joined = EmbeddingMatrix::joined(now.matrix(dim), before.matrix(dim));
    let layout = lay_out(Rows::from(&joined), &MapParams::default(), progress);
    let mut places = layout.xy.into_iter();
    let mut points: Vec<MapPoint> = Vec::with_capacity(now.len() + before.len());
    let sides =
        [(now, Side::Corpus, &baseline.census, Mark::Added), (before, Side::Reference, &current.census, Mark::Gone)];
    for (sample, side, other, mark) in sides {
        let of_side = sample.map_points(side, &mut places, &baseline.codebook, show_text);
        let marked = of_side.zip(lacking(other.as_ref(), sample));
        points.extend(marked.map(|(point, lacks)| MapPoint { mark: lacks.then_some(mark), ..point }));
    }
    Some(MapPoints { method: layout.method, points, of: [current, baseline].map(Profile::distinct_texts) })
}

/// Whether a census is known to lack each text of a sample.
fn lacking<'a>(census: Option<&'a Census>, sample: &'a Sample) -> impl Iterator<Item = bool> + 'a {
    sample.hashes.iter().map(move |&hash| census.is_some_and(|census| census.lacks(hash)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::SampleParams;
    use crate::profile::fixture::{fitted, lines, observed, sampling};
    use crate::progress::Silent;

    #[test]
    fn what_came_and_went_is_marked() {
        let before = lines(300, 2);
        let baseline = fitted(&before, 12, &sampling(1_000));
        let now = [&before[..200], &lines(40, 5)[..]].concat();
        let current = observed(&baseline, &now, &sampling(1_000)).unwrap();
        let map = map_of(&baseline, &current, true, &Silent).unwrap();
        assert_eq!(map.of, [current.distinct_texts(), baseline.distinct_texts()]);
        assert!(!map.is_sample() && map.points.is_sorted_by_key(|point| point.side));
        let changes = baseline.census.as_ref().unwrap().changes(current.census.as_ref().unwrap());
        let marked =
            |side, mark| map.points.iter().filter(|point| point.side == side && point.mark == mark).count() as u64;
        assert_eq!(marked(Side::Corpus, Some(Mark::Added)), changes.added);
        assert_eq!(marked(Side::Reference, Some(Mark::Gone)), changes.removed);
        assert_eq!([Side::Corpus, Side::Reference].map(|side| marked(side, None)), [changes.kept; 2]);
        assert!(changes.added > 0 && changes.removed > 0);
        assert!(map.points.iter().all(|point| !point.text.is_empty() && point.score.is_none()));
        // A text that both have lies in one region.
        for point in map.points.iter().filter(|point| point.side == Side::Corpus && point.mark.is_none()) {
            let of_baseline = |other: &&MapPoint| other.side == Side::Reference && other.text == point.text;
            let other = map.points.iter().find(of_baseline).unwrap();
            assert_eq!(other.region, point.region, "{}", point.text);
        }
    }

    #[test]
    fn texts_are_shown_only_if_asked_for() {
        let baseline = fitted(&lines(100, 2), 6, &sampling(50));
        let map = map_of(&baseline, &baseline, false, &Silent).unwrap();
        assert!(map.points.iter().all(|point| point.text.is_empty() && !point.id.is_empty()));
        let compact = fitted(&lines(100, 2), 6, &SampleParams { limit: None, texts: false });
        assert!(map_of(&compact, &baseline, true, &Silent).is_none());
        assert!(map_of(&baseline, &compact, true, &Silent).is_none());
    }
}
