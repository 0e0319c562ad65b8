//! Where bytes come from: a file, or what was piped in; compressed or not.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use tempfile::TempPath;

use super::Purpose;
use super::stream::Stream;
use crate::corpus::Compression;
use crate::{Error, Result};

const BUFFER_BYTES: usize = 256 << 10;
const BOM: &[u8] = b"\xef\xbb\xbf";
/// As many bytes as tell compression, Parquet and a byte order mark.
const START_BYTES: u64 = 4;
/// Rows that are looked at to recognise the columns of a file.
const FILE_ROWS: usize = 1000;
/// The same of a stream, whose rows wait for so long; and the lines that are looked at to recognise its format.
const STREAM_ROWS: usize = 32;

/// One input.
#[derive(Debug)]
pub(in crate::corpus) struct Source {
    /// As the user named it.
    pub(in crate::corpus) name: String,
    pub(in crate::corpus) compression: Compression,
    /// Whether it begins with a byte order mark, which no reader gives.
    marked: bool,
    location: Location,
}

#[derive(Debug)]
enum Location {
    /// A file, and how that file is compressed.
    Disk(Disk, Compression),
    /// What can be read once.
    Stream(Stream),
}

#[derive(Debug)]
enum Disk {
    File(PathBuf),
    /// A copy in the folder for temporary files, removed with this value.
    Spooled(TempPath),
}

impl Disk {
    fn open(&self) -> io::Result<fs_err::File> {
        match self {
            Self::File(path) => fs_err::File::open(path),
            Self::Spooled(path) => fs_err::File::open(path),
        }
    }
}

impl Source {
    /// A file, which can be read any number of times.
    pub(in crate::corpus) fn file(name: String, path: &Path) -> Result<Self> {
        Self::on_disk(name, Disk::File(path.to_owned()))
    }

    /// Anything that can be read once, copied to a temporary file, to be read any number of times.
    pub(in crate::corpus) fn spooled(name: String, mut reader: impl Read) -> Result<Self> {
        let mut spool = tempfile::NamedTempFile::new()?;
        io::copy(&mut reader, &mut spool)?;
        Self::on_disk(name, Disk::Spooled(spool.into_temp_path()))
    }

    /// Anything that can be read once, to be read once; unless its first bytes, decompressed, say that `not_in_order`
    /// it has to be read: then it is copied to a temporary file.
    pub(in crate::corpus) fn stream(
        name: String,
        reader: impl Read + Send + 'static,
        not_in_order: impl Fn(&[u8]) -> bool,
    ) -> Result<Self> {
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, reader);
        let mut start = Vec::new();
        reader.by_ref().take(START_BYTES).read_to_end(&mut start)?;
        let compression = Compression::of_start(&start);
        let mut bytes = decompressed(io::Cursor::new(start).chain(reader), compression)?;
        let failed = |error| failure(&name, compression, error, 0);
        let mut start = Vec::new();
        bytes.by_ref().take(START_BYTES).read_to_end(&mut start).map_err(failed)?;
        let marked = start.starts_with(BOM);
        let location = if not_in_order(&start) {
            let mut spool = tempfile::NamedTempFile::new()?;
            io::copy(&mut start.chain(bytes), &mut spool).map_err(failed)?;
            Location::Disk(Disk::Spooled(spool.into_temp_path()), Compression::None)
        } else {
            Location::Stream(Stream::new(start.split_off(if marked { BOM.len() } else { 0 }), bytes))
        };
        Ok(Self { name, compression, marked, location })
    }

    fn on_disk(name: String, disk: Disk) -> Result<Self> {
        let mut start = Vec::new();
        disk.open()?.take(START_BYTES).read_to_end(&mut start)?;
        let compression = Compression::of_start(&start);
        let unmarked = unmarked(disk.open()?, compression);
        let marked = unmarked.map_err(|error| failure(&name, compression, error, 0))?.1;
        Ok(Self { name, compression, marked, location: Location::Disk(disk, compression) })
    }

    /// The decompressed bytes, without a byte order mark.
    pub(super) fn reader(&self, purpose: Purpose) -> Result<Box<dyn BufRead + Send>> {
        let stream = match &self.location {
            Location::Disk(disk, packed) => {
                let unmarked = unmarked(disk.open()?, *packed);
                return Ok(unmarked.map_err(|error| self.failure(error, 0))?.0);
            }
            Location::Stream(stream) if purpose == Purpose::Recognise => return Ok(stream.look(BUFFER_BYTES)),
            Location::Stream(stream) => stream,
        };
        stream.take().ok_or_else(|| Error::Corpus {
            place: self.name.clone(),
            expected: "an input that is read once".to_owned(),
            got: "a second reading of what was not kept".to_owned(),
            help: "write it to a file, and name that".to_owned(),
        })
    }

    /// A file of the decompressed bytes, for formats that are not read from front to back: the file itself, or else a
    /// temporary one.
    pub(super) fn whole(&self, purpose: Purpose) -> Result<fs_err::File> {
        if let Location::Disk(disk, Compression::None) = &self.location {
            return Ok(disk.open()?);
        }
        let mut copy = tempfile::tempfile()?;
        io::copy(&mut self.reader(purpose)?, &mut copy).map_err(|error| self.failure(error, 0))?;
        io::Seek::rewind(&mut copy)?;
        Ok(fs_err::File::from_parts(copy, &self.name))
    }

    /// The byte order mark with which it begins, or nothing.
    pub(in crate::corpus) fn mark(&self) -> &'static [u8] {
        if self.marked { BOM } else { &[] }
    }

    /// Rows to be looked at to recognise its columns.
    pub(in crate::corpus) fn first_rows(&self) -> usize {
        if matches!(self.location, Location::Stream(_)) { STREAM_ROWS } else { FILE_ROWS }
    }

    /// What an I/O error after `lines` lines means: of a compressed file, mostly that it was cut off.
    pub(in crate::corpus) fn failure(&self, error: io::Error, lines: u64) -> Error {
        failure(&self.name, self.compression, error, lines)
    }
}

