//! Profiles of CLINC150: parts merge to the whole, byte by byte.

use semcov::corpus::{Corpus, CorpusOptions};
use semcov::embed::EmbeddedCorpus;
use semcov::profile::{Profile, ProfileParams, SampleParams, fit, observe};
use semcov::progress::Silent;

use crate::data::{CLINC, clinc_rows, embed};

/// Band 12: five uneven parts, merged out of order and in another grouping, against all rows at once.
#[test]
fn parts_merge_to_the_whole() {
    if CLINC.is_none() {
        return;
    }
    let lines: Vec<String> = clinc_rows("train")
        .iter()
        .enumerate()
        .map(|(i, (text, label))| format!("{}\n", serde_json::json!({"id": i, "text": text, "label": label})))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let open = |lines: &[String]| -> (Corpus, EmbeddedCorpus) {
        let path = folder.path().join("rows.jsonl");
        fs_err::write(&path, lines.concat()).unwrap();
        embed(&path, &CorpusOptions::default())
    };
    let (corpus, embedded) = open(&lines);
    let fitted = fit(&corpus, &embedded, &ProfileParams::default(), &Silent).unwrap();
    let observed = |lines: &[String]| -> Profile {
        let (corpus, embedded) = open(lines);
        observe(&fitted, &corpus, &embedded, &SampleParams::default(), &Silent).unwrap()
    };
    let whole = observed(&lines).to_bytes().unwrap();
    let [a, b, c, d, e] =
        [0..4000, 4000..4010, 4010..11_000, 11_000..12_500, 12_500..15_000].map(|rows| observed(&lines[rows]));
    let merged = d.merge(b.merge(e).unwrap()).unwrap().merge(c.merge(a).unwrap()).unwrap().to_bytes().unwrap();
    eprintln!(
        "five parts of CLINC train merge to the whole, byte by byte: {} ({} bytes)",
        merged == whole,
        whole.len()
    );
    assert!(merged == whole);
    // 153 leaves, 10,000 texts of the sample and their ids.
    assert!(whole.len() <= 2_000_000 + 400 * 10_000 + 10 * 10_000, "{} bytes", whole.len());
}
