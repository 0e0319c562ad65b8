//! Linear layers, in one of three arithmetics.
//!
//! `out = activation(input W^T + bias)`, with the sums in f32, or exact where the factors are integers.
//! - f32: both factors as they are.
//! - bf16: both factors rounded to nearest, to 8 bits of significand; products and sums in f32.
//! - int8: every output's weights in -127..=127 with a scale of their own; every row of the input in 0..=255 with a scale
//!   and a zero point of its own (as B. Jacob et al., Quantization and Training of Neural Networks for Efficient
//!   Integer-Arithmetic-Only Inference, 2018, arXiv:1712.05877, has it, but per row: so that no row depends on its batch).
//!
//! Cost: a pass over the input to round it, and the [product](super::product).
#![expect(
    clippy::inline_always,
    reason = "code is compiled for a processor where it is inlined into a function that is"
)]

use super::elementwise::gelu;
use super::panels::{Panels, padded};
use super::product::{Bf16, F32, Finish, Int8, Left, multiply};
use super::simd::{Level, MOST_LANES, Simd, Task, TileWidth};

/// The arithmetic of the linear layers, which take nearly all of the time; the rest of a forward pass is f32 in any case.
///
/// Vectors of two precisions are not equal bit by bit: an encoder's id says which one was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32 throughout.
    #[default]
    F32,
    /// Factors rounded to bf16, sums in f32.
    Bf16,
    /// Factors rounded to integers of 8 bits, exact sums. Scales belong to a token and to an output, never to a batch.
    Int8,
}

/// What is applied to the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    None,
    Gelu,
}

/// A linear layer, packed.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    panels: Panels,
    bias: Vec<f32>,
    factors: Factors,
    /// Numbers of a row of the input, [padded].
    inputs: usize,
}

/// What the words of the factors are.
#[derive(Clone, Debug)]
enum Factors {
    F32,
    Bf16,
    /// The scale of every output's weights, and their sum before scaling.
    Int8 {
        scales: Vec<f32>,
        sums: Vec<f32>,
    },
}

/// Rows rounded for a product, and what belongs to them; kept from one call to the next.
#[derive(Debug, Default)]
pub(crate) struct Rounded {
    words: Vec<u32>,
    rows: Vec<QuantizedRow>,
}

/// A row of 8-bit integers q stands for scale x (q - zero).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct QuantizedRow {
    pub(super) scale: f32,
    pub(super) zero: f32,
}

impl Linear {
    /// Packs a layer of `bias.len()` outputs; `weight` has a row of `inputs` for each.
    ///
    /// # Panics
    /// If `weight` has another length.
    pub(crate) fn new(level: Level, precision: Precision, weight: &[f32], inputs: usize, mut bias: Vec<f32>) -> Self {
        let outputs = bias.len();
        assert_eq!(weight.len(), inputs * outputs, "a row of {inputs} for each of {outputs} outputs");
        bias.resize(padded(outputs), 0.0);
        let width = level.run(TileWidth);
        let padded_inputs = padded(inputs);
        let at = |input: usize, output: usize| if input < inputs { weight[output * inputs + input] } else { 0.0 };
        let (panels, factors) = match precision {
            Precision::F32 => {
                let word = |step, output| at(step, output).to_bits();
                (Panels::new(width, padded_inputs, outputs, word), Factors::F32)
            }
            Precision::Bf16 => {
                let half = |input, output| u32::from(to_bf16(at(input, output)));
                let word = |step, output| half(2 * step, output) | half(2 * step + 1, output) << 16;
                (Panels::new(width, padded_inputs / 2, outputs, word), Factors::Bf16)
            }
            Precision::Int8 => {
                let largest = |row: &[f32]| row.iter().fold(0.0, |largest: f32, x| largest.max(x.abs()));
                let mut scales: Vec<f32> = weight.chunks_exact(inputs).map(|row| largest(row) / 127.0).collect();
                let mut quantized = vec![0_i8; outputs * padded_inputs];
                let rows = quantized.chunks_exact_mut(padded_inputs).zip(weight.chunks_exact(inputs)).zip(&scales);
                for ((to, row), &scale) in rows.filter(|(_, scale)| **scale > 0.0) {
                    for (to, &x) in to.iter_mut().zip(row) {
                        *to = nearest_integer(x / scale);
                    }
                }
                let sum = |row: &[i8]| row.iter().map(|&q| i32::from(q)).sum::<i32>() as f32;
                let mut sums: Vec<f32> = quantized.chunks_exact(padded_inputs).map(sum).collect();
                let word = |step: usize, output: usize| {
                    let first = output * padded_inputs + 4 * step;
                    u32::from_le_bytes([0, 1, 2, 3].map(|i| quantized[first + i].cast_unsigned()))
                };
                let panels = Panels::new(width, padded_inputs / 4, outputs, word);
                scales.resize(padded(outputs), 0.0);
                sums.resize(padded(outputs), 0.0);
                (panels, Factors::Int8 { scales, sums })
            }
        };
        Self { panels, bias, factors, inputs: padded_inputs }
    }

