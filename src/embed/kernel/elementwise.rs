//! What stands between the matrix products of a transformer: functions of vectors, and the layer normalization.
//!
//! Rows are whole vectors long ([`padded`]); the numbers behind a row's own are zeros, before and after. Sums run over a
//! fixed number of lanes, so that a row's result depends on nothing but the row.
#![expect(
    clippy::inline_always,
    reason = "code is compiled for a processor where it is inlined into a function that is"
)]

use super::panels::padded;
use super::simd::{Level, Simd, Task};

/// The value of a polynomial, the coefficient of the highest power first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: S::Words, coefficients: [f32; N]) -> S::Words {
    let mut value = simd.number(coefficients[0]);
    for &coefficient in &coefficients[1..] {
        value = simd.add_f32(simd.number(coefficient), value, x);
    }
    value
}

/// e^x for x in [-87, 88]; less gives e^-87, about 1.6e-38. Relative error below 2e-7.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2; e^r is its Taylor polynomial of degree 7 (remainder below 6e-9); 2^n is made
/// from its exponent bits. ln 2 is subtracted in two parts, the first with few enough bits for an exact n ln 2
/// (W. J. Cody, W. Waite, Software Manual for the Elementary Functions, 1980, chapter 6).
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::Words) -> S::Words {
    const LN2_HIGH: f32 = 355.0 / 512.0;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 * 2^23 rounds to a whole number, and leaves it in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    const TAYLOR: [f32; 8] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let x = simd.larger(x, simd.number(-87.0));
    let round = simd.number(ROUND);
    let shifted = simd.plus(simd.times(x, simd.number(std::f32::consts::LOG2_E)), round);
    let n = simd.minus(shifted, round);
    let r = simd.add_f32(x, n, simd.number(-LN2_HIGH));
    let r = simd.add_f32(r, n, simd.number(-LN2_LOW));
    simd.times(polynomial(simd, r, TAYLOR), simd.power_of_two(shifted))
}

/// GELU of x: x times the probability that a standard normal variable is below x. Absolute error below 1e-6.
///
/// D. Hendrycks, K. Gimpel, Gaussian Error Linear Units, 2016, arXiv:1606.08415: the exact form, not that with tanh.
/// The probability is 1/2 + x P(x^2) for |x| <= 5.25, where P has degree 13 in 2 x^2 / 5.25^2 - 1 and was fitted so that
/// the largest error of x^2 P(x^2) is least (1.7e-7); beyond, GELU is 0 or x up to 4e-7.
#[inline(always)]
pub(super) fn gelu<S: Simd>(simd: S, x: S::Words) -> S::Words {
    const END: f32 = 5.25;
    const P: [f32; 14] = [
        -4.506_519e-4,
        1.362_165_8e-3,
        -1.619_680_2e-3,
        2.112_107_8e-3,
        -4.827_072_4e-3,
        8.839_715e-3,
        -1.309_051_4e-2,
        1.842_543_3e-2,
        -2.496_542_2e-2,
        3.204_526e-2,
        -3.977_121_8e-2,
        4.964_519_3e-2,
        -6.712_659_5e-2,
        1.346_593_5e-1,
    ];
    let inner = simd.smaller(simd.larger(x, simd.number(-END)), simd.number(END));
    let scaled = simd.times(inner, simd.number(2.0 / (END * END)));
    let series = polynomial(simd, simd.add_f32(simd.number(-1.0), scaled, inner), P);
    let probability = simd.add_f32(simd.number(0.5), series, inner);
    let beyond = simd.larger(simd.minus(x, simd.number(END)), simd.number(0.0));
    simd.add_f32(beyond, inner, probability)
}

