//! How a file is compressed: recognised by its first bytes where it is read, by its name where it is written.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::write::GzEncoder;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// By gzip.
    Gzip,
    /// By Zstandard.
    Zstd,
}

impl Compression {
    /// The compression that the name of a file asks for: `.gz`, `.zst` or `.zstd`, in any case; else none.
    #[must_use]
    pub fn of_path(path: &Path) -> Self {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("gz") => Self::Gzip,
            Some("zst" | "zstd") => Self::Zstd,
            _ => Self::None,
        }
    }

    /// The compression of a file that begins so.
    pub(super) fn of_start(start: &[u8]) -> Self {
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

/// Compresses what is written to it. The same bytes in give the same bytes out: there is no clock in a gzip header.
pub(super) enum Compressor<W: Write> {
    None(BufWriter<W>),
    Gzip(GzEncoder<BufWriter<W>>),
    Zstd(zstd::Encoder<'static, BufWriter<W>>),
}

impl<W: Write> Compressor<W> {
    pub(super) fn new(writer: W, compression: Compression) -> io::Result<Self> {
        let writer = BufWriter::new(writer);
        Ok(match compression {
            Compression::None => Self::None(writer),
            Compression::Gzip => Self::Gzip(GzEncoder::new(writer, flate2::Compression::default())),
            Compression::Zstd => Self::Zstd(zstd::Encoder::new(writer, zstd::DEFAULT_COMPRESSION_LEVEL)?),
        })
    }

    /// Ends the compressed stream, writes what is held, and gives the writer back.
    pub(super) fn finish(self) -> io::Result<W> {
        let writer = match self {
            Self::None(writer) => writer,
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Zstd(encoder) => encoder.finish()?,
        };
        writer.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(writer) => writer.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(writer) => writer.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_recognised_by_its_start() {
        for (name, compression) in [
            ("kept.jsonl", Compression::None),
            ("gz", Compression::None),
            ("kept.csv.GZ", Compression::Gzip),
            ("kept.json.zst", Compression::Zstd),
            ("kept.zstd", Compression::Zstd),
        ] {
            assert_eq!(Compression::of_path(Path::new(name)), compression, "{name}");
            let mut writer = Compressor::new(Vec::new(), compression).unwrap();
            writer.write_all(b"text").unwrap();
            let bytes = writer.finish().unwrap();
            assert_eq!(Compression::of_start(&bytes), compression, "{name}");
            if compression == Compression::Gzip {
                assert_eq!(bytes[4..8], [0; 4], "a time stands in the header");
            }
        }
    }
}
