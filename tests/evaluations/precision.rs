//! What a lower precision of the encoder costs.

use semcov::cluster::assign;
use semcov::cluster::kmeans::KMeansParams;
use semcov::embed::{Agreement, Precision};
use semcov::ood::OutlierParams;
use semcov::progress::Silent;

use crate::data::{CLINC, clinc_in};
use crate::figures::{auroc, nmi};

/// Seeds of k-means, whose agreement with the intents scatters by .003 from one to the next.
const SEEDS: u64 = 10;

/// Every distinct query of CLINC150: the cosine to f32; the AUROC of the default score for out-of-scope queries; and how
/// well 150 clusters agree with the intents.
#[test]
fn bf16_and_int8_stand_for_f32() {
    let Some(in_f32) = &*CLINC else { return };
    let figures = |splits: &std::collections::BTreeMap<String, crate::data::Split>| {
        let [reference, good, bad] = ["train", "test", "oos_test"].map(|name| splits[name].matrix());
        let (model, _) = OutlierParams::default().check().unwrap().fit(&reference, &Silent).unwrap();
        let [good, bad] = [&good, &bad].map(|rows| model.score(rows).score);
        let classes = splits["train"].classes();
        let agreement = (0..SEEDS).map(|seed| {
            let fit = KMeansParams { seed, ..KMeansParams::new(150) }.check().unwrap().fit(&reference, None, &Silent);
            nmi(&assign(&reference, &fit.centroids).nearest, &classes)
        });
        (auroc(&good, &bad), agreement.sum::<f64>() / SEEDS as f64)
    };
    let (expected_auroc, expected_nmi) = figures(in_f32);
    eprintln!("CLINC in f32: AUROC {expected_auroc:.2}, NMI {expected_nmi:.4}");
    for precision in [Precision::Bf16, Precision::Int8] {
        let splits = clinc_in(precision).unwrap();
        for (name, split) in &splits {
            let found = Agreement::of(&split.vectors, &in_f32[name].vectors, split.dim);
            eprintln!("CLINC {name} in {precision}: cosine to f32 {:.5}, at least {:.5}", found.mean, found.least);
            assert!(found.holds(Agreement::expected(precision)), "{name}, {precision}: {found:?}");
        }
        let (auroc, nmi) = figures(&splits);
        eprintln!("CLINC in {precision}: AUROC {auroc:.2}, NMI {nmi:.4}");
        assert!(auroc >= expected_auroc - 0.2, "{precision}: AUROC {auroc}, in f32 {expected_auroc}");
        assert!(nmi >= expected_nmi - 0.002, "{precision}: NMI {nmi}, in f32 {expected_nmi}");
    }
}
