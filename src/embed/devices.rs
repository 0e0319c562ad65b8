//! Several GPUs at work on one corpus: which of them takes the next batch.

use std::sync::{Mutex, PoisonError};

/// Copies of a forward pass, one for each device. They give a text the same vector, up to rounding where the devices are
/// of different kinds.
pub(super) struct Devices<T> {
    copies: Vec<T>,
    /// Batches that each has in hand.
    in_hand: Mutex<Vec<usize>>,
}

impl<T> Devices<T> {
    /// `copies` is not empty.
    pub(super) fn new(copies: Vec<T>) -> Self {
        let in_hand = Mutex::new(vec![0; copies.len()]);
        Self { copies, in_hand }
    }

    /// All copies, in the order of their devices.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &T> {
        self.copies.iter()
    }

    /// Calls `f` with the copy that has the fewest batches in hand, the first of several.
    pub(super) fn with_idlest<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        let lock = || self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        let i = {
            let mut in_hand = lock();
            let i = (0..in_hand.len()).min_by_key(|&i| in_hand[i]).unwrap_or(0);
            in_hand[i] += 1;
            i
        };
        let out = f(&self.copies[i]);
        lock()[i] -= 1;
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_idlest_takes_the_batch() {
        let devices = Devices::new(vec!["a", "b", "c"]);
        let order = devices.with_idlest(|&first| {
            devices.with_idlest(|&second| {
                let third = devices.with_idlest(|&third| third);
                [first, second, third, devices.with_idlest(|&again| again)]
            })
        });
        assert_eq!(order, ["a", "b", "c", "c"]);
        assert_eq!(devices.with_idlest(|&first| first), "a");
    }
}
