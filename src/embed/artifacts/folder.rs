//! A model folder: `config.json`, `tokenizer.json`, safetensors weights, and the files in which sentence-transformers
//! keeps pooling, limits and prompts. A folder of Model2Vec has no pooling to choose, and a limit only where its
//! `config.json` has one (`max_length`).
//!
//! What the folder says of pooling is what holds; a manifest speaks where the folder does not. Of several limits on the
//! number of tokens the smallest holds. A prompt comes from the manifest, else from the folder's default prompt.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{ArtifactOptions, Artifacts, Manifest, Verification, Weights, digest};
use crate::embed::{Pooling, static_model};
use crate::{Error, Result};

const WEIGHTS: &str = "model.safetensors";
const SHARD_INDEX: &str = "model.safetensors.index.json";

/// Whether a `config.json` is that of a static encoder.
pub(super) fn is_static(config: &Value) -> bool {
    config["model_type"] == "model2vec"
}

/// A model folder whose files are there; nothing but their names has been checked.
pub(super) struct Folder<'a> {
    name: &'a str,
    path: &'a Path,
    weights: Vec<PathBuf>,
}

/// Whether a folder has everything an encoder needs.
pub(super) fn is_complete(path: &Path) -> bool {
    Folder::open("", path).is_ok()
}

impl<'a> Folder<'a> {
    pub(super) fn open(name: &'a str, path: &'a Path) -> Result<Self> {
        let mut folder = Self { name, path, weights: Vec::new() };
        for file in ["config.json", "tokenizer.json"] {
            if !path.join(file).is_file() {
                return Err(folder.lacks(file));
            }
        }
        folder.weights = if path.join(WEIGHTS).is_file() { vec![path.join(WEIGHTS)] } else { folder.shards()? };
        Ok(folder)
    }

    /// The weight files that the shard index names, each once, in the order of their names.
    fn shards(&self) -> Result<Vec<PathBuf>> {
        let Some(index) = self.json(SHARD_INDEX)? else { return Err(self.lacks(WEIGHTS)) };
        let Some(map) = index["weight_map"].as_object() else {
            return Err(self.problem(format!("{SHARD_INDEX}: expected an object `weight_map`, got none"), HELP_FOLDER));
        };
        let mut names: Vec<_> = map.values().filter_map(Value::as_str).collect();
        names.sort_unstable();
        names.dedup();
        let plain = |name: &&str| Path::new(name).components().count() == 1 && self.path.join(name).is_file();
        if let Some(missing) = names.iter().find(|name| !plain(name)) {
            return Err(self.lacks(missing));
        }
        Ok(names.into_iter().map(|name| self.path.join(name)).collect())
    }

