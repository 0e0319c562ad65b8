//! Clusters beside the intents that people gave.

use semcov::cluster::kmeans::KMeansParams;
use semcov::cluster::{Codebook, CodebookParams, assign};
use semcov::progress::Silent;
use semcov::vectors::EmbeddingMatrix;

use crate::data::CLINC;
use crate::figures::nmi;

/// Inertia and agreement with the 150 intents. scikit-learn's `KMeans` (its defaults, normalized rows) ends at an
/// inertia of 5,954 and 4,254 (means of three and two seeds, all rows, as sum of 1 - cos to the mean direction).
#[test]
fn clusters_and_intents() {
    let Some(clinc) = &*CLINC else { return };
    let train = &clinc["train"];
    let (matrix, classes) = (train.matrix(), train.classes());
    for (k, scikit_learn, least_nmi) in [(50, 5954.6, 0.76), (150, 4253.6, 0.87), (300, f64::INFINITY, 0.86)] {
        let (mut inertia, mut agreement) = (0.0, 0.0);
        for seed in 0..3 {
            let fit = KMeansParams { seed, ..KMeansParams::new(k) }.check().unwrap().fit(&matrix, None, &Silent);
            let found = assign(&matrix, &fit.centroids);
            inertia += found.similarity.iter().map(|s| 1.0 - f64::from(*s)).sum::<f64>() / 3.0;
            agreement += nmi(&found.nearest, &classes) / 3.0;
        }
        eprintln!("CLINC train, k = {k}: inertia {inertia:.1}, NMI with the intents {agreement:.3}");
        assert!(inertia <= scikit_learn * 1.01, "{inertia} is more than 1 % above {scikit_learn}");
        assert!(agreement >= least_nmi, "{agreement}");
    }
}

/// Twelve intents in 600 rows, one of them with 10 rows only: it should have a region of its own.
#[test]
fn a_thin_topic_has_its_own_region() {
    let Some(clinc) = &*CLINC else { return };
    let train = &clinc["train"];
    let classes = train.classes();
    let mut found = 0;
    for draw in 0..20_u32 {
        let wanted: Vec<u32> = (0..12).map(|i| (draw * 37 + i * 11) % 150).collect();
        let mut left: Vec<u32> = wanted.iter().map(|&class| if class == wanted[0] { 10 } else { 54 }).collect();
        let (mut vectors, mut thin) = (Vec::new(), Vec::new());
        for (row, class) in train.vectors.chunks_exact(train.dim).zip(&classes) {
            if let Some(i) = wanted.iter().position(|wanted| wanted == class)
                && left[i] > 0
            {
                left[i] -= 1;
                vectors.extend_from_slice(row);
                thin.push(i == 0);
            }
        }
        let matrix = EmbeddingMatrix::from_f32(train.dim, &vectors);
        let (codebook, assignment) = Codebook::fit(&matrix, &CodebookParams::default(), &Silent).unwrap();
        let mut rows = vec![(0.0, 0.0); codebook.n_regions()];
        for (leaf, thin) in assignment.nearest.iter().zip(&thin) {
            let (all, hits) = &mut rows[codebook.region_of_leaf[*leaf as usize] as usize];
            (*all, *hits) = (*all + 1.0, *hits + f64::from(u8::from(*thin)));
        }
        let best_f1 = rows.iter().map(|(all, hits)| 2.0 * hits / (all + 10.0)).fold(0.0, f64::max);
        found += u32::from(best_f1 > 0.6);
    }
    eprintln!("a topic of 10 among 600 rows has its own region (F1 > .6) in {found} of 20 draws");
    assert!(found >= 17, "{found}");
}
