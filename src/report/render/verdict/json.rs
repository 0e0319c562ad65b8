//! A verdict as JSON, and the schema of it.

use schemars::schema_for;

use super::super::json::line;
use crate::gate::Verdict;

/// The verdict as JSON, fields in the order of the schema, ending in a line break.
#[must_use]
pub fn verdict_json(verdict: &Verdict) -> String {
    line(serde_json::to_string_pretty(verdict))
}

/// The JSON schema of [`verdict_json`], as kept in `schemas/verdict.schema.json`.
#[must_use]
pub fn verdict_schema() -> String {
    line(serde_json::to_string_pretty(&schema_for!(Verdict)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::gate::{VERDICT_SCHEMA_VERSION, fixture};

    #[test]
    fn reads_back_what_it_wrote() {
        for verdict in [fixture::verdict(), fixture::passing(), fixture::hostile()] {
            assert_eq!(serde_json::from_str::<Verdict>(&verdict_json(&verdict)).unwrap(), verdict);
        }
    }

    /// Compares with the schema in the tree; where they differ, leaves the new one beside it.
    #[test]
    fn schema_in_the_tree_is_current() {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/verdict.schema.json");
        let new = kept.with_extension("json.new");
        if fs_err::read_to_string(&kept).is_ok_and(|text| text == verdict_schema()) {
            return;
        }
        fs_err::write(&new, verdict_schema()).unwrap();
        panic!(
            "the verdict's types and schemas/verdict.schema.json differ: raise VERDICT_SCHEMA_VERSION (now \
             {VERDICT_SCHEMA_VERSION}) if a field was removed or changed its meaning, then \
             `mv schemas/verdict.schema.json.new schemas/verdict.schema.json`"
        );
    }
}
