//! The known encoders and where they are.

use std::path::PathBuf;

use serde::Serialize;

use super::{ArtifactOptions, EMBEDDED, HubOptions, Manifest, Source};

/// Where the files of an encoder are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Inside the binary.
    Embedded,
    /// In this folder: the hub's cache.
    Cached(PathBuf),
    /// Not on this machine.
    Remote,
}

/// A known encoder and where it is.
#[derive(Clone, Debug)]
pub struct KnownEncoder {
    /// What is known of it.
    pub manifest: &'static Manifest,
    /// Where it is.
    pub place: Place,
}

impl KnownEncoder {
    /// Every known encoder, the one inside the binary first. Reads no weights and uses no network.
    #[must_use]
    pub fn list(hub: &HubOptions) -> Vec<Self> {
        let options = ArtifactOptions { hub: hub.clone(), ..Default::default() };
        let place = |manifest: &'static Manifest| match Source::of(&manifest.id, &options) {
            _ if manifest.id == EMBEDDED && cfg!(feature = "embedded-model") => Place::Embedded,
            Ok(Source::Hub(repository, _)) => repository.cached(hub).map_or(Place::Remote, Place::Cached),
            _ => Place::Remote,
        };
        Manifest::all().iter().map(|manifest| Self { manifest, place: place(manifest) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::Artifacts;

    #[test]
    fn lists_what_is_here() {
        let cache = tempfile::tempdir().unwrap();
        let hub = HubOptions { cache: cache.path().to_owned(), offline: true, ..Default::default() };
        let snapshot = cache.path().join("models--thenlper--gte-small/snapshots/0123abcd");
        fs_err::create_dir_all(&snapshot).unwrap();
        fs_err::create_dir_all(cache.path().join("models--thenlper--gte-small/refs")).unwrap();
        fs_err::write(cache.path().join("models--thenlper--gte-small/refs/main"), "0123abcd").unwrap();
        let place =
            |id: &str| KnownEncoder::list(&hub).into_iter().find(|known| known.manifest.id == id).unwrap().place;
        assert_eq!(place("thenlper/gte-small"), Place::Remote, "incomplete");
        for file in ["config.json", "tokenizer.json", "model.safetensors"] {
            fs_err::write(snapshot.join(file), "{}").unwrap();
        }
        assert_eq!(place("thenlper/gte-small"), Place::Cached(snapshot));
        assert_eq!(place("BAAI/bge-m3"), Place::Remote);
        assert_eq!(place(EMBEDDED) == Place::Embedded, Artifacts::embedded().is_some());
    }
}
