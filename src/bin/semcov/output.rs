//! Where data goes: a file that appears whole or not at all, or standard output.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;
use fs_err as fs;
use semcov::{Error, Result};
use tempfile::{Builder, NamedTempFile};

/// Whether a path means standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Refuses two outputs to one file, or to standard output, and an output to a file that is read.
pub(crate) fn check_paths<'a>(
    read: impl IntoIterator<Item = &'a Path>,
    written: impl IntoIterator<Item = &'a Path>,
) -> anyhow::Result<()> {
    // What is there is known by its place; what is not, by that of its folder.
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let of_folder = || Some(fs::canonicalize(folder).ok()?.join(path.file_name()?));
        fs::canonicalize(path).ok().or_else(of_folder).unwrap_or_else(|| path.to_owned())
    };
    // Standard input has the name of standard output.
    let mut taken: Vec<PathBuf> = read.into_iter().filter(|path| !is_stdout(path)).map(place).collect();
    let read = taken.len();
    for path in written {
        let own = place(path);
        match taken.iter().position(|other| *other == own) {
            Some(other) if other < read => {
                bail!("{}: expected a file to write, got one that is read", path.display())
            }
            Some(_) => bail!("{}: expected a file of its own for every output, got two for this one", path.display()),
            None => taken.push(own),
        }
    }
    Ok(())
}

/// Writes a file, or standard output where the path is `-`.
pub(crate) fn write(path: &Path, write: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>) -> Result<()> {
    let mut output = BufWriter::new(Output::open(path)?);
    write(&mut output)?;
    output.into_inner().map_err(io::IntoInnerError::into_error)?.commit()
}

/// Writes text to a file, or to standard output where the path is `-`.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<()> {
    write(path, |out| Ok(out.write_all(text.as_bytes())?))
}

/// A file that appears when it is committed, or standard output.
#[derive(Debug)]
pub(crate) enum Output {
    Stdout(io::Stdout),
    File(OutputFile),
}

impl Output {
    /// Opens the file, or standard output where the path is `-`.
    ///
    /// # Errors
    /// If the folder is missing or not writable.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        if is_stdout(path) { Ok(Self::Stdout(io::stdout())) } else { OutputFile::create(path).map(Self::File) }
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// If the rest cannot be written, or the file cannot be moved.
    pub(crate) fn commit(self) -> Result<()> {
        match self {
            Self::Stdout(mut stdout) => Ok(stdout.flush()?),
            Self::File(file) => file.commit(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

/// Written beside its place and put there by [`OutputFile::commit`]; dropped before that, it leaves nothing behind
/// and what was there stays.
///
/// Where the path names something other than a regular file (a pipe, `/dev/stdout`), writes go straight to it. A
/// symbolic link stays one: the file it points to is replaced.
#[derive(Debug)]
pub(crate) struct OutputFile {
    path: PathBuf,
    file: Target,
}

#[derive(Debug)]
enum Target {
    Replaced(NamedTempFile),
    Direct(fs::File),
}

impl OutputFile {
    /// Opens a temporary file in the folder of `path`.
    ///
    /// # Errors
    /// If the folder is missing or not writable.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let path = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(
                    io::Error::new(io::ErrorKind::IsADirectory, format!("`{}` is a folder", path.display())).into()
                );
            }
            Ok(metadata) if !metadata.is_file() => {
                let file = fs::OpenOptions::new().write(true).open(path)?;
                return Ok(Self { path: path.to_owned(), file: Target::Direct(file) });
            }
            Ok(_) => fs::canonicalize(path)?,
            Err(_) => path.to_owned(),
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = Builder::new();
        builder.prefix(".semcov-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // What a newly created file gets: the process's mask is applied to it.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder).map_err(|error| named(&path, &error))?;
        Ok(Self { path, file: Target::Replaced(file) })
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// If the rest cannot be written, or the file cannot be moved.
    pub(crate) fn commit(self) -> Result<()> {
        match self.file {
            Target::Replaced(mut file) => {
                file.flush().map_err(|error| named(&self.path, &error))?;
                file.persist(&self.path).map_err(|error| named(&self.path, &error.error))?;
            }
            Target::Direct(mut file) => file.flush()?,
        }
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Target::Replaced(file) => file.write(bytes),
            Target::Direct(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.file {
            Target::Replaced(file) => file.flush(),
            Target::Direct(file) => file.flush(),
        }
    }
}

/// The error with the file the user named, instead of the temporary one.
fn named(path: &Path, error: &io::Error) -> Error {
    io::Error::new(error.kind(), format!("cannot write `{}`: {error}", path.display())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        fs::write(&path, "before").unwrap();

        let mut abandoned = OutputFile::create(&path).unwrap();
        abandoned.write_all(b"half").unwrap();
        drop(abandoned);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");

        let mut file = OutputFile::create(&path).unwrap();
        file.write_all(b"after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = OutputFile::create(Path::new("no-such-folder/report.html")).unwrap_err();
        assert!(error.to_string().contains("no-such-folder/report.html"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_devices_stay_what_they_are() {
        use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "before").unwrap();
        symlink(&target, &link).unwrap();
        let mut file = OutputFile::create(&link).unwrap();
        file.write_all(b"after").unwrap();
        file.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "after");

        let null = Path::new("/dev/null");
        OutputFile::create(null).unwrap().commit().unwrap();
        assert!(fs::metadata(null).unwrap().file_type().is_char_device());

        let plain = folder.path().join("plain");
        fs::write(&plain, "").unwrap();
        let new = folder.path().join("new");
        OutputFile::create(&new).unwrap().commit().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&new), mode(&plain), "readable to whom the user's mask allows");
    }
}
