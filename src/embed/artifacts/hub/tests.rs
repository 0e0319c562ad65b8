//! Downloads from a hub of our own on 127.0.0.1, which can be made to fail in the ways a network does.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::embed::{ArtifactOptions, Artifacts};

const ID: &str = "someone/tiny";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const CONFIG: &[u8] = br#"{"model_type":"bert","max_position_embeddings":64}"#;
const TOKENIZER: &[u8] = b"{}";
const WEIGHTS: &[u8] = &[7; 300_000];

/// What the hub does wrong with the weights.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// One byte is another, while the stated digest is that of the true ones.
    WrongByte,
    /// The connection ends after half of them.
    Cut,
    /// An error page in their place, with status 500.
    ErrorPage,
}

struct FakeHub {
    endpoint: String,
    fault: Arc<Mutex<Fault>>,
    requests: Arc<AtomicUsize>,
}

impl FakeHub {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let hub = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            fault: Arc::new(Mutex::new(Fault::None)),
            requests: Arc::default(),
        };
        let (fault, requests) = (Arc::clone(&hub.fault), Arc::clone(&hub.requests));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                requests.fetch_add(1, Ordering::SeqCst);
                let fault = *fault.lock().unwrap();
                // A client that hangs up is its own affair.
                std::thread::spawn(move || answer(stream, fault).ok());
            }
        });
        hub
    }

    fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    fn options(&self, cache: &Path) -> ArtifactOptions {
        let hub = HubOptions { cache: cache.to_owned(), endpoint: self.endpoint.clone(), offline: false };
        ArtifactOptions { hub, ..Default::default() }
    }
}

