//! Batch files: generation requests as the vendors' batch interfaces take them.
//!
//! - **OpenAI**, Batch API: a JSONL file with a line `{"custom_id", "method", "url", "body"}` per request, the body
//!   that of `/v1/chat/completions`; at most 50,000 requests and 200 MB a file
//!   (<https://platform.openai.com/docs/api-reference/batch/create>). The answer's limit is `max_completion_tokens`:
//!   `max_tokens` is deprecated, and refused by reasoning models
//!   (<https://platform.openai.com/docs/api-reference/chat/create>).
//! - **Anthropic**, Message Batches API: one JSON body `{"requests": [{"custom_id", "params"}]}`, the parameters those
//!   of `/v1/messages`; at most 100,000 requests or 256 MB
//!   (<https://platform.claude.com/docs/en/build-with-claude/batch-processing>), ids that match
//!   `^[a-zA-Z0-9_-]{1,64}$` (<https://platform.claude.com/docs/en/api/messages/batches/create>).
//!
//! As read in 2026; a megabyte is taken as 1,000,000 bytes, the smaller reading. What passes a limit goes into the next
//! file. Requests are written as they come: memory holds one of them.

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use serde_json::{Value, json};

use super::GenerationRequest;
use crate::{Error, Result};

/// Whose batch interface a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchFormat {
    /// OpenAI's Batch API: JSON lines.
    OpenAi,
    /// Anthropic's Message Batches API: one JSON body.
    Anthropic,
}

/// How much one file may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Requests.
    pub requests: usize,
    /// Bytes.
    pub bytes: usize,
}

impl BatchFormat {
    /// The vendor's limits.
    #[must_use]
    pub fn limits(self) -> BatchLimits {
        match self {
            Self::OpenAi => BatchLimits { requests: 50_000, bytes: 200_000_000 },
            Self::Anthropic => BatchLimits { requests: 100_000, bytes: 256_000_000 },
        }
    }

    /// The usual end of such a file's name, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::OpenAi => "jsonl",
            Self::Anthropic => "json",
        }
    }

    /// What stands before the first request, between two, and after the last.
    fn frame(self) -> [&'static str; 3] {
        match self {
            Self::OpenAi => ["", "\n", "\n"],
            Self::Anthropic => ["{\"requests\":[\n", ",\n", "\n]}\n"],
        }
    }

    fn request(self, request: &GenerationRequest, model: &str, max_tokens: u64) -> Value {
        let (custom_id, messages) = (request.id.to_string(), json!([{"role": "user", "content": request.prompt}]));
        match self {
            Self::OpenAi => json!({
                "custom_id": custom_id,
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": model, "messages": messages, "max_completion_tokens": max_tokens},
            }),
            Self::Anthropic => json!({
                "custom_id": custom_id,
                "params": {"model": model, "max_tokens": max_tokens, "messages": messages},
            }),
        }
    }
}

impl FromStr for BatchFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "openai" => Ok(Self::OpenAi),
            "anthropic" => Ok(Self::Anthropic),
            _ => Err(Error::Setting {
                setting: "requests",
                expected: "`openai` or `anthropic`".to_owned(),
                got: format!("`{text}`"),
            }),
        }
    }
}

impl fmt::Display for BatchFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        })
    }
}

/// Settings of batch files, as typed; [`check`](Self::check) makes them usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchParams {
    /// Whose files.
    pub format: BatchFormat,
    /// The model, as the vendor calls it.
    pub model: String,
    /// Tokens at which to cut an answer off, at least 1; each request's own where it is `None`. A model that reasons
    /// before it answers may need more than these.
    pub max_tokens: Option<u64>,
}

impl BatchParams {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first value out of its range.
    pub fn check(self) -> Result<ValidBatchParams> {
        if self.model.trim().is_empty() {
            let expected = "the name of a model, as the vendor calls it".to_owned();
            return Err(Error::Setting { setting: "model", expected, got: format!("{:?}", self.model) });
        }
        if self.max_tokens == Some(0) {
            let expected = "at least 1".to_owned();
            return Err(Error::Setting { setting: "max_tokens", expected, got: "0".to_owned() });
        }
        Ok(ValidBatchParams { limits: self.format.limits(), params: self })
    }
}

/// Settings that passed [`BatchParams::check`].
#[derive(Clone, Debug)]
pub struct ValidBatchParams {
    params: BatchParams,
    limits: BatchLimits,
}

impl ValidBatchParams {
    /// Writes requests to as many files as they need, and gives the files back, in order and flushed. No requests, no
    /// files. `open` makes the file of an index, from 0.
    ///
    /// # Errors
    /// If a request is an error, a file cannot be opened or written, or a request alone passes a file's limit
    /// ([`Error::Setting`]).
    pub fn write<W: Write>(
        &self,
        requests: impl IntoIterator<Item = Result<GenerationRequest>>,
        mut open: impl FnMut(usize) -> Result<W>,
    ) -> Result<Vec<W>> {
        let BatchParams { format, model, max_tokens } = &self.params;
        let [before, between, after] = format.frame();
        let mut files: Vec<W> = Vec::new();
        // Of the last file.
        let (mut held, mut bytes) = (0, 0);
        for request in requests {
            let request = request?;
            let value = format.request(&request, model, max_tokens.unwrap_or(request.max_tokens));
            let text = value.to_string();
            if before.len() + text.len() + after.len() > self.limits.bytes {
                return Err(Error::Setting {
                    setting: "template",
                    expected: format!("prompts that fit into a file of {} bytes", self.limits.bytes),
                    got: format!("{} bytes for the request {}", text.len(), request.id),
                });
            }
            let full =
                held == self.limits.requests || bytes + between.len() + text.len() + after.len() > self.limits.bytes;
            let separator = if files.is_empty() || full {
                if let Some(file) = files.last_mut() {
                    finish(file, after)?;
                }
                files.push(open(files.len())?);
                (held, bytes) = (0, 0);
                before
            } else {
                between
            };
            if let Some(file) = files.last_mut() {
                file.write_all(separator.as_bytes())?;
                file.write_all(text.as_bytes())?;
            }
            held += 1;
            bytes += separator.len() + text.len();
        }
        if let Some(file) = files.last_mut() {
            finish(file, after)?;
        }
        Ok(files)
    }
}