/// e^(x - largest) for the first `n` numbers of `row`, and their sum. What follows up to the end of the row is not used,
/// and overwritten.
#[inline(always)]
pub(super) fn exponentials<S: Simd>(simd: S, row: &mut [f32], n: usize) -> f32 {
    row[n..].fill(f32::NEG_INFINITY);
    let mut largest = simd.number(f32::NEG_INFINITY);
    for part in row.chunks_exact(S::LANES) {
        largest = simd.larger(simd.read(part), largest);
    }
    let largest = simd.number(simd.reduce(largest, f32::max));
    let mut sum = simd.number(0.0);
    for part in row.chunks_exact_mut(S::LANES) {
        let x = exp(simd, simd.minus(simd.read(part), largest));
        sum = simd.plus(sum, x);
        simd.write(part, x);
    }
    simd.reduce(sum, |a, b| a + b)
}

/// Scale and shift of a layer normalization, per column.
///
/// J. L. Ba, J. R. Kiros, G. E. Hinton, Layer Normalization, 2016, arXiv:1607.06450.
#[derive(Clone, Debug)]
pub(crate) struct LayerNorm {
    width: usize,
    /// Zeros behind the first `width`.
    weight: Vec<f32>,
    bias: Vec<f32>,
    /// 1 for a column, 0 behind the last.
    inside: Vec<f32>,
    /// What is added to the variance.
    epsilon: f32,
}

impl LayerNorm {
    /// # Panics
    /// If `weight` and `bias` differ in length, or there are none.
    pub(crate) fn new(mut weight: Vec<f32>, mut bias: Vec<f32>, epsilon: f32) -> Self {
        let width = weight.len();
        assert!(width > 0 && width == bias.len(), "a weight and a bias per column");
        let mut inside = vec![1.0; width];
        for row in [&mut weight, &mut bias, &mut inside] {
            row.resize(padded(width), 0.0);
        }
        Self { width, weight, bias, inside, epsilon }
    }

    /// `residual` becomes the normalized rows (mean 0 and variance 1, then scaled and shifted) of `residual + added`.
    ///
    /// # Panics
    /// If the slices are not whole rows, or not as many.
    pub(crate) fn forward(&self, level: Level, residual: &mut [f32], added: &[f32]) {
        assert!(residual.len() == added.len() && residual.len().is_multiple_of(self.weight.len()), "whole rows");
        level.run(Normalize { norm: self, residual, added });
    }
}

struct Normalize<'a> {
    norm: &'a LayerNorm,
    residual: &'a mut [f32],
    added: &'a [f32],
}

