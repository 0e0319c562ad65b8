//! What an encoder is made of: weights, tokenizer and configuration, found by name and verified.
//!
//! A name is looked up in this order ([`Artifacts::resolve`]): the encoder inside the binary; a folder on this machine;
//! a known encoder, described by a [`Manifest`]; any other repository of the Hugging Face Hub, `owner/name`. Files of the hub come from its cache on this machine, and from the network only where they are not
//! there yet. What is checked against what is said by [`Verification`].

mod catalog;
mod digest;
mod folder;
mod hub;
mod manifest;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use catalog::{KnownEncoder, Place};
pub use hub::HubOptions;
pub use manifest::Manifest;

use super::Pooling;
use crate::{Error, Result};

/// Everything needed to build an encoder.
#[derive(Clone, Debug)]
pub struct Artifacts {
    /// The name a user knows: `all-MiniLM-L6-v2`, `BAAI/bge-small-en-v1.5`, a folder's name.
    pub name: String,
    /// The model's `config.json`.
    pub config_json: String,
    /// The model's `tokenizer.json`.
    pub tokenizer_json: Vec<u8>,
    /// Where the weights are.
    pub weights: Weights,
    /// How token vectors are pooled.
    pub pooling: Pooling,
    /// What is put before every text.
    pub prompt: String,
    /// Tokens kept of a text, special tokens included.
    pub max_tokens: usize,
    /// BLAKE3 digest (hex) of weights, tokenizer and configuration.
    pub digest: String,
    /// What the files were checked against.
    pub verification: Verification,
    /// What a user should know before trusting the vectors: one sentence each, usually none.
    pub warnings: Vec<String>,
}

/// Weights in the safetensors format.
#[derive(Clone, Debug)]
pub enum Weights {
    /// The bytes of one file.
    Embedded(&'static [u8]),
    /// One file, or the shards of one.
    Files(Vec<PathBuf>),
}

impl Weights {
    /// The bytes of each file.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn read(&self) -> impl Iterator<Item = Result<Cow<'_, [u8]>>> {
        let (embedded, files) = match self {
            Self::Embedded(bytes) => (Some(Ok(Cow::Borrowed(*bytes))), &[][..]),
            Self::Files(files) => (None, files.as_slice()),
        };
        embedded.into_iter().chain(files.iter().map(|file| Ok(Cow::Owned(fs_err::read(file)?))))
    }
}

/// What the files of an encoder were checked against, before anything is computed with them; the strongest first.
///
/// Beside it, the BLAKE3 digest of what was loaded is part of every [`super::EncoderId`]: an encoder whose files change
/// is a different encoder, whose vectors are never compared with the former's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verification {
    /// They are part of the binary.
    Embedded,
    /// The SHA-256 digests of the encoder's manifest.
    Manifest,
    /// The digest that the hub states for every file: SHA-256 of a large one, git object id of a small one.
    Hub,
    /// Nothing: a folder of the user's, or a hub that states no digests.
    Unverified,
}

/// Called with the bytes downloaded so far, and all there are to download.
pub type OnDownload = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// How to find and read an encoder. The default asks for nothing special.
#[derive(Clone, Default)]
pub struct ArtifactOptions {
    /// The hub's cache on this machine, and whether and where to download.
    pub hub: HubOptions,
    /// The branch, tag or commit of a hub repository. Default: the manifest's, else `main`.
    pub revision: Option<String>,
    /// Put before every text, instead of what the encoder's own files or its manifest say.
    pub prompt: Option<String>,
    /// Keep at most this many tokens of a text; never more than the encoder can read.
    pub max_tokens: Option<usize>,
    /// Told how a download goes.
    pub on_download: Option<OnDownload>,
}

