//! Unit vectors in 8 bits a component.
//!
//! A row x becomes round(127 x / m) with its factor m / 127, m its largest |x|; cos(x, y) is about the product of the
//! integers times both factors. Symmetric, with no offset, as in Jacob et al. 2018, arXiv:1712.05877, section 2.1, with
//! its zero point at 0.
//!
//! A component is off by at most m / 254. For 384 components of a sentence encoder that makes a similarity off by .0007
//! (one standard deviation). Cost: dim bytes a row.

use rayon::prelude::*;

use super::{Rows, tile};
use crate::embed::kernel::largest_component;

/// n x dim components in -127..=127, and a factor per row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuantizedRows {
    dim: usize,
    components: Vec<i8>,
    factors: Vec<f32>,
}

impl QuantizedRows {
    /// The rows of a view.
    #[must_use]
    pub fn of(rows: Rows<'_>) -> Self {
        let dim = rows.dim();
        let mut quantized = Self { dim, components: vec![0; rows.len() * dim], factors: vec![0.0; rows.len()] };
        let tiles =
            quantized.components.par_chunks_mut(tile::ROWS * dim).zip(quantized.factors.par_chunks_mut(tile::ROWS));
        tiles.enumerate().for_each_init(Vec::new, |unit, (tile, (components, factors))| {
            let start = tile * tile::ROWS;
            rows.gather(start..start + factors.len(), unit);
            quantize(dim, unit, components, factors);
        });
        quantized
    }

    /// Rows of `dim` components, one after the other.
    ///
    /// # Panics
    /// If `rows.len()` is no multiple of `dim`.
    #[must_use]
    pub fn from_f32(dim: usize, rows: &[f32]) -> Self {
        assert!(dim > 0 && rows.len().is_multiple_of(dim), "whole rows of {dim} components");
        let mut quantized = Self { dim, components: vec![0; rows.len()], factors: vec![0.0; rows.len() / dim] };
        quantize(dim, rows, &mut quantized.components, &mut quantized.factors);
        quantized
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.factors.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.factors.is_empty()
    }

    /// Components per row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The components of all rows, one row after the other.
    #[must_use]
    pub fn components(&self) -> &[i8] {
        &self.components
    }

    /// What a row's components are multiplied with, per row; 0 for a zero row.
    #[must_use]
    pub fn factors(&self) -> &[f32] {
        &self.factors
    }
}

fn quantize(dim: usize, rows: &[f32], components: &mut [i8], factors: &mut [f32]) {
    // Adding 1.5 * 2^23 rounds to a whole number, and leaves it in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    let levels = f32::from(largest_component(dim));
    for ((row, components), factor) in rows.chunks_exact(dim).zip(components.chunks_exact_mut(dim)).zip(factors) {
        // Without their sign floats are in the order of their bits.
        let largest =
            f32::from_bits(row.iter().map(|x| x.abs().to_bits().cast_signed()).max().unwrap_or(0).cast_unsigned());
        let scale = if largest >= f32::MIN_POSITIVE { levels / largest } else { 0.0 };
        for (to, &x) in components.iter_mut().zip(row) {
            *to = (x * scale + ROUND).to_bits() as i8;
        }
        *factor = largest / levels;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::EmbeddingMatrix;

    #[test]
    fn by_hand() {
        let rows = QuantizedRows::from_f32(3, &[0.6, -0.8, 0.0, 0.0, 0.0, 0.0, 0.5, 0.25, -0.125]);
        assert_eq!(rows.components(), [95, -127, 0, 0, 0, 0, 127, 64, -32]);
        assert_eq!(rows.factors(), [0.8 / 127.0, 0.0, 0.5 / 127.0]);
        assert_eq!((rows.len(), rows.dim(), rows.is_empty()), (3, 3, false));
        // Too small to be scaled: as good as zero.
        assert_eq!(QuantizedRows::from_f32(2, &[f32::MIN_POSITIVE / 2.0, 0.0]).components(), [0, 0]);
        assert!(QuantizedRows::default().is_empty());
    }

    /// Half a step of m / 127 at most, and the view's rows in its order.
    #[test]
    fn components_are_off_by_half_a_step() {
        let matrix = crate::cluster::kmeans::tests::bundles(10, 30, 96, 1.0);
        let view = Rows::from(&matrix).fold(1, 2);
        let quantized = QuantizedRows::of(view);
        let mut rows = Vec::new();
        view.gather(0..view.len(), &mut rows);
        assert_eq!(quantized, QuantizedRows::from_f32(96, &rows));
        for ((row, integers), factor) in rows.chunks(96).zip(quantized.components().chunks(96)).zip(quantized.factors())
        {
            for (x, &integer) in row.iter().zip(integers) {
                // The product is rounded to f32 before it is rounded to an integer: 127 * 2^-24 of a step.
                assert!((x - f32::from(integer) * factor).abs() <= 0.50001 * factor);
            }
        }
    }

    #[test]
    fn no_rows() {
        let none = EmbeddingMatrix::from_f32(3, &[]);
        assert!(QuantizedRows::of((&none).into()).is_empty());
    }
}
