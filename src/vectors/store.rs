//! The vector store: what has been embedded once is not embedded again.
//!
//! A folder per encoder ([`EncoderId::fingerprint`]) holds segments: immutable, checksummed files of vectors under the
//! content hashes of their texts (`store/segment.rs` has the format). There is no index file and nothing to wait for:
//! whoever opens the folder reads the keys of all segments (24 bytes a vector, in memory too), and whoever fills it adds
//! segments of its own. A killed run loses the segment it was filling, at most the larger of 15 seconds and 2 % of its
//! time; what a damaged segment held is embedded again.

mod appender;
mod cached;
mod segment;

use std::io;
use std::path::{Path, PathBuf};

pub use appender::Appender;
pub use cached::{Cached, Found};
use segment::Defect;
pub(super) use segment::Segment;

use super::EmbeddingMatrix;
use super::matrix::StoredRows;
use crate::embed::EncoderId;
use crate::{Error, Result};

/// Where a vector is: a segment's number within this run, and a row of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    pub(super) segment: u32,
    pub(super) row: u32,
}

/// A segment that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The file, under the name it has now.
    pub path: PathBuf,
    /// What is wrong with it, as a lower-case fragment.
    pub problem: String,
}

/// The vectors of one encoder, on disk.
///
/// The two sides can be used at the same time: one thread looks texts up while another appends.
#[derive(Debug)]
pub struct VectorStore {
    /// What was there when the store was opened.
    pub cached: Cached,
    /// What this run adds.
    pub appender: Appender,
    dim: usize,
    temporary: Option<tempfile::TempDir>,
}

impl VectorStore {
    /// Opens or creates the store of an encoder in a cache folder.
    ///
    /// Leftovers of killed runs are removed, and corrupt segments are set aside ([`Cached::set_aside`]).
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be made or read; [`Error::Store`] if it holds segments of another format
    /// version or encoder.
    pub fn open(cache: &Path, encoder: &EncoderId) -> Result<Self> {
        let folder = cache.join(encoder.fingerprint());
        fs_err::create_dir_all(&folder)?;
        Self::open_folder(folder, encoder, None)
    }

    /// An empty store in the system's temporary folder, removed with the matrix that is made of it.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be made.
    pub fn temporary(encoder: &EncoderId) -> Result<Self> {
        let temporary = tempfile::Builder::new().prefix("semcov-").tempdir()?;
        Self::open_folder(temporary.path().to_owned(), encoder, Some(temporary))
    }

    fn open_folder(folder: PathBuf, encoder: &EncoderId, temporary: Option<tempfile::TempDir>) -> Result<Self> {
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(encoder.fingerprint().as_bytes());
        let dim = encoder.dim;
        let mut segments = Vec::new();
        let mut set_aside = Vec::new();
        for path in sweep(&folder)? {
            match Segment::open(&path, fingerprint, dim) {
                Ok(segment) => segments.push(segment),
                Err(Defect::Corrupt(problem)) => set_aside.push(SetAside::rename(&path, problem)),
                // Another process has set it aside since the folder was listed.
                Err(Defect::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(defect) => return Err(store_error(&path, defect)),
            }
        }
        let appender = Appender::new(folder, fingerprint, dim, segments.len() as u32);
        Ok(Self { cached: Cached::new(segments, set_aside), appender, dim, temporary })
    }

    /// Completes the last segment and gives the vectors at `locations`, in that order, as a matrix.
    ///
    /// # Errors
    /// If the disk cannot be written.
    pub fn into_matrix(self, locations: Vec<Location>) -> Result<EmbeddingMatrix> {
        let mut segments: Vec<Segment> = self.cached.into_segments().collect();
        segments.extend(self.appender.into_segments()?);
        Ok(EmbeddingMatrix::stored(self.dim, StoredRows { segments, locations, _temporary: self.temporary }))
    }
}

/// The segments of a folder in the order of their names; removes what killed runs left there.
fn sweep(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut segments = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some(appender::SEGMENT) => segments.push(path),
            // Who fills a segment holds a lock on it.
            Some(appender::PART) if fs_err::File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) => {
                let _ = fs_err::remove_file(&path);
            }
            _ => {}
        }
    }
    segments.sort_unstable();
    Ok(segments)
}

fn store_error(path: &Path, defect: Defect) -> Error {
    let problem = match defect {
        Defect::Io(error) => return error.into(),
        Defect::Corrupt(problem) => problem,
        Defect::Foreign { expected, got } => format!("expected {expected}, got {got}"),
    };
    let help = "delete the file, or name another folder with `--cache DIR`".to_owned();
    Error::Store { place: path.display().to_string(), problem, help }
}

#[cfg(test)]
mod tests;