    /// Numbers of a row of the output, [padded].
    pub(crate) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Writes the layer's outputs for rows of `input`. `level` is the one that the layer was packed for.
    ///
    /// # Panics
    /// If the slices are not whole rows, or not as many.
    pub(crate) fn forward(
        &self,
        level: Level,
        input: &[f32],
        out: &mut [f32],
        activation: Activation,
        rounded: &mut Rounded,
    ) {
        let rows = input.len() / self.inputs;
        assert!(input.len() == rows * self.inputs && out.len() == rows * self.outputs(), "whole rows");
        level.run(Forward { layer: self, rows, input, out, activation, rounded });
    }
}

/// The nearest bf16, to even in the middle. What is no number stays none.
#[inline(always)]
fn to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = (bits.wrapping_add(0x7fff + (bits >> 16 & 1))) >> 16;
    (if x.is_nan() { 0x7fc0 } else { rounded }) as u16
}

/// What added to a number rounds it to a whole one, the even one of two, and leaves that in the low bits of the mantissa:
/// 1.5 * 2^23.
const ROUND: f32 = 12_582_912.0;

/// The integer nearest to a number of -127 to 127.
#[inline]
pub(super) fn nearest_integer(x: f32) -> i8 {
    (x + ROUND).to_bits() as i8
}

/// `row`, a multiple of [`MOST_LANES`] numbers, as integers of 8 bits, from its least number (or 0, if that is less) to its largest.
#[inline(always)]
pub(super) fn quantize<S: Simd>(simd: S, row: &[f32], to: &mut [u8]) -> QuantizedRow {
    let (mut least, mut largest) = (simd.number(0.0), simd.number(0.0));
    for part in row.chunks_exact(S::LANES) {
        let x = simd.read(part);
        least = simd.smaller(x, least);
        largest = simd.larger(x, largest);
    }
    let (least, largest) = (simd.reduce(least, f32::min), simd.reduce(largest, f32::max));
    let range = largest - least;
    if range.is_nan() || range <= f32::MIN_POSITIVE * 255.0 {
        to.fill(0);
        return QuantizedRow { scale: if range.is_nan() { f32::NAN } else { 0.0 }, zero: 0.0 };
    }
    let scale = range / 255.0;
    let per_step = 255.0 / range;
    let zero = (-least * per_step).round_ties_even();
    let (factor, shift) = (simd.number(per_step), simd.number(zero + ROUND));
    let (bottom, top) = (simd.number(ROUND), simd.number(ROUND + 255.0));
    for (row, to) in row.as_chunks::<MOST_LANES>().0.iter().zip(to.as_chunks_mut().0) {
        let mut numbers = [0.0; MOST_LANES];
        for (part, number) in row.chunks_exact(S::LANES).zip(numbers.chunks_exact_mut(S::LANES)) {
            let shifted = simd.add_f32(shift, simd.read(part), factor);
            simd.write(number, simd.smaller(simd.larger(shifted, bottom), top));
        }
        *to = numbers.map(|x| x.to_bits() as u8);
    }
    QuantizedRow { scale, zero }
}

struct Forward<'a> {
    layer: &'a Linear,
    rows: usize,
    input: &'a [f32],
    out: &'a mut [f32],
    activation: Activation,
    rounded: &'a mut Rounded,
}

