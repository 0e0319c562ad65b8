//! Encoders of the Hugging Face Hub: its cache on this machine, and what its digests say.
//!
//! The cache has the layout that every Hugging Face tool shares, so that what one of them has downloaded is found here:
//! ```text
//! models--OWNER--NAME/refs/REVISION               names a commit
//! models--OWNER--NAME/snapshots/COMMIT/FILE       a link to
//! models--OWNER--NAME/blobs/DIGEST                the bytes
//! ```
//! A blob is named by the digest that the hub states: SHA-256 of a large file, git object id of a small one. hf-hub does
//! not compute either, and would keep an error page or half a file under that name; [`Repository::verify`] does, at
//! every load, with or without a network. Downloads go to a temporary file that is renamed when it is whole.

#[cfg(all(test, feature = "hub"))]
mod tests;
#[cfg(not(feature = "hub"))]
#[path = "disabled.rs"]
mod transport;
#[cfg(feature = "hub")]
#[path = "enabled.rs"]
mod transport;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::folder::{self, Folder};
use super::{Manifest, OnDownload, Verification, digest};
use crate::{Error, Result};

/// The hub's cache on this machine, and whether and where to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubOptions {
    /// The cache folder. Default: `.cache/huggingface/hub` under the current folder; see [`HubOptions::from_variables`].
    pub cache: PathBuf,
    /// Address of the hub.
    pub endpoint: String,
    /// Never use the network.
    pub offline: bool,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            cache: PathBuf::from(".cache/huggingface/hub"),
            endpoint: "https://huggingface.co".to_owned(),
            offline: false,
        }
    }
}

impl HubOptions {
    /// The settings that every Hugging Face tool takes from these variables, as `variable` gives them: `HF_HUB_CACHE`,
    /// else `HF_HOME`, else `XDG_CACHE_HOME`, else `HOME` for the cache; `HF_ENDPOINT`; `HF_HUB_OFFLINE`.
    ///
    /// The access token is no setting of this crate: hf-hub itself reads `HF_TOKEN`, or the token file of `hf auth login`.
    #[must_use]
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let folder = |name| set(name).map(PathBuf::from);
        let home = || folder("HOME").or_else(|| folder("USERPROFILE")).map(|home| home.join(".cache"));
        let default = Self::default();
        let cache = folder("HF_HUB_CACHE")
            .or_else(|| folder("HF_HOME").map(|home| home.join("hub")))
            .or_else(|| folder("XDG_CACHE_HOME").or_else(home).map(|cache| cache.join("huggingface/hub")));
        let endpoint = set("HF_ENDPOINT").and_then(|value| value.into_string().ok());
        let yes = |value: OsString| {
            value.to_str().is_some_and(|value| matches!(&*value.to_uppercase(), "1" | "ON" | "YES" | "TRUE"))
        };
        Self {
            cache: cache.unwrap_or(default.cache),
            endpoint: endpoint.unwrap_or(default.endpoint),
            offline: set("HF_HUB_OFFLINE").is_some_and(yes),
        }
    }
}

/// A model repository at one revision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repository<'a> {
    /// The encoder's name as the user gave it.
    pub(super) name: &'a str,
    /// `owner/name`.
    pub(super) id: &'a str,
    /// Branch, tag or commit.
    pub(super) revision: &'a str,
}

/// What goes wrong with a download, for the user.
struct Failure {
    problem: String,
    help: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Repository<'_> {
    /// The folder of this revision in the cache, if everything an encoder needs is there.
    pub(super) fn cached(&self, hub: &HubOptions) -> Option<PathBuf> {
        let repository = hub.cache.join(format!("models--{}", self.id.replace('/', "--")));
        let commit = match fs_err::read_to_string(repository.join("refs").join(self.revision)) {
            Ok(commit) => commit.trim().to_owned(),
            Err(_) => self.revision.to_owned(),
        };
        let plain = !commit.is_empty() && commit.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let snapshot = plain.then(|| repository.join("snapshots").join(commit))?;
        folder::is_complete(&snapshot).then_some(snapshot)
    }

    /// Downloads what the cache lacks of this revision, and returns its folder in the cache. What is not what its digest
    /// says is not kept.
    pub(super) fn download(
        &self,
        hub: &HubOptions,
        manifest: Option<&Manifest>,
        on_download: Option<OnDownload>,
    ) -> Result<PathBuf> {
        if hub.offline {
            return Err(self.failed(Failure {
                problem: format!(
                    "{} is not in {}, and HF_HUB_OFFLINE forbids downloading it",
                    self.id,
                    hub.cache.display()
                ),
                help: format!(
                    "run `semcov model pull {}` on a machine with a network and copy its cache folder, or give a model \
                     folder instead of a name",
                    self.name
                ),
                source: None,
            }));
        }
        let snapshot = transport::download(self, hub, on_download).map_err(|failure| self.failed(failure))?;
        if self.discard_broken(&snapshot, manifest)? {
            return Err(self.failed(Failure {
                problem: format!(
                    "files of {} were downloaded and are not what their digests say; they were discarded",
                    self.id
                ),
                help: "try again; if it happens again, something between the hub and this machine changes files, or \
                       the encoder's manifest is older than its repository"
                    .to_owned(),
                source: None,
            }));
        }
        Ok(snapshot)
    }

