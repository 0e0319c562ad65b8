//! BERT as candle has it: the forward pass on a GPU, and the test oracle of the packed one on a CPU.
//!
//! J. Devlin, M.-W. Chang, K. Lee, K. Toutanova, BERT: Pre-training of Deep Bidirectional Transformers for Language
//! Understanding, 2019, arXiv:1810.04805.

use candle_core::{Error, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use serde::Deserialize;

use super::Model;

pub(super) struct Bert {
    model: BertModel,
    hidden_size: usize,
}

impl Bert {
    pub(super) fn load(config: &serde_json::Value, weights: VarBuilder) -> Result<Self> {
        let config = Config::deserialize(config).map_err(Error::wrap)?;
        let hidden_size = config.hidden_size;
        Ok(Self { model: BertModel::load(weights, &config)?, hidden_size })
    }
}

impl Model for Bert {
    fn forward(&self, ids: &Tensor, mask: &Tensor) -> Result<Tensor> {
        self.model.forward(ids, &ids.zeros_like()?, Some(mask))
    }

    fn hidden_size(&self) -> usize {
        self.hidden_size
    }
}
