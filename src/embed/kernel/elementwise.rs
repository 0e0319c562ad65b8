//! What stands between the matrix products of a transformer, row by row, in loops that the compiler vectorises.
//!
//! Sums run over a fixed number of lanes, so that a row's result depends on nothing but the row.

use std::array;

const LANES: usize = 16;

/// `f` summed over a row.
fn sum(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let chunks = row.chunks_exact(LANES);
    for (lane, &x) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane = f(x);
    }
    for chunk in chunks {
        let terms: [f32; LANES] = array::from_fn(|i| f(chunk[i]));
        for (lane, term) in lanes.iter_mut().zip(terms) {
            *lane += term;
        }
    }
    lanes.iter().sum()
}

/// e^x for x in [-87, 88]; less gives e^-87, about 1.6e-38. Relative error below 2e-7.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2; e^r is its Taylor polynomial of degree 7 (remainder below 6e-9); 2^n is made
/// from its exponent bits. ln 2 is subtracted in two parts, the first with few enough bits for an exact n ln 2
/// (W. J. Cody, W. Waite, Software Manual for the Elementary Functions, 1980, chapter 6).
#[inline]
fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 355.0 / 512.0;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 * 2^23 rounds to a whole number, and leaves it in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let series = 1.0 / 5040.0;
    let series = series * r + 1.0 / 720.0;
    let series = series * r + 1.0 / 120.0;
    let series = series * r + 1.0 / 24.0;
    let series = series * r + 1.0 / 6.0;
    let series = series * r + 0.5;
    let series = series * r + 1.0;
    let series = series * r + 1.0;
    let exponent = (shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits());
    series * f32::from_bits(exponent)
}

/// GELU of x: x times the probability that a standard normal variable is below x. Absolute error below 1e-6.
///
/// D. Hendrycks, K. Gimpel, Gaussian Error Linear Units, 2016, arXiv:1606.08415: the exact form, not that with tanh.
/// The tail 1 - erf(z) comes from formula 7.1.26 of M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions,
/// 1964, whose error is below 1.5e-7. It is taken at |x|, so that nothing cancels out for negative x.
#[inline]
fn gelu(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series = 1.061_405_4;
    let series = series * t - 1.453_152_1;
    let series = series * t + 1.421_413_8;
    let series = series * t - 0.284_496_72;
    let series = series * t + 0.254_829_6;
    let tail = series * t * exp(-z * z);
    0.5 * x * if x < 0.0 { tail } else { 2.0 - tail }
}

/// Adds `bias` to every row of `rows`.
pub(crate) fn add_bias(rows: &mut [f32], bias: &[f32]) {
    for row in rows.chunks_exact_mut(bias.len()) {
        for (x, &b) in row.iter_mut().zip(bias) {
            *x += b;
        }
    }
}

/// Every component of `rows` becomes the GELU of itself plus the `bias` of its column.
pub(crate) fn add_bias_gelu(rows: &mut [f32], bias: &[f32]) {
    for row in rows.chunks_exact_mut(bias.len()) {
        for (x, &b) in row.iter_mut().zip(bias) {
            *x = gelu(*x + b);
        }
    }
}

/// Scale and shift of a layer normalization, per column.
///
/// J. L. Ba, J. R. Kiros, G. E. Hinton, Layer Normalization, 2016, arXiv:1607.06450.
#[derive(Clone, Debug)]
pub(crate) struct LayerNorm {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    /// What is added to the variance.
    pub(crate) epsilon: f32,
}

impl LayerNorm {
    /// Normalizes every row: mean 0 and variance 1, then scaled and shifted.
    pub(crate) fn forward(&self, rows: &mut [f32]) {
        let width = self.weight.len();
        for row in rows.chunks_exact_mut(width) {
            let mean = sum(row, |x| x) / width as f32;
            let variance = sum(row, |x| (x - mean) * (x - mean)) / width as f32;
            let scale = 1.0 / (variance + self.epsilon).sqrt();
            for ((x, &weight), &bias) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
                *x = (*x - mean) * scale * weight + bias;
            }
        }
    }

    /// `residual` becomes the normalized rows of `residual + rows + bias`.
    pub(crate) fn forward_residual(&self, residual: &mut [f32], rows: &[f32], bias: &[f32]) {
        let width = self.weight.len();
        for (to, row) in residual.chunks_exact_mut(width).zip(rows.chunks_exact(width)) {
            for ((to, &x), &b) in to.iter_mut().zip(row).zip(bias) {
                *to += x + b;
            }
        }
        self.forward(residual);
    }
}

/// Every row of `width` components becomes its softmax: positive, with sum 1.
pub(crate) fn softmax(rows: &mut [f32], width: usize) {
    for row in rows.chunks_exact_mut(width) {
        let mut lanes = [f32::NEG_INFINITY; LANES];
        for chunk in row.chunks(LANES) {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane = if x > *lane { x } else { *lane };
            }
        }
        let largest = lanes.into_iter().fold(f32::NEG_INFINITY, f32::max);
        for x in row.iter_mut() {
            *x = exp(*x - largest);
        }
        let scale = 1.0 / sum(row, |x| x);
        for x in row.iter_mut() {
            *x *= scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exact_to_the_last_bits() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 2e-7, "e^{x}: expected {exact}, got {}", exp(x));
        }
        assert!(exp(f32::NEG_INFINITY) < 2e-38);
    }

    #[test]
    fn gelu_agrees_with_the_definition() {
        // candle's erf is libm's, in f64.
        for i in -100_000..=100_000 {
            let x = f64::from(i) / 5_000.0;
            let exact = 0.5 * x * (1.0 + candle_core::cpu::erf::erf_f64(x * std::f64::consts::FRAC_1_SQRT_2));
            let got = f64::from(gelu(x as f32));
            // Beside the formula's error a positive x is rounded to f32 at the end.
            assert!((got - exact).abs() < 1e-6 + x.abs() * 1.2e-7, "GELU({x}): expected {exact}, got {got}");
        }
    }

    proptest::proptest! {
        #[test]
        fn softmax_and_layer_norm_agree_with_the_definition(row in proptest::collection::vec(-30f32..30.0, 1..100)) {
            let wide: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let total: f64 = wide.iter().map(|x| x.exp()).sum();
            let mut probabilities = row.clone();
            softmax(&mut probabilities, row.len());
            for (x, &got) in wide.iter().zip(&probabilities) {
                proptest::prop_assert!((x.exp() / total - f64::from(got)).abs() < 1e-6);
            }

            let n = wide.len() as f64;
            let mean = wide.iter().sum::<f64>() / n;
            let variance = wide.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            let epsilon = 1e-3;
            let norm = LayerNorm { weight: vec![2.0; row.len()], bias: vec![0.5; row.len()], epsilon };
            let mut halves: Vec<f32> = row.iter().map(|x| x / 2.0).collect();
            let other_halves = halves.clone();
            norm.forward_residual(&mut halves, &other_halves, &vec![0.0; row.len()]);
            for (x, &got) in wide.iter().zip(&halves) {
                let exact = (x - mean) / (variance + f64::from(epsilon)).sqrt() * 2.0 + 0.5;
                // Sums of at most 100 components below 30 are off by 2e-5; divided by a deviation of at least 0.03.
                proptest::prop_assert!((exact - f64::from(got)).abs() < 2e-3);
            }
        }
    }
}
