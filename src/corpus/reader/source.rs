//! Where bytes come from: a file, or what was piped in; compressed or not.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use tempfile::TempPath;

use crate::{Error, Result};

const BUFFER_BYTES: usize = 256 << 10;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// How a file is compressed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::corpus) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            // A frame, or a skippable frame, with which parallel compressors begin.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no compression",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// One input, which can be read any number of times.
#[derive(Debug)]
pub(in crate::corpus) struct Source {
    /// As the user named it.
    pub(in crate::corpus) name: String,
    pub(in crate::corpus) compression: Compression,
    location: Location,
}

#[derive(Debug)]
enum Location {
    File(PathBuf),
    /// A copy in the folder for temporary files, removed with this value.
    Spooled(TempPath),
}

impl Source {
    /// A file. Pipes and devices, which can be read only once, are copied to a temporary file first.
    pub(in crate::corpus) fn file(name: String, path: &Path) -> Result<Self> {
        let file = fs_err::File::open(path)?;
        if file.metadata()?.is_file() {
            return Self::at(name, Location::File(path.to_owned()));
        }
        Self::spooled(name, file)
    }

    /// Anything that can be read once, copied to a temporary file.
    pub(in crate::corpus) fn spooled(name: String, mut reader: impl Read) -> Result<Self> {
        let mut spool = tempfile::NamedTempFile::new()?;
        io::copy(&mut reader, &mut spool)?;
        Self::at(name, Location::Spooled(spool.into_temp_path()))
    }

    fn at(name: String, location: Location) -> Result<Self> {
        let mut source = Self { name, compression: Compression::None, location };
        let mut start = Vec::new();
        source.raw()?.take(4).read_to_end(&mut start)?;
        source.compression = Compression::of(&start);
        Ok(source)
    }

    fn path(&self) -> &Path {
        match &self.location {
            Location::File(path) => path,
            Location::Spooled(path) => path,
        }
    }

    /// The file as it lies on disk.
    pub(super) fn raw(&self) -> Result<fs_err::File> {
        Ok(fs_err::File::open(self.path())?)
    }

    /// The decompressed bytes, without a byte order mark.
    pub(super) fn reader(&self) -> Result<Box<dyn BufRead + Send>> {
        let file = BufReader::with_capacity(BUFFER_BYTES, self.raw()?);
        let mut reader: Box<dyn BufRead + Send> = match self.compression {
            Compression::None => Box::new(file),
            Compression::Gzip => Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(file))),
            Compression::Zstd => Box::new(BufReader::with_capacity(BUFFER_BYTES, zstd::Decoder::with_buffer(file)?)),
        };
        // A decoder fills its buffer with what it has, which at the start of a file is more than a mark.
        if reader.fill_buf().map_err(|error| self.failure(error, 0))?.starts_with(BOM) {
            reader.consume(BOM.len());
        }
        Ok(reader)
    }

    /// Replaces a compressed file by a decompressed temporary copy, for formats that are not read from front to back.
    pub(super) fn decompressed(&self) -> Result<fs_err::File> {
        let mut copy = tempfile::tempfile()?;
        io::copy(&mut self.reader()?, &mut copy).map_err(|error| self.failure(error, 0))?;
        io::Seek::rewind(&mut copy)?;
        Ok(fs_err::File::from_parts(copy, self.path()))
    }

    /// What an I/O error after `lines` lines means: of a compressed file, mostly that it was cut off.
    pub(in crate::corpus) fn failure(&self, error: io::Error, lines: u64) -> Error {
        if self.compression == Compression::None || error.raw_os_error().is_some() {
            return Error::Io(error);
        }
        let cut = error.kind() == io::ErrorKind::UnexpectedEof || error.to_string().contains("incomplete frame");
        let what = if cut { "a truncated file".to_owned() } else { format!("a damaged file ({error})") };
        Error::Corpus {
            place: self.name.clone(),
            expected: format!("a complete {} stream", self.compression),
            got: format!("{what}, readable up to row {lines}"),
            help: "download or compress the file again".to_owned(),
        }
    }
}

/// The first bytes of a source, decompressed: at most `limit`, and whether that is all of it.
pub(super) fn start(source: &Source, limit: usize) -> Result<(Vec<u8>, bool)> {
    let mut reader = source.reader()?;
    let mut bytes = Vec::new();
    while bytes.len() < limit {
        let chunk = match reader.fill_buf() {
            // What stands before the damage is enough to recognise the format; reading will say that it is damaged.
            Err(_) if !bytes.is_empty() => return Ok((bytes, false)),
            chunk => chunk.map_err(|error| source.failure(error, 0))?,
        };
        if chunk.is_empty() {
            return Ok((bytes, true));
        }
        let taken = chunk.len().min(limit - bytes.len());
        bytes.extend_from_slice(&chunk[..taken]);
        reader.consume(taken);
    }
    let complete = reader.fill_buf().is_ok_and(<[u8]>::is_empty);
    Ok((bytes, complete))
}