/// The bytes of a file or stream that is compressed so.
fn decompressed(raw: impl BufRead + Send + 'static, compression: Compression) -> io::Result<Box<dyn BufRead + Send>> {
    Ok(match compression {
        Compression::None => Box::new(raw),
        Compression::Gzip => Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(raw))),
        Compression::Zstd => Box::new(BufReader::with_capacity(BUFFER_BYTES, zstd::Decoder::with_buffer(raw)?)),
    })
}

/// The bytes of a file without a byte order mark, and whether there was one.
fn unmarked(file: fs_err::File, compression: Compression) -> io::Result<(Box<dyn BufRead + Send>, bool)> {
    let mut bytes = decompressed(BufReader::with_capacity(BUFFER_BYTES, file), compression)?;
    // A decoder fills its buffer with what it has, which at the start of a file is more than a mark.
    let marked = bytes.fill_buf()?.starts_with(BOM);
    if marked {
        bytes.consume(BOM.len());
    }
    Ok((bytes, marked))
}

fn failure(name: &str, compression: Compression, error: io::Error, lines: u64) -> Error {
    if compression == Compression::None || error.raw_os_error().is_some() {
        return Error::Io(error);
    }
    let cut = error.kind() == io::ErrorKind::UnexpectedEof || error.to_string().contains("incomplete frame");
    let what = if cut { "a truncated file".to_owned() } else { format!("a damaged file ({error})") };
    Error::Corpus {
        place: name.to_owned(),
        expected: format!("a complete {compression} stream"),
        got: format!("{what}, readable up to row {lines}"),
        help: "download or compress the file again".to_owned(),
    }
}

/// The first bytes of a source, decompressed: at most `limit`, and whether that is all of it. Of a stream, which is
/// waited for, no more than its first lines that are not blank.
pub(super) fn start(source: &Source, limit: usize) -> Result<(Vec<u8>, bool)> {
    let mut reader = source.reader(Purpose::Recognise)?;
    let mut lines = match source.location {
        Location::Stream(_) => source.first_rows(),
        Location::Disk(..) => usize::MAX,
    };
    let mut blank = true;
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
        let chunk = &chunk[..chunk.len().min(limit - bytes.len())];
        let mut taken = chunk.len();
        for (at, byte) in chunk.iter().enumerate() {
            if *byte == b'\n' && !blank {
                lines -= 1;
                if lines == 0 {
                    taken = at + 1;
                    break;
                }
            }
            blank = *byte == b'\n' || (blank && byte.is_ascii_whitespace());
        }
        bytes.extend_from_slice(&chunk[..taken]);
        reader.consume(taken);
        if lines == 0 {
            // Whether more follows is not waited for.
            return Ok((bytes, false));
        }
    }
    let complete = reader.fill_buf().is_ok_and(<[u8]>::is_empty);
    Ok((bytes, complete))
}
