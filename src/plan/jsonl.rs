//! `plan.jsonl`: the header on the first line, then a line per leaf.

use std::io::{BufRead, Write};

use serde::Deserialize;

use super::{AugmentationPlan, LeafPlan, PLAN_SCHEMA_VERSION, PlanHeader};
use crate::{Error, Result};

/// The one field that every version of the schema has.
#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

impl AugmentationPlan {
    /// Writes the plan, one JSON object a line.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn write_jsonl(&self, mut writer: impl Write) -> Result<()> {
        serde_json::to_writer(&mut writer, &self.header).map_err(std::io::Error::from)?;
        writer.write_all(b"\n")?;
        for leaf in &self.leaves {
            serde_json::to_writer(&mut writer, leaf).map_err(std::io::Error::from)?;
            writer.write_all(b"\n")?;
        }
        Ok(writer.flush()?)
    }

    /// Reads a plan that [`write_jsonl`](Self::write_jsonl) wrote. `name` is what errors call the file.
    ///
    /// # Errors
    /// [`Error::Io`] if the reader fails; [`Error::Corpus`], naming the line, if it holds no plan of this version, or
    /// one that was changed or cut: its digest tells.
    pub fn from_jsonl(reader: impl BufRead, name: &str) -> Result<Self> {
        let error = |line: usize, expected: String, got: String| Error::Corpus {
            place: format!("{name}:{line}"),
            expected,
            got,
            help: "write the plan again with `semcov plan`".to_owned(),
        };
        let mut header: Option<PlanHeader> = None;
        let mut leaves: Vec<LeafPlan> = Vec::new();
        let mut last = 1;
        for (line, text) in (1..).zip(reader.split(b'\n')) {
            let text = text?;
            last = line;
            if header.is_some() {
                let leaf = serde_json::from_slice(&text);
                leaves.push(leaf.map_err(|e| error(line, "a leaf of a plan".to_owned(), e.to_string()))?);
                continue;
            }
            let expected = || format!("the header of a plan of version {PLAN_SCHEMA_VERSION}");
            let found = serde_json::from_slice::<Version>(&text).map_err(|e| error(line, expected(), e.to_string()))?;
            if found.schema_version != PLAN_SCHEMA_VERSION {
                return Err(error(line, expected(), format!("version {}", found.schema_version)));
            }
            header = Some(serde_json::from_slice(&text).map_err(|e| error(line, expected(), e.to_string()))?);
        }
        let header = header.ok_or_else(|| error(1, "the header of a plan".to_owned(), "nothing".to_owned()))?;
        let plan = Self { header, leaves };
        let digest = plan.compute_digest();
        if digest != plan.header.digest {
            let expected = format!("the end of a plan with the digest {}", plan.header.digest);
            return Err(error(last, expected, format!("{digest}: lines were changed, added or lost")));
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture;

    fn written(plan: &AugmentationPlan) -> String {
        let mut bytes = Vec::new();
        plan.write_jsonl(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn reads_back() {
        for plan in [fixture::plan(), fixture::hostile(), fixture::empty()] {
            let text = written(&plan);
            assert_eq!(text.lines().count(), 1 + plan.leaves.len());
            assert_eq!(AugmentationPlan::from_jsonl(text.as_bytes(), "p").unwrap(), plan);
            let document = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<AugmentationPlan>(&document).unwrap(), plan, "as one document");
        }
    }

    #[test]
    fn errors_name_the_line() {
        let text = written(&fixture::plan());
        let lines: Vec<&str> = text.lines().collect();
        let error =
            |lines: &[&str]| AugmentationPlan::from_jsonl(lines.join("\n").as_bytes(), "p").unwrap_err().to_string();
        assert!(error(&[]).starts_with("p:1: expected the header of a plan, got nothing"));
        assert!(error(&["{}"]).starts_with("p:1: expected the header of a plan of version 1, got missing field"));
        assert!(
            error(&[r#"{"schema_version":7}"#])
                .starts_with("p:1: expected the header of a plan of version 1, got version 7")
        );
        assert!(error(&lines[1..]).starts_with("p:1: expected the header"));
        assert!(error(&[lines[0], lines[1], "{", lines[2]]).starts_with("p:3: expected a leaf of a plan, got EOF"));
        assert!(error(&[lines[0], "", lines[1]]).starts_with("p:2: expected a leaf"));
        assert!(error(&lines[..lines.len() - 1]).starts_with("p:4: expected the end of a plan with the digest"));
        let changed = lines[1].replace("\"needed\":47", "\"needed\":48");
        assert!(error(&[&[lines[0], &changed], &lines[2..]].concat()).contains("changed"));
    }
}
