//! One source, compiled once for every kind of processor, and the choice between them.
//!
//! A kernel is a [`Task`]: its operands, and code over a [`Simd`] type. [`Level::run`] compiles that code with the
//! instructions of each [`Level`] and calls the one that this processor has. Loops without anything special are left to
//! the compiler's vectoriser; what it does not find (products of words, for the tiles of a matrix product) is what
//! [`Simd`] has methods for. [`Portable`] has them in plain Rust, and is what the others are tested against.

#![expect(unsafe_code, reason = "vectors are read from and written to slices by pointer")]
#![expect(
    clippy::inline_always,
    reason = "code is compiled for a processor where it is inlined into a function that is"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

use std::sync::OnceLock;

use portable::Portable;

use super::Precision;

/// The vector instructions of a processor.
///
/// A word is 32 bits of a factor: one f32, two bf16, or four integers of 8 bits, the first in the low bits. A lane of an
/// accumulator adds up products of words: as the bits of an f32, or as an i32 if the words are integers.
pub(crate) trait Simd: Copy {
    /// [`LANES`](Self::LANES) words.
    type Words: Copy;
    /// Words of a vector.
    const LANES: usize;
    /// Rows of a tile whose sums stay in registers.
    const ROWS: usize;
    /// Vectors in a row of such a tile.
    const VECTORS: usize;
    /// Runs `task` as code for this processor, not inlined into the caller.
    fn call<T: Task>(self, task: T) -> T::Output;

    /// The same word in every lane.
    fn splat(self, word: u32) -> Self::Words;

    /// Reads [`LANES`](Self::LANES) words.
    ///
    /// # Safety
    /// `from` is valid for that many reads.
    unsafe fn load(self, from: *const u32) -> Self::Words;

    /// Writes [`LANES`](Self::LANES) words.
    ///
    /// # Safety
    /// `to` is valid for that many writes.
    unsafe fn store(self, to: *mut u32, words: Self::Words);

    /// `sum` + a x b of words that are f32.
    fn add_f32(self, sum: Self::Words, a: Self::Words, b: Self::Words) -> Self::Words;

    /// `sum` + a x b over the two bf16 of each word, in f32.
    fn add_bf16(self, sum: Self::Words, a: Self::Words, b: Self::Words) -> Self::Words;

    /// `sum` + a x b over the four integers of each word, without sign in `a` and with sign in `b`; exact.
    fn add_int8(self, sum: Self::Words, a: Self::Words, b: Self::Words) -> Self::Words;

    /// a + b of f32.
    fn plus(self, a: Self::Words, b: Self::Words) -> Self::Words;

    /// a - b of f32.
    fn minus(self, a: Self::Words, b: Self::Words) -> Self::Words;

    /// a x b of f32.
    fn times(self, a: Self::Words, b: Self::Words) -> Self::Words;

    /// The larger one of two f32.
    fn larger(self, a: Self::Words, b: Self::Words) -> Self::Words;

    /// The smaller one of two f32.
    fn smaller(self, a: Self::Words, b: Self::Words) -> Self::Words;

    /// A bit for every lane, that of the first the lowest: set where a > b, of f32.
    fn above(self, a: Self::Words, b: Self::Words) -> u32;

    /// Every word 23 bits up, plus the bits of 1.0: 2^n if n stands in the low bits.
    fn power_of_two(self, n: Self::Words) -> Self::Words;

    /// The f32 nearest to every i32.
    fn to_f32(self, integers: Self::Words) -> Self::Words;

    /// The same f32 in every lane.
    #[inline(always)]
    fn number(self, x: f32) -> Self::Words {
        self.splat(x.to_bits())
    }

    /// Reads the first numbers of a slice.
    ///
    /// # Panics
    /// If there are fewer than [`LANES`](Self::LANES).
    #[inline(always)]
    fn read(self, from: &[f32]) -> Self::Words {
        assert!(from.len() >= Self::LANES, "a vector of numbers");
        // SAFETY: that many numbers are there, and an f32 is as large as a word.
        unsafe { self.load(from.as_ptr().cast()) }
    }

    /// Writes the first numbers of a slice.
    ///
    /// # Panics
    /// If there are fewer than [`LANES`](Self::LANES).
    #[inline(always)]
    fn write(self, to: &mut [f32], words: Self::Words) {
        assert!(to.len() >= Self::LANES, "a vector of numbers");
        // SAFETY: that many numbers are there, and every pattern of bits is an f32.
        unsafe { self.store(to.as_mut_ptr().cast(), words) }
    }