fn answer(mut stream: TcpStream, fault: Fault) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let mut words = request.split(' ');
    let (method, url) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = url.split('?').next().unwrap_or_default();
    let file = |name: &str, bytes: &[u8]| {
        let id = digest_of(name, bytes);
        format!(r#"{{"type":"file","oid":"{id}","size":{},"path":"{name}"}}"#, bytes.len())
    };
    let listing = [
        file("config.json", CONFIG),
        file("tokenizer.json", TOKENIZER),
        file("model.safetensors", WEIGHTS),
        file("pytorch_model.bin", WEIGHTS),
    ];
    let (headers, body) = match path.strip_prefix(&format!("/{ID}/resolve/{COMMIT}/")) {
        Some("config.json") => (stated("config.json", CONFIG), CONFIG.to_vec()),
        Some("tokenizer.json") => (stated("tokenizer.json", TOKENIZER), TOKENIZER.to_vec()),
        Some("model.safetensors") => {
            let mut body = WEIGHTS.to_vec();
            body[1234] ^= u8::from(fault == Fault::WrongByte);
            (stated("model.safetensors", WEIGHTS), body)
        }
        _ if path == format!("/api/models/{ID}/revision/main") => {
            (String::new(), format!(r#"{{"sha":"{COMMIT}"}}"#).into())
        }
        _ if path == format!("/api/models/{ID}/tree/{COMMIT}") => {
            (String::new(), format!("[{}]", listing.join(",")).into())
        }
        _ => {
            return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    };
    let is_weights = method == "GET" && path.ends_with("model.safetensors");
    if is_weights && fault == Fault::ErrorPage {
        let page = "<html>try later</html>";
        return write!(
            stream,
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
            page.len()
        );
    }
    write!(stream, "HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    if method == "GET" {
        let sent = if is_weights && fault == Fault::Cut { body.len() / 2 } else { body.len() };
        stream.write_all(&body[..sent])?;
    }
    Ok(())
}

/// As the hub names files: large ones by SHA-256, small ones by git object id.
fn digest_of(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs_err::write(&path, bytes).unwrap();
    if is_small(name) { digest::git_object_id(&path).unwrap() } else { digest::sha256(&path).unwrap() }
}

fn is_small(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "json")
}

fn stated(name: &str, bytes: &[u8]) -> String {
    let etag = if is_small(name) { "ETag" } else { "X-Linked-Etag" };
    format!("X-Repo-Commit: {COMMIT}\r\n{etag}: \"{}\"\r\n", digest_of(name, bytes))
}

#[test]
fn an_encoder_is_downloaded_once_and_then_read_without_a_network() {
    let (hub, cache) = (FakeHub::start(), tempfile::tempdir().unwrap());
    let progress = Arc::new(Mutex::new((0, 0)));
    let mut options = hub.options(cache.path());
    let seen = Arc::clone(&progress);
    options.on_download = Some(Arc::new(move |done, total| *seen.lock().unwrap() = (done, total)));
    let first = Artifacts::resolve(ID, &options).unwrap();
    let all = (CONFIG.len() + TOKENIZER.len() + WEIGHTS.len()) as u64;
    assert_eq!(*progress.lock().unwrap(), (all, all), "only what is read is downloaded");
    assert_eq!((first.name.as_str(), first.verification, first.max_tokens), (ID, Verification::Hub, 64));

    let requests = hub.requests.load(Ordering::SeqCst);
    let second = Artifacts::resolve(ID, &options).unwrap();
    assert_eq!(second.digest, first.digest);
    assert_eq!(hub.requests.load(Ordering::SeqCst), requests, "nothing is asked again");
    options.hub.offline = true;
    assert_eq!(Artifacts::resolve(ID, &options).unwrap().digest, first.digest);
    options.revision = Some(COMMIT.to_owned());
    assert_eq!(Artifacts::resolve(ID, &options).unwrap().digest, first.digest);
    options.revision = Some("other".to_owned());
    assert!(Artifacts::resolve(ID, &options).is_err());
}

#[test]
fn what_is_not_what_its_digest_says_is_refused_and_not_kept() {
    for fault in [Fault::WrongByte, Fault::Cut, Fault::ErrorPage] {
        let (hub, cache) = (FakeHub::start(), tempfile::tempdir().unwrap());
        let options = hub.options(cache.path());
        hub.set(fault);
        assert!(Artifacts::resolve(ID, &options).is_err());
        assert!(!cache.path().join(format!("models--someone--tiny/snapshots/{COMMIT}/model.safetensors")).exists());
        hub.set(Fault::None);
        assert_eq!(Artifacts::resolve(ID, &options).unwrap().verification, Verification::Hub);
    }
}

#[test]
fn a_file_that_changed_in_the_cache_is_refused_until_pulled_again() {
    let (hub, cache) = (FakeHub::start(), tempfile::tempdir().unwrap());
    let options = hub.options(cache.path());
    let whole = Artifacts::resolve(ID, &options).unwrap();
    for name in ["config.json", "model.safetensors"] {
        let file = cache.path().join(format!("models--someone--tiny/snapshots/{COMMIT}/{name}"));
        let mut bytes = fs_err::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs_err::write(&file, bytes).unwrap();
        let error = Artifacts::resolve(ID, &options).unwrap_err();
        assert!(error.to_string().contains(name) && error.to_string().contains("digest"), "{error}");
        assert!(error.help().unwrap().contains("semcov model pull someone/tiny"));
        assert_eq!(Artifacts::pull(ID, &options).unwrap().digest, whole.digest);
    }
}

#[test]
fn a_manifest_states_digests_of_its_own() {
    let (hub, cache) = (FakeHub::start(), tempfile::tempdir().unwrap());
    Artifacts::resolve(ID, &hub.options(cache.path())).unwrap();
    let repository = Repository { name: ID, id: ID, revision: "main" };
    let snapshot = repository.cached(&hub.options(cache.path()).hub).unwrap();
    let mut manifest = Manifest::all()[0].clone();
    for (name, bytes) in [("config.json", CONFIG), ("tokenizer.json", TOKENIZER), ("model.safetensors", WEIGHTS)] {
        assert_eq!(repository.verify(&snapshot, Some(&manifest)).unwrap(), Verification::Hub);
        manifest.sha256.insert(name.to_owned(), digest_of("sha256", bytes));
    }
    assert_eq!(repository.verify(&snapshot, Some(&manifest)).unwrap(), Verification::Manifest);
    manifest.sha256.insert("model.safetensors".to_owned(), digest_of("sha256", b"others"));
    assert!(repository.verify(&snapshot, Some(&manifest)).unwrap_err().to_string().contains("model.safetensors"));
}

#[test]
fn without_a_network_the_next_step_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let hub = HubOptions { cache: cache.path().to_owned(), offline: true, ..Default::default() };
    let mut options = ArtifactOptions { hub, ..Default::default() };
    let error = Artifacts::resolve("BAAI/bge-small-en-v1.5", &options).unwrap_err();
    assert!(error.to_string().contains("HF_HUB_OFFLINE"), "{error}");
    assert!(error.help().unwrap().contains("semcov model pull BAAI/bge-small-en-v1.5"));
    // Nobody listens on port 1.
    options.hub = HubOptions { endpoint: "http://127.0.0.1:1".to_owned(), offline: false, ..options.hub };
    let error = Artifacts::resolve("BAAI/bge-small-en-v1.5", &options).unwrap_err();
    assert!(error.to_string().contains("could not download"), "{error}");
}

#[test]
fn a_repository_that_is_not_there_is_named() {
    let (hub, cache) = (FakeHub::start(), tempfile::tempdir().unwrap());
    let error = Artifacts::resolve("someone/else", &hub.options(cache.path())).unwrap_err();
    assert!(error.to_string().contains("has no someone/else"), "{error}");
}