impl Task for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let LayerNorm { width, weight, bias, inside, epsilon } = self.norm;
        let scale = 1.0 / *width as f32;
        for (row, added) in self.residual.chunks_exact_mut(weight.len()).zip(self.added.chunks_exact(weight.len())) {
            let mut sum = simd.number(0.0);
            for (part, added) in row.chunks_exact_mut(S::LANES).zip(added.chunks_exact(S::LANES)) {
                let x = simd.plus(simd.read(part), simd.read(added));
                sum = simd.plus(sum, x);
                simd.write(part, x);
            }
            let mean = simd.number(simd.reduce(sum, |a, b| a + b) * scale);
            let mut squares = simd.number(0.0);
            for (part, inside) in row.chunks_exact_mut(S::LANES).zip(inside.chunks_exact(S::LANES)) {
                let x = simd.times(simd.minus(simd.read(part), mean), simd.read(inside));
                squares = simd.add_f32(squares, x, x);
                simd.write(part, x);
            }
            let variance = simd.reduce(squares, |a, b| a + b) * scale;
            let factor = simd.number(1.0 / (variance + epsilon).sqrt());
            let scales = weight.chunks_exact(S::LANES).zip(bias.chunks_exact(S::LANES));
            for (part, (weight, bias)) in row.chunks_exact_mut(S::LANES).zip(scales) {
                let x = simd.times(simd.read(part), factor);
                simd.write(part, simd.add_f32(simd.read(bias), x, simd.read(weight)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function of vectors, on every number of a slice.
    struct Each<'a>(&'a mut [f32], Function);

    #[derive(Clone, Copy)]
    enum Function {
        Exp,
        Gelu,
    }

    impl Task for Each<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            for part in self.0.chunks_exact_mut(S::LANES) {
                let x = simd.read(part);
                let y = match self.1 {
                    Function::Exp => exp(simd, x),
                    Function::Gelu => gelu(simd, x),
                };
                simd.write(part, y);
            }
        }
    }

    fn each(level: Level, function: Function, numbers: &[f32]) -> Vec<f32> {
        let mut out = numbers.to_vec();
        out.resize(padded(out.len()), 0.0);
        level.run(Each(&mut out, function));
        out.truncate(numbers.len());
        out
    }

    #[test]
    fn exp_is_exact_to_the_last_bits() {
        let numbers: Vec<f32> = (-8700..=8800).map(|i| i as f32 / 100.0).chain([f32::NEG_INFINITY]).collect();
        for level in Level::available() {
            let got = each(level, Function::Exp, &numbers);
            let (end, finite) = got.split_last().unwrap();
            for (&x, &got) in numbers.iter().zip(finite) {
                let exact = f64::from(x).exp();
                assert!((f64::from(got) / exact - 1.0).abs() < 2e-7, "{level:?} e^{x}: expected {exact}, got {got}");
            }
            assert!(*end < 2e-38);
        }
    }

    #[test]
    fn gelu_agrees_with_the_definition() {
        let numbers: Vec<f32> = (-100_000..=100_000).map(|i| i as f32 / 5_000.0).chain([-1e4, 1e4]).collect();
        for level in Level::available() {
            for (&x, got) in numbers.iter().zip(each(level, Function::Gelu, &numbers)) {
                let wide = f64::from(x);
                let exact = 0.5 * wide * (1.0 + statrs::function::erf::erf(wide * std::f64::consts::FRAC_1_SQRT_2));
                // Beside the formula's error a positive x is rounded to f32 at the end.
                let bound = 8e-7 + wide.abs() * 1.2e-7;
                assert!((f64::from(got) - exact).abs() < bound, "{level:?} GELU({x}): expected {exact}, got {got}");
            }
        }
    }

    struct Softmax<'a>(&'a mut [f32], usize);

    impl Task for Softmax<'_> {
        type Output = f32;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> f32 {
            exponentials(simd, self.0, self.1)
        }
    }

    proptest::proptest! {
        #[test]
        fn softmax_and_layer_norm_agree_with_the_definition(row in proptest::collection::vec(-30f32..30.0, 1..100)) {
            let wide: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let total: f64 = wide.iter().map(|x| x.exp()).sum();
            let n = wide.len() as f64;
            let mean = wide.iter().sum::<f64>() / n;
            let variance = wide.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            let epsilon = 1e-3;
            let norm = LayerNorm::new(vec![2.0; row.len()], vec![0.5; row.len()], epsilon);
            for level in Level::available() {
                let mut exponentials = row.clone();
                exponentials.resize(padded(row.len()), f32::NAN);
                let sum = level.run(Softmax(&mut exponentials, row.len()));
                for (x, &got) in wide.iter().zip(&exponentials) {
                    proptest::prop_assert!((x.exp() / total - f64::from(got / sum)).abs() < 1e-6);
                }

                let mut halves: Vec<f32> = row.iter().map(|x| x / 2.0).collect();
                halves.resize(padded(row.len()), 0.0);
                let other_halves = halves.clone();
                norm.forward(level, &mut halves, &other_halves);
                for (x, &got) in wide.iter().zip(&halves) {
                    let exact = (x - mean) / (variance + f64::from(epsilon)).sqrt() * 2.0 + 0.5;
                    // Sums of at most 100 components below 30 are off by 2e-5; divided by a deviation of at least 0.03.
                    proptest::prop_assert!((exact - f64::from(got)).abs() < 2e-3);
                }
                proptest::prop_assert!(halves[row.len()..].iter().all(|&x| x == 0.0));
            }
        }
    }
}
