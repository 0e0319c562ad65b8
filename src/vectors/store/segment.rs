//! One immutable file of the vector store.
//!
//! | bytes | content |
//! |---|---|
//! | 88 | header: magic, version, complement of the version, dim, rows, fingerprint, and three digests |
//! | rows x dim x 2 | vectors, f16 |
//! | rows x 24 | entries: content hash (16), tokens (u32), truncated tokens (u32) |
//!
//! All numbers are little-endian. A digest is 128 bits of BLAKE3: one over the header before it, one over the entries,
//! checked when the file is opened, and one over the vectors, checked when the first of them is asked for, so that
//! opening a large store costs 24 bytes a row and not 24 + 2 dim. The first 16 bytes stay the same in all versions.
#![expect(unsafe_code, reason = "the one memory map of the crate: the vectors of a corpus need not fit into memory")]

use std::io;
use std::path::{Path, PathBuf};

use half::f16;
use memmap2::Mmap;

use crate::corpus::ContentHash;

const _: () = assert!(cfg!(target_endian = "little"), "segments are mapped as they are, and they are little-endian");

pub(super) const HEADER_BYTES: usize = 88;
pub(super) const ENTRY_BYTES: usize = 24;
const MAGIC: [u8; 8] = *b"semcovVS";
pub(super) const VERSION: u32 = 1;

/// The fields of a segment's header that describe its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub dim: u32,
    pub rows: u64,
    /// [`crate::embed::EncoderId::fingerprint`], in ASCII.
    pub fingerprint: [u8; 16],
    pub vectors: ContentHash,
    pub entries: ContentHash,
}

/// Why a segment cannot be used.
#[derive(Debug)]
pub(super) enum Defect {
    /// It is not what was written.
    Corrupt(String),
    /// It is whole, and of another version, encoder or dim; `expected` and `got` in words.
    Foreign { expected: String, got: String },
    /// It cannot be read.
    Io(io::Error),
}

impl From<io::Error> for Defect {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(!VERSION).to_le_bytes());
        bytes.extend_from_slice(&self.dim.to_le_bytes());
        bytes.extend_from_slice(&self.rows.to_le_bytes());
        bytes.extend_from_slice(&self.fingerprint);
        bytes.extend_from_slice(&self.vectors.0);
        bytes.extend_from_slice(&self.entries.0);
        let digest = ContentHash::of_bytes(&bytes);
        bytes.extend_from_slice(&digest.0[..HEADER_BYTES - bytes.len()]);
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&bytes);
        header
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Defect> {
        let corrupt = |what: &str| Defect::Corrupt(what.to_owned());
        let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(corrupt("it is shorter than a header"));
        };
        let mut rest = bytes.as_slice();
        if take(&mut rest) != MAGIC {
            return Err(corrupt("it does not begin as a segment does"));
        }
        let version = u32::from_le_bytes(take(&mut rest));
        if u32::from_le_bytes(take(&mut rest)) != !version {
            return Err(corrupt("the version in its header is damaged"));
        }
        if version != VERSION {
            return Err(Defect::Foreign {
                expected: format!("format version {VERSION}"),
                got: format!("version {version}"),
            });
        }
        let header = Self {
            dim: u32::from_le_bytes(take(&mut rest)),
            rows: u64::from_le_bytes(take(&mut rest)),
            fingerprint: take(&mut rest),
            vectors: ContentHash(take(&mut rest)),
            entries: ContentHash(take(&mut rest)),
        };
        if header.to_bytes() == *bytes { Ok(header) } else { Err(corrupt("the checksum of its header is wrong")) }
    }

    fn vectors_bytes(&self) -> Option<usize> {
        usize::try_from(self.rows).ok()?.checked_mul(self.dim as usize)?.checked_mul(size_of::<f16>())
    }

    fn file_bytes(&self) -> Option<usize> {
        let entries = usize::try_from(self.rows).ok()?.checked_mul(ENTRY_BYTES)?;
        self.vectors_bytes()?.checked_add(entries)?.checked_add(HEADER_BYTES)
    }
}

