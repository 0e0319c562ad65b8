//! A row as it stands in its file, to be copied into another one by a [`super::CopyWriter`].

use std::sync::Arc;

use arrow_array::RecordBatch;

/// The original of a row: its bytes, or its place in a batch of a Parquet file. Nothing is decoded for it.
#[derive(Clone, Debug)]
pub struct Original(Content);

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// A line, or the lines of a CSV record, with their terminators; the last line of a file may have none.
    Lines(Vec<u8>),
    /// An element of a JSON array.
    Element(Vec<u8>),
    /// An element of one of the lists of a JSON object.
    Member(ListKey, Vec<u8>),
    /// A row of a batch of all columns; every row is as large as the batch's mean.
    Row { batch: Arc<RecordBatch>, row: usize, bytes: usize },
}

/// The key of a list, and which of its object's lists that is, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListKey {
    pub(super) number: usize,
    pub(super) key: Arc<str>,
}

impl Original {
    pub(super) fn new(content: Content) -> Self {
        Self(content)
    }

    pub(super) fn content(&self) -> &Content {
        &self.0
    }

    /// About how much memory it takes, in bytes. Of Parquet, rows share their batch: each counts for its part of it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + match &self.0 {
                Content::Lines(bytes) | Content::Element(bytes) | Content::Member(_, bytes) => bytes.capacity(),
                Content::Row { bytes, .. } => *bytes,
            }
    }
}
