//! A bidirectional LSTM.

use super::input::sequence;
use super::transformer::embedding;
use super::{Backbone, Chain};
use crate::error::BadSetting;
use crate::models::Builder;
use crate::models::flow::Named;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// PyTorch's `LSTM`, reading sequences in both directions.
///
/// Sequences of ids `[N, L]` (with `vocabulary`) pass an embedding that all towers share; sequences of vectors `[N, L, F]` are
/// read as they are. It gives `[N, L, 2 · hidden]`: heads average the positions, or label each. Parameters are those of `lstm`
/// (`lstm.weight_ih_l0`, …, `_reverse`); it is one stage. Padding is read like all else; its embedding is 0 with `padding`.
/// Reference: Graves and Schmidhuber, "Framewise Phoneme Classification with Bidirectional LSTM and Other Neural Network
/// Architectures", Neural Networks 2005.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BiLstmBackbone {
    /// The number of ids, where a row is a sequence of ids: whole numbers from 0 up to, not including, it.
    #[serde(with = "crate::settings::optional::AtLeastOne", skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<u64>,
    /// The id that is padding: its embedding is 0 and stays so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding: Option<i64>,
    /// The numbers per id.
    #[serde(deserialize_with = "super::width")]
    pub embedding: i64,
    /// The numbers per position and direction.
    #[serde(deserialize_with = "super::width")]
    pub hidden: i64,
    /// The number of layers.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub layers: u64,
    /// The probability with which an entry is zeroed between layers, while training.
    #[serde(with = "crate::settings::BelowOne")]
    pub dropout: f64,
}

impl Default for BiLstmBackbone {
    fn default() -> Self {
        Self { vocabulary: None, padding: None, embedding: 64, hidden: 64, layers: 1, dropout: 0.0 }
    }
}

impl Backbone for BiLstmBackbone {
    fn build(&self, builder: &Builder, input: &[i64]) -> Result<Chain, BadSetting> {
        let [_, features] = sequence(input)?;
        if self.vocabulary.is_none() && self.padding.is_some() {
            return Err(BadSetting::new("padding", "is an id, and without vocabulary a row is a sequence of vectors")
                .remedy("leave it out"));
        }
        if self.dropout > 0.0 && self.layers == 1 {
            let bad = BadSetting::new("dropout", "zeroes entries between layers, and there is one");
            return Err(bad.remedy("give more layers, or leave dropout out"));
        }
        let lstm = builder.at("lstm").bilstm(features, self.hidden, self.layers, self.dropout);
        Ok(Chain { stages: vec![vec![("lstm".into(), Box::new(lstm))]] })
    }

    fn stem(&self, builder: &Builder, input: &[i64]) -> Result<Vec<Named>, BadSetting> {
        let Some(vocabulary) = self.vocabulary else { return Ok(vec![]) };
        embedding(builder, input, vocabulary, self.padding, self.embedding)
    }

    fn vocabulary(&self) -> Option<u64> {
        self.vocabulary
    }
}
