//! The document itself, and its schema.

use schemars::schema_for;

use crate::report::Report;

/// How JSON is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JsonStyle {
    /// Indented, for people and for diffs.
    #[default]
    Pretty,
    /// On one line.
    Compact,
}

/// The report as JSON, fields in the order of the schema, ending in a line break.
///
/// A number that is not finite has no JSON and becomes `null`, which the schema refuses: a report holds finite numbers.
#[must_use]
pub fn json(report: &Report, style: JsonStyle) -> String {
    let text = match style {
        JsonStyle::Pretty => serde_json::to_string_pretty(report),
        JsonStyle::Compact => serde_json::to_string(report),
    };
    line(text)
}

/// The JSON schema of [`json`], as kept in `schemas/report.schema.json`.
#[must_use]
pub fn schema() -> String {
    line(serde_json::to_string_pretty(&schema_for!(Report)))
}

pub(super) fn line(text: serde_json::Result<String>) -> String {
    let mut text = text.expect("documents have only fields that JSON has");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::report::{SCHEMA_VERSION, fixture};

    #[test]
    fn reads_back_what_it_wrote() {
        for report in [fixture::support(), fixture::hostile(), fixture::minimal()] {
            for style in [JsonStyle::Pretty, JsonStyle::Compact] {
                let text = json(&report, style);
                assert!(text.ends_with("}\n"));
                assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
            }
        }
        assert_eq!(json(&fixture::support(), JsonStyle::Compact).lines().count(), 1);
    }

    #[test]
    fn fields_of_the_contract_keep_their_names() {
        let report: serde_json::Value = serde_json::from_str(&json(&fixture::support(), JsonStyle::Compact)).unwrap();
        for pointer in [
            "/schema_version",
            "/corpus/rows",
            "/corpus/bad_rows",
            "/corpus/exact_duplicates",
            "/encoder/id",
            "/regions/0/share",
            "/needs_augmentation/0/needed",
            "/outliers/0/p_value",
            "/warnings/0/kind",
        ] {
            assert!(report.pointer(pointer).is_some(), "{pointer}");
        }
    }

    /// Compares with the schema in the tree; where they differ, leaves the new one beside it.
    #[test]
    fn schema_in_the_tree_is_current() {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/report.schema.json");
        let new = kept.with_extension("json.new");
        if fs_err::read_to_string(&kept).is_ok_and(|text| text == schema()) {
            return;
        }
        fs_err::write(&new, schema()).unwrap();
        panic!(
            "the report's types and schemas/report.schema.json differ: raise SCHEMA_VERSION (now {SCHEMA_VERSION}) if a \
             field was removed or changed its meaning, then `mv schemas/report.schema.json.new schemas/report.schema.json`"
        );
    }
}
