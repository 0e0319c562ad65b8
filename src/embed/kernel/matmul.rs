//! Single-threaded f32 matrix products through the `gemm` crate.
#![expect(unsafe_code, reason = "gemm's entry point takes raw pointers; this wrapper checks the lengths")]

/// A matrix that lies in a slice: element (i, j) is `data[i * row_stride + j * column_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// What holds the elements.
    pub data: &'a [f32],
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// Distance of neighbours in a column.
    pub row_stride: usize,
    /// Distance of neighbours in a row.
    pub column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `data` in rows of `columns` elements.
    #[must_use]
    pub fn row_major(data: &'a [f32], columns: usize) -> Self {
        Self { data, rows: data.len() / columns.max(1), columns, row_stride: columns, column_stride: 1 }
    }

    /// `rows` rows that begin `row_stride` elements apart, the first at the start of `data`, each of `columns` elements.
    #[must_use]
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// The same elements with rows and columns exchanged.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    fn is_within_data(&self) -> bool {
        let Self { data, rows, columns, row_stride, column_stride } = *self;
        let last = || {
            let last_row = (rows - 1).checked_mul(row_stride)?;
            last_row.checked_add((columns - 1).checked_mul(column_stride)?)
        };
        rows == 0 || columns == 0 || last().is_some_and(|last| last < data.len())
    }
}

/// `out` = `left` * `right`, on the calling thread; rows of `out` begin `out_stride` elements apart.
///
/// Two calls of the same shapes and strides add up each component in the same order, wherever its row stands. Calls of
/// other shapes may not: who needs a row's result to be independent of its neighbours pads to a fixed number of rows.
///
/// # Panics
/// If the shapes do not fit each other or their slices.
pub fn multiply(left: Matrix<'_>, right: Matrix<'_>, out: &mut [f32], out_stride: usize) {
    let (m, k, n) = (left.rows, left.columns, right.columns);
    assert_eq!(k, right.rows, "columns of the left factor are rows of the right one");
    if m == 0 || n == 0 {
        return;
    }
    assert!(left.is_within_data() && right.is_within_data(), "factors lie within their slices");
    let end = (m - 1).checked_mul(out_stride).and_then(|last_row| last_row.checked_add(n));
    assert!(out_stride >= n && end.is_some_and(|end| end <= out.len()), "the product lies within its slice");
    // SAFETY: the asserts above bound every access: element (i, j) of a factor is read at i * row_stride +
    // j * column_stride, which is largest for the last row and column; the product's is written at i * out_stride + j,
    // and no two of its elements share a place since n <= out_stride. Strides fit isize, as they are bounded by lengths
    // of slices wherever they are multiplied by anything but 0. `out` is borrowed mutably, so it overlaps no factor.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_stride.cast_signed(),
            false,
            left.data.as_ptr(),
            left.column_stride.cast_signed(),
            left.row_stride.cast_signed(),
            right.data.as_ptr(),
            right.column_stride.cast_signed(),
            right.row_stride.cast_signed(),
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// The right factor of a product, stored transposed: n x k, row-major, as centroids and vectors are.
#[derive(Clone, Copy, Debug)]
pub struct Transposed<'a> {
    /// n x k components.
    pub data: &'a [f32],
    /// Number of rows of the transposed factor: columns of the product.
    pub n: usize,
}

/// `out` (m x n) = `left` (m x k) * `right`^T (n x k), all row-major: [`multiply`], with its rule on shapes.
///
/// # Panics
/// If a slice's length does not fit its shape.
pub fn matmul(left: &[f32], right: Transposed<'_>, k: usize, out: &mut [f32]) {
    let n = right.n;
    assert!(k > 0 && n > 0, "a product needs components");
    let m = left.len() / k;
    assert_eq!(left.len(), m * k, "left factor is m x k");
    assert_eq!(right.data.len(), n * k, "right factor is n x k");
    assert_eq!(out.len(), m * n, "product is m x n");
    multiply(Matrix::row_major(left, k), Matrix::row_major(right.data, k).transposed(), out, n);
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn agrees_with_the_definition(m in 1usize..9, n in 1usize..70, k in 1usize..70, seed: u32) {
            let mut state = seed | 1;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state as f32 / u32::MAX as f32 - 0.5
            };
            let left: Vec<f32> = (0..m * k).map(|_| next()).collect();
            let right: Vec<f32> = (0..n * k).map(|_| next()).collect();
            let mut out = vec![f32::NAN; m * n];
            matmul(&left, Transposed { data: &right, n }, k, &mut out);
            // The same product with gaps: factors and product are columns of wider matrices.
            let widen = |data: &[f32], columns: usize| -> Vec<f32> {
                data.chunks(columns).flat_map(|row| row.iter().copied().chain([f32::NAN; 3])).collect()
            };
            let (wide_left, wide_right) = (widen(&left, k), widen(&right, k));
            let mut wide_out = vec![7.0; m * (n + 2)];
            let transposed_right = Matrix::strided(&wide_right, n, k, k + 3).transposed();
            multiply(Matrix::strided(&wide_left, m, k, k + 3), transposed_right, &mut wide_out, n + 2);
            for i in 0..m {
                for j in 0..n {
                    let exact: f64 = (0..k).map(|l| f64::from(left[i * k + l]) * f64::from(right[j * k + l])).sum();
                    // k products of factors below 1/2, each rounded twice: error below k * k * 2^-25.
                    let bound = (k * k) as f64 * 3e-8 + 1e-7;
                    proptest::prop_assert!((exact - f64::from(out[i * n + j])).abs() <= bound);
                    proptest::prop_assert!((exact - f64::from(wide_out[i * (n + 2) + j])).abs() <= bound);
                }
                proptest::prop_assert_eq!(&wide_out[i * (n + 2) + n..][..2], &[7.0, 7.0]);
            }
        }
    }
}
