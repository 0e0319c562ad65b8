use std::io::{BufRead, Write};

use half::f16;
use proptest::prelude::*;

use super::segment::{ENTRY_BYTES, HEADER_BYTES, VERSION};
use super::*;
use crate::corpus::ContentHash;
use crate::embed::Pooling;

const DIM: usize = 6;

fn encoder(name: &str) -> EncoderId {
    EncoderId {
        name: name.to_owned(),
        weights: String::new(),
        pooling: Pooling::Mean,
        prompt: String::new(),
        max_tokens: 8,
        dim: DIM,
        precision: "f32".to_owned(),
    }
}

/// The key, vector and token counts of text number `i`.
fn sample(i: u64) -> (ContentHash, [f32; DIM], u32, u32) {
    let key = ContentHash::of_bytes(&i.to_le_bytes());
    (key, std::array::from_fn(|j| f32::from(key.0[j]) / 256.0 - 0.5), i as u32, i as u32 / 2)
}

fn append(store: &mut VectorStore, i: u64) -> Location {
    let (key, vector, tokens, truncated) = sample(i);
    store.appender.append(key, &vector, tokens, truncated).unwrap()
}

fn find(store: &mut VectorStore, i: u64) -> Option<Location> {
    let (key, _, tokens, truncated) = sample(i);
    let found = store.cached.find(key)?;
    assert_eq!((found.tokens, found.truncated), (tokens, truncated), "text {i}");
    Some(found.location)
}

/// Checks that `locations` are those of `texts`.
fn assert_vectors(store: VectorStore, texts: &[u64], locations: Vec<Location>) {
    let matrix = store.into_matrix(locations).unwrap();
    assert_eq!(matrix.len(), texts.len());
    for (row, &i) in texts.iter().enumerate() {
        assert_eq!(matrix.row(row), sample(i).1.map(f16::from_f32), "text {i}");
    }
}

fn files(cache: &Path, ending: &str) -> Vec<PathBuf> {
    let folder = cache.join(encoder("e").fingerprint());
    let mut files: Vec<PathBuf> = fs_err::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .collect();
    files.sort();
    files
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever the order of writing, flushing and opening again: what was written is found, and nothing else.
    #[test]
    fn gives_back_what_was_written(steps in prop::collection::vec((0u8..12, 1usize..5), 1..60)) {
        let cache = tempfile::tempdir().unwrap();
        let mut store = VectorStore::open(cache.path(), &encoder("e")).unwrap();
        let (mut written, mut before) = (Vec::new(), 0);
        for (step, limit) in steps {
            match step {
                0 => {
                    store.appender.flush().unwrap();
                    prop_assert_eq!(store.appender.flushed(), written.len() - before);
                }
                1 => {
                    store.appender.flush().unwrap();
                    store = VectorStore::open(cache.path(), &encoder("e")).unwrap();
                    store.appender.limit_rows(limit);
                    prop_assert_eq!(store.cached.len(), written.len());
                    before = written.len();
                }
                _ => {
                    let i = written.len() as u64;
                    written.push((i, append(&mut store, i)));
                }
            }
        }
        // Those of this run are where `append` said, those of earlier runs where `find` says.
        let (texts, locations) = written
            .iter()
            .enumerate()
            .map(|(n, &(i, location))| {
                let found = find(&mut store, i);
                assert_eq!(found.is_some(), n < before);
                (i, found.unwrap_or(location))
            })
            .unzip::<_, _, Vec<u64>, Vec<Location>>();
        prop_assert!(find(&mut store, written.len() as u64).is_none());
        assert_vectors(store, &texts, locations);
    }

    #[test]
    fn no_header_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), real in any::<bool>()) {
        let cache = tempfile::tempdir().unwrap();
        let mut store = VectorStore::open(cache.path(), &encoder("e")).unwrap();
        append(&mut store, 0);
        store.appender.flush().unwrap();
        let path = files(cache.path(), "segment").remove(0);
        let mut content = fs_err::read(&path).unwrap();
        // Random bytes, or a real segment with random bytes over its middle.
        if real {
            let at = bytes.first().map_or(0, |&at| at as usize % content.len());
            content.iter_mut().skip(at).zip(&bytes).for_each(|(old, &new)| *old = new);
        } else {
            content = bytes;
        }
        fs_err::remove_file(&path).unwrap();
        fs_err::write(&path, content).unwrap();
        let _ = VectorStore::open(cache.path(), &encoder("e")).map(|mut store| find(&mut store, 0));
    }
}