impl Task for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { layer, rows, input, out, activation, rounded } = self;
        let Linear { panels, bias, factors, inputs } = layer;
        let (right, stride) = (panels.view(), layer.outputs());
        match factors {
            Factors::F32 => {
                let left = Left { words: bytemuck::cast_slice(input), rows, stride: *inputs };
                multiply(simd, F32, left, right, out, stride, &Biased { bias, activation });
            }
            Factors::Bf16 => {
                rounded.words.resize(rows * right.steps, 0);
                let halves: &mut [u16] = bytemuck::cast_slice_mut(&mut rounded.words);
                for (to, &x) in halves.iter_mut().zip(input) {
                    *to = to_bf16(x);
                }
                let left = Left { words: &rounded.words, rows, stride: right.steps };
                multiply(simd, Bf16, left, right, out, stride, &Biased { bias, activation });
            }
            Factors::Int8 { scales, sums } => {
                rounded.words.resize(rows * right.steps, 0);
                rounded.rows.clear();
                let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut rounded.words);
                for (row, to) in input.chunks_exact(*inputs).zip(bytes.chunks_exact_mut(*inputs)) {
                    rounded.rows.push(quantize(simd, row, to));
                }
                let left = Left { words: &rounded.words, rows, stride: right.steps };
                let finish = Scaled { rows: &rounded.rows, scales, sums, bias, activation };
                multiply(simd, Int8, left, right, out, stride, &finish);
            }
        }
    }
}

/// Adds the bias, and applies the activation.
struct Biased<'a> {
    bias: &'a [f32],
    activation: Activation,
}

impl Finish for Biased<'_> {
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, _: usize, first: usize, sums: &mut [f32]) {
        for (part, bias) in sums.chunks_exact_mut(S::LANES).zip(self.bias[first..].chunks_exact(S::LANES)) {
            let x = simd.plus(simd.read(part), simd.read(bias));
            simd.write(part, if self.activation == Activation::Gelu { gelu(simd, x) } else { x });
        }
    }
}

/// From integers to numbers first.
struct Scaled<'a> {
    rows: &'a [QuantizedRow],
    scales: &'a [f32],
    sums: &'a [f32],
    bias: &'a [f32],
    activation: Activation,
}

