//! The map of CLINC150: whether what is near on it is near in meaning.

use std::time::Instant;

use semcov::map::{MapMethod, MapParams, lay_out};
use semcov::progress::Silent;

use crate::data::CLINC;
use crate::figures::trustworthiness;

/// umap-learn 0.5.12 reaches .981 to .984 on the same texts (`benchsuite/map.sh`).
#[test]
fn near_on_the_map_is_near_in_meaning() {
    let Some(clinc) = &*CLINC else { return };
    let train = &clinc["train"];
    let matrix = train.matrix();
    let start = Instant::now();
    let found = lay_out((&matrix).into(), &MapParams::default(), &Silent);
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(found.method, MapMethod::Umap);
    // Every third text, so that it takes seconds.
    let (rows, xy): (Vec<&[f32]>, Vec<[f32; 2]>) =
        train.vectors.chunks_exact(train.dim).zip(&found.xy).step_by(3).map(|(row, &xy)| (row, xy)).unzip();
    let trust = trustworthiness(&rows, &xy, 15);
    eprintln!("CLINC train on the map: trustworthiness {trust:.4} (5,000 texts, k = 15), {seconds:.1} s");
    assert!(trust >= 0.965, "{trust}");
}
