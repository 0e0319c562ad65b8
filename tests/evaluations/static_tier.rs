//! What the static encoder loses beside the transformer it is distilled from: the figures of bands 1 and 7, and the
//! agreement of clusters with intents.

use std::collections::BTreeMap;

use semcov::cluster::assign;
use semcov::cluster::kmeans::KMeansParams;
use semcov::ood::OutlierParams;
use semcov::progress::Silent;

use crate::data::{CLINC, STATIC_CLINC, Split};
use crate::figures::{auroc, fpr_at_95, nmi};
use crate::gaps::evaluate;

/// AUROC and FPR@95 of the default score out of scope, NMI of 150 clusters with the intents, and average precision and
/// recall of planted gaps with nothing kept.
fn figures(clinc: &BTreeMap<String, Split>) -> [f64; 5] {
    let [reference, good, bad] = ["train", "test", "oos_test"].map(|name| clinc[name].matrix());
    let (model, _) = OutlierParams::default().check().unwrap().fit(&reference, &Silent).unwrap();
    let [good, bad] = [&good, &bad].map(|rows| model.score(rows).score);
    let fit = KMeansParams::new(150).check().unwrap().fit(&reference, None, &Silent);
    let agreement = nmi(&assign(&reference, &fit.centroids).nearest, &clinc["train"].classes());
    let gaps = evaluate(clinc, 0.0, 150);
    [auroc(&good, &bad), fpr_at_95(&good, &bad), agreement, gaps.average_precision, gaps.recall]
}

#[test]
fn static_beside_the_transformer() {
    let (Some(clinc), Some(by_static)) = (&*CLINC, &*STATIC_CLINC) else { return };
    for (name, clinc, least_auroc, least_agreement) in
        [("transformer", clinc, 97.4, 0.87), ("static encoder", by_static, 92.8, 0.79)]
    {
        let [auroc, fpr, agreement, precision, recall] = figures(clinc);
        eprintln!(
            "CLINC by the {name}: AUROC {auroc:.2}, FPR@95 {fpr:.2}, NMI at k = 150 {agreement:.3}, \
             planted gaps AUPRC {precision:.3}, recall {recall:.3}"
        );
        assert!(auroc >= least_auroc && agreement >= least_agreement, "{name}: {auroc} {agreement}");
    }
}