    /// Every file that is read, weights included.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = self.weights.clone();
        for entry in fs_err::read_dir(self.path)? {
            let path = entry?.path();
            let config = if path.is_dir() { path.join("config.json") } else { path };
            if config.is_file() && config.extension().is_some_and(|extension| extension == "json") {
                files.push(config);
            }
        }
        files.sort();
        Ok(files)
    }

    /// Reads everything but the weights, of which it takes the digest.
    pub(super) fn into_artifacts(
        self,
        manifest: Option<&Manifest>,
        verification: Verification,
        options: &ArtifactOptions,
    ) -> Result<Artifacts> {
        let config_json = fs_err::read_to_string(self.path.join("config.json"))?;
        let config = self.parse("config.json", &config_json)?;
        let tokenizer_json = fs_err::read(self.path.join("tokenizer.json"))?;
        let mut warnings = Vec::new();
        if let Some(expected) = manifest.map(|manifest| manifest.architecture.as_str())
            && config["model_type"] != expected
        {
            return Err(self.problem(
                format!("config.json: expected model_type {expected}, got {}", config["model_type"]),
                "the repository has changed since this version of semcov: name an older commit with `--revision`",
            ));
        }
        let (transformer, own_pooling) =
            if is_static(&config) { (String::new(), Some(Pooling::Mean)) } else { self.modules()? };
        let pooling = match (own_pooling, manifest.map(|manifest| manifest.pooling)) {
            (Some(own), Some(known)) if own != known => {
                warnings.push(format!("its files say {own:?} pooling and semcov knew {known:?}: its files hold"));
                own
            }
            (Some(pooling), _) | (None, Some(pooling)) => pooling,
            (None, None) => {
                warnings.push("its files do not say how to pool: the mean of its tokens is taken".to_owned());
                Pooling::Mean
            }
        };
        let own_limit = if is_static(&config) {
            Some(config["max_length"].as_u64().map_or(static_model::MAX_TOKENS, |limit| limit as usize))
        } else {
            self.token_limit(&transformer, &config)?
        };
        let max_tokens = match manifest.map(|manifest| manifest.max_tokens) {
            Some(limit) => limit.min(own_limit.unwrap_or(limit)),
            None => own_limit.unwrap_or(512),
        };
        let prompt = match manifest {
            Some(manifest) => manifest.prompt.clone(),
            None => self.default_prompt()?,
        };
        let name = self.display_name();
        let weights = Weights::Files(self.weights);
        let artifacts = Artifacts {
            name,
            digest: digest::of_encoder(&weights, &tokenizer_json, &config_json)?,
            config_json,
            tokenizer_json,
            weights,
            pooling,
            prompt,
            max_tokens,
            verification,
            warnings,
        };
        artifacts.with_options(options)
    }

    /// The name as the user gave it; of a path its last part, so that a folder may be moved.
    fn display_name(&self) -> String {
        let path = Path::new(self.name);
        if path.is_dir() {
            let last = fs_err::canonicalize(path).ok();
            let last = last.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
            return last.unwrap_or(self.name).to_owned();
        }
        self.name.to_owned()
    }

    /// The folder of the transformer itself, and the pooling behind it if `modules.json` names one.
    fn modules(&self) -> Result<(String, Option<Pooling>)> {
        let Some(modules) = self.json("modules.json")? else { return Ok((String::new(), None)) };
        let (mut transformer, mut pooling) = (String::new(), None);
        for module in modules.as_array().into_iter().flatten() {
            let path = module["path"].as_str().unwrap_or_default().to_owned();
            match module["type"].as_str().unwrap_or_default().rsplit('.').next().unwrap_or_default() {
                "Transformer" => transformer = path,
                "Pooling" => pooling = Some(self.pooling(&format!("{path}/config.json"))?),
                "Normalize" => {}
                other => {
                    return Err(self.problem(
                        format!("modules.json: expected Transformer, Pooling and Normalize, got {other}"),
                        "choose an encoder without further layers, or embed with sentence-transformers and pass the \
                         vectors with `--vectors`",
                    ));
                }
            }
        }
        Ok((transformer, pooling))
    }

    /// The one pooling mode of a pooling module, in the present or the former spelling of sentence-transformers.
    fn pooling(&self, file: &str) -> Result<Pooling> {
        let config = self.json(file)?.ok_or_else(|| self.lacks(file))?;
        if config["include_prompt"] == false && !self.default_prompt()?.is_empty() {
            return Err(self.problem(
                format!("{file}: expected pooling over all tokens, got one that leaves out the prompt"),
                HELP_POOLING,
            ));
        }
        let modes: Vec<&str> = match &config["pooling_mode"] {
            Value::String(mode) => vec![mode],
            Value::Array(modes) => modes.iter().filter_map(Value::as_str).collect(),
            _ => {
                let switches = config.as_object().into_iter().flatten();
                switches
                    .filter(|(_, on)| **on == true)
                    .filter_map(|(key, _)| key.strip_prefix("pooling_mode_"))
                    .collect()
            }
        };
        match modes[..] {
            ["mean" | "mean_tokens"] | [] => Ok(Pooling::Mean),
            ["cls" | "cls_token"] => Ok(Pooling::Cls),
            ["lasttoken"] => Ok(Pooling::LastToken),
            _ => {
                Err(self
                    .problem(format!("{file}: expected mean, cls or lasttoken pooling, got {modes:?}"), HELP_POOLING))
            }
        }
    }

    /// The smallest of the limits that the folder states, if it states any.
    fn token_limit(&self, transformer: &str, config: &Value) -> Result<Option<usize>> {
        let sentence = ["sentence_bert_config.json", "sentence_roberta_config.json", "sentence_distilbert_config.json"]
            .iter()
            .map(|file| self.json(&Path::new(transformer).join(file).to_string_lossy()))
            .find_map(Result::transpose)
            .transpose()?;
        let tokenizer = self.json("tokenizer_config.json")?;
        // Tokenizers without a limit say so with an enormous number.
        let tokenizer =
            tokenizer.and_then(|config| config["model_max_length"].as_u64()).filter(|&limit| limit < 1 << 24);
        let stated = sentence.and_then(|config| config["max_seq_length"].as_u64()).or(tokenizer);
        Ok([stated, positions(config)].into_iter().flatten().min().map(|limit| limit as usize))
    }

    /// The default prompt of the folder's own sentence-transformers configuration, else none.
    fn default_prompt(&self) -> Result<String> {
        let Some(config) = self.json("config_sentence_transformers.json")? else { return Ok(String::new()) };
        let name = config["default_prompt_name"].as_str();
        Ok(name.and_then(|name| config["prompts"][name].as_str()).unwrap_or_default().to_owned())
    }

    /// A JSON file of the folder, if it has that file.
    fn json(&self, file: &str) -> Result<Option<Value>> {
        let path = self.path.join(file);
        if !path.is_file() {
            return Ok(None);
        }
        self.parse(file, &fs_err::read_to_string(path)?).map(Some)
    }

    fn parse(&self, file: &str, text: &str) -> Result<Value> {
        serde_json::from_str(text).map_err(|error| Error::Encoder {
            encoder: self.name.to_owned(),
            problem: format!("{file}: expected JSON"),
            help: HELP_FOLDER.to_owned(),
            source: Some(error.into()),
        })
    }

    fn lacks(&self, file: &str) -> Error {
        let pickled = self.path.join("pytorch_model.bin").is_file();
        let help = if file == WEIGHTS && pickled {
            "pytorch_model.bin is not read, because it can run code: save the model once with \
             `save_pretrained(folder, safe_serialization=True)`"
        } else {
            HELP_FOLDER
        };
        self.problem(format!("expected the file {file} in {}, got none", self.path.display()), help)
    }

    fn problem(&self, problem: String, help: &str) -> Error {
        Error::Encoder { encoder: self.name.to_owned(), problem, help: help.to_owned(), source: None }
    }
}

