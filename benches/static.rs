//! Texts per second of a static encoder: tokenizing, and adding up.
//!
//! `cargo bench --bench static -- FOLDER TEXTS` reads one text per line and embeds them all with the encoder of the folder,
//! five times. Prints one line of JSON: the medians in seconds. `benchsuite/static.py` runs it beside model2vec-rs.
#![expect(clippy::print_stdout, reason = "prints what it measured")]

use std::error::Error;
use std::time::Instant;

use semcov::embed::{ArtifactOptions, Artifacts, Encoder, StaticEncoder};

const ROUNDS: usize = 5;

/// Texts of a call: as many as a window of the pipeline holds.
const TEXTS: usize = 16_384;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [folder, file] = arguments.as_slice() else {
        println!("usage: cargo bench --bench static -- FOLDER TEXTS");
        return Ok(());
    };
    let encoder = StaticEncoder::load(&Artifacts::resolve(folder, &ArtifactOptions::default())?)?;
    let texts = fs_err::read_to_string(file)?;
    let texts: Vec<&str> = texts.lines().collect();
    let mut seconds = [Vec::new(), Vec::new()];
    let mut tokens = 0;
    for _ in 0..ROUNDS {
        let mut round = [0.0; 2];
        tokens = 0;
        for texts in texts.chunks(TEXTS) {
            let start = Instant::now();
            let tokenized = encoder.tokenize(texts)?;
            round[0] += start.elapsed().as_secs_f64();
            let start = Instant::now();
            encoder.encode(&tokenized)?;
            round[1] += start.elapsed().as_secs_f64();
            tokens += tokenized.iter().map(|text| text.ids.len()).sum::<usize>();
        }
        seconds.iter_mut().zip(round).for_each(|(seconds, round)| seconds.push(round));
    }
    let [tokenize, encode] = seconds.map(|mut seconds| {
        seconds.sort_by(f64::total_cmp);
        seconds[ROUNDS / 2]
    });
    println!("{}", serde_json::json!({"texts": texts.len(), "tokens": tokens, "tokenize": tokenize, "encode": encode}));
    Ok(())
}