fn finish(file: &mut impl Write, after: &str) -> Result<()> {
    file.write_all(after.as_bytes())?;
    Ok(file.flush()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::{AugmentationPlan, PromptTemplate, RequestId, fixture};

    fn params(format: BatchFormat) -> ValidBatchParams {
        BatchParams { format, model: "a-model".to_owned(), max_tokens: None }.check().unwrap()
    }

    fn written(plan: &AugmentationPlan, params: &ValidBatchParams) -> Result<Vec<String>> {
        let template = PromptTemplate::default();
        let files = params.write(plan.requests(&template), |_| Ok(Vec::new()))?;
        Ok(files.into_iter().map(|file| String::from_utf8(file).unwrap()).collect())
    }

    /// The requests of a file, as a vendor parses it.
    fn parsed(format: BatchFormat, file: &str) -> Vec<Value> {
        match format {
            BatchFormat::OpenAi => file.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            BatchFormat::Anthropic => {
                let body: Value = serde_json::from_str(file).unwrap();
                assert_eq!(body.as_object().unwrap().len(), 1);
                body["requests"].as_array().unwrap().clone()
            }
        }
    }

    #[test]
    fn as_the_vendors_take_them() {
        for plan in [fixture::plan(), fixture::hostile()] {
            let template = PromptTemplate::default();
            let requests: Vec<GenerationRequest> = plan.requests(&template).collect::<Result<_>>().unwrap();
            for format in [BatchFormat::OpenAi, BatchFormat::Anthropic] {
                let files = written(&plan, &params(format)).unwrap();
                assert_eq!(files.len(), 1);
                let values = parsed(format, &files[0]);
                assert_eq!(values.len(), requests.len());
                for (value, request) in values.iter().zip(&requests) {
                    let id = value["custom_id"].as_str().unwrap();
                    assert_eq!(id.parse::<RequestId>().unwrap(), request.id);
                    assert!(id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
                    let (body, limit) = match format {
                        BatchFormat::OpenAi => {
                            assert_eq!(
                                (&value["method"], &value["url"]),
                                (&json!("POST"), &json!("/v1/chat/completions"))
                            );
                            (&value["body"], "max_completion_tokens")
                        }
                        BatchFormat::Anthropic => (&value["params"], "max_tokens"),
                    };
                    assert_eq!(body["model"], "a-model");
                    assert_eq!(body[limit], request.max_tokens);
                    assert_eq!(body["messages"], json!([{"role": "user", "content": request.prompt}]));
                    assert_eq!(body.as_object().unwrap().len(), 3);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn files_stay_below_their_limits(
            requests in 1usize..8, bytes in 1_900usize..9_000, anthropic in any::<bool>(),
        ) {
            let format = if anthropic { BatchFormat::Anthropic } else { BatchFormat::OpenAi };
            let (plan, limits) = (fixture::plan(), BatchLimits { requests, bytes });
            let limited = ValidBatchParams { limits, ..params(format) };
            let files = written(&plan, &limited).unwrap();
            let whole = written(&plan, &params(format)).unwrap();
            let split: Vec<Vec<Value>> = files.iter().map(|file| parsed(format, file)).collect();
            prop_assert_eq!(split.concat(), parsed(format, &whole[0]), "nothing lost, nothing moved");
            for file in &files {
                prop_assert!(file.len() <= bytes, "{} bytes", file.len());
            }
            for (file, next) in split.iter().zip(split.iter().skip(1)) {
                prop_assert!(!file.is_empty() && file.len() <= requests);
                let [before, between, after] = format.frame();
                let more: usize = file.iter().chain(&next[..1]).map(|value| value.to_string().len()).sum();
                let more = more + before.len() + between.len() * file.len() + after.len();
                prop_assert!(file.len() == requests || more > bytes, "a file is as full as it can be");
            }
        }
    }

    #[test]
    fn at_the_ends() {
        for format in [BatchFormat::OpenAi, BatchFormat::Anthropic] {
            assert_eq!(written(&fixture::empty(), &params(format)).unwrap(), [""; 0], "no requests, no file");
            let limits = BatchLimits { requests: 9, bytes: 100 };
            let error = written(&fixture::plan(), &ValidBatchParams { limits, ..params(format) }).unwrap_err();
            assert!(error.to_string().contains("bytes for the request l12-s0-p0-"), "{error}");
            let fixed = BatchParams { format, model: "m".to_owned(), max_tokens: Some(77) }.check().unwrap();
            assert_eq!(written(&fixture::plan(), &fixed).unwrap()[0].matches("_tokens\":77").count(), 6);
            assert_eq!(format.to_string().parse::<BatchFormat>().unwrap(), format);
        }
        assert!("OpenAI".parse::<BatchFormat>().is_err());
    }

    #[test]
    fn refused_settings() {
        let format = BatchFormat::OpenAi;
        assert!(BatchParams { format, model: " ".to_owned(), max_tokens: None }.check().is_err());
        assert!(BatchParams { format, model: "m".to_owned(), max_tokens: Some(0) }.check().is_err());
    }
}
