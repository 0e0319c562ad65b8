//! Products of rows and columns in 8 bits, and which of them exceed a threshold.
//!
//! `value(i, j) = factor_j x sum over l of row_i(l) x column_j(l)`, as f32. The sum is an i32 and exact, so a value has
//! the same bits on every path, in every block and at any number of threads. Components lie in
//! -[`largest_component`]..=[`largest_component`], so that no sum overflows.
//!
//! A block is [`ROWS`] rows by [`COLUMNS`] columns: its sums stay in registers, its columns in a core's first cache.
//! Only what exceeds its row's threshold leaves a block, and the thresholds rise with what was found. Columns are packed
//! once, with 128 added, as the instruction `vpdpbusd` takes one factor without sign; 128 x the sum of a row is
//! subtracted.
//!
//! Paths, chosen when the program runs: AVX-512 VNNI (64 products an instruction), AVX2, NEON with `DotProd`, and portable
//! code. On a core of
//! AMD EPYC (Zen 4) they make some 200, 60 and 10 G multiplications a second. Cost: rows x columns x dim multiplications.
#![cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(
        unsafe_code,
        reason = "vector loads and stores take raw pointers, and code for a processor has to be chosen"
    )
)]

/// Rows of a block.
const ROWS: usize = 8;

/// Columns of a block, at most 64: one bit each.
const COLUMNS: usize = 48;

/// Consecutive components that one lane multiplies in a step.
const DEPTH: usize = 4;

/// What is added to a column's components.
const OFFSET: i32 = 128;

/// [`DEPTH`] components of every column of a block, one column after the other.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct ColumnStep([u8; COLUMNS * DEPTH]);

/// [`DEPTH`] components of every row of a block, those of a row in one little-endian word.
type RowStep = [i32; ROWS];

/// The largest component that vectors of `dim` components may have: 127 up to a `dim` of 66,311, less beyond. Sums of
/// products with a column, offset or not, then lie within 2^31.
pub(crate) fn largest_component(dim: usize) -> i8 {
    let fits = i32::MAX as usize / (dim.max(1) * (OFFSET as usize + 127));
    i8::try_from(fits).unwrap_or(i8::MAX)
}

/// Steps of a vector, an even number; what is left over is filled up with zeros.
fn steps(dim: usize) -> usize {
    dim.div_ceil(DEPTH).next_multiple_of(2)
}

/// Code for one kind of processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// Runs everywhere.
    Portable,
    /// x86-64 with AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// x86-64 with AVX-512 F and VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// aarch64 with NEON and `DotProd`.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
}

impl Path {
    /// The paths that this processor can run, the fastest last.
    pub(crate) fn available() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let faster = [
            (is_x86_feature_detected!("avx2"), Self::Avx2),
            (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni"), Self::Avx512Vnni),
        ];
        #[cfg(target_arch = "aarch64")]
        let faster = [(std::arch::is_aarch64_feature_detected!("dotprod"), Self::NeonDot)];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let faster: [(bool, Self); 0] = [];
        let runnable = faster.into_iter().filter(|(runs, _)| *runs).map(|(_, path)| path);
        std::iter::once(Self::Portable).chain(runnable).collect()
    }
}

/// Columns packed for the product: about dim bytes each.
#[derive(Clone, Debug)]
pub(crate) struct PackedColumns {
    n: usize,
    steps: usize,
    /// Block by block, step by step.
    packed: Vec<ColumnStep>,
    /// One per column; those that fill up the last block are NaN, which exceeds nothing.
    factors: Vec<[f32; COLUMNS]>,
    path: Path,
}

impl PackedColumns {
    /// Packs columns of `dim` components, for the fastest path; `factors` has one number per column.
    ///
    /// # Panics
    /// If `components` is not one vector of `dim` per factor.
    pub(crate) fn new(dim: usize, components: &[i8], factors: &[f32]) -> Self {
        assert_eq!(components.len(), dim * factors.len(), "one vector of {dim} per factor");
        let steps = steps(dim);
        let blocks = factors.len().div_ceil(COLUMNS);
        let mut packed = vec![ColumnStep([OFFSET as u8; COLUMNS * DEPTH]); blocks * steps];
        for (j, column) in components.chunks_exact(dim.max(1)).enumerate() {
            let (block, lane) = (j / COLUMNS, j % COLUMNS);
            for (step, part) in column.chunks(DEPTH).enumerate() {
                let places = &mut packed[block * steps + step].0[lane * DEPTH..];
                for (to, &x) in places.iter_mut().zip(part) {
                    *to = (i32::from(x) + OFFSET) as u8;
                }
            }
        }
        let padded = |block: &[f32]| std::array::from_fn(|lane| block.get(lane).copied().unwrap_or(f32::NAN));
        let factors_of_blocks = factors.chunks(COLUMNS).map(padded).collect();
        let path = *Path::available().last().unwrap_or(&Path::Portable);
        Self { n: factors.len(), steps, packed, factors: factors_of_blocks, path }
    }

