use std::path::Path;

use anyhow::Result;
use semcov::report::render;

use crate::args::{Document, SchemaArgs};
use crate::exit::Exit;
use crate::output;

pub(crate) fn run(args: &SchemaArgs) -> Result<Exit> {
    let schema = match args.document {
        Document::Report => render::schema(),
        Document::Plan => render::plan_schema(),
        Document::Screening => render::screening_schema(),
        Document::Verdict => render::verdict_schema(),
    };
    output::write_text(Path::new("-"), &schema)?;
    Ok(Exit::Pass)
}
