use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::corpus::{BadRow, Record};
use crate::embed::{BadRowLimit, Counts, EncoderId, Pooling};
use crate::progress::{Silent, Stage};

/// Embeds a text as a direction drawn from the hash of its tokens; a token is a word, 5 words at most.
struct HashEncoder {
    id: EncoderId,
    tokenized: AtomicUsize,
    encoded: AtomicUsize,
    largest_batch: AtomicUsize,
    /// The text number at which the device fails.
    fails_at: usize,
    calls_at_once: usize,
}

impl HashEncoder {
    fn new() -> Self {
        let id = EncoderId {
            name: "hash".to_owned(),
            weights: String::new(),
            pooling: Pooling::Mean,
            prompt: String::new(),
            max_tokens: 5,
            dim: 8,
            precision: "f32".to_owned(),
        };
        let count = || AtomicUsize::new(0);
        Self {
            id,
            tokenized: count(),
            encoded: count(),
            largest_batch: count(),
            fails_at: usize::MAX,
            calls_at_once: 1,
        }
    }

    fn encoded(&self) -> usize {
        self.encoded.load(Ordering::Relaxed)
    }
}

impl Encoder for HashEncoder {
    fn id(&self) -> &EncoderId {
        &self.id
    }

    fn device(&self) -> &'static str {
        "cpu"
    }

    fn tokens_per_batch(&self) -> usize {
        40
    }

    fn calls_at_once(&self) -> usize {
        self.calls_at_once
    }

    fn tokenize(&self, texts: &[&str]) -> Result<Vec<TokenizedText>> {
        self.tokenized.fetch_add(texts.len(), Ordering::Relaxed);
        let word = |word: &str| u32::from(ContentHash::of_normalized(word).0[0]);
        let text = |text: &&str| {
            let ids: Vec<u32> = text.split(' ').map(word).collect();
            TokenizedText { truncated: ids.len().saturating_sub(5), ids: ids.into_iter().take(5).collect() }
        };
        Ok(texts.iter().map(text).collect())
    }

    fn encode(&self, batch: &[TokenizedText]) -> Result<Vec<f32>> {
        let before = self.encoded.fetch_add(batch.len(), Ordering::Relaxed);
        if before + batch.len() > self.fails_at {
            let problem = "out of memory".to_owned();
            return Err(Error::Encoder { encoder: "hash".to_owned(), problem, help: String::new(), source: None });
        }
        let tokens = batch.len() * batch.iter().map(|text| text.ids.len()).max().unwrap_or(0);
        self.largest_batch.fetch_max(tokens, Ordering::Relaxed);
        let vector = |text: &TokenizedText| {
            let bytes: Vec<u8> = text.ids.iter().flat_map(|id| id.to_le_bytes()).collect();
            let mut vector: Vec<f32> =
                ContentHash::of_bytes(&bytes).0.iter().take(8).map(|&byte| f32::from(byte) - 127.5).collect();
            crate::vectors::normalize(&mut vector);
            vector
        };
        Ok(batch.iter().flat_map(vector).collect())
    }
}

fn rows(texts: &[impl AsRef<str>]) -> Vec<Row> {
    let row = |(i, text): (usize, &str)| {
        let record = Record { id: i.to_string(), text: text.to_owned(), ..Record::default() };
        Row { input: i % 2, line: i as u64 + 1, record: Ok(record) }
    };
    texts.iter().map(AsRef::as_ref).enumerate().map(row).collect()
}

fn bad(line: u64) -> Row {
    Row { input: 0, line, record: Err(BadRow { file: "a".to_owned(), line, reason: "broken".to_owned() }) }
}

/// Text number `i`, of 1 to 7 words.
fn text(i: usize) -> String {
    (0..=i % 7).map(|word| format!("w{}", i * 7 + word)).collect::<Vec<_>>().join(" ")
}

fn embed_under(limit: &str, encoder: &HashEncoder, store: VectorStore, rows: Vec<Row>) -> Result<EmbeddedCorpus> {
    let inputs = ["a".to_owned(), "b".to_owned()];
    let options = EmbedOptions {
        inputs: &inputs,
        max_bad_rows: limit.parse().unwrap(),
        total_rows: None,
        leave_out_synthetic: false,
    };
    embed_corpus(rows.into_iter().map(Ok), encoder, store, &options, &Silent, &mut |_| Ok(()))
}

