//! Experts for all, and gates that choose few of them.

use super::{Architecture, Site};
use crate::error::BadSetting;
use crate::models::Mode;
use crate::models::flow::{Operation, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// DSelect-k: every task mixes at most `k` of the experts, chosen by smooth binary codes.
///
/// `z_t = Σ_e g_t(x)_e f_e(x)`; each expert is a backbone (`experts.e`), `E = 2^m` of them. The gate is a mixture of `k` selectors,
/// `g_t(x) = Σ_i a_i(x) r(c_i(x))`, with `a = softmax` of a linear layer `TASK_share` `[k]` and codes `c` `[k, m]` from a linear
/// layer `TASK_code`. A selector gives expert `e` the share `r(c)_e = Π_j S(c_j)` over the bits of `e` that are 1, times
/// `Π_j (1 - S(c_j))` over those that are 0, with the smooth step `S(c) = 0` below `-γ/2`, 1 above `γ/2`, and
/// `-2c³/γ³ + 3c/(2γ) + 1/2` between. Once all `S` are 0 or 1, at most `k` shares differ from zero.
/// Deviations: without the paper's entropy penalty, which hastens that; `E` must be a power of two, so that every code names
/// an expert (the paper penalises those that do not).
/// Reference: Hazimeh et al., "DSelect-k: Differentiable Selection in the Mixture of Experts with Applications to Multi-Task
/// Learning", NeurIPS 2021.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DSelectK {
    /// The number of experts `E`, a power of two.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub experts: u64,
    /// The number `k` of experts that a task may choose. The paper takes 2 to 4.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub chosen: u64,
    /// The width `γ` of the smooth step.
    #[serde(with = "crate::settings::Positive")]
    pub gamma: f64,
    /// Whether a row chooses by its own input; else one choice is learned for all rows (`TASK_code` and `TASK_share` are then
    /// parameters).
    pub per_example: bool,
}

impl Default for DSelectK {
    fn default() -> Self {
        Self { experts: 8, chosen: 2, gamma: 1.0, per_example: true }
    }
}

impl Architecture for DSelectK {
    fn wire(&self, site: &mut Site) -> Result<Vec<Value>, BadSetting> {
        let Self { experts, chosen, gamma, .. } = *self;
        if !experts.is_power_of_two() || experts < 2 {
            return Err(BadSetting::new("architecture.experts", format!("{experts} is no power of two above 1"))
                .remedy("write 2, 4, 8 or 16"));
        }
        if chosen > experts {
            return Err(BadSetting::new("architecture.chosen", format!("{chosen} of {experts} experts"))
                .remedy("choose at most as many as there are"));
        }
        let bits = i64::from(experts.trailing_zeros());
        let x = site.stem("shared_stem")?;
        let outputs = site.experts("experts", experts, x)?;
        let stack = site.stack("experts_stack", &outputs);
        let input = site.vector("gates", x);
        let tasks = site.tasks;
        let mix = |task: &String| {
            let code = self.scores(site, &format!("{task}_code"), input, chosen as i64 * bits, gamma / 100.0);
            let share = self.scores(site, &format!("{task}_share"), input, chosen as i64, 0.05);
            let gate = SparseGate { experts: experts as i64, chosen: chosen as i64, bits, gamma };
            let gate = site.flow.operation(format!("{task}_shares"), gate, &[code, share, input]);
            site.mixture(&format!("{task}_mixture"), gate, stack)
        };
        Ok(tasks.iter().map(mix).collect())
    }
}

impl DSelectK {
    /// Numbers that choose, `[N, count]` of a linear layer or `[count]` for all rows; codes start near zero, as the authors'.
    fn scores(&self, site: &mut Site, name: &str, input: Value, count: i64, bound: f64) -> Value {
        if !self.per_example {
            let numbers = site.builder.uniform(name, &[count], bound);
            return site.flow.parameter(name, numbers);
        }
        let (features, builder) = (site.flow.shape(input)[0], site.builder.at(name));
        let linear = match name.ends_with("_code") {
            true => builder.linear_within(features, count, bound),
            false => builder.linear(features, count),
        };
        site.flow.layer(name, Box::new(linear), input)
    }
}

/// The shares `[N, E]` of codes `[N, k m]` (or `[k m]`), shares of selectors `[N, k]` (or `[k]`) before their softmax, and the
/// input, which says `N`.
struct SparseGate {
    experts: i64,
    chosen: i64,
    bits: i64,
    gamma: f64,
}

impl SparseGate {
    /// The bits of every expert's number, `[E, m]`, row by row.
    fn codes(&self) -> Vec<f64> {
        let bit = |expert: i64, bit: i64| ((expert >> bit) & 1) as f64;
        (0..self.experts).flat_map(|expert| (0..self.bits).map(move |at| bit(expert, at))).collect()
    }
}

impl Operation for SparseGate {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        let (code, share, rows) = (inputs[0], inputs[1], inputs[2].size()[0]);
        let (half, gamma) = (self.gamma / 2.0, self.gamma);
        let c = code.view([-1, self.chosen, 1, self.bits]).clamp(-half, half); // [N or 1, k, 1, m]
        let step = &c * &c * &c * (-2.0 / (gamma * gamma * gamma)) + &c * (1.5 / gamma) + 0.5;
        let bits = Tensor::from_slice(&self.codes()).to_kind(code.kind()).to_device(code.device());
        let bits = bits.view([1, 1, self.experts, self.bits]); // [1, 1, E, m]
        let chosen: Tensor = 1.0 - &bits - &step + &bits * &step * 2.0; // S where the bit is 1, 1 - S where it is 0
        let selectors = chosen.prod_dim_int(3, false, code.kind()); // [N or 1, k, E]
        let share = share.view([-1, self.chosen]).softmax(1, share.kind()).unsqueeze(1); // [N or 1, 1, k]
        share.matmul(&selectors).squeeze_dim(1).expand([rows, self.experts], false)
    }
    fn shape(&self, _inputs: &[&[i64]]) -> Vec<i64> {
        vec![self.experts]
    }
    fn class(&self) -> &'static str {
        "SparseGate"
    }
    fn expression(&self, inputs: &[String]) -> String {
        let (code, share, x) = (&inputs[0], &inputs[1], &inputs[2]);
        let Self { experts, chosen, bits, gamma } = self;
        let half = gamma / 2.0;
        let c = format!("torch.clamp(torch.reshape({code}, [-1, {chosen}, 1, {bits}]), {:?}, {half:?})", -half);
        let (cubic, linear) = (-2.0 / (gamma * gamma * gamma), 1.5 / gamma);
        let step = format!("({c} * {c} * {c} * {cubic:?} + {c} * {linear:?} + 0.5)");
        let codes = format!("torch.tensor({:?}, dtype={code}.dtype, device={code}.device)", self.codes());
        let codes = format!("torch.reshape({codes}, [1, 1, {experts}, {bits}])");
        let selectors = format!("torch.prod(1.0 - {codes} - {step} + {codes} * {step} * 2.0, 3)");
        let share = format!("torch.unsqueeze(torch.softmax(torch.reshape({share}, [-1, {chosen}]), 1), 1)");
        format!("torch.squeeze(torch.matmul({share}, {selectors}), 1).expand([{x}.size(0), {experts}])")
    }
}
