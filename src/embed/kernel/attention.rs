//! Attention within one text: every head's values, weighted by the softmax of its queries times its keys.
//!
//! A. Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762. There is no mask, as there is no padding. A head's
//! keys and values are packed; then, for a few queries at a time, scores, their exponentials, and the weighted values
//! follow each other in the first cache. Division by the sum of exponentials comes last, on the head's few numbers.
//!
//! A token's result depends on its text alone. Cost: 4 x tokens^2 x hidden size floating-point operations.
#![expect(
    clippy::inline_always,
    reason = "code is compiled for a processor where it is inlined into a function that is"
)]

use super::elementwise::exponentials;
use super::panels::{PanelsView, padded};
use super::product::{F32, Left, Sums, multiply};
use super::simd::{Level, Simd, Task};

/// Buffers of [`attend`], kept from one call to the next.
#[derive(Debug, Default)]
pub(crate) struct AttentionBuffers {
    keys: Vec<super::panels::Line>,
    values: Vec<super::panels::Line>,
    scores: Vec<f32>,
    weighted: Vec<f32>,
}

/// The heads of a layer: `heads` of `size` numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    pub(crate) heads: usize,
    pub(crate) size: usize,
}

/// Writes the weighted values of a text's tokens to the rows of `context`.
///
/// A row of `input` begins with the queries of all heads, scaled; then follow keys and values. There are as many rows as
/// the text has tokens.
///
/// # Panics
/// If the slices are not `tokens` whole rows, or a row is too short for the heads.
pub(crate) fn attend(
    level: Level,
    heads: Heads,
    tokens: usize,
    input: &[f32],
    context: &mut [f32],
    buffers: &mut AttentionBuffers,
) {
    if tokens == 0 {
        return;
    }
    let (input_stride, context_stride) = (input.len() / tokens, context.len() / tokens);
    let hidden = heads.heads * heads.size;
    assert!(input.len() == tokens * input_stride && context.len() == tokens * context_stride, "whole rows");
    assert!(input_stride >= 3 * hidden && context_stride >= hidden, "rows of all heads");
    level.run(Attend { heads, tokens, input, input_stride, context, context_stride, buffers });
}

struct Attend<'a> {
    heads: Heads,
    tokens: usize,
    input: &'a [f32],
    input_stride: usize,
    context: &'a mut [f32],
    context_stride: usize,
    buffers: &'a mut AttentionBuffers,
}

/// Packs rows as the columns of a factor: step s of column j is number s of row j.
#[inline(always)]
fn pack_columns(width: usize, rows: &[f32], stride: usize, columns: usize, steps: usize, to: &mut [f32]) {
    for first in (0..columns).step_by(width) {
        let panel_width = width.min(padded(columns) - first);
        let panel = &mut to[first * steps..][..panel_width * steps];
        for (column, row) in rows[first * stride..].chunks(stride).take(panel_width.min(columns - first)).enumerate() {
            for (&x, step) in row[..steps].iter().zip(panel.chunks_exact_mut(panel_width)) {
                step[column] = x;
            }
        }
    }
}

/// Packs rows as the steps of a factor: step s of column j is number j of row s.
#[inline(always)]
fn pack_steps(width: usize, rows: &[f32], stride: usize, columns: usize, steps: usize, to: &mut [f32]) {
    for first in (0..columns).step_by(width) {
        let panel_width = width.min(padded(columns) - first);
        let panel = to[first * steps..][..panel_width * steps].chunks_exact_mut(panel_width);
        let taken = panel_width.min(columns - first);
        for (step, row) in panel.zip(rows.chunks(stride)) {
            step[..taken].copy_from_slice(&row[first..][..taken]);
        }
    }
}

