//! Downloads through hf-hub.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use hf_hub::progress::{DownloadEvent, Progress, ProgressEvent, ProgressHandler};
use hf_hub::{HFClient, HFError, split_id};

use super::{Failure, HubOptions, Repository};
use crate::embed::artifacts::OnDownload;

/// Every file of a repository that this crate reads, as globs.
const PATTERNS: [&str; 9] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-*-of-*.safetensors",
    "modules.json",
    "[0-9]_*/config.json",
    "*sentence*_*.json",
];

pub(super) fn download(
    repository: &Repository,
    hub: &HubOptions,
    on_download: Option<OnDownload>,
) -> Result<PathBuf, Failure> {
    let client = HFClient::builder()
        .cache_dir(&hub.cache)
        .endpoint(&hub.endpoint)
        .user_agent(concat!("semcov/", env!("CARGO_PKG_VERSION")))
        .build_sync()
        .map_err(|error| failure(repository, hub, error))?;
    let (owner, name) = split_id(repository.id);
    client
        .model(owner, name)
        .snapshot_download()
        .revision(repository.revision)
        .allow_patterns(PATTERNS.map(str::to_owned).to_vec())
        .maybe_progress(on_download.map(|report| Progress::new(Bytes { report, state: Mutex::default() })))
        .send()
        .map_err(|error| failure(repository, hub, error))
}

fn failure(repository: &Repository, hub: &HubOptions, error: HFError) -> Failure {
    let Repository { id, revision, .. } = repository;
    let (problem, help) = match &error {
        HFError::AuthRequired { .. } | HFError::Forbidden { .. } => (
            format!("{id} is not open to everyone"),
            "accept its terms on the hub, and give an access token in HF_TOKEN or with `hf auth login`",
        ),
        HFError::RepoNotFound { .. } | HFError::RevisionNotFound { .. } | HFError::EntryNotFound { .. } => {
            (format!("{} has no {id} at revision {revision}", hub.endpoint), "check the name and `--revision`")
        }
        _ => (
            format!("could not download {id} from {}", hub.endpoint),
            "check the network and HF_ENDPOINT, or give a model folder instead of a name",
        ),
    };
    Failure { problem, help: help.to_owned(), source: Some(error.into()) }
}

/// Adds up the files of a download.
struct Bytes {
    report: OnDownload,
    state: Mutex<(BTreeMap<String, u64>, u64)>,
}

impl ProgressHandler for Bytes {
    fn on_progress(&self, event: &ProgressEvent) {
        let ProgressEvent::Download(event) = event else { return };
        let (done, total) = {
            let Ok(mut state) = self.state.lock() else { return };
            let (files, total) = &mut *state;
            match event {
                // The first event has the sum over all files; each file then has its own.
                DownloadEvent::Start { total_bytes, .. } => *total = (*total).max(*total_bytes),
                DownloadEvent::Progress { files: changed } => {
                    files.extend(changed.iter().map(|file| (file.filename.clone(), file.bytes_completed)));
                }
                DownloadEvent::AggregateProgress { bytes_completed, .. } => {
                    files.insert(String::new(), *bytes_completed);
                }
                DownloadEvent::Complete => return,
            }
            (files.values().sum(), *total)
        };
        (self.report)(done, total);
    }
}