impl Artifacts {
    /// Finds an encoder by its name, or its folder, and checks its files. Reads the weights in bounded memory; downloads
    /// what is not on this machine, unless `options.hub` is offline.
    ///
    /// # Errors
    /// If there is no such encoder, if it cannot be downloaded, if a file is not what its digest says, or if it needs
    /// something this crate does not have (another pooling, a dense layer behind it).
    pub fn resolve(name: &str, options: &ArtifactOptions) -> Result<Self> {
        match Source::of(name, options)? {
            Source::Embedded(artifacts) => artifacts.with_options(options),
            Source::Folder(path) => {
                folder::Folder::open(name, path)?.into_artifacts(None, Verification::Unverified, options)
            }
            Source::Hub(repository, manifest) => {
                let snapshot = match repository.cached(&options.hub) {
                    Some(snapshot) => snapshot,
                    None => repository.download(&options.hub, manifest, options.on_download.clone())?,
                };
                let verification = repository.verify(&snapshot, manifest)?;
                folder::Folder::open(name, &snapshot)?.into_artifacts(manifest, verification, options)
            }
        }
    }

    /// Brings an encoder of the hub up to date with its repository, and back into order where files in the cache are not
    /// what their digests say; then does what [`Artifacts::resolve`] does. Of other encoders it does only the latter.
    ///
    /// # Errors
    /// As [`Artifacts::resolve`].
    pub fn pull(name: &str, options: &ArtifactOptions) -> Result<Self> {
        if let Source::Hub(repository, manifest) = Source::of(name, options)? {
            if let Some(snapshot) = repository.cached(&options.hub) {
                repository.discard_broken(&snapshot, manifest)?;
            }
            repository.download(&options.hub, manifest, options.on_download.clone())?;
        }
        Self::resolve(name, options)
    }

    /// The encoder that is compiled into this build, if one is.
    #[must_use]
    pub fn embedded() -> Option<Self> {
        #[cfg(feature = "embedded-model")]
        {
            let weights = include_bytes!("../../../models/all-MiniLM-L6-v2/model.safetensors");
            let tokenizer = include_bytes!("../../../models/all-MiniLM-L6-v2/tokenizer.json");
            let config = include_str!("../../../models/all-MiniLM-L6-v2/config.json");
            let manifest = Manifest::find(EMBEDDED)?;
            let weights = Weights::Embedded(weights);
            Some(Self {
                name: EMBEDDED.to_owned(),
                config_json: config.to_owned(),
                tokenizer_json: tokenizer.to_vec(),
                pooling: manifest.pooling,
                prompt: manifest.prompt.clone(),
                max_tokens: manifest.max_tokens,
                digest: digest::of_encoder(&weights, tokenizer, config).ok()?,
                weights,
                verification: Verification::Embedded,
                warnings: Vec::new(),
            })
        }
        #[cfg(not(feature = "embedded-model"))]
        None
    }

    /// `model_type` and number of components, as `config.json` states them: what there is to say of an encoder without
    /// building it.
    #[must_use]
    pub fn architecture(&self) -> Option<(String, usize)> {
        let config: serde_json::Value = serde_json::from_str(&self.config_json).ok()?;
        let dim = ["hidden_size", "dim", "n_embd", "hidden_dim"].iter().find_map(|name| config[name].as_u64())?;
        Some((config["model_type"].as_str()?.to_owned(), dim as usize))
    }

    /// Whether this is a static encoder: a vector per token, and no network.
    #[must_use]
    pub fn is_static(&self) -> bool {
        serde_json::from_str(&self.config_json).is_ok_and(|config| folder::is_static(&config))
    }

    /// Applies what the user asks for on top of what the encoder says of itself.
    fn with_options(mut self, options: &ArtifactOptions) -> Result<Self> {
        if let Some(prompt) = &options.prompt {
            self.prompt.clone_from(prompt);
        }
        if let Some(limit) = options.max_tokens {
            if limit < MIN_TOKENS {
                return Err(Error::Setting {
                    setting: "max-tokens",
                    expected: format!("at least {MIN_TOKENS}: special tokens count too"),
                    got: limit.to_string(),
                });
            }
            self.max_tokens = self.max_tokens.min(limit);
        }
        Ok(self)
    }
}

/// Where the encoder of a name is found.
enum Source<'a> {
    Embedded(Artifacts),
    Folder(&'a Path),
    Hub(hub::Repository<'a>, Option<&'static Manifest>),
}

