//! The files that the user's arguments mean.

use std::path::PathBuf;

use super::reader::Source;
use crate::{Error, Result};

/// The argument that stands for standard input.
pub(super) const STDIN: &str = "-";

/// Opens what the arguments name, in their order; the files of a pattern are sorted. A file that is named twice (two
/// patterns may overlap) is read once. `piped` opens pipes and devices, which can be read only once.
pub(super) fn open(
    inputs: &[String],
    stdin: impl FnOnce() -> Result<Source>,
    piped: impl Fn(String, fs_err::File) -> Result<Source>,
) -> Result<Vec<Source>> {
    let mut stdin = Some(stdin);
    let mut seen: Vec<PathBuf> = Vec::new();
    let mut sources = Vec::new();
    for input in inputs {
        if input == STDIN {
            if let Some(stdin) = stdin.take() {
                sources.push(stdin()?);
            }
            continue;
        }
        for path in expand(input)? {
            // A pipe has no canonical path; a file that is missing is met when it is opened.
            let identity = fs_err::canonicalize(&path).unwrap_or_else(|_| path.clone());
            if seen.contains(&identity) {
                continue;
            }
            seen.push(identity);
            let name = path.to_string_lossy().into_owned();
            let file = fs_err::File::open(&path)?;
            sources.push(if file.metadata()?.is_file() { Source::file(name, &path)? } else { piped(name, file)? });
        }
    }
    if sources.is_empty() {
        return Err(problem("the command line", "at least one file", "none", "name files, or `-` for standard input"));
    }
    Ok(sources)
}

/// The file, or the files of a pattern.
fn expand(input: &str) -> Result<Vec<PathBuf>> {
    let path = PathBuf::from(input);
    if path.is_dir() {
        let pattern = path.join("*");
        let help = format!("name its files with a pattern such as `{}`", pattern.display());
        return Err(problem(input, "a file", "a folder", &help));
    }
    if path.exists() {
        return Ok(vec![path]);
    }
    if !input.contains(['*', '?', '[']) {
        return Err(problem(input, "a file", "nothing of that name", "check the path; `-` reads standard input"));
    }
    let paths = glob::glob(input)
        .map_err(|error| problem(input, "a pattern", error.msg, "see `*`, `?`, `[a-z]` and `**`"))?
        .map(|found| found.map_err(|error| Error::Io(error.into())))
        .filter(|found| found.as_ref().map_or(true, |path| !path.is_dir()));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_>>()?;
    paths.sort();
    if paths.is_empty() {
        return Err(problem(input, "files that match this pattern", "none", "check the folder and the pattern"));
    }
    Ok(paths)
}

fn problem(place: &str, expected: &str, got: &str, help: &str) -> Error {
    Error::Corpus { place: place.to_owned(), expected: expected.to_owned(), got: got.to_owned(), help: help.to_owned() }
}
