//! The writing side of the vector store.

use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use half::f16;
use half::slice::HalfFloatSliceExt;
use tempfile::NamedTempFile;

use super::Location;
use super::segment::{self, ENTRY_BYTES, Entry, HEADER_BYTES, Header, Segment};
use crate::Result;
use crate::corpus::ContentHash;

/// The ending of a segment's name.
pub(super) const SEGMENT: &str = "segment";
/// The ending of the name of a segment that is being filled.
pub(super) const PART: &str = "part";

/// A segment is closed at this size, so that checking one for a few of its texts stays cheap.
const SEGMENT_BYTES: usize = 128 << 20;
/// A segment is closed at this age, or at the following share of the run's: what a killed run loses at most. With the
/// share, a run of hours leaves some hundred segments instead of thousands.
const SEGMENT_AGE: Duration = Duration::from_secs(15);
const SEGMENT_AGE_SHARE: u32 = 50;

/// Appends vectors to a store, segment by segment.
///
/// A vector is safe once its segment is complete: written under a temporary name, synchronized with the disk, renamed.
/// A segment's name is made from its digests, so that processes that fill one store at a time cannot collide.
#[derive(Debug)]
pub struct Appender {
    folder: PathBuf,
    fingerprint: [u8; 16],
    dim: usize,
    /// Number of the first segment written here.
    first: u32,
    complete: Vec<Segment>,
    part: Option<Part>,
    began: Instant,
    max_rows: usize,
}

impl Appender {
    pub(super) fn new(folder: PathBuf, fingerprint: [u8; 16], dim: usize, first: u32) -> Self {
        let max_rows = (SEGMENT_BYTES / (dim * size_of::<f16>() + ENTRY_BYTES)).max(1);
        Self { folder, fingerprint, dim, first, complete: Vec::new(), part: None, began: Instant::now(), max_rows }
    }

    /// Closes segments at `rows` rows, or earlier by their size and age.
    pub fn limit_rows(&mut self, rows: usize) {
        self.max_rows = self.max_rows.min(rows.max(1));
    }

    /// Adds the vector of a text (rounded to f16 as it is) with its token counts.
    ///
    /// # Errors
    /// If the disk cannot be written.
    ///
    /// # Panics
    /// If the vector is not of the store's length.
    pub fn append(&mut self, key: ContentHash, vector: &[f32], tokens: u32, truncated: u32) -> Result<Location> {
        assert_eq!(vector.len(), self.dim, "components of a vector");
        if self.part.is_none() {
            self.part = Some(Part::create(&self.folder, self.dim)?);
        }
        let segment = self.first + self.complete.len() as u32;
        let Some(part) = &mut self.part else { unreachable!("just created") };
        let row = part.rows() as u32;
        part.push(Entry { key, tokens, truncated }, vector)?;
        let age = SEGMENT_AGE.max(self.began.elapsed() / SEGMENT_AGE_SHARE);
        if part.rows() >= self.max_rows || part.began.elapsed() >= age {
            self.flush()?;
        }
        Ok(Location { segment, row })
    }

    /// Completes the segment that is being filled: what was appended so far survives whatever happens from here on.
    ///
    /// # Errors
    /// If the disk cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        if let Some(part) = self.part.take() {
            let path = part.complete(&self.folder, self.fingerprint, self.dim)?;
            let segment = Segment::open(&path, self.fingerprint, self.dim).map_err(|d| super::store_error(&path, d))?;
            self.complete.push(segment);
        }
        Ok(())
    }

    /// Vectors appended that are safe.
    #[must_use]
    pub fn flushed(&self) -> usize {
        self.complete.iter().map(Segment::rows).sum()
    }

    pub(super) fn into_segments(mut self) -> Result<Vec<Segment>> {
        self.flush()?;
        Ok(self.complete)
    }
}

/// A segment that is being filled. Its file is removed if it is dropped, and by the next run if this one is killed.
#[derive(Debug)]
struct Part {
    file: BufWriter<NamedTempFile<fs_err::File>>,
    vectors: blake3::Hasher,
    entries: Vec<u8>,
    row: Vec<f16>,
    began: Instant,
}

impl Part {
    fn create(folder: &Path, dim: usize) -> io::Result<Self> {
        let mut file = loop {
            let suffix = format!(".{PART}");
            let file = tempfile::Builder::new().prefix("").suffix(&suffix).make_in(folder, |path| {
                fs_err::OpenOptions::new().read(true).write(true).create_new(true).open(path)
            })?;
            // The lock tells other processes that this file is not the leftover of a killed run. Where there are no
            // locks nobody removes leftovers.
            let _ = file.as_file().lock();
            // Somebody may have taken it for one between the two steps.
            if file.path().exists() {
                break BufWriter::with_capacity(1 << 20, file);
            }
        };
        file.write_all(&[0; HEADER_BYTES])?;
        Ok(Self {
            file,
            vectors: blake3::Hasher::new(),
            entries: Vec::new(),
            row: vec![f16::ZERO; dim],
            began: Instant::now(),
        })
    }

    fn rows(&self) -> usize {
        self.entries.len() / ENTRY_BYTES
    }

    fn push(&mut self, entry: Entry, vector: &[f32]) -> io::Result<()> {
        self.row.convert_from_f32_slice(vector);
        let bytes: &[u8] = bytemuck::cast_slice(&self.row);
        self.file.write_all(bytes)?;
        self.vectors.update(bytes);
        self.entries.extend_from_slice(&entry.to_bytes());
        Ok(())
    }

    /// Writes the rest, synchronizes and renames.
    fn complete(mut self, folder: &Path, fingerprint: [u8; 16], dim: usize) -> io::Result<PathBuf> {
        self.file.write_all(&self.entries)?;
        let header = Header {
            dim: dim as u32,
            rows: self.rows() as u64,
            fingerprint,
            vectors: segment::digest(&self.vectors),
            entries: ContentHash::of_bytes(&self.entries),
        };
        let header = header.to_bytes();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header)?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        // Of equal content, and so of equal bytes, if there is such a file already.
        let path = folder.join(format!("{}.{SEGMENT}", ContentHash::of_bytes(&header)));
        file.persist(&path).map_err(|error| error.error)?;
        // The name is on disk when its folder is. Not every system can synchronize a folder.
        if let Ok(folder) = fs_err::File::open(folder) {
            let _ = folder.sync_all();
        }
        Ok(path)
    }
}