fn embed(encoder: &HashEncoder, store: VectorStore, rows: Vec<Row>) -> EmbeddedCorpus {
    embed_under("0", encoder, store, rows).unwrap()
}

/// Hashes, vectors, records and counts.
type Outcome = (Vec<ContentHash>, Vec<u16>, Vec<(String, Option<u32>)>, Counts);

/// Everything that must not depend on the order of rows, threads or the store.
fn result(corpus: &EmbeddedCorpus) -> Outcome {
    let vectors = (0..corpus.vectors.len()).flat_map(|i| corpus.vectors.row(i)).map(|x| x.to_bits()).collect();
    let mut records: Vec<_> =
        (0..corpus.records.len()).map(|i| (corpus.records.id(i).to_owned(), corpus.records.text(i))).collect();
    records.sort();
    let counts = Counts { reused: 0, embedded: 0, ..corpus.counts.clone() };
    (corpus.hashes.clone(), vectors, records, counts)
}

#[test]
fn counts_what_it_reads() {
    let encoder = HashEncoder::new();
    let mut rows =
        rows(&["two words", " two \t words", "", "1 2 3 4 5 6 7", "two words", " \n", "cafe\u{301}", "café"]);
    rows.insert(3, bad(4));
    let corpus = embed_under("1", &encoder, VectorStore::temporary(&encoder.id).unwrap(), rows).unwrap();
    let expected = Counts {
        rows: 8,
        left_out: 0,
        bad_rows: 1,
        first_bad_rows: vec![BadRow { file: "a".to_owned(), line: 4, reason: "broken".to_owned() }],
        empty: 2,
        distinct_texts: 3,
        exact_duplicates: 3,
        truncated_texts: 1,
        truncated_tokens: 2,
        tokens: Some(2 + 5 + 1),
        reused: 0,
        embedded: 3,
    };
    assert_eq!(corpus.counts, expected);
    assert_eq!(corpus.rows_per_input, [4, 4]);
    assert!(corpus.hashes.is_sorted());
    let expected = ["two words", "1 2 3 4 5 6 7", "café"].map(ContentHash::of_normalized);
    for (row, text) in [(0, 0), (1, 0), (3, 1), (4, 0), (6, 2), (7, 2)] {
        assert_eq!(corpus.hashes[corpus.records.text(row).unwrap() as usize], expected[text], "record {row}");
    }
    assert_eq!((corpus.records.text(2), corpus.records.text(5)), (None, None));
    // What is embedded is the normal form.
    let tokens = encoder.tokenize(&["two words"]).unwrap();
    let mut vector = vec![0.0; 8];
    corpus.vectors.read_row(corpus.records.text(1).unwrap() as usize, &mut vector);
    let similarity: f32 = vector.iter().zip(encoder.encode(&tokens).unwrap()).map(|(a, b)| a * b).sum();
    assert!((similarity - 1.0).abs() < 1e-6, "{similarity}");
}

#[test]
fn a_second_run_embeds_nothing_and_new_rows_alone_are_embedded() {
    let cache = tempfile::tempdir().unwrap();
    let encoder = HashEncoder::new();
    let texts: Vec<String> = (0..1000).map(|i| text(i % 900)).collect();
    let open = || VectorStore::open(cache.path(), &encoder.id).unwrap();
    let first = embed(&encoder, open(), rows(&texts));
    assert_eq!((encoder.encoded(), first.counts.embedded, first.counts.reused), (900, 900, 0));
    assert_eq!(encoder.largest_batch.load(Ordering::Relaxed), 40);

    let second = embed(&encoder, open(), rows(&texts));
    assert_eq!((encoder.encoded(), second.counts.embedded, second.counts.reused), (900, 0, 900));
    assert_eq!(encoder.tokenized.load(Ordering::Relaxed), 900);
    assert_eq!(result(&first), result(&second));

    let more: Vec<String> = texts.iter().cloned().chain((5000..5010).map(text)).collect();
    let third = embed(&encoder, open(), rows(&more));
    assert_eq!((encoder.encoded(), third.counts.embedded, third.counts.reused), (910, 10, 900));
    let fresh = embed(&encoder, VectorStore::temporary(&encoder.id).unwrap(), rows(&more));
    assert_eq!(result(&third), result(&fresh));
}

