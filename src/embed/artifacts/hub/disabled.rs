//! The build without feature `hub`: the cache is read, nothing is downloaded.

use std::path::PathBuf;

use super::{Failure, HubOptions, Repository};
use crate::embed::artifacts::OnDownload;

pub(super) fn download(
    repository: &Repository,
    hub: &HubOptions,
    _on_download: Option<OnDownload>,
) -> Result<PathBuf, Failure> {
    Err(Failure {
        problem: format!("{} is not in {}, and this build cannot download", repository.id, hub.cache.display()),
        help: "build with `--features hub`, download it with another tool of Hugging Face, or give a model folder"
            .to_owned(),
        source: None,
    })
}
