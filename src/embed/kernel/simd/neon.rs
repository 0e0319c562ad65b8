//! Vectors of four words: NEON, without or with its instructions for short factors.
//!
//! The latter have no stable intrinsics, so they are written as assembly: one instruction, that reads and writes nothing
//! but its registers.
#![expect(unsafe_code, reason = "vector instructions have to be known to exist")]

use std::arch::aarch64::{
    uint32x4_t, vaddq_f32, vaddq_u32, vaddvq_u32, vandq_u32, vbslq_u32, vcgtq_f32, vcvtq_f32_s32, vdupq_n_u32,
    veorq_u32, vfmaq_f32, vld1q_u32, vmulq_f32, vmulq_s16, vpadalq_s16, vreinterpretq_f32_u32, vreinterpretq_s16_u16,
    vreinterpretq_s16_u32, vreinterpretq_s32_u32, vreinterpretq_u16_u32, vreinterpretq_u32_f32, vreinterpretq_u32_s32,
    vshlq_n_s16, vshlq_n_u32, vshrq_n_s16, vshrq_n_u16, vst1q_u32, vsubq_f32, vsubq_u32,
};
use std::arch::asm;

use super::{Level, Simd, Task};

/// What every processor with 64 bits of Arm has.
pub(super) const PLAIN: u8 = 0;
/// And `DotProd`.
pub(super) const DOT: u8 = 1;
/// And `I8MM` and `BF16`.
pub(super) const MIXED: u8 = 2;

/// Proof that the instructions of an extension and those before it exist: [`Neon::detect`] is the only way to one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neon<const EXTENSION: u8>(());

impl<const EXTENSION: u8> Neon<EXTENSION> {
    pub(super) fn detect() -> Self {
        let level = match EXTENSION {
            PLAIN => Level::Neon,
            DOT => Level::NeonDot,
            _ => Level::NeonMixed,
        };
        assert!(Level::best() >= level, "a processor with {level:?}");
        Self(())
    }
}

#[target_feature(enable = "neon")]
#[inline(never)]
fn plain<T: Task>(task: T) -> T::Output {
    task.run(Neon::<PLAIN>(()))
}

#[target_feature(enable = "neon,dotprod")]
#[inline(never)]
fn with_dot<T: Task>(task: T) -> T::Output {
    task.run(Neon::<DOT>(()))
}

#[target_feature(enable = "neon,dotprod,i8mm,bf16")]
#[inline(never)]
fn with_mixed<T: Task>(task: T) -> T::Output {
    task.run(Neon::<MIXED>(()))
}

/// One instruction on three registers: `sum` with what `a` and `b` add to it.
macro_rules! dot {
    ($instruction:literal, $parts:literal, $sum:expr, $a:expr, $b:expr) => {{
        let mut sum = $sum;
        asm!(
            concat!($instruction, " {sum:v}.4s, {a:v}.", $parts, ", {b:v}.", $parts),
            sum = inout(vreg) sum,
            a = in(vreg) $a,
            b = in(vreg) $b,
            options(pure, nomem, nostack, preserves_flags),
        );
        sum
    }};
}

// SAFETY, of every block below but those of `load` and `store`: `self` is the proof that the instructions of EXTENSION
// exist, and no others are used.
impl<const EXTENSION: u8> Simd for Neon<EXTENSION> {
    type Words = uint32x4_t;
    const LANES: usize = 4;
    const ROWS: usize = 8;
    const VECTORS: usize = 3;

    fn call<T: Task>(self, task: T) -> T::Output {
        // SAFETY: as above the impl.
        unsafe {
            match EXTENSION {
                PLAIN => plain(task),
                DOT => with_dot(task),
                _ => with_mixed(task),
            }
        }
    }