#[test]
fn no_result_depends_on_the_order_of_rows_or_threads() {
    let encoder = HashEncoder::new();
    let mut rows = rows(&(0..40_000).map(|i| text(i % 36_000)).collect::<Vec<_>>());
    let expected = result(&embed(&encoder, VectorStore::temporary(&encoder.id).unwrap(), rows.clone()));
    for threads in [1, 2, 5] {
        rows.sort_by_key(|row| ContentHash::of_bytes(&[row.line.to_le_bytes(), [threads; 8]].concat()));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build().unwrap();
        let store = VectorStore::temporary(&encoder.id).unwrap();
        let corpus = pool.install(|| embed(&encoder, store, rows.clone()));
        assert!(result(&corpus) == expected, "{threads} threads");
        // As with GPUs: batches come back in any order, and windows are larger.
        let gpus = HashEncoder { calls_at_once: 1 + usize::from(threads), ..HashEncoder::new() };
        let store = VectorStore::temporary(&encoder.id).unwrap();
        let corpus = pool.install(|| embed(&gpus, store, rows.clone()));
        assert!(result(&corpus) == expected, "{threads} threads, several calls at once");
        assert_eq!(gpus.encoded(), 36_000);
    }
}

#[test]
fn too_many_bad_rows() {
    let encoder = HashEncoder::new();
    let run = |limit: &str, good: usize, bad_rows: u64| {
        let mut rows = rows(&(0..good).map(text).collect::<Vec<_>>());
        rows.splice(0..0, (0..bad_rows).map(bad));
        let store = VectorStore::temporary(&encoder.id).unwrap();
        embed_under(limit, &encoder, store, rows).map(|corpus| corpus.counts.bad_rows).map_err(|e| e.to_string())
    };
    assert_eq!(run("0", 3, 0), Ok(0));
    let message = |start: &str| Err(format!("{start} are allowed; the first: a:0: broken"));
    assert_eq!(run("0", 3, 2), message("1 of 1 rows could not be read and 0"));
    assert_eq!(run("2", 3, 2), Ok(2));
    assert_eq!(run("40%", 3, 2), Ok(2));
    assert_eq!(run("39%", 3, 2), message("2 of 5 rows could not be read and 39%"));
    assert_eq!(run("100%", 0, 2), message("2 of 2 rows could not be read and 100%, but never all,"));
    assert_eq!(run("5", 0, 0), Ok(0));
}

#[test]
fn what_was_embedded_before_a_failure_is_kept() {
    let cache = tempfile::tempdir().unwrap();
    let open = || VectorStore::open(cache.path(), &HashEncoder::new().id).unwrap();
    let texts: Vec<String> = (0..2000).map(text).collect();
    let failing = HashEncoder { fails_at: 1500, ..HashEncoder::new() };
    let error = embed_under("0", &failing, open(), rows(&texts)).unwrap_err();
    assert_eq!(error.to_string(), "encoder hash: out of memory");
    let encoder = HashEncoder::new();
    let corpus = embed(&encoder, open(), rows(&texts));
    assert_eq!(corpus.counts.reused + corpus.counts.embedded, 2000);
    assert!(corpus.counts.reused > 1400, "{}", corpus.counts.reused);

    // The same with several calls at once: what came back before the failure.
    let texts: Vec<String> = (3000..5000).map(text).collect();
    let failing = HashEncoder { fails_at: 1500, calls_at_once: 3, ..HashEncoder::new() };
    assert!(embed_under("0", &failing, open(), rows(&texts)).is_err());
    let kept = open().cached.len() - 2000;
    assert!((1400..=1500).contains(&kept), "{kept}");
    embed(&encoder, open(), rows(&texts));

    // The same if reading fails: the window before is kept.
    let texts: Vec<String> = (10_000..10_000 + WINDOW_TEXTS + 100).map(text).collect();
    let gone = Err(Error::Io(std::io::Error::other("the disk is gone")));
    let rows = rows(&texts).into_iter().map(Ok).chain([gone]).collect::<Vec<_>>();
    let options =
        EmbedOptions { inputs: &[], max_bad_rows: BadRowLimit::Rows(0), total_rows: None, leave_out_synthetic: false };
    let error = embed_corpus(rows, &encoder, open(), &options, &Silent, &mut |_| Ok(())).unwrap_err();
    assert_eq!(error.to_string(), "the disk is gone");
    assert_eq!(open().cached.len(), 4000 + WINDOW_TEXTS);
}

