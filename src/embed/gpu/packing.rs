//! Where the tokens of texts lie in one matrix.

use candle_core::{Device, Result, Tensor};

use super::Transfers;

/// Texts without padding, on a device: the tokens of the first, then those of the second, and so on.
///
/// What the operations on a GPU read through it stays within its tables, as [`Packing::new`] has checked every index.
#[derive(Debug)]
pub(crate) struct Packing {
    /// Tokens of all texts; at least one.
    pub(super) tokens: usize,
    /// Rows of a table of words that ids stay below, and of a table of positions that places stay below.
    pub(super) limits: (usize, usize),
    /// Most queries of a tile: 16, 32 or 64.
    pub(super) queries: usize,
    /// The id of each token, u32.
    pub(super) ids: Tensor,
    /// The row of each token in a table of positions, u32.
    pub(super) places: Tensor,
    /// The first token of each text, and the number of all tokens: texts + 1, u32.
    pub(super) offsets: Tensor,
    /// Work for attention: first token of a text, the token behind its last, first of `queries` queries. Tiles x 3, u32.
    pub(super) tiles: Tensor,
}

impl Packing {
    /// Packs texts, for a network of `limits`: rows of its tables of words and of positions. `places` has the row in the latter
    /// of each token of all texts. All goes to the device in one piece.
    ///
    /// # Errors
    /// If no text has a token, if an id or a place is in no table, or if the device fails.
    pub(crate) fn new(
        texts: &[&[u32]],
        places: &[u32],
        limits: (usize, usize),
        transfers: &Transfers,
        device: &Device,
    ) -> Result<Self> {
        let tokens: usize = texts.iter().map(|ids| ids.len()).sum();
        let longest = texts.iter().map(|ids| ids.len()).max().unwrap_or(0);
        if longest == 0 || u32::try_from(tokens).is_err() {
            candle_core::bail!("expected from 1 to 2^32 - 1 tokens, got {tokens}");
        }
        if places.len() != tokens {
            candle_core::bail!("expected a place for each of {tokens} tokens, got {}", places.len());
        }
        if let Some(id) = texts.iter().copied().flatten().find(|&&id| id as usize >= limits.0) {
            candle_core::bail!("expected token ids below {}, got {id}", limits.0);
        }
        if let Some(place) = places.iter().find(|&&place| place as usize >= limits.1) {
            candle_core::bail!("expected places below {}, got {place}", limits.1);
        }
        // No more queries at a time than texts have: each 16 occupy a warp.
        let queries = longest.next_multiple_of(16).next_power_of_two().min(64);
        let mut all: Vec<u32> = Vec::with_capacity(2 * tokens + 4 * texts.len() + 1 + 3 * tokens / queries);
        all.extend(texts.iter().copied().flatten());
        all.extend(places);
        let ends = texts.iter().scan(0, |end, ids| {
            *end += ids.len() as u32;
            Some(*end)
        });
        all.push(0);
        all.extend(ends.clone());
        let tiles_at = all.len();
        for (ids, end) in texts.iter().zip(ends) {
            let begin = end - ids.len() as u32;
            for first in (begin..end).step_by(queries) {
                all.extend([begin, end, first]);
            }
        }
        let tiles = (all.len() - tiles_at) / 3;
        let all = transfers.send(&all, all.len(), device)?;
        Ok(Self {
            tokens,
            limits,
            queries,
            ids: all.narrow(0, 0, tokens)?,
            places: all.narrow(0, tokens, tokens)?,
            offsets: all.narrow(0, 2 * tokens, texts.len() + 1)?,
            tiles: all.narrow(0, tiles_at, 3 * tiles)?.reshape((tiles, 3))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(texts: &[&[u32]], vocabulary: usize, positions: usize) -> Result<Packing> {
        let places: Vec<u32> = texts.iter().flat_map(|ids| 0..ids.len() as u32).collect();
        Packing::new(texts, &places, (vocabulary, positions), &Transfers::default(), &Device::Cpu)
    }

    #[test]
    fn texts_follow_each_other() {
        let long: Vec<u32> = (0..70).collect();
        let packing = packed(&[&[], &long, &[], &[5], &[]], 70, 70).unwrap();
        assert_eq!((packing.tokens, packing.queries), (71, 64));
        assert_eq!(packing.ids.to_vec1::<u32>().unwrap(), [long.as_slice(), &[5]].concat());
        assert_eq!(packing.places.to_vec1::<u32>().unwrap(), [long.as_slice(), &[0]].concat());
        assert_eq!(packing.offsets.to_vec1::<u32>().unwrap(), [0, 0, 70, 70, 71, 71]);
        assert_eq!(packing.tiles.to_vec2::<u32>().unwrap(), [[0, 70, 0], [0, 70, 64], [70, 71, 70]]);
    }

    #[test]
    fn tiles_are_as_long_as_texts_need() {
        for (longest, queries) in [(1, 16), (16, 16), (17, 32), (33, 64), (48, 64), (65, 64), (512, 64)] {
            let packing = packed(&[&vec![0; longest]], 1, 512).unwrap();
            assert_eq!(packing.queries, queries, "{longest}");
            assert_eq!(packing.tiles.dim(0).unwrap(), longest.div_ceil(queries));
        }
    }

    #[test]
    fn unknown_ids_and_places_are_refused() {
        assert!(packed(&[&[3]], 3, 9).is_err());
        assert!(packed(&[&[0, 1, 2]], 3, 2).is_err());
        assert!(packed(&[&[], &[]], 3, 2).is_err());
        assert!(packed(&[], 3, 2).is_err());
        assert!(Packing::new(&[&[0, 1]], &[0], (3, 3), &Transfers::default(), &Device::Cpu).is_err());
    }
}