    #[inline(always)]
    fn splat(self, word: u32) -> uint32x4_t {
        // SAFETY: as above the impl.
        unsafe { vdupq_n_u32(word) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const u32) -> uint32x4_t {
        // SAFETY: the instruction exists, and the caller vouches for four words.
        unsafe { vld1q_u32(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u32, words: uint32x4_t) {
        // SAFETY: the instruction exists, and the caller vouches for four words.
        unsafe { vst1q_u32(to, words) }
    }

    #[inline(always)]
    fn add_f32(self, sum: uint32x4_t, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        // SAFETY: as above the impl.
        unsafe {
            let [sum, a, b] = [vreinterpretq_f32_u32(sum), vreinterpretq_f32_u32(a), vreinterpretq_f32_u32(b)];
            vreinterpretq_u32_f32(vfmaq_f32(sum, a, b))
        }
    }

    #[inline(always)]
    fn add_bf16(self, sum: uint32x4_t, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        if const { EXTENSION >= MIXED } {
            // SAFETY: as above the impl.
            return unsafe { dot!("bfdot", "8h", sum, a, b) };
        }
        let upper = self.splat(0xffff_0000);
        // SAFETY: as above the impl.
        let [low_a, low_b, high_a, high_b] =
            unsafe { [vshlq_n_u32::<16>(a), vshlq_n_u32::<16>(b), vandq_u32(a, upper), vandq_u32(b, upper)] };
        self.add_f32(self.add_f32(sum, low_a, low_b), high_a, high_b)
    }

    /// `sdot` takes both factors with sign: 128 is subtracted from `a`, and 128 x `b` added. Without it even and odd bytes
    /// apart: a product fits 16 bits, a sum of two does not.
    #[inline(always)]
    fn add_int8(self, sum: uint32x4_t, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        if const { EXTENSION >= MIXED } {
            // SAFETY: as above the impl.
            return unsafe { dot!("usdot", "16b", sum, a, b) };
        }
        if const { EXTENSION >= DOT } {
            let minus_128 = self.splat(0x8080_8080);
            // SAFETY: as above the impl.
            return unsafe {
                let subtracted = dot!("sdot", "16b", self.splat(0), minus_128, b);
                vsubq_u32(dot!("sdot", "16b", sum, veorq_u32(a, minus_128), b), subtracted)
            };
        }
        let low = self.splat(0x00ff_00ff);
        // SAFETY: as above the impl.
        unsafe {
            let even_a = vreinterpretq_s16_u32(vandq_u32(a, low));
            let odd_a = vreinterpretq_s16_u16(vshrq_n_u16::<8>(vreinterpretq_u16_u32(a)));
            let b = vreinterpretq_s16_u32(b);
            let even = vmulq_s16(even_a, vshrq_n_s16::<8>(vshlq_n_s16::<8>(b)));
            let odd = vmulq_s16(odd_a, vshrq_n_s16::<8>(b));
            vreinterpretq_u32_s32(vpadalq_s16(vpadalq_s16(vreinterpretq_s32_u32(sum), even), odd))
        }
    }

    #[inline(always)]
    fn plus(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        // SAFETY: as above the impl.
        unsafe { vreinterpretq_u32_f32(vaddq_f32(vreinterpretq_f32_u32(a), vreinterpretq_f32_u32(b))) }
    }

    #[inline(always)]
    fn minus(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        // SAFETY: as above the impl.
        unsafe { vreinterpretq_u32_f32(vsubq_f32(vreinterpretq_f32_u32(a), vreinterpretq_f32_u32(b))) }
    }

    #[inline(always)]
    fn times(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        // SAFETY: as above the impl.
        unsafe { vreinterpretq_u32_f32(vmulq_f32(vreinterpretq_f32_u32(a), vreinterpretq_f32_u32(b))) }
    }

    /// Not `fmax`, which would make a NaN of `a` the result.
    #[inline(always)]
    fn larger(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        // SAFETY: as above the impl.
        unsafe { vbslq_u32(vcgtq_f32(vreinterpretq_f32_u32(a), vreinterpretq_f32_u32(b)), a, b) }
    }

    #[inline(always)]
    fn smaller(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        // SAFETY: as above the impl.
        unsafe { vbslq_u32(vcgtq_f32(vreinterpretq_f32_u32(b), vreinterpretq_f32_u32(a)), a, b) }
    }

    #[inline(always)]
    fn above(self, a: uint32x4_t, b: uint32x4_t) -> u32 {
        // SAFETY: as above the impl; four words are read of four.
        unsafe {
            let above = vcgtq_f32(vreinterpretq_f32_u32(a), vreinterpretq_f32_u32(b));
            vaddvq_u32(vandq_u32(above, vld1q_u32([1, 2, 4, 8].as_ptr())))
        }
    }

    #[inline(always)]
    fn power_of_two(self, n: uint32x4_t) -> uint32x4_t {
        let one = self.number(1.0);
        // SAFETY: as above the impl.
        unsafe { vaddq_u32(vshlq_n_u32::<23>(n), one) }
    }

    #[inline(always)]
    fn to_f32(self, integers: uint32x4_t) -> uint32x4_t {
        // SAFETY: as above the impl.
        unsafe { vreinterpretq_u32_f32(vcvtq_f32_s32(vreinterpretq_s32_u32(integers))) }
    }
}