impl<'a> Source<'a> {
    fn of(name: &'a str, options: &'a ArtifactOptions) -> Result<Self> {
        if name == EMBEDDED
            && let Some(artifacts) = Artifacts::embedded()
        {
            return Ok(Self::Embedded(artifacts));
        }
        let path = Path::new(name);
        if path.is_dir() {
            return Ok(Self::Folder(path));
        }
        let manifest = Manifest::find(name);
        let id = manifest.map(|manifest| manifest.repository.as_str()).or_else(|| repository_of(name));
        let revision = options.revision.as_deref().or(manifest.map(|manifest| manifest.revision.as_str()));
        match id {
            Some(id) => Ok(Self::Hub(hub::Repository { name, id, revision: revision.unwrap_or("main") }, manifest)),
            None => Err(unknown(name)),
        }
    }
}

/// The name of the encoder inside the binary.
const EMBEDDED: &str = "all-MiniLM-L6-v2";

/// The least tokens to keep of a text: a first and a last special token, and something between them.
const MIN_TOKENS: usize = 3;

/// `name` as a hub repository: exactly `owner/name`, of the characters that the hub allows.
fn repository_of(name: &str) -> Option<&str> {
    let allowed = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let (owner, repository) = name.split_once('/')?;
    (allowed(owner) && allowed(repository)).then_some(name)
}

fn unknown(name: &str) -> Error {
    let known: Vec<_> = Manifest::all().iter().map(|manifest| manifest.id.as_str()).collect();
    Error::Encoder {
        encoder: name.to_owned(),
        problem: "expected a known encoder, a folder, or a hub repository (`owner/name`), got none of them".to_owned(),
        help: format!("known encoders: {}", known.join(", ")),
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_repositories() {
        assert_eq!(repository_of("BAAI/bge-small-en-v1.5"), Some("BAAI/bge-small-en-v1.5"));
        for name in ["bge", "a/b/c", "../model", "./model", "/model", "a/", "a/b c", "a/..", ""] {
            assert_eq!(repository_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_that_is_nothing_lists_what_is_known() {
        let error = Artifacts::resolve("no-such-encoder", &ArtifactOptions::default()).unwrap_err();
        assert!(error.help().unwrap().contains("BAAI/bge-small-en-v1.5"), "{error}");
    }

    #[cfg(feature = "embedded-model")]
    #[test]
    fn options_come_last() {
        let options = ArtifactOptions { prompt: Some("topic: ".into()), max_tokens: Some(64), ..Default::default() };
        let artifacts = Artifacts::resolve(EMBEDDED, &options).unwrap();
        assert_eq!((artifacts.prompt.as_str(), artifacts.max_tokens), ("topic: ", 64));
        let options = ArtifactOptions { max_tokens: Some(100_000), ..Default::default() };
        assert_eq!(Artifacts::resolve(EMBEDDED, &options).unwrap().max_tokens, 256);
        let options = ArtifactOptions { max_tokens: Some(2), ..Default::default() };
        assert!(matches!(Artifacts::resolve(EMBEDDED, &options), Err(Error::Setting { .. })));
    }

    /// The embedded files and the folder they come from are one encoder.
    #[cfg(feature = "embedded-model")]
    #[test]
    fn the_embedded_encoder_is_its_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models/all-MiniLM-L6-v2");
        let from_folder = Artifacts::resolve(folder, &ArtifactOptions::default()).unwrap();
        let embedded = Artifacts::embedded().unwrap();
        assert_eq!(embedded.architecture(), Some(("bert".to_owned(), Manifest::find(EMBEDDED).unwrap().dim)));
        assert_eq!(from_folder.digest, embedded.digest);
        assert_eq!(from_folder.pooling, embedded.pooling);
        assert_eq!(from_folder.max_tokens, embedded.max_tokens);
        assert_eq!(from_folder.prompt, embedded.prompt);
        assert_eq!(from_folder.warnings, Vec::<String>::new());
    }
}
