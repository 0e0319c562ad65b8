//! Figures of merit.

/// Area under the ROC curve in percent: the probability that a bad row scores above a good one (ties count half).
pub(crate) fn auroc(good: &[f32], bad: &[f32]) -> f64 {
    let mut sorted = good.to_vec();
    sorted.sort_by(f32::total_cmp);
    let below: usize = bad.iter().map(|b| sorted.partition_point(|g| g < b) + sorted.partition_point(|g| g <= b)).sum();
    50.0 * below as f64 / (good.len() * bad.len()) as f64
}

/// Share of good rows, in percent, at or above the score that 95 % of bad rows reach.
pub(crate) fn fpr_at_95(good: &[f32], bad: &[f32]) -> f64 {
    let mut sorted = bad.to_vec();
    sorted.sort_by(f32::total_cmp);
    let threshold = sorted[sorted.len() / 20];
    100.0 * good.iter().filter(|&&score| score >= threshold).count() as f64 / good.len() as f64
}

/// Normalized mutual information (arithmetic mean), as scikit-learn's `normalized_mutual_info_score`.
pub(crate) fn nmi(a: &[u32], b: &[u32]) -> f64 {
    let width = |codes: &[u32]| *codes.iter().max().unwrap() as usize + 1;
    let (n, width_b) = (a.len() as f64, width(b));
    let mut joint = vec![0.0; width(a) * width_b];
    a.iter().zip(b).for_each(|(&a, &b)| joint[a as usize * width_b + b as usize] += 1.0 / n);
    let of_a: Vec<f64> = joint.chunks(width_b).map(|row| row.iter().sum()).collect();
    let of_b: Vec<f64> = (0..width_b).map(|b| joint.iter().skip(b).step_by(width_b).sum()).collect();
    let entropy = |p: &[f64]| -p.iter().filter(|&&p| p > 0.0).map(|p| p * p.ln()).sum::<f64>();
    2.0 * (entropy(&of_a) + entropy(&of_b) - entropy(&joint)) / (entropy(&of_a) + entropy(&of_b))
}

/// Average precision of a ranking, best first, as scikit-learn's `average_precision_score` without ties.
pub(crate) fn average_precision(ranked: &[bool]) -> f64 {
    let (mut hits, mut sum) = (0.0, 0.0);
    for (place, _) in ranked.iter().enumerate().filter(|(_, hit)| **hit) {
        hits += 1.0;
        sum += hits / (place + 1) as f64;
    }
    sum / f64::max(hits, 1.0)
}

/// Random orders (`SplitMix64`, Steele et al. 2014), the same for a seed on every machine.
pub(crate) struct Shuffle(u64);

impl Shuffle {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Fisher and Yates' shuffle.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = (self.next() % (last as u64 + 1)) as usize;
            items.swap(last, other);
        }
    }
}

#[test]
fn figures_by_hand() {
    assert!((average_precision(&[true, false, true]) - f64::midpoint(1.0, 2.0 / 3.0)).abs() < 1e-12);
    let mut order: Vec<usize> = (0..100).collect();
    Shuffle::new(1).shuffle(&mut order);
    assert!(!order.is_sorted() && (0..100).all(|i| order.contains(&i)));
    assert_eq!(auroc(&[1.0, 2.0, 3.0], &[2.0, 4.0]), 100.0 * 4.5 / 6.0);
    assert_eq!(fpr_at_95(&[1.0, 2.0, 3.0, 4.0], &[3.0; 20]), 50.0);
    assert!((nmi(&[0, 0, 1, 1], &[1, 1, 0, 0]) - 1.0).abs() < 1e-12);
    assert!(nmi(&[0, 0, 1, 1], &[0, 1, 0, 1]).abs() < 1e-12);
}

/// Trustworthiness of a map of unit vectors (Venna & Kaski 2001), as scikit-learn's with the cosine metric.
pub(crate) fn trustworthiness(rows: &[&[f32]], xy: &[[f32; 2]], k: usize) -> f64 {
    let n = rows.len();
    let order = |distance: &dyn Fn(usize) -> f32, own: usize| -> Vec<usize> {
        let mut others: Vec<(f32, usize)> = (0..n).filter(|&j| j != own).map(|j| (distance(j), j)).collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0));
        others.into_iter().map(|(_, j)| j).collect()
    };
    let penalty = |i: usize| -> f64 {
        let near = |j: usize| (xy[i][0] - xy[j][0]).powi(2) + (xy[i][1] - xy[j][1]).powi(2);
        let cosine = |j: usize| -rows[i].iter().zip(rows[j]).map(|(a, b)| a * b).sum::<f32>();
        let mut rank = vec![0; n];
        order(&cosine, i).into_iter().zip(1..).for_each(|(j, place)| rank[j] = place);
        order(&near, i)[..k].iter().map(|&j| rank[j].max(k) - k).sum::<usize>() as f64
    };
    let penalties: f64 = (0..n).map(penalty).sum();
    1.0 - penalties * 2.0 / (n * k * (2 * n - 3 * k - 1)) as f64
}
