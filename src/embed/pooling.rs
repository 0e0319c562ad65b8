//! From token vectors to a text vector.

use super::Pooling;
use crate::vectors::normalize;

impl Pooling {
    /// The weights of a text's `tokens` token vectors in its pooled vector; of length `tokens`.
    pub(super) fn weights(self, tokens: usize) -> impl Iterator<Item = f32> {
        let weight = move |position| match self {
            Self::Mean => 1.0 / tokens as f32,
            Self::Cls => f32::from(u8::from(position == 0)),
            Self::LastToken => f32::from(u8::from(position + 1 == tokens)),
        };
        (0..tokens).map(weight)
    }

    /// Pools the token vectors of one text (tokens x `out.len()`) to a unit vector; the zero vector if there are none.
    pub(super) fn pool(self, token_vectors: &[f32], out: &mut [f32]) {
        let rows = token_vectors.chunks_exact(out.len());
        out.fill(0.0);
        for (row, weight) in rows.clone().zip(self.weights(rows.len())) {
            if weight != 0.0 {
                for (out, &x) in out.iter_mut().zip(row) {
                    *out += weight * x;
                }
            }
        }
        normalize(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pooling_takes_its_tokens() {
        let tokens = [3.0, 4.0, 0.0, 8.0, 5.0, 0.0];
        let assert_pooled = |pooling: Pooling, tokens: &[f32], expected: [f32; 2]| {
            let mut out = [f32::NAN; 2];
            pooling.pool(tokens, &mut out);
            let is_close = out.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-6);
            assert!(is_close, "{pooling:?}: expected {expected:?}, got {out:?}");
        };
        assert_pooled(Pooling::Cls, &tokens, [0.6, 0.8]);
        assert_pooled(Pooling::LastToken, &tokens, [1.0, 0.0]);
        assert_pooled(Pooling::Mean, &tokens, [8.0 / 208f32.sqrt(), 12.0 / 208f32.sqrt()]);
        assert_pooled(Pooling::Mean, &[], [0.0, 0.0]);
    }
}
