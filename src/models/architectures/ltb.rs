//! A tree of branches whose shape is learned.

use super::{Architecture, Site, Tower};
use crate::error::BadSetting;
use crate::models::Mode;
use crate::models::flow::{Operation, Value};
use crate::random::generator;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// Learning to branch: at every stage there are several branches, and each branch behind it, and at the end each task, learns
/// from which of them to read.
///
/// A reader `i` of stage `s` reads `Σ_j d_(i,j) x_j` over the branches `j` of the stage (`branches.j`). In training
/// `d_i = softmax((θ_i + G_i) / τ)` with learned scores `θ` (`routes.STAGE`, `[readers, branches]`), Gumbel noise `G` drawn per
/// step, and a temperature `τ` that falls exponentially; while warming up `d_i = 1/branches`. Evaluated and exported, `d_i` is 1
/// at the highest score and 0 elsewhere.
/// Deviations: the paper trains the tree that was found anew; here the weights of the search are kept.
/// Reference: Guo, Lee, Ulbricht, "Learning to Branch for Multi-Task Learning", ICML 2020.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ltb {
    /// The number of branches at each stage. Default: the number of tasks.
    #[serde(with = "crate::settings::optional::AtLeastOne", skip_serializing_if = "Option::is_none")]
    pub branches: Option<u64>,
    /// Steps in which every branch is read alike.
    pub warm_up: u64,
    /// The temperature `τ` at first.
    #[serde(with = "crate::settings::Positive")]
    pub temperature: f64,
    /// The temperature that it falls to.
    #[serde(with = "crate::settings::Positive")]
    pub final_temperature: f64,
    /// Steps after the warm-up in which it falls.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub anneal: u64,
}

impl Default for Ltb {
    fn default() -> Self {
        Self { branches: None, warm_up: 0, temperature: 10.0, final_temperature: 0.1, anneal: 10_000 }
    }
}

impl Architecture for Ltb {
    fn wire(&self, site: &mut Site) -> Result<Vec<Value>, BadSetting> {
        let x = site.stem("shared_stem")?;
        let tasks = site.tasks.len();
        let count = self.branches.map_or(tasks, |branches| branches as usize);
        let mut towers = site.expert_towers("branches", count as u64, x)?;
        let stages = towers[0].stages();
        let mut read = vec![x; if stages == 0 { tasks } else { count }];
        for stage in 0..stages {
            let apply = |(tower, value): (&mut Tower, &Value)| site.stage(tower, *value);
            let outputs: Vec<Value> = towers.iter_mut().zip(&read).map(apply).collect();
            let readers = if stage + 1 < stages { count } else { tasks };
            let scores = site.builder.at("routes").constant(&stage.to_string(), &[readers as i64, count as i64], 0.0);
            let scores = site.flow.parameter(format!("routes.{stage}"), scores);
            let inputs: Vec<Value> = std::iter::once(scores).chain(outputs).collect();
            let mut route = |reader: usize| {
                let name = format!("route.{stage}.{reader}");
                let route = Route { settings: self.clone(), name: name.clone(), reader: reader as i64 };
                site.flow.operation(name, route, &inputs)
            };
            read = (0..readers).map(&mut route).collect();
        }
        Ok(read)
    }
}

/// What a reader reads of all branches.
struct Route {
    settings: Ltb,
    name: String,
    reader: i64,
}

impl Route {
    /// The shares `[branches]` of scores `[branches]`.
    fn shares(&self, scores: &Tensor, mode: Mode) -> Tensor {
        let kind = scores.kind();
        let Mode::Train { seed, step, .. } = mode else {
            // A difference of zero keeps the scores on the tape: they belong to the tasks that they route.
            let soft = scores.softmax(0, kind);
            return scores.argmax(0, false).one_hot(scores.size()[0]).to_kind(kind) + (&soft - soft.detach());
        };
        let Ltb { warm_up, temperature, final_temperature, anneal, .. } = self.settings;
        if step < warm_up {
            return scores.softmax(0, kind) * 0.0 + 1.0 / scores.size()[0] as f64;
        }
        let way = ((step - warm_up) as f64 / anneal as f64).min(1.0);
        let temperature = temperature * (final_temperature / temperature).powf(way);
        let mut generator = generator(seed, &self.name, step, 0);
        let draw = |_| -(-generator.random_range(f64::MIN_POSITIVE..1.0).ln()).ln();
        let noise: Vec<f64> = (0..scores.size()[0]).map(draw).collect();
        let noise = Tensor::from_slice(&noise).to_kind(kind).to_device(scores.device());
        ((scores + noise) / temperature).softmax(0, kind)
    }
}

impl Operation for Route {
    fn forward(&self, inputs: &[&Tensor], mode: Mode) -> Tensor {
        let shares = self.shares(&inputs[0].select(0, self.reader), mode);
        let term = |(j, value): (usize, &&Tensor)| shares.select(0, j as i64) * *value;
        inputs[1..].iter().enumerate().map(term).reduce(|sum, term| sum + term).expect("there is a branch")
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        inputs[1].to_vec()
    }
    fn class(&self) -> &'static str {
        "Route"
    }
    fn expression(&self, inputs: &[String]) -> String {
        let best = format!("int(torch.argmax(torch.select({}, 0, {})))", inputs[0], self.reader);
        format!("[{}][{best}]", inputs[1..].join(", "))
    }
}
