//! Spherical k-means, exact nearest neighbours, and the assignment of many rows.
//!
//! - `kmeans VECTORS.npy SEEDS.npy ITERATIONS OUT.npy` fits from the seeds on every row, as many iterations and an assignment
//!   to what came out, and writes the centroids.
//! - `seeded VECTORS.npy K ITERATIONS OUT.npy` does so from k-means++.
//! - `search REFERENCE.npy QUERIES.npy K OUT.npy` writes the positions of the K nearest reference rows of every query.
//! - `assign VECTORS.npy K` puts the rows into a vector store on disk, and assigns them as they are mapped from there to K of
//!   them; it says what memory that takes (where there is a `/proc`).
//!
//! Each prints one line of JSON, with seconds that leave reading and writing out. `benchsuite/clustering.py` runs them beside
//! faiss.
#![expect(clippy::print_stdout, reason = "prints what it measured")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use semcov::cluster::assign;
use semcov::cluster::kmeans::KMeansParams;
use semcov::corpus::ContentHash;
use semcov::embed::{EncoderId, Pooling};
use semcov::progress::Silent;
use semcov::vectors::{EmbeddingMatrix, NpyReader, NpyWriter, VectorStore, knn};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let line = match arguments.as_slice() {
        ["kmeans", vectors, seeds, iterations, out] => {
            let (matrix, (dim, seeds)) = (matrix(vectors)?, read(seeds)?);
            // The last pass assigns, and moves no centroid.
            let params = KMeansParams {
                max_iterations: iterations.parse::<usize>()? + 1,
                tolerance: 0.0,
                points_per_cluster: matrix.len(),
                max_points: matrix.len(),
                ..KMeansParams::new(seeds.len() / dim)
            };
            let start = Instant::now();
            let fit = params.check()?.fit_from(&matrix, None, seeds, &Silent);
            let seconds = start.elapsed().as_secs_f64();
            write(out, dim, fit.centroids.chunks_exact(dim).map(<[f32]>::to_vec))?;
            serde_json::json!({ "seconds": seconds, "passes": fit.iterations, "inertia": fit.inertia })
        }
        ["seeded", vectors, k, iterations, out] => {
            let matrix = matrix(vectors)?;
            let params = KMeansParams {
                max_iterations: iterations.parse::<usize>()? + 1,
                tolerance: 0.0,
                points_per_cluster: matrix.len(),
                max_points: matrix.len(),
                ..KMeansParams::new(k.parse()?)
            };
            let start = Instant::now();
            let fit = params.check()?.fit(&matrix, None, &Silent);
            let seconds = start.elapsed().as_secs_f64();
            write(out, matrix.dim(), fit.centroids.chunks_exact(matrix.dim()).map(<[f32]>::to_vec))?;
            serde_json::json!({ "seconds": seconds, "passes": fit.iterations, "inertia": fit.inertia })
        }
        ["search", reference, queries, k, out] => {
            let (reference, queries) = (matrix(reference)?, matrix(queries)?);
            let k: usize = k.parse()?;
            let start = Instant::now();
            let found = knn::nearest((&queries).into(), (&reference).into(), k, &Silent);
            let seconds = start.elapsed().as_secs_f64();
            write(out, k, (0..found.len()).map(|query| found.of(query).0.iter().map(|&i| i as f32).collect()))?;
            serde_json::json!({ "seconds": seconds })
        }
        ["assign", vectors, k] => {
            let (matrix, k) = (stored(vectors)?, k.parse::<usize>()?);
            let mut centroids = Vec::new();
            matrix.gather((0..k).map(|i| i * matrix.len() / k), &mut centroids);
            let before = Memory::now();
            let peak = Peak::watch();
            let start = Instant::now();
            let found = assign(&matrix, &centroids);
            let seconds = start.elapsed().as_secs_f64();
            let peak = peak.stop();
            let similarity =
                found.similarity.iter().map(|&x| f64::from(x)).sum::<f64>() / found.similarity.len() as f64;
            serde_json::json!({
                "seconds": seconds,
                "similarity": similarity,
                "own_mib_before": before.own,
                "own_mib": peak.own,
                "mapped_mib": peak.mapped,
            })
        }
        _ => {
            println!("usage: cargo bench --bench clustering -- WHAT ..., as the head of benches/clustering.rs says");
            return Ok(());
        }
    };
    println!("{line}");
    Ok(())
}

fn matrix(file: &str) -> Result<EmbeddingMatrix, Box<dyn Error>> {
    let (dim, vectors) = read(file)?;
    Ok(EmbeddingMatrix::from_f32(dim, &vectors))
}

fn read(file: &str) -> Result<(usize, Vec<f32>), Box<dyn Error>> {
    let mut reader = NpyReader::open(Path::new(file))?;
    let mut vectors = Vec::with_capacity(reader.rows() as usize * reader.dim());
    while let Some(row) = reader.next_row()? {
        vectors.extend(row);
    }
    Ok((reader.dim(), vectors))
}

/// The rows of a file in a vector store of its own, on disk.
fn stored(file: &str) -> Result<EmbeddingMatrix, Box<dyn Error>> {
    let mut reader = NpyReader::open(Path::new(file))?;
    let encoder = EncoderId {
        name: file.to_owned(),
        weights: String::new(),
        pooling: Pooling::Mean,
        prompt: String::new(),
        max_tokens: 0,
        dim: reader.dim(),
        precision: String::new(),
    };
    let mut store = VectorStore::temporary(&encoder)?;
    let mut locations = Vec::with_capacity(reader.rows() as usize);
    while let Some(row) = reader.next_row()? {
        let key = ContentHash((locations.len() as u128).to_le_bytes());
        locations.push(store.appender.append(key, &row, 0, 0)?);
    }
    Ok(store.into_matrix(locations)?)
}

fn write(file: &str, dim: usize, rows: impl ExactSizeIterator<Item = Vec<f32>>) -> Result<(), Box<dyn Error>> {
    let mut writer = NpyWriter::new(fs_err::File::create(file)?, rows.len() as u64, dim)?;
    for row in rows {
        writer.push(&row)?;
    }
    Ok(writer.finish()?)
}

/// Resident memory in MiB: the program's own, and pages of mapped files, which the system takes back when it needs them.
#[derive(Clone, Copy, Default)]
struct Memory {
    own: u64,
    mapped: u64,
}

impl Memory {
    fn now() -> Self {
        let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1024
        };
        Self { own: of("RssAnon"), mapped: of("RssFile") }
    }
}

/// Looks at the memory every few milliseconds.
struct Peak {
    done: Arc<AtomicBool>,
    watch: JoinHandle<Memory>,
}

impl Peak {
    fn watch() -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&done);
        let watch = std::thread::spawn(move || {
            let mut peak = Memory::now();
            while !over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
                let now = Memory::now();
                peak = Memory { own: peak.own.max(now.own), mapped: peak.mapped.max(now.mapped) };
            }
            peak
        });
        Self { done, watch }
    }

    fn stop(self) -> Memory {
        self.done.store(true, Ordering::Relaxed);
        self.watch.join().unwrap_or_default()
    }
}
