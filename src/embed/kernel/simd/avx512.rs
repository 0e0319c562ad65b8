//! Vectors of sixteen words: AVX-512, without or with its instructions for short factors.
#![expect(unsafe_code, reason = "vector instructions have to be known to exist")]

use std::arch::x86_64::{
    __m512bh, __m512i, _CMP_GT_OQ, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castps_si512,
    _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtepi32_ps, _mm512_dpbf16_ps, _mm512_dpbusd_epi32,
    _mm512_fmadd_ps, _mm512_loadu_si512, _mm512_madd_epi16, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps,
    _mm512_set1_epi32, _mm512_slli_epi16, _mm512_slli_epi32, _mm512_srai_epi16, _mm512_srli_epi16, _mm512_storeu_si512,
    _mm512_sub_ps,
};
use std::mem::transmute;

use super::{Level, Simd, Task};

/// AVX-512 F, BW, DQ and VL.
pub(super) const PLAIN: u8 = 0;
/// And VNNI.
pub(super) const VNNI: u8 = 1;
/// And BF16.
pub(super) const BF16: u8 = 2;

/// Proof that the instructions of an extension and those before it exist: [`Avx512::detect`] is the only way to one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512<const EXTENSION: u8>(());

impl<const EXTENSION: u8> Avx512<EXTENSION> {
    pub(super) fn detect() -> Self {
        let level = match EXTENSION {
            PLAIN => Level::Avx512,
            VNNI => Level::Avx512Vnni,
            _ => Level::Avx512Bf16,
        };
        assert!(Level::best() >= level, "a processor with {level:?}");
        Self(())
    }
}

#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
#[inline(never)]
fn plain<T: Task>(task: T) -> T::Output {
    task.run(Avx512::<PLAIN>(()))
}

#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
#[inline(never)]
fn with_vnni<T: Task>(task: T) -> T::Output {
    task.run(Avx512::<VNNI>(()))
}

#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16")]
#[inline(never)]
fn with_bf16<T: Task>(task: T) -> T::Output {
    task.run(Avx512::<BF16>(()))
}

// SAFETY, of every block below but those of `load` and `store`: `self` is the proof that the instructions of EXTENSION
// exist, and no others are used.
impl<const EXTENSION: u8> Simd for Avx512<EXTENSION> {
    type Words = __m512i;
    const LANES: usize = 16;
    const ROWS: usize = 8;
    const VECTORS: usize = 3;

    fn call<T: Task>(self, task: T) -> T::Output {
        // SAFETY: as above the impl.
        unsafe {
            match EXTENSION {
                PLAIN => plain(task),
                VNNI => with_vnni(task),
                _ => with_bf16(task),
            }
        }
    }

    #[inline(always)]
    fn splat(self, word: u32) -> __m512i {
        // SAFETY: as above the impl.
        unsafe { _mm512_set1_epi32(word.cast_signed()) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const u32) -> __m512i {
        // SAFETY: the instruction exists, and the caller vouches for sixteen words.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u32, words: __m512i) {
        // SAFETY: the instruction exists, and the caller vouches for sixteen words.
        unsafe { _mm512_storeu_si512(to.cast(), words) }
    }

    #[inline(always)]
    fn add_f32(self, sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as above the impl.
        unsafe {
            let [sum, a, b] = [_mm512_castsi512_ps(sum), _mm512_castsi512_ps(a), _mm512_castsi512_ps(b)];
            _mm512_castps_si512(_mm512_fmadd_ps(a, b, sum))
        }
    }

    #[inline(always)]
    fn add_bf16(self, sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        if EXTENSION >= BF16 {
            // SAFETY: as above the impl; both types are 64 bytes of which every pattern is a value.
            return unsafe {
                let [a, b] = [transmute::<__m512i, __m512bh>(a), transmute::<__m512i, __m512bh>(b)];
                _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(sum), a, b))
            };
        }
        let upper = self.splat(0xffff_0000);
        // SAFETY: as above the impl.
        let [low_a, low_b, high_a, high_b] = unsafe {
            [
                _mm512_slli_epi32::<16>(a),
                _mm512_slli_epi32::<16>(b),
                _mm512_and_si512(a, upper),
                _mm512_and_si512(b, upper),
            ]
        };
        self.add_f32(self.add_f32(sum, low_a, low_b), high_a, high_b)
    }

    /// Without VNNI as pairs of 16 bits, even and odd bytes apart: `vpmaddubsw` would saturate.
    #[inline(always)]
    fn add_int8(self, sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        if EXTENSION >= VNNI {
            // SAFETY: as above the impl.
            return unsafe { _mm512_dpbusd_epi32(sum, a, b) };
        }
        let low = self.splat(0x00ff_00ff);
        // SAFETY: as above the impl.
        unsafe {
            let even = _mm512_madd_epi16(_mm512_and_si512(a, low), _mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(b)));
            let odd = _mm512_madd_epi16(_mm512_srli_epi16::<8>(a), _mm512_srai_epi16::<8>(b));
            _mm512_add_epi32(sum, _mm512_add_epi32(even, odd))
        }
    }

    #[inline(always)]
    fn plus(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as above the impl.
        unsafe { _mm512_castps_si512(_mm512_add_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b))) }
    }

    #[inline(always)]
    fn minus(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as above the impl.
        unsafe { _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b))) }
    }

    #[inline(always)]
    fn times(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as above the impl.
        unsafe { _mm512_castps_si512(_mm512_mul_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b))) }
    }

    #[inline(always)]
    fn larger(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as above the impl.
        unsafe { _mm512_castps_si512(_mm512_max_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b))) }
    }

    #[inline(always)]
    fn smaller(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as above the impl.
        unsafe { _mm512_castps_si512(_mm512_min_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b))) }
    }

    #[inline(always)]
    fn above(self, a: __m512i, b: __m512i) -> u32 {
        // SAFETY: as above the impl.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b)).into() }
    }

    #[inline(always)]
    fn power_of_two(self, n: __m512i) -> __m512i {
        let one = self.number(1.0);
        // SAFETY: as above the impl.
        unsafe { _mm512_add_epi32(_mm512_slli_epi32::<23>(n), one) }
    }

    #[inline(always)]
    fn to_f32(self, integers: __m512i) -> __m512i {
        // SAFETY: as above the impl.
        unsafe { _mm512_castps_si512(_mm512_cvtepi32_ps(integers)) }
    }
}
