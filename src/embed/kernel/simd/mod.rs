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
mod portable;

use portable::Portable;

use crate::embed::Precision;

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

/// Work that is compiled for every kind of processor. `run` is to be `#[inline(always)]`, and so is all that it calls.
pub(crate) trait Task {
    type Output;
    fn run<S: Simd>(self, simd: S) -> Self::Output;
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
}

impl Level {
    /// The levels that this processor has, the best last.
    pub(crate) fn available() -> Vec<Self> {
        let levels = std::iter::once(Self::Portable);
        #[cfg(target_arch = "x86_64")]
        let levels = {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            let vnni = avx512 && is_x86_feature_detected!("avx512vnni");
            let bf16 = vnni && is_x86_feature_detected!("avx512bf16");
            let detected =
                [(avx2, Self::Avx2), (avx512, Self::Avx512), (vnni, Self::Avx512Vnni), (bf16, Self::Avx512Bf16)];
            levels.chain(detected.into_iter().filter(|(found, _)| *found).map(|(_, level)| level))
        };
        levels.collect()
    }

    /// The best one of this processor.
    pub(crate) fn best() -> Self {
        Self::available().last().copied().unwrap_or(Self::Portable)
    }

    /// The precisions in which a forward pass takes less time than in f32, the fastest first.
    pub(crate) fn faster_than_f32(self) -> &'static [Precision] {
        match self {
            Self::Portable => &[],
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::Avx512 | Self::Avx512Vnni => &[Precision::Int8],
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => &[Precision::Int8, Precision::Bf16],
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
        }
    }
}