/// A digest as the header has it.
pub(super) fn digest(hasher: &blake3::Hasher) -> ContentHash {
    let mut digest = ContentHash([0; 16]);
    hasher.finalize_xof().fill(&mut digest.0);
    digest
}

/// The next `N` bytes of `rest`, which has them.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let mut field = [0; N];
    let (head, tail) = rest.split_at(N);
    field.copy_from_slice(head);
    *rest = tail;
    field
}

/// What a segment says of one text, beside its vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub key: ContentHash,
    pub tokens: u32,
    pub truncated: u32,
}

impl Entry {
    pub(super) fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..16].copy_from_slice(&self.key.0);
        bytes[16..20].copy_from_slice(&self.tokens.to_le_bytes());
        bytes[20..].copy_from_slice(&self.truncated.to_le_bytes());
        bytes
    }

    fn from_bytes(mut bytes: &[u8]) -> Self {
        Self {
            key: ContentHash(take(&mut bytes)),
            tokens: u32::from_le_bytes(take(&mut bytes)),
            truncated: u32::from_le_bytes(take(&mut bytes)),
        }
    }
}

/// A segment in use: its header and entries are sound.
#[derive(Debug)]
pub(in crate::vectors) struct Segment {
    pub(super) path: PathBuf,
    map: Mmap,
    header: Header,
    dim: usize,
    vectors_bytes: usize,
}

impl Segment {
    /// Maps the file and checks all but the vectors.
    pub(super) fn open(path: &Path, fingerprint: [u8; 16], dim: usize) -> Result<Self, Defect> {
        let file = fs_err::File::open(path)?;
        // SAFETY: nobody writes to a segment: it is written under another name, renamed when complete, and later
        // renamed or removed as a whole, which leaves this map as it is. Should another program shorten the file all the
        // same, reading the map ends the process by a signal, as with every memory map, and corrupts nothing.
        let map = unsafe { Mmap::map(file.file()) }.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot map file `{}` into memory: {error}", path.display()))
        })?;
        let header = Header::from_bytes(&map)?;
        let expected = (fingerprint, u32::try_from(dim).ok());
        if expected != (header.fingerprint, Some(header.dim)) {
            let words = |print: &[u8], dim| format!("encoder {} of dim {dim}", String::from_utf8_lossy(print));
            return Err(Defect::Foreign {
                expected: words(&fingerprint, dim),
                got: words(&header.fingerprint, header.dim as usize),
            });
        }
        let Some((vectors_bytes, file_bytes)) = header.vectors_bytes().zip(header.file_bytes()) else {
            return Err(Defect::Corrupt("its header names more rows than fit into memory".to_owned()));
        };
        if map.len() != file_bytes {
            return Err(Defect::Corrupt(format!("expected {file_bytes} bytes, got {}", map.len())));
        }
        let segment = Self { path: path.to_owned(), map, header, dim, vectors_bytes };
        if ContentHash::of_bytes(segment.entry_bytes()) != header.entries {
            return Err(Defect::Corrupt("the checksum of its entries is wrong".to_owned()));
        }
        Ok(segment)
    }

    /// Whether the vectors are what was written.
    pub(super) fn vectors_are_sound(&self) -> bool {
        ContentHash::of_bytes(self.vector_bytes()) == self.header.vectors
    }

    fn vector_bytes(&self) -> &[u8] {
        &self.map[HEADER_BYTES..][..self.vectors_bytes]
    }

    fn entry_bytes(&self) -> &[u8] {
        &self.map[HEADER_BYTES + self.vectors_bytes..]
    }

    pub(super) fn rows(&self) -> usize {
        self.header.rows as usize
    }

    pub(super) fn entry(&self, row: usize) -> Entry {
        Entry::from_bytes(&self.entry_bytes()[row * ENTRY_BYTES..])
    }

    /// The vector of a row, as stored.
    pub(in crate::vectors) fn vector(&self, row: usize) -> &[f16] {
        let bytes = self.dim * size_of::<f16>();
        bytemuck::cast_slice(&self.vector_bytes()[row * bytes..][..bytes])
    }
}
