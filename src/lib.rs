//! Semantic coverage for training data.
//!
//! What code coverage is to a test suite, semcov is to a training corpus. Records are read from files
//! ([`corpus`]), embedded ([`embed`], [`vectors`]), clustered ([`cluster`]), summed up in files that merge
//! ([`profile`]), judged against each other ([`ood`], [`coverage`]), turned into a first augmentation plan ([`plan`])
//! and gathered in one document ([`report`]). New data is judged beside a reference row by row ([`screen`]).
//!
//! The library never prints, exits or reads the environment: progress is a callback ([`progress::Progress`]),
//! errors are values ([`Error`]), and parallel stages run in the rayon pool of the caller.

pub mod cluster;
pub mod corpus;
pub mod coverage;
pub mod embed;
mod error;
pub mod gate;
pub mod map;
pub mod ood;
pub mod plan;
pub mod profile;
pub mod progress;
pub mod report;
pub mod screen;
pub mod stats;
pub mod table;
pub mod vectors;

pub use error::{Error, Result};

/// The project's documents, compiled in, so that their code is tested and their text is at hand.
pub mod documents {
    #[doc = include_str!("../README.md")]
    pub mod readme {}
    #[doc = include_str!("../ARCHITECTURE.md")]
    pub mod architecture {}
    #[doc = include_str!("../METHODS.md")]
    pub mod methods {}
}