impl Finish for Scaled<'_> {
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, row: usize, first: usize, sums: &mut [f32]) {
        let QuantizedRow { scale, zero } = self.rows[row];
        let (scale, minus_zero) = (simd.number(scale), simd.number(-zero));
        let columns = self.scales[first..].chunks_exact(S::LANES).zip(self.sums[first..].chunks_exact(S::LANES));
        let columns = columns.zip(self.bias[first..].chunks_exact(S::LANES));
        for (part, ((scales, of_weights), bias)) in sums.chunks_exact_mut(S::LANES).zip(columns) {
            let sum = simd.add_f32(simd.to_f32(simd.read(part)), simd.read(of_weights), minus_zero);
            let x = simd.add_f32(simd.read(bias), sum, simd.times(simd.read(scales), scale));
            simd.write(part, if self.activation == Activation::Gelu { gelu(simd, x) } else { x });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::random::SplitMix64;

    fn numbers(n: usize, random: &mut SplitMix64) -> Vec<f32> {
        (0..n).map(|_| random.next_f64() as f32 - 0.5).collect()
    }

    /// Rows with zeros behind them, as the kernels take them.
    fn rows(numbers: &[f32], width: usize) -> Vec<f32> {
        numbers
            .chunks_exact(width)
            .flat_map(|row| row.iter().copied().chain(vec![0.0; padded(width) - width]))
            .collect()
    }

    const PRECISIONS: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::Int8];

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]
        #[test]
        fn every_level_agrees_with_the_definition(
            n in 1usize..20, inputs in 1usize..70, outputs in 1usize..120, gelu: bool, seed: u64,
        ) {
            let mut random = SplitMix64::new(seed);
            let input = numbers(n * inputs, &mut random);
            let weight = numbers(outputs * inputs, &mut random);
            let bias = numbers(outputs, &mut random);
            let activation = if gelu { Activation::Gelu } else { Activation::None };
            for (level, precision) in Level::available().into_iter().flat_map(|l| PRECISIONS.map(|p| (l, p))) {
                let layer = Linear::new(level, precision, &weight, inputs, bias.clone());
                let stride = layer.outputs();
                let mut rounded = Rounded::default();
                let mut out = vec![f32::NAN; n * stride];
                layer.forward(level, &rows(&input, inputs), &mut out, activation, &mut rounded);
                // Relative rounding of a factor, for factors up to 1/2: of bf16 2^-9; of 8 bits, on the left half of the
                // range (up to 1) over 255, on the right half of 1/127.
                let rounding = match precision {
                    Precision::F32 => 1e-7 * inputs as f64,
                    Precision::Bf16 => 2.0 / 512.0,
                    Precision::Int8 => 1.0 / 255.0 + 1.0 / 254.0 + 0.01,
                };
                let bound = rounding * inputs as f64 * 0.25 + 2e-6;
                for i in 0..n {
                    for j in 0..outputs {
                        let products = (0..inputs).map(|l| f64::from(input[i * inputs + l]) * f64::from(weight[j * inputs + l]));
                        let sum = products.sum::<f64>() + f64::from(bias[j]);
                        let normal = || 0.5 * (1.0 + statrs::function::erf::erf(sum * std::f64::consts::FRAC_1_SQRT_2));
                        let exact = if gelu { sum * normal() } else { sum };
                        let got = f64::from(out[i * stride + j]);
                        // GELU's slope is below 1.13.
                        proptest::prop_assert!((exact - got).abs() < 1.13 * bound, "{level:?} {precision:?}: {exact} {got}");
                    }
                    proptest::prop_assert!(out[i * stride + outputs..(i + 1) * stride].iter().all(|&x| x == 0.0));
                    // A row alone has the same bits.
                    let mut alone = vec![f32::NAN; stride];
                    let row = rows(&input[i * inputs..][..inputs], inputs);
                    layer.forward(level, &row, &mut alone, activation, &mut rounded);
                    proptest::prop_assert!(alone == out[i * stride..][..stride], "{level:?} {precision:?}: row {i}");
                }
            }
        }
    }

    /// Integer sums are exact, so all levels have the same bits before anything is rounded in its own way.
    #[test]
    fn the_ends_of_8_bits_do_not_saturate() {
        for inputs in [4, 384, 1536] {
            let weight: Vec<f32> = (0..inputs).map(|i| if i % 7 == 0 { -1.0 } else { 1.0 }).collect();
            let input: Vec<f32> = (0..inputs).map(|i| if i % 5 == 0 { 0.0 } else { 255.0 }).collect();
            let exact: f32 = input.iter().zip(&weight).map(|(x, w)| x * w).sum();
            for level in Level::available() {
                let layer = Linear::new(level, Precision::Int8, &weight, inputs, vec![0.0]);
                let mut out = vec![f32::NAN; layer.outputs()];
                layer.forward(level, &rows(&input, inputs), &mut out, Activation::None, &mut Rounded::default());
                assert!((out[0] - exact).abs() <= exact.abs() * 1e-5, "{level:?}: expected {exact}, got {}", out[0]);
            }
        }
    }

    #[test]
    fn constant_and_unusable_rows_are_answered() {
        for (level, precision) in Level::available().into_iter().flat_map(|l| PRECISIONS.map(|p| (l, p))) {
            let layer = Linear::new(level, precision, &[0.5; 16], 16, vec![0.25]);
            let one = |x: f32| {
                let mut out = vec![0.0; layer.outputs()];
                layer.forward(level, &[x; 16], &mut out, Activation::None, &mut Rounded::default());
                out[0]
            };
            assert_eq!(one(0.0), 0.25);
            assert!((one(3.0) - 24.25).abs() < 0.2, "{level:?} {precision:?}: {}", one(3.0));
            assert!((one(-3.0) + 23.75).abs() < 0.2, "{level:?} {precision:?}: {}", one(-3.0));
            assert!((one(1e-42) - 0.25).abs() < 1e-6);
            assert!(!one(f32::NAN).is_finite() || precision == Precision::Int8);
        }
    }
}
