//! What a reviewer decided on flagged rows: the review queue, and the verdicts read back from it.
//!
//! The queue is JSON lines, a line per flagged text: group by group in turn, the most suspicious of each first, so that
//! whoever stops reading has seen every group. A reviewer writes into `verdict`: `accept` or `reject` decides on the
//! text, `accept group` or `reject group` on every text of its group that has no verdict of its own. Lines without a
//! verdict decide nothing, and what is decided is not queued again. A decision holds for the text, by its content hash,
//! wherever it turns up again; of a corpus that brings its vectors, for text and vector.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};

use super::batch::{Batch, OddKey, SampledText};
use super::screener::decimal;
use super::{FlaggedGroup, Screening};
use crate::ood::GroupKind;
use crate::{Error, Result};

/// A line of the review queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReviewLine {
    /// What the reviewer writes: `accept`, `reject`, `accept group`, `reject group`, or nothing.
    pub verdict: Option<String>,
    /// The number of its group in the screening.
    pub group: u32,
    /// What the group is.
    pub kind: GroupKind,
    /// The group's name.
    pub name: String,
    /// The smallest id of the records with the text.
    pub id: String,
    /// The text's content hash, in 32 hexadecimal digits: what the decision holds for.
    pub hash: String,
    /// The text, up to 2,000 characters.
    pub text: String,
    /// Its outlier score.
    pub score: f64,
    /// Its p-value.
    pub p_value: f64,
    /// The id of the nearest reference record.
    pub nearest_id: Option<String>,
    /// The cosine similarity to that.
    pub nearest_similarity: Option<f64>,
}

/// A reviewer's verdict on a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It belongs.
    Accepted,
    /// It does not.
    Rejected,
}

/// Verdicts, by the content hash of the text in hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    by_hash: BTreeMap<String, Decision>,
    /// Id and text of what was rejected, in the order of hashes.
    rejected: BTreeMap<String, (String, String)>,
}

impl Decisions {
    /// Reads the verdicts out of one or more review queues; where they disagree on a text, the later one holds. `name`
    /// is what errors call the file.
    ///
    /// # Errors
    /// [`Error::Io`] if the reader fails; [`Error::Corpus`], naming the line, for what is no line of a queue or no
    /// verdict, and for two verdicts on one group.
    pub fn read(&mut self, reader: impl BufRead, name: &str) -> Result<()> {
        let problem = |line: usize, expected: &str, got: String| Error::Corpus {
            place: format!("{name}:{line}"),
            expected: expected.to_owned(),
            got,
            help: "take the file that `semcov screen --review` wrote, and fill in its field `verdict`".to_owned(),
        };
        let mut lines: Vec<ReviewLine> = Vec::new();
        let mut groups: BTreeMap<u32, Decision> = BTreeMap::new();
        for (number, line) in (1..).zip(reader.split(b'\n')) {
            let line = line?;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let line: ReviewLine = serde_json::from_slice(&line)
                .map_err(|error| problem(number, "a line of a review queue", error.to_string()))?;
            let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
            if line.hash.len() != 32 || !line.hash.bytes().all(is_digit) {
                return Err(problem(number, "a hash of 32 hexadecimal digits", format!("{:?}", line.hash)));
            }
            let verdict = Verdict::of(line.verdict.as_deref());
            let verdict = verdict.map_err(|got| problem(number, VERDICTS, got))?;
            if let Some(Verdict { decision, group: true }) = verdict
                && groups.insert(line.group, decision).is_some_and(|other| other != decision)
            {
                let got = "another one than further up".to_owned();
                return Err(problem(number, &format!("one verdict on group {}", line.group), got));
            }
            lines.push(line);
        }
        for line in lines {
            let own = Verdict::of(line.verdict.as_deref()).ok().flatten().filter(|verdict| !verdict.group);
            let Some(decision) = own.map(|own| own.decision).or_else(|| groups.get(&line.group).copied()) else {
                continue;
            };
            self.by_hash.insert(line.hash.clone(), decision);
            match decision {
                Decision::Rejected => drop(self.rejected.insert(line.hash, (line.id, line.text))),
                Decision::Accepted => drop(self.rejected.remove(&line.hash)),
            }
        }
        Ok(())
    }

    /// The verdict on a text.
    #[must_use]
    pub fn get(&self, hash: crate::corpus::ContentHash) -> Option<Decision> {
        if self.by_hash.is_empty() { None } else { self.by_hash.get(&hash.to_string()).copied() }
    }

    /// Ids and texts of what was rejected, in the order of content hashes.
    pub fn rejected(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rejected.values().map(|(id, text)| (id.as_str(), text.as_str()))
    }

    /// Texts accepted, and texts rejected.
    #[must_use]
    pub fn counts(&self) -> [usize; 2] {
        [self.by_hash.len() - self.rejected.len(), self.rejected.len()]
    }
}

const VERDICTS: &str = "`accept`, `reject`, `accept group`, `reject group`, or no verdict";

/// What stands in the field `verdict`.
#[derive(Clone, Copy)]
struct Verdict {
    decision: Decision,
    /// Whether it is on the whole group.
    group: bool,
}

