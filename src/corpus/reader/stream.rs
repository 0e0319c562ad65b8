//! What can be read once, such as a pipe, without a copy on disk.
//!
//! Recognition reads the beginning, as often as it needs, and what it reads is held in memory, up to a limit that looks
//! like the end to it. The one reading that follows is handed this first, then the rest as it comes in.

use std::fmt;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::MAX_ROW_BYTES;

/// What is held at most, but for one buffer: a row of any length that is read.
const LOOK_BYTES: usize = MAX_ROW_BYTES + (1 << 20);

/// A stream, and what was read of it so far.
pub(super) struct Stream(Arc<Mutex<State>>);

struct State {
    seen: Vec<u8>,
    /// `None` once it was handed out.
    rest: Option<Box<dyn BufRead + Send>>,
}

impl Stream {
    /// A stream whose first bytes, `seen`, were read already.
    pub(super) fn new(seen: Vec<u8>, rest: Box<dyn BufRead + Send>) -> Self {
        Self(Arc::new(Mutex::new(State { seen, rest: Some(rest) })))
    }

    /// Reads from the beginning, and holds what it reads.
    pub(super) fn look(&self, buffer_bytes: usize) -> Box<dyn BufRead + Send> {
        Box::new(BufReader::with_capacity(buffer_bytes, Look { stream: Arc::clone(&self.0), at: 0 }))
    }

    /// Hands out the stream, from the beginning; `None` if it was handed out before.
    pub(super) fn take(&self) -> Option<Box<dyn BufRead + Send>> {
        let mut state = locked(&self.0);
        let rest = state.rest.take()?;
        Some(Box::new(Cursor::new(std::mem::take(&mut state.seen)).chain(rest)))
    }
}

/// What a panic elsewhere left is still the beginning of the stream.
fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = locked(&self.0);
        f.debug_struct("Stream").field("seen", &state.seen.len()).field("taken", &state.rest.is_none()).finish()
    }
}

/// One look at the beginning.
struct Look {
    stream: Arc<Mutex<State>>,
    at: usize,
}

impl Read for Look {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = locked(&self.stream);
        let State { seen, rest } = &mut *state;
        if let Some(rest) = rest
            && self.at == seen.len()
            && seen.len() < LOOK_BYTES
        {
            let chunk = rest.fill_buf()?;
            let taken = chunk.len();
            seen.extend_from_slice(chunk);
            rest.consume(taken);
        }
        let read = seen.get(self.at..).unwrap_or_default().read(buffer)?;
        self.at += read;
        Ok(read)
    }
}
