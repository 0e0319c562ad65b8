//! What is done to one vector at a time: from half precision to f32, to unit length, and into a sum.
//!
//! Widening is exact; products and sums are made in f64, in one order, each rounded by itself: the same bits on every machine.
//! Cost: a pass or two over the vector.
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "asking for a cache line takes a pointer"))]
#![expect(
    clippy::inline_always,
    reason = "code is compiled for a processor where it is inlined into a function that is"
)]

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::simd::{Level, Simd, Task};

/// Sums that a sum over components is parted into: component i goes to sum i modulo this.
const PARTS: usize = 16;

/// Scales a vector to unit length; a zero vector stays zero.
pub(crate) fn normalize(vector: &mut [f32]) {
    Level::best().run(Normalize(vector));
}

/// Writes what `halves` stand for to `to`, scaled to unit length; zeros stay zeros.
///
/// # Panics
/// If the lengths differ.
pub(crate) fn widen_unit(halves: &[f16], to: &mut [f32]) {
    assert_eq!(halves.len(), to.len(), "as many components");
    Level::best().run(WidenUnit { halves: halves.reinterpret_cast(), to });
}

/// Adds `weight` x `vector` to `sum`, component by component.
pub(crate) fn add_weighted(sum: &mut [f64], weight: f64, vector: &[f32]) {
    Level::best().run(AddWeighted { sum, weight, vector });
}

/// The sum of products, added up in f32 in one order on every machine.
///
/// # Panics
/// If the lengths differ.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "as many components");
    Level::best().run(Dot { a, b })
}

/// The [dot] product with what `halves` stand for.
///
/// # Panics
/// If the lengths differ.
pub(crate) fn dot_halves(a: &[f32], halves: &[f16]) -> f32 {
    assert_eq!(a.len(), halves.len(), "as many components");
    Level::best().run(DotHalves { a, halves: halves.reinterpret_cast() })
}

/// [dot].
pub(super) struct Dot<'a> {
    pub(super) a: &'a [f32],
    pub(super) b: &'a [f32],
}

impl Task for Dot<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let mut parts = [0.0; PARTS];
        let ((a, a_rest), (b, b_rest)) = (self.a.as_chunks::<PARTS>(), self.b.as_chunks::<PARTS>());
        for ((part, a), b) in parts.iter_mut().zip(a_rest).zip(b_rest) {
            *part = a * b;
        }
        for (i, parts) in parts.chunks_exact_mut(S::LANES).enumerate() {
            let first = i * S::LANES;
            let mut sum = simd.read(parts);
            for (a, b) in a.iter().zip(b) {
                sum = simd.plus(sum, simd.times(simd.read(&a[first..]), simd.read(&b[first..])));
            }
            simd.write(parts, sum);
        }
        parts.iter().sum()
    }
}

struct DotHalves<'a> {
    a: &'a [f32],
    halves: &'a [u16],
}

impl Task for DotHalves<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f32 {
        let mut parts = [0.0; PARTS];
        let ((a, a_rest), (halves, rest)) = (self.a.as_chunks::<PARTS>(), self.halves.as_chunks::<PARTS>());
        for ((part, a), &half) in parts.iter_mut().zip(a_rest).zip(rest) {
            *part = a * widened(half);
        }
        for (a, halves) in a.iter().zip(halves) {
            for ((part, a), &half) in parts.iter_mut().zip(a).zip(halves) {
                *part += a * widened(half);
            }
        }
        parts.iter().sum()
    }
}

/// Asks for a vector that will be read soon, where processors can be asked.
pub(crate) fn prefetch(halves: &[f16]) {
    #[cfg(target_arch = "x86_64")]
    for line in halves.chunks(CACHE_LINE / size_of::<f16>()) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every processor of this architecture has the instruction, and it takes any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = halves;
}

/// Bytes of a cache line.
#[cfg(target_arch = "x86_64")]
const CACHE_LINE: usize = 64;

struct Normalize<'a>(&'a mut [f32]);

impl Task for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let mut parts = [0.0_f64; PARTS];
        let mut add = |chunk: &[f32]| {
            for (part, &x) in parts.iter_mut().zip(chunk) {
                *part += f64::from(x) * f64::from(x);
            }
        };
        let (chunks, rest) = self.0.as_chunks::<PARTS>();
        for chunk in chunks {
            add(chunk);
        }
        add(rest);
        let square: f64 = parts.iter().sum();
        if square > 0.0 {
            let scale = 1.0 / square.sqrt();
            for x in self.0 {
                *x = (f64::from(*x) * scale) as f32;
            }
        }
    }
}