    /// The same columns on another of the [available](Path::available) paths.
    ///
    /// # Panics
    /// If this processor cannot run it.
    #[cfg(test)]
    pub(crate) fn with_path(self, path: Path) -> Self {
        assert!(Path::available().contains(&path), "a path that runs here");
        Self { path, ..self }
    }

    /// Number of columns.
    pub(crate) fn len(&self) -> usize {
        self.n
    }

    /// Shows `found` every (row, column, value) whose value is above the row's threshold, each row's columns in
    /// ascending order. What `found` returns is the row's threshold from there on. All begin at minus infinity.
    ///
    /// # Panics
    /// If rows and columns differ in length.
    pub(crate) fn scan(&self, rows: &PackedRows, mut found: impl FnMut(usize, usize, f32) -> f32) {
        assert!(rows.n == 0 || rows.steps == self.steps, "rows and columns of one length");
        let mut thresholds: Vec<[f32; ROWS]> = (0..rows.n.div_ceil(ROWS))
            .map(|block| {
                std::array::from_fn(|i| if block * ROWS + i < rows.n { f32::NEG_INFINITY } else { f32::INFINITY })
            })
            .collect();
        let mut block = Block { values: [[0.0; COLUMNS]; ROWS], above: [0; ROWS] };
        let columns = self.packed.chunks_exact(self.steps.max(1)).zip(&self.factors);
        for (column_block, (columns, factors)) in columns.enumerate() {
            let rows = rows.packed.chunks_exact(rows.steps.max(1)).zip(&rows.corrections).zip(&mut thresholds);
            for (row_block, ((steps, corrections), thresholds)) in rows.enumerate() {
                block.compute(self.path, &Factors { rows: steps, corrections, columns, scales: factors }, thresholds);
                for (i, threshold) in thresholds.iter_mut().enumerate() {
                    let mut above = block.above[i];
                    while above != 0 {
                        let lane = above.trailing_zeros() as usize;
                        above &= above - 1;
                        let value = block.values[i][lane];
                        if value > *threshold {
                            *threshold = found(row_block * ROWS + i, column_block * COLUMNS + lane, value);
                        }
                    }
                }
            }
        }
    }
}

/// Rows packed for the product.
#[derive(Clone, Debug)]
pub(crate) struct PackedRows {
    n: usize,
    steps: usize,
    /// Block by block, step by step.
    packed: Vec<RowStep>,
    /// What the offset of the columns adds to each row's sums, negated.
    corrections: Vec<[i32; ROWS]>,
}

impl PackedRows {
    /// Packs rows of `dim` components.
    pub(crate) fn new(dim: usize, components: &[i8]) -> Self {
        let (n, steps) = (components.len() / dim.max(1), steps(dim));
        let blocks = n.div_ceil(ROWS);
        let mut packed = vec![[0; ROWS]; blocks * steps];
        let mut corrections = vec![[0; ROWS]; blocks];
        for (i, row) in components.chunks_exact(dim.max(1)).enumerate() {
            let (block, lane) = (i / ROWS, i % ROWS);
            for (to, part) in packed[block * steps..].iter_mut().zip(row.chunks(DEPTH)) {
                let mut word = [0; DEPTH];
                for (to, &x) in word.iter_mut().zip(part) {
                    *to = x.cast_unsigned();
                }
                to[lane] = i32::from_le_bytes(word);
            }
            corrections[block][lane] = -OFFSET * row.iter().map(|&x| i32::from(x)).sum::<i32>();
        }
        Self { n, steps, packed, corrections }
    }
}

/// What a block is computed from; `rows` and `columns` have the same number of steps.
struct Factors<'a> {
    rows: &'a [RowStep],
    #[cfg_attr(
        not(target_arch = "x86_64"),
        expect(dead_code, reason = "the other paths subtract the offset themselves")
    )]
    corrections: &'a [i32; ROWS],
    columns: &'a [ColumnStep],
    scales: &'a [f32; COLUMNS],
}

/// The values of a block.
struct Block {
    /// Those of a row, if one of them is above its threshold.
    values: [[f32; COLUMNS]; ROWS],
    /// For each row a bit per column, set where the value is above the row's threshold.
    above: [u64; ROWS],
}