impl Verdict {
    fn of(written: Option<&str>) -> Result<Option<Self>, String> {
        let Some(written) = written else { return Ok(None) };
        let words: Vec<String> = written.split_whitespace().map(str::to_lowercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (decision, rest) = match words.split_first() {
            None => return Ok(None),
            Some((&("accept" | "accepted"), rest)) => (Decision::Accepted, rest),
            Some((&("reject" | "rejected"), rest)) => (Decision::Rejected, rest),
            Some(_) => return Err(format!("{written:?}")),
        };
        match rest {
            [] => Ok(Some(Self { decision, group: false })),
            ["group"] => Ok(Some(Self { decision, group: true })),
            _ => Err(format!("{written:?}")),
        }
    }
}

impl Batch<'_> {
    /// Writes the review queue of a finished screening: the flagged texts on which nobody decided.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn write_review(&self, screening: &Screening, mut writer: impl Write) -> Result<()> {
        for (group, (_, hash), text) in self.queue(screening) {
            let line = ReviewLine {
                verdict: None,
                group: group.id,
                kind: group.kind,
                name: group.name.clone(),
                id: text.id.clone(),
                hash: hash.to_string(),
                text: text.text.clone(),
                score: decimal(text.screened.score),
                p_value: decimal(text.screened.p_value),
                nearest_id: text.screened.nearest.map(|nearest| self.reference_id(nearest.place).to_owned()),
                nearest_similarity: text.screened.nearest.map(|nearest| decimal(nearest.similarity)),
            };
            serde_json::to_writer(&mut writer, &line).map_err(std::io::Error::from)?;
            writer.write_all(b"\n")?;
        }
        Ok(writer.flush()?)
    }

    /// The texts of the review queue in its order, each with its group.
    pub(super) fn queue<'s>(&'s self, screening: &'s Screening) -> Vec<(&'s FlaggedGroup, OddKey, &'s SampledText)> {
        let groups = self.flagged_groups();
        let longest = groups.iter().map(Vec::len).max().unwrap_or(0);
        let in_turn = |place: usize| {
            groups.iter().zip(&screening.groups).map(move |(members, group)| (members.get(place), group))
        };
        (0..longest)
            .flat_map(in_turn)
            .filter_map(|(key, group)| key.and_then(|&key| Some((group, key, self.odd.get(&key)?))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::ContentHash;

    fn line(text: &str, group: u32, verdict: Option<&str>) -> String {
        let line = ReviewLine {
            verdict: verdict.map(str::to_owned),
            group,
            kind: GroupKind::NewTopic,
            name: "routers".to_owned(),
            id: format!("id of {text}"),
            hash: ContentHash::of_normalized(text).to_string(),
            text: text.to_owned(),
            score: 1.0,
            p_value: 0.01,
            nearest_id: None,
            nearest_similarity: None,
        };
        serde_json::to_string(&line).unwrap() + "\n"
    }

    fn read(lines: &[String]) -> Result<Decisions> {
        let mut decisions = Decisions::default();
        decisions.read(lines.concat().as_bytes(), "queue.jsonl").map(|()| decisions)
    }

    #[test]
    fn own_verdicts_come_before_those_of_the_group() {
        let decisions = read(&[
            line("a", 1, Some("Accept group")),
            line("b", 1, None),
            "\n".to_owned(),
            line("c", 1, Some("reject")),
            line("d", 2, Some("")),
            line("e", 2, None),
        ])
        .unwrap();
        let of = |text: &str| decisions.get(ContentHash::of_normalized(text));
        assert_eq!(
            ["a", "b", "c", "d", "e"].map(of),
            [Some(Decision::Accepted), Some(Decision::Accepted), Some(Decision::Rejected), None, None,]
        );
        assert_eq!(decisions.rejected().collect::<Vec<_>>(), [("id of c", "c")]);
        assert_eq!(decisions.counts(), [2, 1]);
    }

    #[test]
    fn the_later_file_holds() {
        let mut decisions = read(&[line("a", 1, Some("reject"))]).unwrap();
        decisions.read(line("a", 7, Some("accept")).as_bytes(), "later").unwrap();
        assert_eq!(decisions.get(ContentHash::of_normalized("a")), Some(Decision::Accepted));
        assert_eq!(decisions.rejected().count(), 0);
    }

    #[test]
    fn what_is_no_verdict_is_refused_with_its_line() {
        let refused = |lines: &[String]| read(lines).unwrap_err().to_string();
        let message = refused(&[line("a", 1, None), line("b", 1, Some("maybe"))]);
        assert!(message.starts_with("queue.jsonl:2: expected `accept`") && message.ends_with("\"maybe\""), "{message}");
        let message = refused(&[line("a", 1, Some("accept group")), line("b", 1, Some("reject group"))]);
        assert!(message.contains("one verdict on group 1"), "{message}");
        assert!(
            refused(&[line("a", 1, None).replace("\"hash\":\"", "\"hash\":\"Z")]).contains("32 hexadecimal digits")
        );
        assert!(refused(&["{\"id\": 3}\n".to_owned()]).contains("a line of a review queue"));
    }
}