/// Writes texts 0 to 9 into one segment and 10 to 12 into another; returns the bytes of the first, by its name.
fn two_segments(cache: &Path) -> (PathBuf, Vec<u8>) {
    let mut store = VectorStore::open(cache, &encoder("e")).unwrap();
    (0..10).for_each(|i| _ = append(&mut store, i));
    store.appender.flush().unwrap();
    let first = files(cache, "segment").remove(0);
    (10..13).for_each(|i| _ = append(&mut store, i));
    store.appender.flush().unwrap();
    assert_eq!(files(cache, "segment").len(), 2);
    let bytes = fs_err::read(&first).unwrap();
    (first, bytes)
}

/// Opens a store whose first segment is damaged: none of its texts is found, the other's are, and it is set aside.
fn assert_set_aside(cache: &Path, what: &str) {
    let mut store = VectorStore::open(cache, &encoder("e")).unwrap();
    for i in 0..10 {
        assert_eq!(find(&mut store, i), None, "{what}, text {i}");
    }
    let locations = (10..13).map(|i| find(&mut store, i).unwrap()).collect();
    assert_eq!(store.cached.set_aside().len(), 1, "{what}");
    assert_eq!(files(cache, "corrupt"), [store.cached.set_aside()[0].path.clone()], "{what}");
    assert_vectors(store, &[10, 11, 12], locations);
    let store = VectorStore::open(cache, &encoder("e")).unwrap();
    assert_eq!(store.cached.set_aside(), [], "{what}: reported once");
    fs_err::remove_file(&files(cache, "corrupt")[0]).unwrap();
}

#[test]
fn a_truncated_segment_is_set_aside() {
    let cache = tempfile::tempdir().unwrap();
    let (path, bytes) = two_segments(cache.path());
    for len in (0..bytes.len()).step_by(7).chain([HEADER_BYTES, bytes.len() - 1, bytes.len() - ENTRY_BYTES]) {
        fs_err::write(&path, &bytes[..len]).unwrap();
        assert_set_aside(cache.path(), &format!("{len} bytes"));
    }
    fs_err::write(&path, [bytes.as_slice(), &[0]].concat()).unwrap();
    assert_set_aside(cache.path(), "a byte more");
}

#[test]
fn a_flipped_bit_is_found() {
    let cache = tempfile::tempdir().unwrap();
    let (path, bytes) = two_segments(cache.path());
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        fs_err::write(&path, &damaged).unwrap();
        assert_set_aside(cache.path(), &format!("byte {at}"));
    }
}

#[test]
fn what_is_damaged_in_one_segment_is_found_in_another() {
    let cache = tempfile::tempdir().unwrap();
    // Two processes embed the same text at the same time.
    let mut first = VectorStore::open(cache.path(), &encoder("e")).unwrap();
    let mut second = VectorStore::open(cache.path(), &encoder("e")).unwrap();
    append(&mut first, 0);
    append(&mut second, 0);
    append(&mut second, 1);
    // Opening a store leaves alone what others are filling.
    assert!(VectorStore::open(cache.path(), &encoder("e")).unwrap().cached.is_empty());
    first.appender.flush().unwrap();
    second.appender.flush().unwrap();
    let paths = files(cache.path(), "segment");
    for damaged in &paths {
        let whole = fs_err::read(damaged).unwrap();
        let mut bytes = whole.clone();
        bytes[HEADER_BYTES] ^= 1;
        fs_err::write(damaged, &bytes).unwrap();
        let mut store = VectorStore::open(cache.path(), &encoder("e")).unwrap();
        let location = find(&mut store, 0).unwrap();
        assert_vectors(store, &[0], vec![location]);
        fs_err::write(damaged, whole).unwrap();
    }
}

