//! From files to a stream of records, in bounded memory; and rows back into files, as they stood.

mod column;
mod compression;
mod dedup;
mod inputs;
mod licence;
mod options;
mod original;
mod reader;
mod record;
mod schema;
mod stream;
mod table;
mod template;
#[cfg(test)]
mod tests;
mod texts;
mod writer;

pub use compression::Compression;
pub use dedup::{ContentHash, normalize};
pub use licence::is_known_licence;
pub use options::{CorpusOptions, Format};
pub use original::Original;
pub use record::{BadRow, Record};
pub use stream::{Corpus, Input, Records, Row, RowsWithOriginals};
pub(crate) use table::TextTally;
pub use table::{Categories, RecordTable};
pub use template::TextTemplate;
pub(crate) use texts::read_again;
pub use texts::{CollectedTexts, cut};
pub use writer::CopyWriter;
