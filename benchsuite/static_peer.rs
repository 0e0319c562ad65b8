//! model2vec-rs over the lines of a file; see static.sh.
//!
//! usage: static-peer MODEL TEXTS OUT: embeds the texts, writes their components as f32, prints seconds as JSON.

use std::io::Write;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let model = model2vec_rs::model::StaticModel::from_pretrained(&arguments[0], None, Some(true), None).unwrap();
    let texts: Vec<String> = std::fs::read_to_string(&arguments[1]).unwrap().lines().map(str::to_owned).collect();
    let mut seconds: Vec<f64> = Vec::new();
    let mut vectors = Vec::new();
    // As often as benches/static.rs does it; for the whole command once.
    for _ in 0..if arguments[2] == "none" { 5 } else { 1 } {
        let start = Instant::now();
        vectors = model.encode_with_args(&texts, None, 1024);
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    if arguments[2] != "none" {
        let mut out = std::io::BufWriter::new(std::fs::File::create(&arguments[2]).unwrap());
        vectors.iter().flatten().for_each(|x| out.write_all(&x.to_le_bytes()).unwrap());
        out.flush().unwrap();
    }
    println!("{{\"texts\": {}, \"seconds\": {}}}", texts.len(), seconds[seconds.len() / 2]);
}
