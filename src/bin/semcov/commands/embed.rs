use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use semcov::embed::EmbeddedCorpus;
use semcov::vectors::{NpyWriter, ParquetVectorWriter};

use crate::args::EmbedArgs;
use crate::console::Console;
use crate::exit::Exit;
use crate::output;
use crate::session::Session;

pub(crate) fn run(args: &EmbedArgs, console: &Console) -> Result<Exit> {
    let write: fn(&EmbeddedCorpus, &mut (dyn Write + Send)) -> semcov::Result<()> =
        match extension(&args.output).as_str() {
            "parquet" => write_parquet,
            "npy" => write_npy,
            _ => bail!("--output: expected a file that ends in .parquet or .npy, got {}", args.output.display()),
        };
    let session = Session::open(&args.corpus, console)?;
    let embedded = session.embed(console)?;
    output::write(&args.output, |out| write(&embedded, out))?;
    console.note(format_args!(
        "wrote {}: a vector of {} components for each of {} records",
        args.output.display(),
        embedded.vectors.dim(),
        embedded.records.len(),
    ));
    if embedded.counts.empty > 0 {
        console.warn(format_args!("{} records have no text, and so no vector (in .npy: zeros)", embedded.counts.empty));
    }
    Ok(Exit::Pass)
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

fn write_npy(embedded: &EmbeddedCorpus, out: &mut (dyn Write + Send)) -> semcov::Result<()> {
    let dim = embedded.vectors.dim();
    let mut writer = NpyWriter::new(out, embedded.records.len() as u64, dim)?;
    let zeros = vec![0.0; dim];
    for_each_vector(embedded, |_, vector| writer.push(vector.unwrap_or(&zeros)))?;
    writer.finish()
}

fn write_parquet(embedded: &EmbeddedCorpus, out: &mut (dyn Write + Send)) -> semcov::Result<()> {
    let mut writer = ParquetVectorWriter::new(out)?;
    for_each_vector(embedded, |id, vector| writer.push(id, vector))?;
    writer.finish().map(drop)
}

/// Calls `visit` with each record's id and vector, in the order read.
fn for_each_vector(
    embedded: &EmbeddedCorpus,
    mut visit: impl FnMut(&str, Option<&[f32]>) -> semcov::Result<()>,
) -> semcov::Result<()> {
    let mut vector = vec![0.0; embedded.vectors.dim()];
    for row in 0..embedded.records.len() {
        let vector = embedded.records.text(row).map(|text| {
            embedded.vectors.read_row(text as usize, &mut vector);
            vector.as_slice()
        });
        visit(embedded.records.id(row), vector)?;
    }
    Ok(())
}