#[test]
fn vectors_that_are_none_do_not_get_into_the_store() {
    let encoder = HashEncoder::new();
    let check = |components, vectors: &[f32]| check(&encoder, components, vectors).map_err(|error| error.to_string());
    assert_eq!(check(2, &[0.6, 0.8]), Ok(()));
    let wrong_length = "encoder hash: expected 3 components of a batch, got 2";
    assert_eq!(check(3, &[0.6, 0.8]), Err(wrong_length.to_owned()));
    assert_eq!(check(2, &[0.6, f32::NAN]), Err("encoder hash: expected finite components on cpu, got NaN".to_owned()));
}

/// Counts what it is told, and how far reading is ahead of embedding.
#[derive(Default)]
struct Counting {
    calls: Mutex<Vec<&'static str>>,
    rows: AtomicUsize,
    tokens: AtomicUsize,
    texts_read: AtomicUsize,
    texts_ahead: AtomicUsize,
}

impl Progress for Counting {
    fn start(&self, stage: Stage, total: Option<u64>) {
        assert_eq!((stage, total), (Stage::Embed, Some(50_000)));
        self.calls.lock().unwrap().push("start");
    }
    fn advance(&self, rows: u64, tokens: u64) {
        let done = self.rows.fetch_add(rows as usize, Ordering::SeqCst);
        self.texts_ahead.fetch_max(self.texts_read.load(Ordering::SeqCst) - done, Ordering::SeqCst);
        self.tokens.fetch_add(tokens as usize, Ordering::SeqCst);
    }
    fn finish(&self) {
        self.calls.lock().unwrap().push("finish");
    }
}

#[test]
fn reading_is_never_more_than_two_windows_ahead() {
    let encoder = HashEncoder::new();
    // Texts of 1029 bytes, which fill a window by their size, then short ones, which fill it by their number.
    for (words, window) in [(512, WINDOW_BYTES.div_ceil(1029)), (1, WINDOW_TEXTS)] {
        let counting = Counting::default();
        let rows = (0..50_000u64).map(|i| {
            let text = format!("{i:05} {}", "x ".repeat(words));
            counting.texts_read.fetch_add(1, Ordering::SeqCst);
            Ok(Row { input: 0, line: i, record: Ok(Record { text, ..Record::default() }) })
        });
        let options = EmbedOptions {
            inputs: &[],
            max_bad_rows: BadRowLimit::Rows(0),
            total_rows: Some(50_000),
            leave_out_synthetic: false,
        };
        let store = VectorStore::temporary(&encoder.id).unwrap();
        let corpus = embed_corpus(rows, &encoder, store, &options, &counting, &mut |_| Ok(())).unwrap();
        let ahead = counting.texts_ahead.load(Ordering::SeqCst);
        assert!((window..=2 * window).contains(&ahead), "{ahead} texts of {words} words");
        assert_eq!(*counting.calls.lock().unwrap(), ["start", "finish"]);
        assert_eq!(counting.rows.load(Ordering::SeqCst), 50_000);
        assert_eq!(counting.tokens.load(Ordering::SeqCst) as u64, corpus.counts.tokens.unwrap());
    }
}

#[test]
fn bad_rows_are_handed_over_and_may_end_the_run() {
    let encoder = HashEncoder::new();
    let mut rows = rows(&["a", "b"]);
    rows.extend([bad(3), bad(4)]);
    let options = EmbedOptions {
        inputs: &[],
        max_bad_rows: BadRowLimit::Percent(50.0),
        total_rows: None,
        leave_out_synthetic: false,
    };
    let mut seen = Vec::new();
    let store = VectorStore::temporary(&encoder.id).unwrap();
    embed_corpus(rows.clone().into_iter().map(Ok), &encoder, store, &options, &Silent, &mut |row| {
        seen.push(row.line);
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, [3, 4]);
    let store = VectorStore::temporary(&encoder.id).unwrap();
    let full = |_: &BadRow| Err(Error::Io(std::io::Error::other("disk full")));
    let error = embed_corpus(rows.into_iter().map(Ok), &encoder, store, &options, &Silent, &mut { full }).unwrap_err();
    assert_eq!(error.to_string(), "disk full");
}