impl Task for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { heads: Heads { heads, size }, tokens, input, input_stride, context, context_stride, buffers } = self;
        let AttentionBuffers { keys, values, scores, weighted } = buffers;
        let width = S::LANES * S::VECTORS;
        let (columns, padded_size) = (padded(tokens), padded(size));
        let fit = |lines: &mut Vec<super::panels::Line>, len: usize| {
            if lines.len() * super::simd::MOST_LANES < len {
                *lines = super::panels::lines(len);
            }
        };
        fit(keys, size * columns);
        fit(values, tokens * padded_size);
        scores.resize(S::ROWS * columns, 0.0);
        weighted.resize(S::ROWS * padded_size, 0.0);
        for head in 0..heads {
            let part = |i: usize| &input[(i * heads + head) * size..];
            pack_columns(width, part(1), input_stride, tokens, size, bytemuck::cast_slice_mut(keys));
            pack_steps(width, part(2), input_stride, size, tokens, bytemuck::cast_slice_mut(values));
            let keys = PanelsView { words: bytemuck::cast_slice(keys), steps: size, columns };
            let values = PanelsView { words: bytemuck::cast_slice(values), steps: tokens, columns: padded_size };
            for first in (0..tokens).step_by(S::ROWS) {
                let rows = S::ROWS.min(tokens - first);
                let words = bytemuck::cast_slice(&part(0)[first * input_stride..]);
                let queries = Left { words, rows, stride: input_stride };
                multiply(simd, F32, queries, keys, scores, columns, &Sums);
                let mut factors = [0.0; super::simd::MOST_LANES];
                for (row, factor) in scores.chunks_exact_mut(columns).take(rows).zip(&mut factors) {
                    *factor = 1.0 / exponentials(simd, row, tokens);
                }
                let weights = Left { words: bytemuck::cast_slice(scores), rows, stride: columns };
                multiply(simd, F32, weights, values, weighted, padded_size, &Sums);
                let rows = context[first * context_stride..].chunks_mut(context_stride).zip(&factors).take(rows);
                for ((to, factor), row) in rows.zip(weighted.chunks_exact(padded_size)) {
                    for (to, x) in to[head * size..][..size].iter_mut().zip(row) {
                        *to = x * factor;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::random::SplitMix64;

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]
        #[test]
        fn every_level_agrees_with_the_definition(
            tokens in 1usize..90, heads in 1usize..4, size in 1usize..70, seed: u64,
        ) {
            let mut random = SplitMix64::new(seed);
            let (hidden, stride) = (heads * size, padded(3 * heads * size));
            let input: Vec<f32> = (0..tokens * stride).map(|_| random.next_f64() as f32 * 2.0 - 1.0).collect();
            let at = |token: usize, part: usize, i: usize| f64::from(input[token * stride + part * hidden + i]);
            for level in Level::available() {
                let mut context = vec![7.0; tokens * padded(hidden)];
                attend(level, Heads { heads, size }, tokens, &input, &mut context, &mut AttentionBuffers::default());
                for (query, head) in (0..tokens).flat_map(|query| (0..heads).map(move |head| (query, head))) {
                    let own = head * size..(head + 1) * size;
                    let score = |key| own.clone().map(|i| at(query, 0, i) * at(key, 1, i)).sum::<f64>().exp();
                    let weights: Vec<f64> = (0..tokens).map(score).collect();
                    let total: f64 = weights.iter().sum();
                    for i in own.clone() {
                        let exact = (0..tokens).map(|key| weights[key] * at(key, 2, i)).sum::<f64>() / total;
                        let got = f64::from(context[query * padded(hidden) + i]);
                        // Scores below 70 are off by 1e-5 at most, and so are the weights of values below 1.
                        proptest::prop_assert!((exact - got).abs() < 2e-5, "{level:?}: expected {exact}, got {got}");
                    }
                }
                let behind = context.chunks_exact(padded(hidden)).flat_map(|row| &row[hidden..]);
                proptest::prop_assert!(behind.into_iter().all(|&x| x == 7.0));
            }
        }
    }
}
