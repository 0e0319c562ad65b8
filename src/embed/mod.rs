//! From text to unit vectors.

mod agreement;
mod artifacts;
mod bad_rows;
mod batch;
mod corpus;
mod device;
mod devices;
mod encoder;
mod given;
pub(crate) mod gpu;
pub(crate) mod kernel;
pub mod model;
mod pooling;
mod precision;
mod static_model;
mod tally;
mod tokenize;
mod transformer;

pub use agreement::Agreement;
pub use artifacts::{
    ArtifactOptions, Artifacts, HubOptions, KnownEncoder, Manifest, OnDownload, Place, Verification, Weights,
};
pub use bad_rows::BadRowLimit;
pub use corpus::embed_corpus;
pub use device::{Device, OpenDevice};
pub use encoder::{Encoder, EncoderDifference, EncoderId, Pooling, TokenizedText, check_static, load_encoder};
pub use given::{check_vector, given_vectors, with_npy};
pub use kernel::Precision;
pub use static_model::{Counter, DistillParams, Distillation, StaticEncoder, StaticModel, ValidDistillParams};
pub use tally::{Counts, EmbedOptions, EmbeddedCorpus, OnBadRow};
pub use transformer::TransformerEncoder;
