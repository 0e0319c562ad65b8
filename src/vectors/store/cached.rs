//! The reading side of the vector store.

use std::path::PathBuf;

use super::segment::{Entry, Segment};
use super::{Location, SetAside};
use crate::corpus::ContentHash;

/// What a store held when it was opened.
#[derive(Debug, Default)]
pub struct Cached {
    segments: Vec<(Segment, Soundness)>,
    /// Sorted: 24 bytes per vector on disk.
    index: Vec<(ContentHash, Location)>,
    set_aside: Vec<SetAside>,
}

/// What is known of a segment's vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Soundness {
    NotChecked,
    Sound,
    Corrupt,
}

/// A text found in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where its vector is.
    pub location: Location,
    /// Its tokens, as embedded.
    pub tokens: u32,
    /// Tokens that the encoder's limit cut off.
    pub truncated: u32,
}

impl Cached {
    pub(super) fn new(segments: Vec<Segment>, set_aside: Vec<SetAside>) -> Self {
        let mut index = Vec::with_capacity(segments.iter().map(Segment::rows).sum());
        for (number, segment) in segments.iter().enumerate() {
            index.extend(
                (0..segment.rows())
                    .map(|row| (segment.entry(row).key, Location { segment: number as u32, row: row as u32 })),
            );
        }
        rayon::slice::ParallelSliceMut::par_sort_unstable(index.as_mut_slice());
        let segments = segments.into_iter().map(|segment| (segment, Soundness::NotChecked)).collect();
        Self { segments, index, set_aside }
    }

    /// Number of vectors, those that another process wrote as well included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there was nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Looks a text up. A segment's vectors are checked as the first of them is found; if they are not what was
    /// written, the segment is set aside, and none of its texts is found.
    pub fn find(&mut self, key: ContentHash) -> Option<Found> {
        let start = self.index.partition_point(|&(other, _)| other < key);
        for i in start..self.index.len() {
            let (other, location) = self.index[i];
            if other != key {
                break;
            }
            if self.is_sound(location.segment as usize) {
                let Entry { tokens, truncated, .. } =
                    self.segments[location.segment as usize].0.entry(location.row as usize);
                return Some(Found { location, tokens, truncated });
            }
        }
        None
    }

    fn is_sound(&mut self, segment: usize) -> bool {
        let (segment, soundness) = &mut self.segments[segment];
        if *soundness == Soundness::NotChecked {
            if segment.vectors_are_sound() {
                *soundness = Soundness::Sound;
            } else {
                *soundness = Soundness::Corrupt;
                self.set_aside.push(SetAside::rename(&segment.path, "the checksum of its vectors is wrong".to_owned()));
            }
        }
        *soundness == Soundness::Sound
    }

    /// Segments that turned out corrupt so far; their texts are embedded again.
    #[must_use]
    pub fn set_aside(&self) -> &[SetAside] {
        &self.set_aside
    }

    pub(super) fn into_segments(self) -> impl Iterator<Item = Segment> {
        self.segments.into_iter().map(|(segment, _)| segment)
    }
}

impl SetAside {
    /// Renames a segment, so that no run reads it again; if that fails, each run will find it corrupt again.
    pub(super) fn rename(path: &std::path::Path, problem: String) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push(".corrupt");
        let renamed = PathBuf::from(name);
        let path = if fs_err::rename(path, &renamed).is_ok() { renamed } else { path.to_owned() };
        Self { path, problem }
    }
}
