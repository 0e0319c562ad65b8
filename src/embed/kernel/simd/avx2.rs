//! Vectors of eight words: AVX2 and FMA.
#![expect(unsafe_code, reason = "vector instructions have to be known to exist")]

use std::arch::x86_64::{
    __m256i, _CMP_GT_OQ, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_castps_si256, _mm256_castsi256_ps,
    _mm256_cmp_ps, _mm256_cvtepi32_ps, _mm256_fmadd_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_max_ps,
    _mm256_min_ps, _mm256_movemask_ps, _mm256_mul_ps, _mm256_set1_epi32, _mm256_slli_epi16, _mm256_slli_epi32,
    _mm256_srai_epi16, _mm256_srli_epi16, _mm256_storeu_si256, _mm256_sub_ps,
};

use super::{Simd, Task};

/// Proof that the instructions exist: [`Avx2::detect`] is the only way to one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Self {
        assert!(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"), "a processor with AVX2 and FMA");
        Self(())
    }
}

#[target_feature(enable = "avx2,fma")]
#[inline(never)]
fn compiled<T: Task>(task: T) -> T::Output {
    task.run(Avx2(()))
}

// SAFETY, of every block below but those of `load` and `store`: `self` is the proof that AVX2 and FMA exist, which is
// all that these instructions ask for.
impl Simd for Avx2 {
    type Words = __m256i;
    const LANES: usize = 8;
    const ROWS: usize = 6;
    const VECTORS: usize = 2;

    fn call<T: Task>(self, task: T) -> T::Output {
        // SAFETY: as above the impl.
        unsafe { compiled(task) }
    }

    #[inline(always)]
    fn splat(self, word: u32) -> __m256i {
        // SAFETY: as above the impl.
        unsafe { _mm256_set1_epi32(word.cast_signed()) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const u32) -> __m256i {
        // SAFETY: the instruction exists, and the caller vouches for eight words.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u32, words: __m256i) {
        // SAFETY: the instruction exists, and the caller vouches for eight words.
        unsafe { _mm256_storeu_si256(to.cast(), words) }
    }

    #[inline(always)]
    fn add_f32(self, sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above the impl.
        unsafe {
            let [sum, a, b] = [_mm256_castsi256_ps(sum), _mm256_castsi256_ps(a), _mm256_castsi256_ps(b)];
            _mm256_castps_si256(_mm256_fmadd_ps(a, b, sum))
        }
    }

    #[inline(always)]
    fn add_bf16(self, sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
        let upper = self.splat(0xffff_0000);
        // SAFETY: as above the impl.
        let [low_a, low_b, high_a, high_b] = unsafe {
            [
                _mm256_slli_epi32::<16>(a),
                _mm256_slli_epi32::<16>(b),
                _mm256_and_si256(a, upper),
                _mm256_and_si256(b, upper),
            ]
        };
        self.add_f32(self.add_f32(sum, low_a, low_b), high_a, high_b)
    }

    /// As pairs of 16 bits, even and odd bytes apart: `vpmaddubsw` would saturate.
    #[inline(always)]
    fn add_int8(self, sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
        let low = self.splat(0x00ff_00ff);
        // SAFETY: as above the impl.
        unsafe {
            let even = _mm256_madd_epi16(_mm256_and_si256(a, low), _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(b)));
            let odd = _mm256_madd_epi16(_mm256_srli_epi16::<8>(a), _mm256_srai_epi16::<8>(b));
            _mm256_add_epi32(sum, _mm256_add_epi32(even, odd))
        }
    }

    #[inline(always)]
    fn plus(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above the impl.
        unsafe { _mm256_castps_si256(_mm256_add_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b))) }
    }

    #[inline(always)]
    fn minus(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above the impl.
        unsafe { _mm256_castps_si256(_mm256_sub_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b))) }
    }

    #[inline(always)]
    fn times(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above the impl.
        unsafe { _mm256_castps_si256(_mm256_mul_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b))) }
    }

    #[inline(always)]
    fn larger(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above the impl.
        unsafe { _mm256_castps_si256(_mm256_max_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b))) }
    }

    #[inline(always)]
    fn smaller(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above the impl.
        unsafe { _mm256_castps_si256(_mm256_min_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b))) }
    }

    #[inline(always)]
    fn above(self, a: __m256i, b: __m256i) -> u32 {
        // SAFETY: as above the impl.
        unsafe {
            let above = _mm256_cmp_ps::<_CMP_GT_OQ>(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b));
            _mm256_movemask_ps(above).cast_unsigned()
        }
    }

    #[inline(always)]
    fn power_of_two(self, n: __m256i) -> __m256i {
        let one = self.number(1.0);
        // SAFETY: as above the impl.
        unsafe { _mm256_add_epi32(_mm256_slli_epi32::<23>(n), one) }
    }

    #[inline(always)]
    fn to_f32(self, integers: __m256i) -> __m256i {
        // SAFETY: as above the impl.
        unsafe { _mm256_castps_si256(_mm256_cvtepi32_ps(integers)) }
    }
}
