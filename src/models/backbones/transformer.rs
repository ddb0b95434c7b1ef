//! A transformer's encoder.

use super::input::{ids, sequence};
use super::{Backbone, Chain};
use crate::error::BadSetting;
use crate::models::Builder;
use crate::models::flow::{
    Add, Attention, Block, Erase, Flow, LinearMap, MaskedMean, MeanOverPositions, Named, PaddingMask, SplitHeads, Value,
};
use crate::models::layers::{Activation, Dropout};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::no_grad;

/// Layers of self-attention over sequences, each PyTorch's `TransformerEncoderLayer`, with learned positions.
///
/// Sequences of ids `[N, L]` (with `vocabulary`) pass an embedding that all towers share; sequences of vectors `[N, L, F]` a
/// linear layer. Parameters are `embed.linear`, `embed.positions` `[L, width]`, `layers.i.…`, `norm`. A stage is a layer. It gives
/// `[N, L, width]`: heads average the positions, or label each. Sequences are of one length `L`, padded: see `padding`.
/// Deviations: every layer draws its own first weights, where PyTorch copies the first one's; positions that are padding come out
/// as 0 of every layer, as of PyTorch's fast path.
/// Reference: Vaswani et al., "Attention Is All You Need", NeurIPS 2017.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transformer {
    /// The number of ids, where a row is a sequence of ids: whole numbers from 0 up to, not including, it.
    #[serde(with = "crate::settings::optional::AtLeastOne", skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<u64>,
    /// The id that is padding; of sequences of vectors, the number that all features of a position have where it is padding.
    /// Nothing attends to it. Default: nothing is padding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding: Option<i64>,
    /// The numbers per position.
    #[serde(deserialize_with = "super::width")]
    pub width: i64,
    /// The number of heads, a divisor of `width`.
    #[serde(deserialize_with = "super::width")]
    pub heads: i64,
    /// The number of layers.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub layers: u64,
    /// The width of the linear layers inside. Default: 4 · `width`.
    #[serde(deserialize_with = "optional_width", skip_serializing_if = "Option::is_none")]
    pub feedforward: Option<i64>,
    /// What stands between the linear layers inside.
    pub activation: Activation,
    /// The probability with which an entry is zeroed in each layer at PyTorch's places, while training.
    #[serde(with = "crate::settings::BelowOne")]
    pub dropout: f64,
    /// Normalize what goes into attention and linear layers (with a last `norm` behind all layers), not the sums behind them.
    pub norm_first: bool,
    /// `none`, or `mean`: the mean over the positions that are no padding, `[N, width]`. Heads average all positions.
    pub pool: Pool,
}

/// What becomes of the positions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// They stay.
    #[default]
    None,
    /// The mean of those that are no padding.
    Mean,
}

fn optional_width<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    struct Width(#[serde(deserialize_with = "super::width")] i64);
    Ok(Option::<Width>::deserialize(deserializer)?.map(|width| width.0))
}

impl Default for Transformer {
    fn default() -> Self {
        Self {
            vocabulary: None,
            padding: None,
            width: 64,
            heads: 4,
            layers: 2,
            feedforward: None,
            activation: Activation::Relu,
            dropout: 0.1,
            norm_first: false,
            pool: Pool::None,
        }
    }
}

impl Backbone for Transformer {
    fn build(&self, builder: &Builder, input: &[i64]) -> Result<Chain, BadSetting> {
        let [length, features] = sequence(input)?;
        if self.width % self.heads != 0 {
            let what = format!("{} heads do not share a width of {} evenly", self.heads, self.width);
            return Err(BadSetting::new("heads", what).remedy("give a divisor of width"));
        }
        let shape = [length, self.width];
        let mut chain = Chain::default();
        let embed = self.embed(&builder.at("embed"), length, features);
        chain.stages.push(vec![("embed".into(), Box::new(embed))]);
        for layer in 0..self.layers {
            let name = format!("layers.{layer}");
            let block = self.layer(&builder.at(&name), &shape);
            if layer > 0 {
                chain.stages.push(vec![]);
            }
            chain.stages[layer as usize].push((name, Box::new(block)));
        }
        if let Some(end) = self.end(builder, &shape) {
            chain.stages[self.layers as usize - 1].push(("end".into(), Box::new(end)));
        }
        Ok(chain)
    }

