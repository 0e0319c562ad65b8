//! Profiles of CLINC150: parts merge to the whole, byte by byte, and compact ones tell outliers.

use semcov::corpus::{Corpus, CorpusOptions};
use semcov::embed::EmbeddedCorpus;
use semcov::profile::{Profile, ProfileParams, SampleParams, fit, observe};
use semcov::progress::Silent;

use crate::data::{CLINC, clinc_rows, embed};
use crate::figures::auroc;

fn train_lines() -> Vec<String> {
    let line = |(i, (text, label))| format!("{}\n", serde_json::json!({"id": i, "text": text, "label": label}));
    clinc_rows("train").into_iter().enumerate().map(line).collect()
}

/// Band 12: five uneven parts, merged out of order and in another grouping, against all rows at once.
#[test]
fn parts_merge_to_the_whole() {
    if CLINC.is_none() {
        return;
    }
    let lines = train_lines();
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
    // 153 leaves, 10,000 texts of the sample and their ids, and the hashes of 15,000 texts.
    assert!(whole.len() <= 2_000_000 + 400 * 10_000 + 10 * 10_000 + 10 * 15_000, "{} bytes", whole.len());
}

/// Without a text or a vector of them: what the sums over 15,000 queries say of 4,500 test queries and of 1,000
/// out-of-scope ones.
#[test]
fn outliers_by_a_profile() {
    let Some(clinc) = &*CLINC else { return };
    let [good, bad] = ["test", "oos_test"].map(|name| clinc[name].matrix());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    fs_err::write(&path, train_lines().concat()).unwrap();
    let (corpus, embedded) = embed(&path, &CorpusOptions::default());
    let profile = fit(&corpus, &embedded, &ProfileParams::default(), &Silent).unwrap();
    let (z, z_calibration) = profile.centroid_score().unwrap();
    let (rmd, rmd_calibration) = profile.mahalanobis_score().unwrap();
    for (name, scores, calibration, band) in [
        ("z", [&good, &bad].map(|rows| z.score(rows.into())), z_calibration, 96.5),
        ("rmd", [&good, &bad].map(|rows| rmd.score(rows.into())), rmd_calibration.unwrap(), 95.5),
    ] {
        let [good, bad] = scores;
        let flagged = |alpha: f32| {
            let flagged = good.iter().filter(|&&score| calibration.p_value(score) <= alpha).count();
            flagged as f64 / good.len() as f64
        };
        let auroc = auroc(&good, &bad);
        let flagged = [0.05, 0.01].map(flagged);
        eprintln!("CLINC out of scope, by a profile: {name} AUROC {auroc:.2}, flagged {flagged:.4?}");
        assert!(auroc >= band, "{auroc}");
        assert!((0.03..=0.075).contains(&flagged[0]) && flagged[1] <= 0.02, "{flagged:?}");
    }
}
