//! The one error type of the library.

use parquet::errors::ParquetError;

/// What a library call returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, what was expected, and what to do next ([`Error::help`]).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written. The message names it: paths are opened through `fs_err`.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// Input files cannot be read as records at all (a single bad row is a [`crate::corpus::BadRow`] instead).
    #[error("{place}: expected {expected}, got {got}")]
    Corpus {
        /// File, and line or column where that is known.
        place: String,
        /// What would have been readable.
        expected: String,
        /// What was found.
        got: String,
        /// The next step for the user.
        help: String,
    },

    /// More rows are unreadable than the caller allows.
    #[error("{bad} of {rows} rows could not be read and {allowed} are allowed; the first: {first}")]
    TooManyBadRows {
        /// Unreadable rows.
        bad: u64,
        /// Rows seen.
        rows: u64,
        /// The limit, as the user wrote it.
        allowed: String,
        /// The first bad row: file, line and reason.
        first: String,
    },

    /// An encoder cannot be found, loaded, verified or run.
    #[error("encoder {encoder}: {problem}")]
    Encoder {
        /// The encoder as the user named it.
        encoder: String,
        /// A lower-case fragment: expected and got where there is such a pair.
        problem: String,
        /// The next step for the user.
        help: String,
        /// What the loading or running code said.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },

    /// The vector store on disk cannot be used.
    #[error("vector store {place}: {problem}")]
    Store {
        /// Folder or segment file.
        place: String,
        /// A lower-case fragment.
        problem: String,
        /// The next step for the user.
        help: String,
    },

    /// A profile cannot be read, or not be used together with another one.
    #[error("profile {path}: {problem}")]
    Profile {
        /// The file; or what the profile was needed for (`to merge`, `to compare`), where it came from no file.
        path: String,
        /// A lower-case fragment: expected and got where there is such a pair.
        problem: String,
        /// The next step for the user.
        help: String,
    },

    /// A setting has a value that cannot be used.
    #[error("{setting}: expected {expected}, got {got}")]
    Setting {
        /// The setting's name: the same word as flag, configuration key and report field.
        setting: &'static str,
        /// The values it takes.
        expected: String,
        /// The value given.
        got: String,
    },
}

impl Error {
    /// What writing Parquet failed with: the writer's own error where there is one, so that a closed pipe can be told
    /// from a full disk.
    pub(crate) fn of_parquet(error: ParquetError) -> Self {
        let error = match error {
            ParquetError::External(source) => match source.downcast::<std::io::Error>() {
                Ok(error) => *error,
                Err(source) => std::io::Error::other(source),
            },
            other => std::io::Error::other(other),
        };
        error.into()
    }

    /// The next step for the user, where there is one to name.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::Corpus { help, .. }
            | Self::Encoder { help, .. }
            | Self::Store { help, .. }
            | Self::Profile { help, .. } => Some(help),
            Self::TooManyBadRows { .. } => {
                Some("list them with `--bad-rows FILE`, or allow them with `--max-bad-rows N` or `N%`")
            }
            Self::Io(_) | Self::Setting { .. } => None,
        }
    }
}