    /// Compares every file that is read with the digest that the manifest or the hub states for it.
    pub(super) fn verify(&self, snapshot: &Path, manifest: Option<&Manifest>) -> Result<Verification> {
        let mut verification = Verification::Manifest;
        for file in Folder::open(self.name, snapshot)?.files()? {
            match check(&file, snapshot, manifest)? {
                Check::Manifest => {}
                Check::Hub => verification = verification.max(Verification::Hub),
                Check::Unstated => verification = Verification::Unverified,
                Check::Broken { expected, got } => {
                    return Err(self.failed(Failure {
                        problem: format!("{}: expected digest {expected}, got {got}", file.display()),
                        help: format!("download it again with `semcov model pull {}`", self.name),
                        source: None,
                    }));
                }
            }
        }
        Ok(verification)
    }

    /// Removes from the cache every file that is not what its digest says, and returns whether there was one.
    pub(super) fn discard_broken(&self, snapshot: &Path, manifest: Option<&Manifest>) -> Result<bool> {
        let mut found = false;
        for file in Folder::open(self.name, snapshot)?.files()? {
            if let Check::Broken { .. } = check(&file, snapshot, manifest)? {
                found = true;
                if let Ok(link) = fs_err::read_link(&file) {
                    fs_err::remove_file(file.with_file_name("").join(link))?;
                }
                fs_err::remove_file(&file)?;
            }
        }
        Ok(found)
    }

    fn failed(&self, failure: Failure) -> Error {
        let Failure { problem, help, source } = failure;
        Error::Encoder { encoder: self.name.to_owned(), problem, help, source }
    }
}

/// What a file's digest says of it.
enum Check {
    /// It is what the manifest says.
    Manifest,
    /// It is what the hub says.
    Hub,
    /// Nobody states a digest.
    Unstated,
    /// It is something else.
    Broken { expected: String, got: String },
}

fn check(file: &Path, snapshot: &Path, manifest: Option<&Manifest>) -> Result<Check> {
    let name = file.strip_prefix(snapshot).ok().and_then(Path::to_str).unwrap_or_default();
    let known = manifest.and_then(|manifest| manifest.sha256.get(name));
    // Where the cache has copies for links (Windows), nothing says which blob is whose.
    let stated = fs_err::read_link(file).ok();
    let stated = stated.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    let stated = stated.filter(|digest| digest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let (expected, check) = match (known, stated) {
        (Some(known), _) => (known.as_str(), Check::Manifest),
        (None, Some(stated)) => (stated, Check::Hub),
        (None, None) => return Ok(Check::Unstated),
    };
    let got = match expected.len() {
        64 => digest::sha256(file)?,
        40 => digest::git_object_id(file)?,
        _ => return Ok(Check::Unstated),
    };
    Ok(if got == expected.to_lowercase() { check } else { Check::Broken { expected: expected.to_owned(), got } })
}

#[cfg(test)]
mod settings {
    use super::*;

    #[test]
    fn settings_from_variables() {
        let with = |variables: &[(&str, &str)]| {
            HubOptions::from_variables(|name| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
            })
        };
        assert_eq!(with(&[("HOME", "/h")]).cache, PathBuf::from("/h/.cache/huggingface/hub"));
        assert_eq!(with(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]).cache, PathBuf::from("/x/huggingface/hub"));
        assert_eq!(with(&[("HOME", "/h"), ("HF_HOME", "/f")]).cache, PathBuf::from("/f/hub"));
        assert_eq!(with(&[("HF_HUB_CACHE", "/c"), ("HF_HOME", "/f")]).cache, PathBuf::from("/c"));
        assert!(with(&[("HF_HUB_OFFLINE", "1")]).offline && with(&[("HF_HUB_OFFLINE", "true")]).offline);
        assert!(!with(&[("HF_HUB_OFFLINE", "0")]).offline && !with(&[("HF_HUB_OFFLINE", "")]).offline);
        assert_eq!(with(&[("HF_ENDPOINT", "http://mirror")]).endpoint, "http://mirror");
        assert_eq!(with(&[]), HubOptions::default());
    }
}
