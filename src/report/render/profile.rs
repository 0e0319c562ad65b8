//! A profile as a summary for a terminal, and as JSON.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::TerminalStyle;
use super::json::line;
use super::number::{count, counted, percent, similarity};
use super::terminal::{Listing, Page, left, right, share_bar, shares};
use super::words;
use crate::profile::ProfileSummary;
use crate::report::CategoryShare;

/// The profile as a summary for people, no line wider than the terminal.
#[must_use]
pub fn profile_terminal(profile: &ProfileSummary, style: &TerminalStyle) -> String {
    let mut page = Page::new(style);
    headline(&mut page, profile);
    regions(&mut page, profile);
    let with_text = profile.rows.saturating_sub(profile.empty);
    shares(&mut page, "Sources", &category_shares(&profile.sources, with_text));
    shares(&mut page, "Labels", &category_shares(&profile.labels, with_text));
    page.finish()
}

/// The profile as JSON, ending in a line break.
#[must_use]
pub fn profile_json(profile: &ProfileSummary) -> String {
    line(serde_json::to_string_pretty(profile))
}

fn headline(page: &mut Page, profile: &ProfileSummary) {
    let about = if profile.distinct_texts_exact { "" } else { "about " };
    let mut figures =
        vec![counted(profile.rows, "record"), format!("{about}{}", counted(profile.distinct_texts, "distinct text"))];
    if profile.empty > 0 {
        figures.push(format!("{} without text", counted(profile.empty, "record")));
    }
    if profile.bad_rows > 0 {
        figures.push(counted(profile.bad_rows, "bad row"));
    }
    if profile.synthetic > 0 {
        figures.push(format!("{} marked synthetic left out", counted(profile.synthetic, "record")));
    }
    page.emphasized(&figures.join(" · "));

    let (encoder, provenance) = (&profile.encoder, &profile.provenance);
    page.item("", &format!("embedded by {}, {} dimensions", encoder.name, count(encoder.dim as u64)));
    page.item(
        "",
        &format!(
            "codebook {}: {} in {}, fitted to {} with seed {}",
            profile.codebook,
            counted(profile.leaves as u64, "leaf").replace("leafs", "leaves"),
            counted(profile.regions.len() as u64, "region"),
            if provenance.fitted { "texts among these" } else { "other texts" },
            provenance.seed,
        ),
    );
    page.item(
        "",
        &match profile.prototypes {
            None => "no prototypes to score outliers by: an earlier version fitted the codebook".to_owned(),
            Some(n) => format!("{} to score outliers by", counted(n as u64, "prototype")),
        },
    );
    page.item(
        "",
        &match profile.sample {
            None => "compact: no texts sampled".to_owned(),
            Some(n) => format!(
                "sample: {} {} the texts themselves",
                counted(n as u64, "vector"),
                if profile.examples { "with" } else { "without" }
            ),
        },
    );
    let versions: Vec<&str> = provenance.versions.iter().map(String::as_str).collect();
    page.item("", &format!("observed by semcov {}; digest of the rows {}", versions.join(", "), provenance.digest));
}

fn regions(page: &mut Page, profile: &ProfileSummary) {
    page.section(&format!("Regions ({})", profile.regions.len()));
    let narrow = page.width() < 70;
    let bar = (page.width() / 10).min(16);
    let largest = profile.regions.iter().map(|region| region.share).fold(0.0, f64::max);
    let mut columns = vec![right("#"), left("region"), right("texts")];
    if !narrow {
        columns.push(right("records"));
    }
    columns.push(right("share"));
    if !narrow {
        columns.push(left(""));
    }
    columns.push(right("similarity"));
    let mut table = Listing::new(columns, 1);
    for region in &profile.regions {
        let mut row =
            vec![region.id.to_string(), words::region_name(region.id, &region.name), count(region.distinct_texts)];
        if !narrow {
            row.push(count(region.rows));
        }
        row.push(percent(region.share));
        if !narrow {
            row.push(share_bar(region.share, largest, bar));
        }
        row.push(region.similarity.map_or_else(|| "–".to_owned(), similarity));
        table.row(row);
    }
    page.listing(table);
}

/// Largest first; what has no name fills up to `rows`.
fn category_shares(names: &BTreeMap<String, u64>, rows: u64) -> Vec<CategoryShare> {
    if names.is_empty() {
        return Vec::new();
    }
    let without = rows.saturating_sub(names.values().sum());
    let named = names.iter().map(|(name, &rows)| (Some(name.clone()), rows));
    let all = (without > 0).then_some((None, without)).into_iter().chain(named);
    let share = |(name, of_name)| CategoryShare { name, rows: of_name, share: of_name as f64 / rows.max(1) as f64 };
    let mut shares: Vec<_> = all.map(share).collect();
    shares.sort_by_key(|share| Reverse(share.rows));
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::{EncoderId, Pooling};
    use crate::profile::{MultisetDigest, Provenance, RegionSummary};
    use crate::report::fixture::HOSTILE;

    /// Everything hostile, everywhere.
    fn hostile() -> ProfileSummary {
        let names: BTreeMap<String, u64> = HOSTILE.iter().map(|&text| (text.to_owned(), 1_000_000)).collect();
        let region = |(id, &name): (usize, &&str)| RegionSummary {
            id: id as u32,
            name: name.to_owned(),
            leaves: 1,
            rows: 1_000_000,
            share: 1.0 / 16.0,
            distinct_texts: 900_000,
            similarity: if id == 0 { None } else { Some(0.71) },
        };
        ProfileSummary {
            encoder: EncoderId {
                name: HOSTILE[9].to_owned(),
                weights: HOSTILE[0].to_owned(),
                pooling: Pooling::Mean,
                prompt: HOSTILE[1].to_owned(),
                max_tokens: 256,
                dim: 384,
                precision: HOSTILE[2].to_owned(),
            },
            codebook: "0123456789abcdef".to_owned(),
            leaves: 1,
            rows: 27_000_000,
            empty: 1_000,
            synthetic: 0,
            bad_rows: 1,
            distinct_texts: 14_400_000,
            distinct_texts_exact: false,
            prototypes: Some(4_096),
            sample: Some(10_000),
            examples: false,
            regions: HOSTILE.iter().enumerate().map(region).collect(),
            sources: names.clone(),
            labels: names,
            provenance: Provenance {
                versions: HOSTILE.iter().map(|&text| text.to_owned()).collect(),
                seed: u64::MAX,
                fitted: true,
                digest: MultisetDigest([u64::MAX; 4]),
            },
        }
    }

    #[test]
    fn hostile_names_cannot_act_and_no_line_is_too_wide() {
        for columns in [50, 60, 80, 120] {
            let text = profile_terminal(&hostile(), &TerminalStyle { width: columns, color: false });
            let acts = |c: char| {
                c != '\n' && (c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
            };
            assert_eq!(text.chars().find(|&c| acts(c)), None);
            let widest = text.lines().map(super::super::text::width).max();
            assert!(widest <= Some(columns), "{widest:?} > {columns}");
            for shown in ["about 14,400,000 distinct texts", "(none)", "1 leaf in 16 regions", " – "] {
                assert!(
                    text.split_whitespace().collect::<Vec<_>>().join(" ").contains(shown.trim()),
                    "{shown}: {text}"
                );
            }
        }
        let json: serde_json::Value = serde_json::from_str(&profile_json(&hostile())).unwrap();
        assert_eq!(json["provenance"]["digest"], "f".repeat(64));
        assert_eq!(json["regions"][9]["name"], HOSTILE[9]);
    }
}
