//! From files to a stream of records, in bounded memory.

mod column;
mod dedup;
mod inputs;
mod options;
mod reader;
mod record;
mod schema;
mod stream;
mod table;
mod template;
#[cfg(test)]
mod tests;
mod texts;

pub use dedup::{ContentHash, normalize};
pub use options::{CorpusOptions, Format};
pub use record::{BadRow, Record};
pub use stream::{Corpus, Input, Records, Row};
pub(crate) use table::TextTally;
pub use table::{Categories, RecordTable};
pub use template::TextTemplate;
pub use texts::{CollectedTexts, cut};
