//! p-values adjusted for the number of tests: an adjusted value at most alpha rejects at level alpha.

/// Holm's step-down correction (Holm 1979, <https://www.jstor.org/stable/4615733>): controls the probability of any
/// false rejection, whatever the dependence of the tests.
#[must_use]
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rank, &test) in ascending(p_values).iter().enumerate() {
        largest = largest.max(p_values[test] * (p_values.len() - rank) as f64);
        adjusted[test] = largest.min(1.0);
    }
    adjusted
}

/// Benjamini and Hochberg's step-up correction (1995, <https://doi.org/10.1111/j.2517-6161.1995.tb02031.x>): controls
/// the expected share of false rejections among all, for independent or positively dependent tests.
#[must_use]
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![0.0; p_values.len()];
    let mut smallest: f64 = 1.0;
    for (rank, &test) in ascending(p_values).iter().enumerate().rev() {
        smallest = smallest.min(p_values[test] * p_values.len() as f64 / (rank + 1) as f64);
        adjusted[test] = smallest;
    }
    adjusted
}

fn ascending(p_values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(found: &[f64], want: &[f64]) {
        assert!(found.len() == want.len() && found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
    }

    /// R 4: `p.adjust(c(.01, .04, .03, .005, .9), "holm")` and `"BH"`.
    #[test]
    fn agree_with_p_adjust() {
        let p = [0.01, 0.04, 0.03, 0.005, 0.9];
        assert_close(&holm(&p), &[0.04, 0.09, 0.09, 0.025, 0.9]);
        assert_close(&benjamini_hochberg(&p), &[0.025, 0.05, 0.05, 0.025, 0.9]);
        assert_close(&holm(&[]), &[]);
        assert_close(&benjamini_hochberg(&[0.2, 1.0]), &[0.4, 1.0]);
    }
}
