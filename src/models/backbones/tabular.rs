//! Embeddings of categories beside numbers, then an mlp.

use super::{Backbone, Chain, Mlp};
use crate::error::BadSetting;
use crate::models::Builder;
use crate::models::flow::{Block, Concatenate, Flow, Named, Narrow, Select, Value};
use crate::models::layers::{Activation, Normalization};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Columns of a table: an embedding per categorical column, side by side with the numeric ones, then linear layers as mlp's.
///
/// The embedding of column `i` among the categorical ones is `shared_stem.embeddings.i.weight` `[levels + 1, width]`: row 0 is
/// for texts not seen in training, row `k` for the `k`-th level. All towers and gates read the same embeddings. Data of a kind
/// that has no columns, and files without `categorical` ones, are read as an mlp reads them.
/// Reference: Guo and Berkhahn, "Entity Embeddings of Categorical Variables", arXiv 2016.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tabular {
    /// The numbers per category. Default: half the levels and the unseen one, rounded down, but 1 to 50:
    /// `min(50, (levels + 1) / 2)`.
    #[serde(default, with = "crate::settings::optional::AtLeastOne", skip_serializing_if = "Option::is_none")]
    pub embedding: Option<u64>,
    /// The widths of the linear layers, first to last. `[]` hands embeddings and numbers to the heads as they are.
    #[serde(deserialize_with = "super::widths")]
    pub hidden: Vec<i64>,
    /// What follows each linear layer.
    #[serde(default)]
    pub activation: Activation,
    /// What stands between each linear layer and its activation.
    #[serde(default)]
    pub normalization: Normalization,
    /// The probability with which an entry is zeroed behind each activation, while training.
    #[serde(default, with = "crate::settings::BelowOne")]
    pub dropout: f64,
    /// Add what goes into a layer to what comes out of its dropout, where both are equally wide.
    #[serde(default)]
    pub residual: bool,
}

/// Beyond it an embedding is a slip of the finger, and the memory would not hold it.
const WIDEST: u64 = 10_000;

impl Backbone for Tabular {
    fn build(&self, builder: &Builder, input: &[i64]) -> Result<Chain, BadSetting> {
        let mlp = Mlp {
            hidden: self.hidden.clone(),
            activation: self.activation,
            normalization: self.normalization,
            dropout: self.dropout,
            residual: self.residual,
        };
        mlp.build(builder, input)
    }

    fn stem(&self, builder: &Builder, input: &[i64]) -> Result<Vec<Named>, BadSetting> {
        if self.embedding.is_some_and(|width| width > WIDEST) {
            return Err(BadSetting::new("embedding", format!("is above {WIDEST}")).remedy("take a few tens at most"));
        }
        let [features] = input else {
            return Err(BadSetting::new("", format!("reads the columns of a table, and a row is of shape {input:?}"))
                .remedy("choose a backbone for such rows"));
        };
        let levels = builder.levels();
        if levels.iter().all(Option::is_none) {
            return Ok(vec![]);
        }
        assert_eq!(levels.len() as i64, *features, "indices take a column each");
        Ok(vec![("embeddings".into(), Box::new(self.columns(&builder.at("embeddings"), levels)))])
    }

    fn reads_indices(&self) -> bool {
        true
    }
}

impl Tabular {
    /// Every column in its place: runs of numbers as they are, categories by their embeddings.
    fn columns(&self, builder: &Builder, levels: &[Option<i64>]) -> Block {
        let mut flow = Flow::new(&[levels.len() as i64]);
        let mut values: Vec<Value> = vec![];
        let (mut at, mut embeddings) = (0, 0);
        while at < levels.len() {
            if let Some(levels) = levels[at] {
                let width = self.embedding.map_or(((levels + 1) / 2).clamp(1, 50), |width| width as i64);
                let index = flow.operation(format!("column/{at}"), Select { feature: at as i64 }, &[Flow::INPUT]);
                let embedding = builder.at(embeddings).embedding(levels + 1, width, None);
                values.push(flow.layer(embeddings.to_string(), Box::new(embedding), index));
                (at, embeddings) = (at + 1, embeddings + 1);
            } else {
                let length = levels[at..].iter().take_while(|levels| levels.is_none()).count();
                let numbers = Narrow { from: at as i64, length: length as i64 };
                values.push(flow.operation(format!("numbers/{at}"), numbers, &[Flow::INPUT]));
                at += length;
            }
        }
        let output = flow.operation("columns", Concatenate, &values);
        Block { class: "Columns", flow, output }
    }
}