const HELP_FOLDER: &str = "a model folder has config.json, tokenizer.json and model.safetensors, as sentence-transformers \
                           and transformers save them";
const HELP_POOLING: &str = "choose an encoder with mean, CLS or last-token pooling, or embed with sentence-transformers \
                            and pass the vectors with `--vectors`";

/// The longest text, in tokens, that a model has positions for.
fn positions(config: &Value) -> Option<u64> {
    let positions = config["max_position_embeddings"].as_u64().or(config["n_positions"].as_u64())?;
    // RoBERTa numbers positions from the padding token's id + 1.
    let reserved = match config["model_type"].as_str() {
        Some("xlm-roberta" | "roberta") => config["pad_token_id"].as_u64().unwrap_or(1) + 1,
        _ => 0,
    };
    Some(positions.saturating_sub(reserved))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let always =
            [("config.json", r#"{"model_type":"bert","max_position_embeddings":512}"#), ("tokenizer.json", "{}")];
        for (file, text) in always.iter().chain(files) {
            let path = folder.path().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        folder
    }

    fn read(folder: &tempfile::TempDir) -> Result<Artifacts> {
        Artifacts::resolve(folder.path().to_str().unwrap(), &ArtifactOptions::default())
    }

    const MODULES: &str = r#"[{"path":"","type":"sentence_transformers.models.Transformer"},
        {"path":"1_Pooling","type":"sentence_transformers.models.Pooling"},
        {"path":"2_Normalize","type":"sentence_transformers.models.Normalize"}]"#;

    #[test]
    fn sentence_transformers_files_hold() {
        let folder = folder(&[
            (WEIGHTS, "w"),
            ("modules.json", MODULES),
            ("1_Pooling/config.json", r#"{"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false}"#),
            ("sentence_bert_config.json", r#"{"max_seq_length":256,"do_lower_case":false}"#),
            ("tokenizer_config.json", r#"{"model_max_length":384}"#),
            ("config_sentence_transformers.json", r#"{"prompts":{"query":"query: "},"default_prompt_name":"query"}"#),
        ]);
        let artifacts = read(&folder).unwrap();
        assert_eq!(artifacts.pooling, Pooling::Cls);
        assert_eq!(artifacts.max_tokens, 256);
        assert_eq!(artifacts.prompt, "query: ");
        assert_eq!(artifacts.verification, Verification::Unverified);
        assert!(artifacts.warnings.is_empty());
    }

    #[test]
    fn pooling_in_either_spelling() {
        for (config, expected) in [
            (r#"{"pooling_mode":"lasttoken"}"#, Some(Pooling::LastToken)),
            (r#"{"pooling_mode":["mean"]}"#, Some(Pooling::Mean)),
            (r#"{"pooling_mode_lasttoken":true,"include_prompt":true}"#, Some(Pooling::LastToken)),
            (r#"{"pooling_mode_mean_tokens":true}"#, Some(Pooling::Mean)),
            (r#"{"pooling_mode":["cls","mean"]}"#, None),
            (r#"{"pooling_mode_max_tokens":true}"#, None),
        ] {
            let folder = folder(&[(WEIGHTS, "w"), ("modules.json", MODULES), ("1_Pooling/config.json", config)]);
            assert_eq!(read(&folder).ok().map(|artifacts| artifacts.pooling), expected, "{config}");
        }
    }

    #[test]
    fn a_folder_that_says_nothing_is_pooled_by_the_mean_with_a_warning() {
        let artifacts = read(&folder(&[(WEIGHTS, "w")])).unwrap();
        assert_eq!((artifacts.pooling, artifacts.max_tokens), (Pooling::Mean, 512));
        assert_eq!(artifacts.warnings.len(), 1);
    }

    #[test]
    fn shards_are_found_by_their_index() {
        let index = r#"{"weight_map":{"b":"model-2-of-2.safetensors","a":"model-1-of-2.safetensors"}}"#;
        let whole = [("model-1-of-2.safetensors", "1"), ("model-2-of-2.safetensors", "2"), (SHARD_INDEX, index)];
        let Weights::Files(files) = read(&folder(&whole)).unwrap().weights else { panic!("files") };
        let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["model-1-of-2.safetensors", "model-2-of-2.safetensors"]);
        let error = read(&folder(&whole[1..])).unwrap_err().to_string();
        assert!(error.contains("model-1-of-2.safetensors"), "{error}");
        let outside = [(SHARD_INDEX, r#"{"weight_map":{"a":"../model-1-of-2.safetensors"}}"#)];
        assert!(read(&folder(&outside)).is_err());
    }

    #[test]
    fn what_cannot_be_computed_is_refused() {
        let dense = MODULES.replace("models.Normalize", "models.Dense");
        let error = read(&folder(&[(WEIGHTS, "w"), ("modules.json", &dense), ("1_Pooling/config.json", "{}")]));
        assert!(error.unwrap_err().to_string().contains("Dense"));
        let error = read(&folder(&[("pytorch_model.bin", "p")])).unwrap_err();
        assert!(error.help().unwrap().contains("safe_serialization"));
        assert!(read(&folder(&[(WEIGHTS, "w"), ("modules.json", "[{")])).is_err());
    }

    #[test]
    fn positions_of_roberta_start_behind_the_padding_token() {
        let config =
            serde_json::json!({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1});
        assert_eq!(positions(&config), Some(512));
    }

    #[test]
    fn the_digest_is_of_every_part() {
        let digest = |files: &[(&str, &str)]| read(&folder(files)).unwrap().digest;
        let first = digest(&[(WEIGHTS, "w")]);
        assert_eq!(first, digest(&[(WEIGHTS, "w"), ("README.md", "any")]));
        for changed in [(WEIGHTS, "v"), ("tokenizer.json", "{ }"), ("config.json", r#"{"model_type":"bert"}"#)] {
            assert_ne!(first, digest(&[(WEIGHTS, "w"), changed]), "{changed:?}");
        }
    }
}