    /// `fold` over the numbers of a vector, half by half.
    #[inline(always)]
    fn reduce(self, words: Self::Words, fold: fn(f32, f32) -> f32) -> f32 {
        let mut numbers = [0.0; MOST_LANES];
        self.write(&mut numbers, words);
        let mut half = Self::LANES / 2;
        while half > 0 {
            for i in 0..half {
                numbers[i] = fold(numbers[i], numbers[i + half]);
            }
            half /= 2;
        }
        numbers[0]
    }
}

/// The largest number of lanes. Rows are as long as a multiple of it.
pub(crate) const MOST_LANES: usize = 16;

/// The most rows and columns of a tile.
pub(crate) const LARGEST_TILE: [usize; 2] = [8, 3 * MOST_LANES];

/// Work that is compiled for every kind of processor. `run` is to be `#[inline(always)]`, and so is all that it calls.
pub(crate) trait Task {
    type Output;
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Columns of a tile.
pub(crate) struct TileWidth;

impl Task for TileWidth {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        S::LANES * S::VECTORS
    }
}

/// What a processor can do, from little to much; each kind has what those before it have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Every processor.
    Portable,
    /// x86-64 with AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// And with VNNI: products of 8-bit integers.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// And with BF16: products of bf16.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    /// aarch64 with NEON, as good as all.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// And with `DotProd`: products of 8-bit integers of one kind.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
    /// And with `I8MM` and `BF16`: products of 8-bit integers without and with sign, and of bf16.
    #[cfg(target_arch = "aarch64")]
    NeonMixed,
}

