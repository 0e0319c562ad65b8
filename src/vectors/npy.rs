//! Matrices in the `.npy` format, a row at a time.

use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use half::f16;
use npyz::WriterBuilder;

use crate::{Error, Result};

/// Reads the rows of a two-dimensional array of floats (f2, f4 or f8, C order).
pub struct NpyReader {
    path: String,
    rows: u64,
    dim: usize,
    read: u64,
    components: ReadComponents,
}

/// Appends so many components to a row, or as many as there are.
type ReadComponents = Box<dyn FnMut(usize, &mut Vec<f32>) -> io::Result<()> + Send>;

/// Reads components of one type.
fn reading<T: 'static>(
    mut data: impl Iterator<Item = io::Result<T>> + Send + 'static,
    widen: fn(T) -> f32,
) -> ReadComponents {
    Box::new(move |n, row| {
        for component in data.by_ref().take(n) {
            row.push(widen(component?));
        }
        Ok(())
    })
}

impl NpyReader {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read; [`Error::Corpus`] if it holds no such array.
    pub fn open(path: &Path) -> Result<Self> {
        let file = BufReader::with_capacity(1 << 20, fs_err::File::open(path)?);
        let path = path.display().to_string();
        let unusable = |got: String| Error::Corpus {
            place: path.clone(),
            expected: "a two-dimensional NumPy array of f2, f4 or f8 in C order, a row per record".to_owned(),
            got,
            help: "write it with `numpy.save(FILE, numpy.ascontiguousarray(vectors, dtype='float32'))`".to_owned(),
        };
        let npy = npyz::NpyFile::new(file).map_err(|error| unusable(error.to_string()))?;
        let &[rows, dim] = npy.shape() else {
            return Err(unusable(format!("an array of shape {:?}", npy.shape())));
        };
        if npy.order() != npyz::Order::C && rows > 1 && dim > 1 {
            return Err(unusable("Fortran order".to_owned()));
        }
        if dim == 0 {
            return Err(unusable(format!("an array of shape {:?}", npy.shape())));
        }
        let dtype = npy.dtype().descr();
        let components = match npy.try_data::<f32>() {
            Ok(data) => reading(data, |x| x),
            Err(npy) => match npy.try_data::<f64>() {
                Ok(data) => reading(data, |x| x as f32),
                Err(npy) => match npy.try_data::<f16>() {
                    Ok(data) => reading(data, f16::to_f32),
                    Err(_) => return Err(unusable(format!("an array of {dtype}"))),
                },
            },
        };
        Ok(Self { path, rows, dim: dim as usize, read: 0, components })
    }

    /// The file, as the user named it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Components per row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The next row; `None` past the last.
    ///
    /// # Errors
    /// [`Error::Corpus`] if the file ends before its last row; [`Error::Io`] if it cannot be read.
    pub fn next_row(&mut self) -> Result<Option<Vec<f32>>> {
        if self.read == self.rows {
            return Ok(None);
        }
        let mut row = Vec::with_capacity(self.dim);
        match (self.components)(self.dim, &mut row) {
            Ok(()) if row.len() == self.dim => {
                self.read += 1;
                Ok(Some(row))
            }
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error.into()),
            _ => Err(Error::Corpus {
                place: self.path.clone(),
                expected: format!("{} rows of {} components, as its header says", self.rows, self.dim),
                got: format!("the end of the file in row {}", self.read + 1),
                help: "write the file again".to_owned(),
            }),
        }
    }
}

/// Writes a two-dimensional array of f4, a row at a time, in bounded memory.
pub struct NpyWriter<W: Write> {
    npy: npyz::NpyWriter<f32, BufWriter<W>>,
    dim: usize,
}

impl<W: Write> NpyWriter<W> {
    /// Begins an array of `rows` x `dim`.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn new(out: W, rows: u64, dim: usize) -> Result<Self> {
        let out = BufWriter::with_capacity(1 << 20, out);
        let npy = npyz::WriteOptions::new().default_dtype().shape(&[rows, dim as u64]).writer(out).begin_nd()?;
        Ok(Self { npy, dim })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If `out` cannot be written.
    ///
    /// # Panics
    /// If the row is not of `dim` components.
    pub fn push(&mut self, row: &[f32]) -> Result<()> {
        assert_eq!(row.len(), self.dim, "components of a row");
        Ok(self.npy.extend(row.iter().copied())?)
    }

    /// Writes what is still buffered.
    ///
    /// # Errors
    /// If `out` cannot be written, or got another number of rows than announced.
    pub fn finish(self) -> Result<()> {
        Ok(self.npy.finish()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(path: &Path) -> Result<Vec<Vec<f32>>> {
        let mut reader = NpyReader::open(path)?;
        let mut rows = Vec::new();
        while let Some(row) = reader.next_row()? {
            rows.push(row);
        }
        assert_eq!(rows.len() as u64, reader.rows());
        Ok(rows)
    }

    #[test]
    fn reads_what_it_wrote() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = NpyWriter::new(file.reopen().unwrap(), 3, 2).unwrap();
        let rows = [vec![1.5, -2.0], vec![f32::MIN_POSITIVE, 0.1], vec![0.0, f32::NAN]];
        for row in &rows {
            writer.push(row).unwrap();
        }
        writer.finish().unwrap();
        let read = read_all(file.path()).unwrap();
        assert_eq!(read[..2], rows[..2]);
        assert!(read[2][1].is_nan());
    }

    /// A version 1.0 file as `numpy.save` writes it.
    fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> tempfile::NamedTempFile {
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
        header.push_str(&" ".repeat(63 - (10 + header.len()) % 64));
        header.push('\n');
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"\x93NUMPY\x01\x00").unwrap();
        file.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
        file.write_all(header.as_bytes()).unwrap();
        file.write_all(data).unwrap();
        file
    }

    #[test]
    fn reads_every_float_in_either_byte_order() {
        let expected = vec![vec![1.0, -2.5], vec![0.25, 1024.0]];
        let values = [1.0f64, -2.5, 0.25, 1024.0];
        let bytes = |f: fn(f64) -> Vec<u8>| values.iter().flat_map(|&x| f(x)).collect::<Vec<u8>>();
        for (descr, data) in [
            ("<f2", bytes(|x| f16::from_f64(x).to_le_bytes().to_vec())),
            ("<f4", bytes(|x| (x as f32).to_le_bytes().to_vec())),
            (">f4", bytes(|x| (x as f32).to_be_bytes().to_vec())),
            ("<f8", bytes(|x| x.to_le_bytes().to_vec())),
        ] {
            assert_eq!(read_all(npy(descr, "False", "(2, 2)", &data).path()).unwrap(), expected, "{descr}");
        }
    }

    #[test]
    fn names_what_it_cannot_read() {
        let message = |file: tempfile::NamedTempFile| read_all(file.path()).unwrap_err().to_string();
        assert!(message(npy("<f4", "False", "(4,)", &[0; 16])).ends_with("got an array of shape [4]"));
        assert!(message(npy("<f4", "True", "(2, 2)", &[0; 16])).ends_with("got Fortran order"));
        assert!(message(npy("<i4", "False", "(2, 2)", &[0; 16])).contains("got an array of '<i4'"));
        assert!(message(npy("<f4", "False", "(2, 2)", &[0; 12])).ends_with("got the end of the file in row 2"));
        let mut text = tempfile::NamedTempFile::new().unwrap();
        text.write_all(b"id,text\n").unwrap();
        assert!(message(text).contains("expected a two-dimensional NumPy array"));
    }
}
