//! Vectors of four words in plain Rust: what each method means, and what runs where no other level does.
#![expect(unsafe_code, reason = "loads and stores take pointers, as those of the other levels")]

use std::array::from_fn;

use super::{Simd, Task};

/// Whether a x b + c is one instruction, with one rounding. Where it is none, it is a slow function.
const FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

#[derive(Clone, Copy, Debug)]
pub(super) struct Portable;

#[inline(always)]
fn each(a: [u32; 4], b: [u32; 4], f: impl Fn(f32, f32) -> f32) -> [u32; 4] {
    from_fn(|i| f(f32::from_bits(a[i]), f32::from_bits(b[i])).to_bits())
}

impl Simd for Portable {
    type Words = [u32; 4];
    const LANES: usize = 4;
    const ROWS: usize = 4;
    const VECTORS: usize = 2;

    fn call<T: Task>(self, task: T) -> T::Output {
        task.run(self)
    }

    #[inline(always)]
    fn splat(self, word: u32) -> [u32; 4] {
        [word; 4]
    }

    #[inline(always)]
    unsafe fn load(self, from: *const u32) -> [u32; 4] {
        // SAFETY: the caller vouches for four words; a pointer to u32 is read without any need for more alignment.
        unsafe { from.cast::<[u32; 4]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u32, words: [u32; 4]) {
        // SAFETY: the caller vouches for four words.
        unsafe { to.cast::<[u32; 4]>().write_unaligned(words) }
    }

    #[inline(always)]
    fn add_f32(self, sum: [u32; 4], a: [u32; 4], b: [u32; 4]) -> [u32; 4] {
        let one = |sum: f32, a: f32, b: f32| if FUSED { a.mul_add(b, sum) } else { a * b + sum };
        from_fn(|i| one(f32::from_bits(sum[i]), f32::from_bits(a[i]), f32::from_bits(b[i])).to_bits())
    }

    #[inline(always)]
    fn add_bf16(self, sum: [u32; 4], a: [u32; 4], b: [u32; 4]) -> [u32; 4] {
        // A bf16 is the upper half of an f32.
        let low = self.add_f32(sum, a.map(|word| word << 16), b.map(|word| word << 16));
        self.add_f32(low, a.map(|word| word & 0xffff_0000), b.map(|word| word & 0xffff_0000))
    }

    #[inline(always)]
    fn add_int8(self, sum: [u32; 4], a: [u32; 4], b: [u32; 4]) -> [u32; 4] {
        let product =
            |a: u32, b: u32, shift: u32| u32::from((a >> shift) as u8).wrapping_mul((b >> shift) as i8 as u32);
        from_fn(|i| [0, 8, 16, 24].into_iter().fold(sum[i], |sum, shift| sum.wrapping_add(product(a[i], b[i], shift))))
    }

    #[inline(always)]
    fn plus(self, a: [u32; 4], b: [u32; 4]) -> [u32; 4] {
        each(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn minus(self, a: [u32; 4], b: [u32; 4]) -> [u32; 4] {
        each(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn times(self, a: [u32; 4], b: [u32; 4]) -> [u32; 4] {
        each(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn larger(self, a: [u32; 4], b: [u32; 4]) -> [u32; 4] {
        each(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn smaller(self, a: [u32; 4], b: [u32; 4]) -> [u32; 4] {
        each(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn above(self, a: [u32; 4], b: [u32; 4]) -> u32 {
        (0..4).fold(0, |bits, i| bits | u32::from(f32::from_bits(a[i]) > f32::from_bits(b[i])) << i)
    }

    #[inline(always)]
    fn power_of_two(self, n: [u32; 4]) -> [u32; 4] {
        n.map(|n| (n << 23).wrapping_add(1.0_f32.to_bits()))
    }

    #[inline(always)]
    fn to_f32(self, integers: [u32; 4]) -> [u32; 4] {
        integers.map(|n| (n.cast_signed() as f32).to_bits())
    }
}
