//! Towers whose subspaces are mixed, and whose layers are mixed at the end.

use super::{Architecture, Site};
use crate::error::BadSetting;
use crate::models::flow::{Combination, Concatenate, Half, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sluice networks: a backbone per task; halves of the features are mixed between tasks, and a task reads a mixture of layers.
///
/// Behind every stage, the two halves of all tasks' features `h` (`2T` of them) are mixed: `h_i ← Σ_j α_(i,j) h_j` with a learned
/// matrix `α` `[2T, 2T]` per stage (`alphas.STAGE`). The representation is `z_t = Σ_s β_(t,s) x_(t,s)` over the stages `s` whose
/// features have the shape of the last one's, with a learned matrix `β` `[T, S]` (`betas`).
/// Deviations: without the paper's optional penalty that keeps the two subspaces orthogonal.
/// Reference: Ruder et al., "Latent Multi-task Architecture Learning", AAAI 2019.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sluice {
    /// What a half takes of itself at first, from 0 to 1; the rest comes from all other halves in equal parts.
    #[serde(with = "crate::settings::Unit")]
    pub own: f64,
}

impl Default for Sluice {
    fn default() -> Self {
        Self { own: 0.9 }
    }
}

impl Architecture for Sluice {
    fn wire(&self, site: &mut Site) -> Result<Vec<Value>, BadSetting> {
        let x = site.stem("shared_stem")?;
        let mut towers = site.task_towers(x)?;
        let mut values = vec![x; towers.len()];
        let mut layers: Vec<Vec<Value>> = vec![];
        for stage in 0..towers[0].stages() {
            for (tower, value) in towers.iter_mut().zip(&mut values) {
                *value = site.stage(tower, *value);
            }
            values = self.mix(site, stage, &values)?;
            layers.push(values.clone());
        }
        let shape = site.flow.shape(values[0]).to_vec();
        layers.retain(|values| site.flow.shape(values[0]) == shape);
        if layers.is_empty() {
            return Ok(values);
        }
        let (tasks, count) = (values.len() as i64, layers.len() as i64);
        let betas = site.builder.constant("betas", &[tasks, count], 1.0 / count as f64);
        let betas = site.flow.parameter("betas", betas);
        let read = |task: usize| {
            let inputs: Vec<Value> = std::iter::once(betas).chain(layers.iter().map(|values| values[task])).collect();
            let name = format!("{}_layers", site.tasks[task]);
            site.flow.operation(name, Combination { row: task as i64 }, &inputs)
        };
        Ok((0..values.len()).map(read).collect())
    }
}

impl Sluice {
    /// Mixes the halves of all tasks' features.
    fn mix(&self, site: &mut Site, stage: usize, values: &[Value]) -> Result<Vec<Value>, BadSetting> {
        let shape = site.flow.shape(values[0]);
        let features = shape[Half::dimension(shape.len())];
        if features % 2 == 1 {
            let what = format!("gives {features} features at a stage, and sluice halves them");
            return Err(BadSetting::new("backbone", what).remedy("choose even widths"));
        }
        let halves = (2 * values.len()) as i64;
        let alphas = site.mixing("alphas", stage, halves, self.own);
        let mut inputs = vec![alphas];
        for (task, value) in site.tasks.iter().zip(values) {
            for second in [false, true] {
                let name = format!("{task}_half.{stage}.{}", u8::from(second));
                inputs.push(site.flow.operation(name, Half { second }, &[*value]));
            }
        }
        let join = |task: usize| {
            let mixed = [0, 1].map(|half| {
                let name = format!("{}_mixed.{stage}.{half}", site.tasks[task]);
                site.flow.operation(name, Combination { row: 2 * task as i64 + half }, &inputs)
            });
            site.flow.operation(format!("{}_joined.{stage}", site.tasks[task]), Concatenate, &mixed)
        };
        Ok((0..values.len()).map(join).collect())
    }
}
