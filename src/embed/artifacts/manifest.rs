//! What is known of an encoder before any of its files is read.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::embed::Pooling;

/// A known encoder: `models/<id>.toml`, compiled in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The name a user types.
    pub id: String,
    /// Its repository on the hub, `owner/name`.
    pub repository: String,
    /// Branch, tag or commit of the repository.
    pub revision: String,
    /// `model_type` of its `config.json`.
    pub architecture: String,
    /// How token vectors are pooled, where its own files do not say so.
    pub pooling: Pooling,
    /// What is put before every text: of the prompts it was trained with, the one for comparing texts of one kind.
    pub prompt: String,
    /// Components of a vector.
    pub dim: usize,
    /// Most tokens to keep of a text, special tokens included.
    pub max_tokens: usize,
    /// Licence of the weights: an SPDX identifier.
    pub license: String,
    /// What it is good for, in one sentence.
    pub about: String,
    /// SHA-256 digests (hex) by file name, of the files whose digest is known.
    #[serde(default)]
    pub sha256: BTreeMap<String, String>,
}

macro_rules! manifests {
    ($($file:literal),* $(,)?) => {
        &[$(($file, include_str!(concat!("../../../models/", $file)))),*]
    };
}

/// File and text of every manifest, in the order in which they are listed to a user.
const FILES: &[(&str, &str)] = manifests![
    "all-MiniLM-L6-v2.toml",
    "bge-small-en-v1.5.toml",
    "bge-base-en-v1.5.toml",
    "bge-large-en-v1.5.toml",
    "bge-m3.toml",
    "e5-small-v2.toml",
    "multilingual-e5-small.toml",
    "gte-small.toml",
    "modernbert-embed-base.toml",
    "msmarco-distilbert-base-v4.toml",
    "nomic-embed-text-v1.5.toml",
    "qwen3-embedding-0.6b.toml",
];

/// A manifest that does not parse is left out here, and fails the test below.
static MANIFESTS: LazyLock<Vec<Manifest>> =
    LazyLock::new(|| FILES.iter().filter_map(|(_, text)| toml::from_str(text).ok()).collect());

impl Manifest {
    /// Every known encoder.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &MANIFESTS
    }

    /// The known encoder of this name.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Self> {
        Self::all().iter().find(|manifest| manifest.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_manifest_parses_and_makes_sense() {
        let mut ids = Vec::new();
        for (file, text) in FILES {
            let manifest: Manifest = toml::from_str(text).unwrap_or_else(|error| panic!("models/{file}: {error}"));
            let stem = manifest.id.rsplit('/').next().unwrap().to_lowercase();
            assert_eq!(file.to_lowercase(), format!("{stem}.toml"), "named for its id");
            assert_eq!(manifest.repository.split('/').count(), 2, "{file}");
            assert!(manifest.max_tokens >= 128 && manifest.dim >= 64, "{file}");
            assert!(["MIT", "Apache-2.0"].contains(&manifest.license.as_str()), "{file}: {}", manifest.license);
            for digest in manifest.sha256.values() {
                assert!(digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{file}: {digest}");
            }
            ids.push(manifest.id);
        }
        let listed: Vec<_> = Manifest::all().iter().map(|manifest| manifest.id.clone()).collect();
        assert_eq!(listed, ids);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), FILES.len(), "no id twice");
    }

    #[test]
    fn every_manifest_on_disk_is_compiled_in() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let name = path.file_name().unwrap();
                assert!(FILES.iter().any(|(file, _)| name == *file), "{} is not in FILES", path.display());
            }
        }
    }

    #[test]
    fn unknown_keys_are_errors() {
        let text = format!("{}\nnormalise = true\n", FILES[0].1);
        assert!(toml::from_str::<Manifest>(&text).unwrap_err().to_string().contains("normalise"));
    }
}
