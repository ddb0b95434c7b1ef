//! One backbone, and attention of each task's own to its features.

use super::{Architecture, Site};
use crate::error::BadSetting;
use crate::models::flow::{Block, Concatenate, Flow, MeanOverPositions, Multiply, Resize, Value};
use crate::models::layers::{Activation, Layer, Window};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Multi-task attention network: one backbone (`shared_layers`); at every stage each task takes its share of every feature.
///
/// With the features `p` behind a stage and `u` before its last layer (where that keeps the shape; else `u = p`):
/// `a_t = h_t(g_t([u; f(x_t)]))`, `x_t ← a_t ⊙ p`, where `x_t` is the task's value of the stage before (nothing at the first).
/// On vectors and sequences `g_t` is a linear layer with ReLU, `h_t` one with a sigmoid, and `f`, shared by the tasks, one with
/// ReLU; on feature maps they are 1×1, 1×1 and 3×3 convolutions with batch normalisation, and `f` ends by bringing its maps
/// to the size of `p`. Where a stage turns maps or sequences into a vector, `f` reads their mean. Names: `TASK_attention.STAGE.g.…` and `.h.…`, `shared_attention.STAGE.…`.
/// Deviations: maps are brought to size by bilinear interpolation, where the paper pools; the paper defines it for
/// convolutions only.
/// Reference: Liu, Johns, Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mtan {}

impl Architecture for Mtan {
    fn wire(&self, site: &mut Site) -> Result<Vec<Value>, BadSetting> {
        let x = site.stem("shared_stem")?;
        let mut tower = site.tower("shared_layers", x)?;
        let tasks = site.tasks;
        let mut own: Vec<Option<Value>> = vec![None; tasks.len()];
        let mut value = x;
        for stage in 0..tower.stages() {
            let (before, after) = site.stage_in_two(&mut tower, value);
            value = after;
            let adapted = adapt(site, stage, &own, after);
            for ((task, own), adapted) in tasks.iter().zip(&mut own).zip(adapted) {
                *own = Some(attend(site, (task, stage), before, adapted, after));
            }
        }
        Ok(own.into_iter().map(|own| own.unwrap_or(x)).collect())
    }
}

/// `f(x_t)` of every task's value of the stage before, with one module for all; nothing at the first stage.
fn adapt(site: &mut Site, stage: usize, own: &[Option<Value>], to: Value) -> Vec<Option<Value>> {
    let Some(before) = own[0] else { return own.to_vec() };
    let (from, to) = (site.flow.shape(before).to_vec(), site.flow.shape(to).to_vec());
    let name = format!("shared_attention.{stage}");
    let builder = site.builder.at(&name);
    let mut inner = Flow::new(&from);
    let mut output = Flow::INPUT;
    if to.len() == 1 && from.len() > 1 {
        output = inner.operation("mean", MeanOverPositions { maps: from.len() == 3 }, &[output]);
    }
    let layers: Vec<Box<dyn Layer>> = match (from.as_slice(), to.as_slice()) {
        ([channels, _, _], [wanted, _, _]) => {
            let convolution = builder.at(0).conv2d(*channels, *wanted, Window::of(3).padding(1));
            vec![Box::new(convolution), Box::new(builder.at(1).batch_norm(*wanted, true)), Box::new(Activation::Relu)]
        }
        _ => vec![Box::new(linear(site, &name, 0, inner.shape(output), &to)), Box::new(Activation::Relu)],
    };
    for (at, layer) in layers.into_iter().enumerate() {
        output = inner.layer(at.to_string(), layer, output);
    }
    if to.len() == 3 && inner.shape(output)[1..] != to[1..] {
        output = inner.operation("size", Resize { to: [to[1], to[2]] }, &[output]);
    }
    let block = Box::new(Block { class: "Adapter", flow: inner, output });
    let first = site.flow.layer(&name, block, before);
    let again = own[1..].iter().flatten().map(|value| site.flow.again(first, *value));
    std::iter::once(first).chain(again).map(Some).collect()
}

/// `h(g([u; f])) ⊙ p`
fn attend(site: &mut Site, (task, stage): (&str, usize), before: Value, adapted: Option<Value>, after: Value) -> Value {
    let read = match adapted {
        None => before,
        Some(adapted) => {
            site.flow.operation(format!("{task}_attention_input.{stage}"), Concatenate, &[before, adapted])
        }
    };
    let (from, to) = (site.flow.shape(read).to_vec(), site.flow.shape(after).to_vec());
    let name = format!("{task}_attention.{stage}");
    let builder = site.builder.at(&name);
    let layers: Vec<Box<dyn Layer>> = match to.as_slice() {
        [channels, _, _] => vec![
            Box::new(builder.at(0).conv2d(from[0], *channels, Window::of(1))),
            Box::new(builder.at(1).batch_norm(*channels, true)),
            Box::new(Activation::Relu),
            Box::new(builder.at(3).conv2d(*channels, *channels, Window::of(1))),
            Box::new(builder.at(4).batch_norm(*channels, true)),
            Box::new(Activation::Sigmoid),
        ],
        _ => vec![
            Box::new(linear(site, &name, 0, &from, &to)),
            Box::new(Activation::Relu),
            Box::new(linear(site, &name, 2, &to, &to)),
            Box::new(Activation::Sigmoid),
        ],
    };
    let named = (0..).map(|at: usize| at.to_string()).zip(layers).collect();
    let mask = site.flow.chain(&name, named, read);
    site.flow.operation(format!("{task}_attended.{stage}"), Multiply, &[mask, after])
}

/// The linear layer `NAME.AT` between features of such shapes.
fn linear(site: &Site, name: &str, at: usize, from: &[i64], to: &[i64]) -> tch::nn::Linear {
    site.builder.at(name).at(at).linear(from[from.len() - 1], to[to.len() - 1])
}