impl Level {
    /// The levels that this processor has, the best last.
    pub(crate) fn available() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let detected = {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            let vnni = avx512 && is_x86_feature_detected!("avx512vnni");
            let bf16 = vnni && is_x86_feature_detected!("avx512bf16");
            [(avx2, Self::Avx2), (avx512, Self::Avx512), (vnni, Self::Avx512Vnni), (bf16, Self::Avx512Bf16)]
        };
        #[cfg(target_arch = "aarch64")]
        let detected = {
            use std::arch::is_aarch64_feature_detected;
            let neon = is_aarch64_feature_detected!("neon");
            let dot = neon && is_aarch64_feature_detected!("dotprod");
            let mixed = dot && is_aarch64_feature_detected!("i8mm") && is_aarch64_feature_detected!("bf16");
            [(neon, Self::Neon), (dot, Self::NeonDot), (mixed, Self::NeonMixed)]
        };
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let detected: [(bool, Self); 0] = [];
        let found = detected.into_iter().filter(|(found, _)| *found).map(|(_, level)| level);
        std::iter::once(Self::Portable).chain(found).collect()
    }

    /// The best one of this processor.
    pub(crate) fn best() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().last().copied().unwrap_or(Self::Portable))
    }

    /// The precisions in which a forward pass takes less time than in f32, the fastest first.
    pub(crate) fn faster_than_f32(self) -> &'static [Precision] {
        match self {
            Self::Portable => &[],
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::Avx512 | Self::Avx512Vnni => &[Precision::Int8],
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => &[Precision::Int8, Precision::Bf16],
            // By their count of instructions for 16 products, of which f32 takes 4: 4, 2 and 1. Not measured.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => &[],
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot | Self::NeonMixed => &[Precision::Int8],
        }
    }

    /// Runs `task` as code of this level.
    ///
    /// # Panics
    /// If this processor does not have it.
    pub(crate) fn run<T: Task>(self, task: T) -> T::Output {
        match self {
            Self::Portable => Portable.call(task),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::Avx2::detect().call(task),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::Avx512::<{ avx512::PLAIN }>::detect().call(task),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => avx512::Avx512::<{ avx512::VNNI }>::detect().call(task),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => avx512::Avx512::<{ avx512::BF16 }>::detect().call(task),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => neon::Neon::<{ neon::PLAIN }>::detect().call(task),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => neon::Neon::<{ neon::DOT }>::detect().call(task),
            #[cfg(target_arch = "aarch64")]
            Self::NeonMixed => neon::Neon::<{ neon::MIXED }>::detect().call(task),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Method {
        AddF32,
        AddBf16,
        AddInt8,
        Plus,
        Minus,
        Times,
        Larger,
        Smaller,
        Above,
        PowerOfTwo,
        ToF32,
    }

    const METHODS: [Method; 11] = [
        Method::AddF32,
        Method::AddBf16,
        Method::AddInt8,
        Method::Plus,
        Method::Minus,
        Method::Times,
        Method::Larger,
        Method::Smaller,
        Method::Above,
        Method::PowerOfTwo,
        Method::ToF32,
    ];

    /// A method on vectors of three slices, all [`MOST_LANES`] long.
    struct Apply<'a>(Method, [&'a [u32]; 3]);

    impl Task for Apply<'_> {
        type Output = Vec<u32>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Vec<u32> {
            let Self(method, operands) = self;
            let mut out = vec![0; MOST_LANES];
            for (first, to) in (0..MOST_LANES).step_by(S::LANES).zip(out.chunks_exact_mut(S::LANES)) {
                // SAFETY: LANES words are read of slices that long.
                let [a, b, c] = operands.map(|words| unsafe { simd.load(words[first..][..S::LANES].as_ptr()) });
                let words = match method {
                    Method::AddF32 => simd.add_f32(a, b, c),
                    Method::AddBf16 => simd.add_bf16(a, b, c),
                    Method::AddInt8 => simd.add_int8(a, b, c),
                    Method::Plus => simd.plus(a, b),
                    Method::Minus => simd.minus(a, b),
                    Method::Times => simd.times(a, b),
                    Method::Larger => simd.larger(a, b),
                    Method::Smaller => simd.smaller(a, b),
                    Method::Above => {
                        let bits = simd.above(a, b);
                        to.iter_mut().enumerate().for_each(|(lane, to)| *to = bits >> lane & 1);
                        continue;
                    }
                    Method::PowerOfTwo => simd.power_of_two(a),
                    Method::ToF32 => simd.to_f32(a),
                };
                // SAFETY: `to` has LANES words.
                unsafe { simd.store(to.as_mut_ptr(), words) };
            }
            out
        }
    }

    /// Any pattern of bits, one in four a number that is special as an f32.
    fn words() -> impl Strategy<Value = Vec<u32>> {
        let special = [0.0, -0.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN_POSITIVE];
        let special = proptest::sample::select(special.map(f32::to_bits).to_vec());
        proptest::collection::vec(prop_oneof![3 => any::<u32>(), 1 => special], MOST_LANES)
    }

    /// Two numbers that bf16 has, as a word.
    fn halves() -> impl Strategy<Value = Vec<u32>> {
        let half = || (-8.0_f32..8.0).prop_map(|x| x.to_bits() >> 16);
        proptest::collection::vec((half(), half()).prop_map(|(low, high)| low | high << 16), MOST_LANES)
    }

    fn same(a: u32, b: u32) -> bool {
        a == b || (f32::from_bits(a).is_nan() && f32::from_bits(b).is_nan())
    }

    proptest! {
        /// Bit by bit, but for the bits of a NaN; a sum may be rounded once (by one instruction) or twice (by two).
        #[test]
        fn every_level_does_what_the_portable_one_does(a in words(), b in words(), c in words()) {
            for (level, method) in Level::available().into_iter().flat_map(|level| METHODS.map(|m| (level, m))) {
                if matches!(method, Method::AddBf16) {
                    continue;
                }
                let expected = Level::Portable.run(Apply(method, [&a, &b, &c]));
                for (i, &got) in level.run(Apply(method, [&a, &b, &c])).iter().enumerate() {
                    let [x, y, z] = [a[i], b[i], c[i]].map(f32::from_bits);
                    let is_sum = matches!(method, Method::AddF32);
                    prop_assert!(
                        same(expected[i], got) || is_sum && same(y.mul_add(z, x).to_bits(), got),
                        "{level:?} {method:?} of {:x} {:x} {:x}: expected {:x}, got {got:x}", a[i], b[i], c[i], expected[i]
                    );
                }
            }
        }

        /// The instructions for bf16 differ in when they round.
        #[test]
        fn every_level_adds_products_of_bf16(sum in -8.0_f32..8.0, a in halves(), b in halves()) {
            let sums = vec![sum.to_bits(); MOST_LANES];
            for level in Level::available() {
                for (i, got) in level.run(Apply(Method::AddBf16, [&sums, &a, &b])).into_iter().enumerate() {
                    let halves = |word: u32| [word << 16, word & 0xffff_0000].map(|bits| f64::from(f32::from_bits(bits)));
                    let ([a_low, a_high], [b_low, b_high]) = (halves(a[i]), halves(b[i]));
                    let exact = f64::from(sum) + a_low * b_low + a_high * b_high;
                    // Three roundings of numbers below 136: 2^-24 of it each, twice that where they are to odd.
                    let got = f64::from(f32::from_bits(got));
                    prop_assert!((exact - got).abs() < 3.0 * 136.0 / 8_388_608.0, "{level:?}: expected {exact}, got {got}");
                }
            }
        }
    }
}