struct WidenUnit<'a> {
    halves: &'a [u16],
    to: &'a mut [f32],
}

impl Task for WidenUnit<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (x, &half) in self.to.iter_mut().zip(self.halves) {
            *x = widened(half);
        }
        Normalize(self.to).run(simd);
    }
}

/// The number that the bits of a half stand for; without branches, so that a loop over it becomes vector instructions.
#[inline(always)]
fn widened(half: u16) -> f32 {
    // The exponents' biases differ by 112; the product is exact, of halves below the least normal one as well.
    const BIAS: f32 = f32::from_bits((127 + 112) << 23);
    const EXPONENT: u32 = 0x7f80_0000;
    let half = u32::from(half);
    let magnitude = (half & 0x7fff) << 13;
    let number = (f32::from_bits(magnitude) * BIAS).to_bits();
    // Infinity, and what is no number, has all bits of the exponent set.
    let not_finite = magnitude | EXPONENT;
    let bits = if magnitude >= 0x0f80_0000 { not_finite } else { number };
    f32::from_bits(bits | (half & 0x8000) << 16)
}

struct AddWeighted<'a> {
    sum: &'a mut [f64],
    weight: f64,
    vector: &'a [f32],
}

impl Task for AddWeighted<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (sum, &x) in self.sum.iter_mut().zip(self.vector) {
            *sum += self.weight * f64::from(x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::random::SplitMix64;

    #[test]
    fn every_half_is_widened_exactly() {
        for bits in 0..=u16::MAX {
            let (found, expected) = (widened(bits), f16::from_bits(bits).to_f32());
            assert!(found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(), "{bits:#x}: {found}");
        }
    }

    #[test]
    fn every_level_has_the_same_bits_and_unit_length() {
        let mut random = SplitMix64::new(3);
        for dim in 0..70 {
            let vector: Vec<f32> = (0..dim).map(|_| random.next_f64() as f32 - 0.5).collect();
            let units: Vec<Vec<f32>> = Level::available()
                .into_iter()
                .map(|level| {
                    let mut unit = vector.clone();
                    level.run(Normalize(&mut unit));
                    unit
                })
                .collect();
            assert!(units.iter().all(|unit| *unit == units[0]));
            let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            for (unit, x) in units[0].iter().zip(&vector) {
                assert!((f64::from(*unit) - f64::from(*x) / length).abs() < 1e-7);
            }
            let halves: Vec<f16> = vector.iter().map(|&x| f16::from_f32(x)).collect();
            let mut expected: Vec<f32> = halves.iter().map(|x| x.to_f32()).collect();
            normalize(&mut expected);
            for level in Level::available() {
                let mut unit = vec![f32::NAN; dim];
                level.run(WidenUnit { halves: halves.reinterpret_cast(), to: &mut unit });
                assert_eq!(unit, expected, "{level:?}");
            }
            let wide: Vec<f32> = halves.iter().map(|x| x.to_f32()).collect();
            for level in Level::available() {
                let found = level.run(DotHalves { a: &vector, halves: halves.reinterpret_cast() });
                assert_eq!(found, dot(&vector, &wide), "{level:?}");
            }
            let dots: Vec<f32> =
                Level::available().into_iter().map(|level| level.run(Dot { a: &vector, b: &expected })).collect();
            assert!(dots.iter().all(|dot| *dot == dots[0]) && (f64::from(dots[0]) - length).abs() < 1e-2, "{dots:?}");
            let sums: Vec<Vec<f64>> = Level::available()
                .into_iter()
                .map(|level| {
                    let mut sum = vec![0.25; dim];
                    level.run(AddWeighted { sum: &mut sum, weight: 1.0 / 3.0, vector: &vector });
                    sum
                })
                .collect();
            assert!(sums.iter().all(|sum| *sum == sums[0]));
            assert!(sums[0].iter().zip(&vector).all(|(sum, x)| *sum == 0.25 + 1.0 / 3.0 * f64::from(*x)));
        }
        let mut zero = [0.0; 20];
        normalize(&mut zero);
        assert_eq!(zero, [0.0; 20]);
    }
}