impl Block {
    fn compute(&mut self, path: Path, factors: &Factors<'_>, thresholds: &[f32; ROWS]) {
        match path {
            Path::Portable => self.portable(factors, thresholds),
            // SAFETY: a path is one of those that `Path::available` found this processor to have.
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => unsafe { self.avx2(factors, thresholds) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Path::Avx512Vnni => unsafe { self.avx512_vnni(factors, thresholds) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Path::NeonDot => unsafe { self.neon_dot(factors, thresholds) },
        }
    }

    /// A row by 16 columns at a time. Columns are taken without their offset, so that the products of two steps fit i16;
    /// they are added before they are widened.
    fn portable(&mut self, factors: &Factors<'_>, thresholds: &[f32; ROWS]) {
        for (i, &threshold) in thresholds.iter().enumerate() {
            self.above[i] = 0;
            for part in 0..COLUMNS * DEPTH / WIDTH {
                let mut sums = [0_i32; WIDTH];
                for (rows, columns) in factors.rows.chunks_exact(2).zip(factors.columns.chunks_exact(2)) {
                    let [first, second] = [0, 1].map(|step| &columns[step].0.as_chunks::<WIDTH>().0[part]);
                    let [first_row, second_row] = [0, 1].map(|step| repeated(rows[step][i]));
                    let column = |byte: u8| i16::from(byte) - OFFSET as i16;
                    let products: [i16; WIDTH] =
                        std::array::from_fn(|j| column(first[j]) * first_row[j] + column(second[j]) * second_row[j]);
                    for (sum, product) in sums.iter_mut().zip(products) {
                        *sum += i32::from(product);
                    }
                }
                for (lane, sums) in (part * WIDTH / DEPTH..).zip(sums.chunks_exact(DEPTH)) {
                    let value = sums.iter().sum::<i32>() as f32 * factors.scales[lane];
                    self.values[i][lane] = value;
                    self.above[i] |= u64::from(value > threshold) << lane;
                }
            }
        }
    }

    /// Two rows by 24 columns at a time, in 12 registers: of 4 columns each, the sums of the even and of the odd pairs of
    /// components.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn avx2(&mut self, factors: &Factors<'_>, thresholds: &[f32; ROWS]) {
        use std::arch::x86_64::{
            _CMP_GT_OQ, _mm_load_si128, _mm_set1_epi32, _mm256_add_epi32, _mm256_cmp_ps, _mm256_cvtepi8_epi16,
            _mm256_cvtepi32_ps, _mm256_cvtepu8_epi16, _mm256_hadd_epi32, _mm256_loadu_ps, _mm256_madd_epi16,
            _mm256_movemask_ps, _mm256_mul_ps, _mm256_permute4x64_epi64, _mm256_set1_epi32, _mm256_set1_ps,
            _mm256_setzero_si256, _mm256_storeu_ps,
        };
        const PARTS: usize = 6;
        self.above = [0; ROWS];
        for (half, i) in (0..2).flat_map(|half| (0..ROWS).step_by(2).map(move |i| (half, i))) {
            let mut sums = [[_mm256_setzero_si256(); PARTS]; 2];
            for (row, columns) in factors.rows.iter().zip(factors.columns) {
                let words = [row[i], row[i + 1]].map(|word| _mm256_cvtepi8_epi16(_mm_set1_epi32(word)));
                for part in 0..PARTS {
                    let bytes = &columns.0[(half * PARTS + part) * 16..][..16];
                    // SAFETY: 16 bytes are read, and they begin at a multiple of 16 since the step does at one of 64.
                    let column = _mm256_cvtepu8_epi16(unsafe { _mm_load_si128(bytes.as_ptr().cast()) });
                    for (sums, &word) in sums.iter_mut().zip(&words) {
                        sums[part] = _mm256_add_epi32(sums[part], _mm256_madd_epi16(column, word));
                    }
                }
            }
            for (i, sums) in (i..).zip(&sums) {
                let correction = _mm256_set1_epi32(factors.corrections[i]);
                let threshold = _mm256_set1_ps(thresholds[i]);
                for (part, pair) in sums.chunks_exact(2).enumerate() {
                    // Adds neighbours: columns 0, 1, 4, 5, 2, 3, 6, 7 of the 8.
                    let sum = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(pair[0], pair[1]));
                    let sum = _mm256_add_epi32(sum, correction);
                    let lane = half * PARTS * 4 + part * 8;
                    // SAFETY: the slice has the 8 numbers that are read.
                    let factor = unsafe { _mm256_loadu_ps(factors.scales[lane..][..8].as_ptr()) };
                    let value = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), factor);
                    let above = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(value, threshold));
                    self.above[i] |= u64::from(above.cast_unsigned()) << lane;
                    // SAFETY: the slice has the 8 numbers that are written.
                    unsafe { _mm256_storeu_ps(self.values[i][lane..][..8].as_mut_ptr(), value) };
                }
            }
        }
    }

    /// All 8 x 48 at a time: 24 registers of 16 sums, 3 of columns, and a row's word in every lane.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vnni")]
    fn avx512_vnni(&mut self, factors: &Factors<'_>, thresholds: &[f32; ROWS]) {
        use std::arch::x86_64::{
            _CMP_GT_OQ, _mm512_cmp_ps_mask, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_load_si512,
            _mm512_loadu_ps, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_storeu_ps,
        };
        let mut sums = factors.corrections.map(|correction| [_mm512_set1_epi32(correction); 3]);
        for (row, columns) in factors.rows.iter().zip(factors.columns) {
            let columns = [0, 1, 2].map(|part| {
                let bytes = &columns.0[part * 64..][..64];
                // SAFETY: 64 bytes are read, and they begin at a multiple of 64 since the step does.
                unsafe { _mm512_load_si512(bytes.as_ptr().cast()) }
            });
            for (sums, &word) in sums.iter_mut().zip(row) {
                let word = _mm512_set1_epi32(word);
                for (sum, &column) in sums.iter_mut().zip(&columns) {
                    *sum = _mm512_dpbusd_epi32(*sum, column, word);
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            let threshold = _mm512_set1_ps(thresholds[i]);
            self.above[i] = 0;
            for (part, &sum) in sums.iter().enumerate() {
                let lane = part * 16;
                // SAFETY: the slice has the 16 numbers that are read.
                let factor = unsafe { _mm512_loadu_ps(factors.scales[lane..][..16].as_ptr()) };
                let value = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), factor);
                let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(value, threshold);
                if above != 0 {
                    self.above[i] |= u64::from(above) << lane;
                    // SAFETY: the slice has the 16 numbers that are written.
                    unsafe { _mm512_storeu_ps(self.values[i][lane..][..16].as_mut_ptr(), value) };
                }
            }
        }
    }

    /// All 8 rows by 12 columns at a time, in 24 registers. Columns are taken without their offset: both factors of the
    /// instruction have a sign.
    #[cfg(target_arch = "aarch64")]
    #[target_feature(enable = "neon,dotprod")]
    fn neon_dot(&mut self, factors: &Factors<'_>, thresholds: &[f32; ROWS]) {
        use std::arch::aarch64::{
            vaddvq_u32, vandq_u32, vcgtq_f32, vcvtq_f32_s32, vdupq_n_f32, vdupq_n_s32, vdupq_n_u8, veorq_u8, vld1q_f32,
            vld1q_u8, vld1q_u32, vmulq_f32, vst1q_f32,
        };
        const PARTS: usize = 4;
        self.above = [0; ROWS];
        // SAFETY: four words are read of four.
        let bits = unsafe { vld1q_u32([1, 2, 4, 8].as_ptr()) };
        for part in 0..PARTS {
            let mut sums = [[vdupq_n_s32(0); 3]; ROWS];
            for (row, columns) in factors.rows.iter().zip(factors.columns) {
                let columns = [0, 1, 2].map(|i| {
                    let bytes = &columns.0[(part * 3 + i) * 16..][..16];
                    // SAFETY: the slice has the 16 bytes that are read.
                    veorq_u8(unsafe { vld1q_u8(bytes.as_ptr()) }, vdupq_n_u8(OFFSET as u8))
                });
                for (sums, &word) in sums.iter_mut().zip(row) {
                    let word = vdupq_n_s32(word);
                    for (sum, &column) in sums.iter_mut().zip(&columns) {
                        *sum = sdot(*sum, column, word);
                    }
                }
            }
            for (i, sums) in sums.iter().enumerate() {
                let threshold = vdupq_n_f32(thresholds[i]);
                for (vector, &sum) in sums.iter().enumerate() {
                    let lane = (part * 3 + vector) * 4;
                    // SAFETY: the slice has the 4 numbers that are read.
                    let factor = unsafe { vld1q_f32(factors.scales[lane..][..4].as_ptr()) };
                    let value = vmulq_f32(vcvtq_f32_s32(sum), factor);
                    let above = vaddvq_u32(vandq_u32(vcgtq_f32(value, threshold), bits));
                    self.above[i] |= u64::from(above) << lane;
                    // SAFETY: the slice has the 4 numbers that are written.
                    unsafe { vst1q_f32(self.values[i][lane..][..4].as_mut_ptr(), value) };
                }
            }
        }
    }
}

