//! How long work tells its caller how far it is.

/// A stage of a run, in the order in which they happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Making a static encoder: units are entries of its vocabulary.
    Distill,
    /// Reading and embedding the corpus: units are rows, with tokens beside them.
    Embed,
    /// Fitting the codebook and assigning every text to a leaf.
    Cluster,
    /// Assigning every text to a leaf of a profile's codebook, and adding up what is observed.
    Observe,
    /// Scoring every text against the rest of the corpus.
    Score,
    /// Reading, embedding and screening a data drop: units are rows.
    Screen,
    /// Comparing the corpus with its reference: every text is visited twice.
    Compare,
    /// Laying out the map: every text is searched its neighbours, and visited once an epoch.
    Map,
    /// Reading the corpus once more for the texts that the report shows.
    Collect,
}

/// Receives progress. Called from worker threads; every method may do nothing.
pub trait Progress: Sync {
    /// A stage begins; `total` is its number of rows where that is known. A stage that visits a row several times counts
    /// it each time.
    fn start(&self, stage: Stage, total: Option<u64>) {
        let _ = (stage, total);
    }
    /// `rows` more rows of the running stage are done, and with them `tokens` tokens (0 where the stage has none).
    fn advance(&self, rows: u64, tokens: u64) {
        let _ = (rows, tokens);
    }
    /// The running stage is over.
    fn finish(&self) {}
    /// What the user should know, though the work goes on and its result is the same.
    fn warn(&self, message: &str) {
        let _ = message;
    }
}

/// Reports to nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {}