#[test]
fn equal_segments_of_two_processes_are_one_file() {
    let cache = tempfile::tempdir().unwrap();
    let stores = [(); 2].map(|()| VectorStore::open(cache.path(), &encoder("e")).unwrap());
    for mut store in stores {
        let locations = (0..3).map(|i| append(&mut store, i)).collect();
        assert_vectors(store, &[0, 1, 2], locations);
    }
    assert_eq!(files(cache.path(), "segment").len(), 1);
}

#[test]
fn other_versions_and_encoders_are_refused() {
    let cache = tempfile::tempdir().unwrap();
    let (path, mut bytes) = two_segments(cache.path());
    // Another encoder has a folder of its own.
    assert!(VectorStore::open(cache.path(), &encoder("other")).unwrap().cached.is_empty());
    let moved = cache.path().join(encoder("other").fingerprint()).join("moved.segment");
    fs_err::copy(&path, &moved).unwrap();
    let error = VectorStore::open(cache.path(), &encoder("other")).unwrap_err();
    let (this, other) = (encoder("other").fingerprint(), encoder("e").fingerprint());
    assert_eq!(
        error.to_string(),
        format!("vector store {}: expected encoder {this} of dim 6, got encoder {other} of dim 6", moved.display())
    );
    assert!(error.help().unwrap().contains("--cache"));
    bytes[8..12].copy_from_slice(&(VERSION + 1).to_le_bytes());
    bytes[12..16].copy_from_slice(&(!(VERSION + 1)).to_le_bytes());
    fs_err::write(&path, &bytes).unwrap();
    let error = VectorStore::open(cache.path(), &encoder("e")).unwrap_err();
    assert!(error.to_string().ends_with("expected format version 1, got version 2"), "{error}");
}

#[test]
fn leftovers_are_removed_and_a_temporary_store_too() {
    let cache = tempfile::tempdir().unwrap();
    two_segments(cache.path());
    let leftover = cache.path().join(encoder("e").fingerprint()).join("abc.part");
    fs_err::write(&leftover, "half a segment").unwrap();
    VectorStore::open(cache.path(), &encoder("e")).unwrap();
    assert!(!leftover.exists());

    let mut store = VectorStore::temporary(&encoder("e")).unwrap();
    let folder = store.temporary.as_ref().unwrap().path().to_owned();
    let location = append(&mut store, 5);
    let matrix = store.into_matrix(vec![location]).unwrap();
    assert_eq!(matrix.row(0), sample(5).1.map(f16::from_f32));
    assert!(folder.exists());
    drop(matrix);
    assert!(!folder.exists());
}

/// Fills a store until it is killed, and says what is safe. Run by [`killed_at_any_point`] in a process of its own.
#[test]
#[ignore = "runs until it is killed"]
fn fill_until_killed() {
    let Some(cache) = std::env::var_os("SEMCOV_TEST_FILL") else { return };
    let mut store = VectorStore::open(Path::new(&cache), &encoder("e")).unwrap();
    store.appender.limit_rows(100);
    for i in store.cached.len() as u64.. {
        append(&mut store, i);
        if store.appender.flushed() > 0 && i % 10 == 0 {
            println!("safe: {}", store.cached.len() + store.appender.flushed());
            std::io::stdout().flush().unwrap();
        }
    }
}

#[test]
fn killed_at_any_point() {
    let cache = tempfile::tempdir().unwrap();
    let mut safe = 0;
    for reports in [1, 20, 45, 111, 300] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "vectors::store::tests::fill_until_killed", "--ignored", "--nocapture"])
            .env("SEMCOV_TEST_FILL", cache.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let said = lines.filter_map(|line| line.rsplit_once("safe: ").map(|(_, safe)| safe.parse().unwrap()));
        let last: u64 = said.take(reports).last().expect("the child reports");
        // SIGKILL on Unix.
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(last > safe, "each run goes on where the last was killed");
        safe = last;

        let mut store = VectorStore::open(cache.path(), &encoder("e")).unwrap();
        assert_eq!(store.cached.set_aside(), []);
        assert!(files(cache.path(), "part").is_empty());
        let texts: Vec<u64> = (0..safe).collect();
        let locations = texts.iter().map(|&i| find(&mut store, i).unwrap()).collect();
        assert_vectors(store, &texts, locations);
    }
}