/// `sum` + a x b over the four integers of each word: one instruction, which has no stable intrinsic.
#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon,dotprod")]
#[inline]
fn sdot(
    mut sum: std::arch::aarch64::int32x4_t,
    a: std::arch::aarch64::uint8x16_t,
    b: std::arch::aarch64::int32x4_t,
) -> std::arch::aarch64::int32x4_t {
    // SAFETY: the instruction exists, and reads and writes nothing but its registers.
    unsafe {
        std::arch::asm!(
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inout(vreg) sum,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

/// Bytes that the portable path works on at a time: compilers make vector code of loops of this length.
const WIDTH: usize = 64;

/// A row's word, once for every column.
#[inline]
fn repeated(word: i32) -> [i16; WIDTH] {
    let word = word.to_le_bytes().map(|x| i16::from(x.cast_signed()));
    let mut repeated = [0; WIDTH];
    for places in repeated.chunks_exact_mut(DEPTH) {
        for (to, x) in places.iter_mut().zip(word) {
            *to = x;
        }
    }
    repeated
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every (row, column, value) that exceeds the best `kept` before it, by the definition.
    fn naive(dim: usize, rows: &[i8], columns: &[i8], factors: &[f32], kept: usize) -> Vec<(usize, usize, f32)> {
        let mut found = Vec::new();
        for (i, row) in rows.chunks_exact(dim).enumerate() {
            let mut best = vec![f32::NEG_INFINITY; kept];
            for (j, (column, factor)) in columns.chunks_exact(dim).zip(factors).enumerate() {
                let sum: i64 = row.iter().zip(column).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum();
                let value = sum as f32 * factor;
                if value > best[kept - 1] {
                    found.push((i, j, value));
                    best[kept - 1] = value;
                    best.sort_by(|a, b| b.total_cmp(a));
                }
            }
        }
        found
    }

    fn scanned(columns: &PackedColumns, rows: &PackedRows, kept: usize) -> Vec<(usize, usize, f32)> {
        let mut found = Vec::new();
        let mut best = vec![vec![f32::NEG_INFINITY; kept]; rows.n];
        columns.scan(rows, |i, j, value| {
            found.push((i, j, value));
            best[i][kept - 1] = value;
            best[i].sort_by(|a, b| b.total_cmp(a));
            best[i][kept - 1]
        });
        found.sort_by_key(|&(i, j, _)| (i, j));
        found
    }

    /// Components drawn by bits of a word: small ones, or only the extremes.
    fn components(n: usize, extreme: bool, random: &mut crate::cluster::random::SplitMix64) -> Vec<i8> {
        let any = |random: &mut crate::cluster::random::SplitMix64| (random.next_f64() * 255.0) as i32 - 127;
        let one = |random: &mut _| match any(random) {
            x if !extreme => x as i8,
            x if x < 0 => -127,
            _ => 127,
        };
        (0..n).map(|_| one(random)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn every_path_agrees_with_the_definition(
            dim in 1usize..90, m in 0usize..20, n in 0usize..120, kept in 1usize..200, extreme: bool, seed: u64,
        ) {
            let mut random = crate::cluster::random::SplitMix64::new(seed);
            let rows = components(m * dim, extreme, &mut random);
            let columns = components(n * dim, extreme, &mut random);
            let factors: Vec<f32> = (0..n).map(|_| random.next_f64() as f32).collect();
            let expected = naive(dim, &rows, &columns, &factors, kept);
            let packed_rows = PackedRows::new(dim, &rows);
            for path in Path::available() {
                let packed = PackedColumns::new(dim, &columns, &factors).with_path(path);
                prop_assert_eq!(&scanned(&packed, &packed_rows, kept), &expected, "{:?}", path);
            }
        }
    }

    /// The largest sums that there can be: all components at their ends, at dimensions where 127 is the end and beyond.
    #[test]
    fn the_largest_sums_fit() {
        for dim in [1024, 66_311, 66_312] {
            let end = largest_component(dim);
            assert_eq!(end == 127, dim < 66_312);
            for (row, column) in [(end, end), (end, -end), (-end, end), (-end, -end)] {
                let sum = i64::from(row) * i64::from(column) * dim as i64;
                let packed_rows = PackedRows::new(dim, &vec![row; dim]);
                for path in Path::available() {
                    let packed = PackedColumns::new(dim, &vec![column; dim], &[1.0]).with_path(path);
                    assert_eq!(scanned(&packed, &packed_rows, 1), [(0, 0, sum as f32)], "{dim} {path:?}");
                }
            }
        }
    }
}