    fn stem(&self, builder: &Builder, input: &[i64]) -> Result<Vec<Named>, BadSetting> {
        let Some(vocabulary) = self.vocabulary else { return Ok(vec![]) };
        embedding(builder, input, vocabulary, self.padding, self.width)
    }

    fn vocabulary(&self) -> Option<u64> {
        self.vocabulary
    }
}

/// The embedding of ids that all towers share.
pub(super) fn embedding(
    builder: &Builder,
    input: &[i64],
    vocabulary: u64,
    padding: Option<i64>,
    width: i64,
) -> Result<Vec<Named>, BadSetting> {
    ids(input)?;
    let vocabulary = i64::try_from(vocabulary).ok().filter(|ids| *ids <= 1 << 31).ok_or_else(|| {
        BadSetting::new("vocabulary", format!("{vocabulary} is above 2³¹")).remedy("give the number of ids")
    })?;
    if let Some(padding) = padding.filter(|padding| !(0..vocabulary).contains(padding)) {
        let what = format!("{padding} is no id: they go from 0 up to, not including, {vocabulary}");
        return Err(BadSetting::new("padding", what).remedy("give the id that is padding, or leave it out"));
    }
    Ok(vec![("embedding".into(), Box::new(builder.at("embedding").embedding(vocabulary, width, padding)))])
}

impl Transformer {
    /// Vectors of `width` with their positions, `[L, F]` to `[L, width]`.
    fn embed(&self, builder: &Builder, length: i64, features: i64) -> Block {
        let mut flow = Flow::new(&[length, features]);
        let mut value = Flow::INPUT;
        // The embedding of padding is 0.
        let padding = self.padding.map(|padding| if self.vocabulary.is_some() { 0.0 } else { padding as f64 });
        let mask = padding.map(|value| flow.operation("padding", PaddingMask { value }, &[Flow::INPUT]));
        if self.vocabulary.is_none() {
            value = flow.layer("linear", Box::new(builder.at("linear").linear(features, self.width)), value);
        }
        let positions = builder.at("positions").normal("weight", &[length, self.width], 1.0);
        let positions = flow.parameter("positions.weight", positions);
        value = flow.operation("sum", Add, &[value, positions]);
        if let Some(mask) = mask {
            value = flow.operation("erased", Erase, &[value, mask]);
        }
        Block { class: "Embed", flow, output: value }
    }

    /// `torch.nn.TransformerEncoderLayer`.
    fn layer(&self, builder: &Builder, shape: &[i64]) -> Block {
        let mut flow = Flow::new(shape);
        let x = Flow::INPUT;
        let mask = self.mask(&mut flow);
        let mut output = match self.norm_first {
            true => {
                let normed = norm(&mut flow, builder, "norm1", x);
                let attended = self.attention(&mut flow, builder, normed, mask);
                let x = flow.operation("sum1", Add, &[x, attended]);
                let normed = norm(&mut flow, builder, "norm2", x);
                let fed = self.feed(&mut flow, builder, normed);
                flow.operation("sum2", Add, &[x, fed])
            }
            false => {
                let attended = self.attention(&mut flow, builder, x, mask);
                let sum = flow.operation("sum1", Add, &[x, attended]);
                let x = norm(&mut flow, builder, "norm1", sum);
                let fed = self.feed(&mut flow, builder, x);
                let sum = flow.operation("sum2", Add, &[x, fed]);
                norm(&mut flow, builder, "norm2", sum)
            }
        };
        if let Some(mask) = mask {
            output = flow.operation("erased", Erase, &[output, mask]);
        }
        Block { class: "TransformerEncoderLayer", flow, output }
    }

