//! One linear layer.

use super::Head;
use crate::error::BadSetting;
use crate::models::Builder;
use crate::models::flow::Named;
use crate::models::layers::{Layer, Window};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One linear layer `TASK_layer`: on a vector, on each token of a sequence, or, as a 1×1 convolution, on each pixel.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LinearHead {}

impl Head for LinearHead {
    fn build(&self, builder: &Builder, input: &[i64], width: i64) -> Result<Vec<Named>, BadSetting> {
        Ok(vec![("0".into(), last(builder, input, width))])
    }
}

/// The layer that gives the outputs.
pub(super) fn last(builder: &Builder, input: &[i64], width: i64) -> Box<dyn Layer> {
    match input {
        [channels, _, _] => Box::new(builder.conv2d(*channels, width, Window::of(1))),
        _ => Box::new(builder.linear(input[input.len() - 1], width)),
    }
}