    /// What follows the last layer, if anything does.
    fn end(&self, builder: &Builder, shape: &[i64]) -> Option<Block> {
        let mut flow = Flow::new(shape);
        let mask = self.mask(&mut flow);
        let mut output = Flow::INPUT;
        if self.norm_first {
            output = norm(&mut flow, &builder.at("end"), "norm", output);
            if let Some(mask) = mask {
                output = flow.operation("erased", Erase, &[output, mask]);
            }
        }
        if self.pool == Pool::Mean {
            output = match mask {
                Some(mask) => flow.operation("mean", MaskedMean, &[output, mask]),
                None => flow.operation("mean", MeanOverPositions { maps: false }, &[output]),
            };
        }
        (output != Flow::INPUT).then_some(Block { class: "End", flow, output })
    }

    /// Where the input of a layer is padding: there it is 0.
    fn mask(&self, flow: &mut Flow) -> Option<Value> {
        self.padding.map(|_| flow.operation("padding", PaddingMask { value: 0.0 }, &[Flow::INPUT]))
    }

    /// `torch.nn.MultiheadAttention` of `x` to itself, and dropout.
    fn attention(&self, flow: &mut Flow, builder: &Builder, x: Value, mask: Option<Value>) -> Value {
        let (builder, width) = (builder.at("self_attn"), self.width);
        // PyTorch starts here with xavier_uniform, and with biases of 0.
        let bound = (6.0 / (4 * width) as f64).sqrt();
        let weight = builder.uniform("in_proj_weight", &[3 * width, width], bound);
        let weight = flow.parameter("self_attn.in_proj_weight", weight);
        let bias = flow.parameter("self_attn.in_proj_bias", builder.constant("in_proj_bias", &[3 * width], 0.0));
        let projected = flow.operation("projected", LinearMap, &[x, weight, bias]);
        let mut inputs: Vec<Value> = [("query", 0), ("key", 1), ("value", 2)]
            .map(|(name, part)| flow.operation(name, SplitHeads { part, heads: self.heads }, &[projected]))
            .into();
        inputs.extend(mask);
        let dropout = Dropout { probability: self.dropout, name: builder.name() };
        let attended = flow.operation("attended", Attention { dropout }, &inputs);
        let mut out = builder.at("out_proj").linear(width, width);
        out.bs.iter_mut().for_each(|bias| no_grad(|| drop(bias.zero_())));
        let out = flow.layer("self_attn.out_proj", Box::new(out), attended);
        self.dropped(flow, &builder, "dropout1", out)
    }

    /// Two linear layers with an activation between, and dropout.
    fn feed(&self, flow: &mut Flow, builder: &Builder, x: Value) -> Value {
        let wide = self.feedforward.unwrap_or(4 * self.width);
        let x = flow.layer("linear1", Box::new(builder.at("linear1").linear(self.width, wide)), x);
        let x = flow.layer("activation", Box::new(self.activation), x);
        let x = self.dropped(flow, builder, "dropout", x);
        let x = flow.layer("linear2", Box::new(builder.at("linear2").linear(wide, self.width)), x);
        self.dropped(flow, builder, "dropout2", x)
    }

    fn dropped(&self, flow: &mut Flow, builder: &Builder, name: &str, x: Value) -> Value {
        if self.dropout == 0.0 {
            return x;
        }
        flow.layer(name, Box::new(Dropout { probability: self.dropout, name: builder.at(name).name() }), x)
    }
}

fn norm(flow: &mut Flow, builder: &Builder, name: &str, x: Value) -> Value {
    let features = *flow.shape(x).last().expect("a sequence has features");
    flow.layer(name, Box::new(builder.at(name).layer_norm(features)), x)
}
