//! What holds for every rule of the table.

mod golden;

use super::flat::Way;
use super::*;
use crate::kernels::Instructions;
use crate::memory::Memory;
use anyhow::Result;
use tch::{Device, Kind, Tensor};

/// Every rule by default, and every rule with all that makes it remember more.
fn every_rule() -> Vec<OptimizerKind> {
    let plain = OptimizerKind::NAMES.iter().map(|name| format!("{{name: {name}}}"));
    let rich = [
        "{name: sgd, learning_rate: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.1}",
        "{name: adam, learning_rate: 0.1, amsgrad: true, weight_decay: 0.1}",
        "{name: adamw, learning_rate: 0.1, amsgrad: true}",
        "{name: adagrad, learning_rate_decay: 0.1, initial_accumulator_value: 0.3, weight_decay: 0.1}",
        "{name: rmsprop, momentum: 0.9, centered: true, weight_decay: 0.1}",
    ];
    plain
        .chain(rich.map(String::from))
        .map(|yaml| serde_yaml::from_str(&yaml).unwrap_or_else(|error| panic!("{yaml}: {error}")))
        .collect()
}

/// In one pass with all instructions that there are, and by operations on tensors.
fn ways() -> impl Iterator<Item = Way> + Clone {
    let fused = Instructions::ALL.into_iter().filter(|instructions| instructions.available()).map(Way::Fused);
    fused.chain([Way::Operations { longest: 1 << 20 }])
}

/// Every rule in every precision in every way.
fn every_case() -> impl Iterator<Item = (OptimizerKind, Kind, Way)> {
    let with_ways = |rule: OptimizerKind, kind| ways().map(move |way| (rule.clone(), kind, way));
    let with_kinds = move |rule: OptimizerKind| {
        [Kind::Float, Kind::Double].into_iter().flat_map(move |kind| with_ways(rule.clone(), kind))
    };
    every_rule().into_iter().flat_map(with_kinds)
}

const LENGTH: i64 = 702;

fn claim(way: Way, rule: &OptimizerKind, parameters: &Tensor, memory: &mut Memory) -> Result<Flat> {
    let segments = [(0, 660, 1.0), (662, 40, 0.5)].map(|(start, length, factor)| Segment {
        start,
        length,
        learning_rate: factor * rule.learning_rate(),
        weight_decay: rule.weight_decay(),
    });
    Flat::claim_by(way, rule.clone(), segments.to_vec(), parameters, "optimizer", memory)
}

fn train(flat: &mut Flat, parameters: &mut Tensor, memory: &mut Memory, steps: std::ops::Range<i64>) {
    for step in steps {
        let gradient = (&*parameters * (step + 1)).sin();
        flat.step(parameters, &gradient, 1.0 / (step + 1) as f64, memory);
    }
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one_bit_by_bit() -> Result<()> {
    for (rule, kind, way) in every_case() {
        let mut memory = Memory::default();
        let mut parameters = Tensor::linspace(-2, 2, LENGTH, (kind, Device::Cpu));
        let mut flat = claim(way, &rule, &parameters, &mut memory)?;
        train(&mut flat, &mut parameters, &mut memory, 0..4);

        let mut again_memory = Memory::restore(memory.save());
        let mut again_parameters = parameters.copy();
        let mut again = claim(way, &rule, &again_parameters, &mut again_memory)?;
        assert_eq!(again_memory.unclaimed().next(), None, "{rule:?}");
        assert_eq!(again.steps(&again_memory), 4);

        train(&mut flat, &mut parameters, &mut memory, 4..9);
        assert!(!parameters.equal(&again_parameters), "{rule:?}: the run does not share storage with its copy");
        train(&mut again, &mut again_parameters, &mut again_memory, 4..9);
        assert!(parameters.equal(&again_parameters), "{rule:?} {kind:?} {way:?}");
        for ((name, value), (_, resumed)) in memory.save().iter().zip(again_memory.save()) {
            assert!(value.equal(&resumed), "{rule:?} {kind:?} {way:?}: {name}");
        }
    }
    Ok(())
}

#[test]
fn what_a_rule_remembers_stands_in_memory_under_its_name() -> Result<()> {
    for (rule, kind, way) in every_case() {
        let mut memory = Memory::default();
        let mut parameters = Tensor::linspace(-2, 2, LENGTH, (kind, Device::Cpu));
        let mut flat = claim(way, &rule, &parameters, &mut memory)?;
        train(&mut flat, &mut parameters, &mut memory, 0..3);
        let saved = memory.save();
        let names: Vec<_> = saved.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(names, [vec!["optimizer.step".to_string()], moment_names(&rule, "optimizer")].concat());
        for (name, moment) in &saved[1..] {
            assert_eq!((moment.size(), moment.kind()), (vec![LENGTH], kind), "{name}");
            assert!(moment.std(true).double_value(&[]) > 0.0, "{rule:?} {way:?}: {name} never moved");
        }
    }
    Ok(())
}

#[test]
fn parameters_that_require_gradients_are_updated_too() -> Result<()> {
    for (rule, kind, way) in every_case() {
        let mut memory = Memory::default();
        let mut parameters = Tensor::ones([LENGTH], (kind, Device::Cpu)).set_requires_grad(true);
        let mut flat = claim(way, &rule, &parameters, &mut memory)?;
        flat.step(&mut parameters, &Tensor::ones([LENGTH], (kind, Device::Cpu)), 1.0, &mut memory);
        assert!(parameters.requires_grad() && parameters.is_leaf(), "{rule:?} {way:?}");
        assert!(parameters.min().double_value(&[]) < 1.0, "{rule:?} {way:?}");
    }
    Ok(())
}

/// The buffer and what is remembered, after 50 steps over segments of odd lengths with gaps between and behind them.
fn after_50_steps(way: Way, rule: &OptimizerKind, kind: Kind) -> Result<Vec<(String, Tensor)>> {
    let segments = [(0, 1, 0.0), (2, 37, 0.05), (40, 131, 0.2)].map(|(start, length, weight_decay)| Segment {
        start,
        length,
        learning_rate: rule.learning_rate() * (1.0 - 0.002 * start as f64),
        weight_decay,
    });
    let mut memory = Memory::default();
    let mut parameters = Tensor::linspace(-2, 2, 173, (kind, Device::Cpu));
    let phases = Tensor::linspace(0, 9, 173, (kind, Device::Cpu));
    let mut flat = Flat::claim_by(way, rule.clone(), segments.to_vec(), &parameters, "optimizer", &mut memory)?;
    for step in 0..50 {
        let gradient = (&phases + f64::from(step)).sin();
        flat.step(&mut parameters, &gradient, 1.0 / (1.0 + 0.1 * f64::from(step)), &mut memory);
    }
    Ok(memory.save().into_iter().skip(1).chain([("parameters".to_string(), parameters)]).collect())
}

#[test]
fn in_one_pass_a_rule_does_what_its_operations_do_and_leaves_gaps_alone() -> Result<()> {
    for (rule, kind, way) in every_case() {
        let tolerance = if kind == Kind::Double { 1e-12 } else { 1e-6 };
        let expected = after_50_steps(Way::Operations { longest: 1 << 20 }, &rule, kind)?;
        for ((name, found), (_, expected)) in after_50_steps(way, &rule, kind)?.iter().zip(&expected) {
            let scale = expected.abs().clamp_min(1.0);
            let error = ((found - expected).abs() / scale).max().double_value(&[]);
            assert!(error <= tolerance, "{rule:?} {kind:?} {way:?}: {name} is {error} off");
            let initial = rule.state().iter().find(|(state, _)| name.ends_with(*state)).map(|(_, initial)| *initial);
            let initial = match initial {
                Some(initial) => Tensor::full([173], initial, (kind, Device::Cpu)),
                None => Tensor::linspace(-2, 2, 173, (kind, Device::Cpu)),
            };
            for gap in [1, 39, 171, 172] {
                assert_eq!(found.double_value(&[gap]), initial.double_value(&[gap]), "{rule:?} {way:?}: {name}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_instructions_can_be_chosen_and_are_the_widest_else() -> Result<()> {
    let rule: OptimizerKind = serde_yaml::from_str("{name: adam, learning_rate: 0.1}")?;
    let segment = Segment { start: 0, length: LENGTH, learning_rate: 0.1, weight_decay: 0.2 };
    let moved = |claim: &dyn Fn(&Tensor, &mut Memory) -> Result<Flat>| -> Result<Tensor> {
        let mut memory = Memory::default();
        let mut parameters = Tensor::linspace(-2, 2, LENGTH, (Kind::Float, Device::Cpu));
        let mut flat = claim(&parameters, &mut memory)?;
        train(&mut flat, &mut parameters, &mut memory, 0..9);
        Ok(parameters)
    };
    let by = |way| moved(&|p, memory| Flat::claim_by(way, rule.clone(), vec![segment], p, "optimizer", memory));
    let claim = |p: &Tensor, memory: &mut Memory| Flat::claim(rule.clone(), vec![segment], p, "optimizer", memory);
    assert!(moved(&claim)?.equal(&by(Way::Fused(Instructions::best()))?));
    let portable = moved(&|p, memory| Ok(claim(p, memory)?.with_instructions(Instructions::Portable)))?;
    assert!(portable.equal(&by(Way::Fused(Instructions::Portable))?));
    Ok(())
}

#[test]
fn other_precisions_and_gradients_with_gaps_are_welcome() -> Result<()> {
    for rule in every_rule() {
        let segment = Segment { start: 0, length: LENGTH, learning_rate: 0.1, weight_decay: 0.2 };
        for kind in [Kind::Float, Kind::Double, Kind::BFloat16] {
            let step = |gradient: &Tensor| -> Result<Tensor> {
                let mut memory = Memory::default();
                let mut parameters = Tensor::ones([LENGTH], (kind, Device::Cpu));
                let mut flat = Flat::claim(rule.clone(), vec![segment], &parameters, "optimizer", &mut memory)?;
                flat.step(&mut parameters, gradient, 1.0, &mut memory);
                Ok(parameters)
            };
            let column = Tensor::linspace(-2, 2, 2 * LENGTH, (kind, Device::Cpu)).view([LENGTH, 2]).select(1, 0);
            assert!(step(&column)?.equal(&step(&column.contiguous())?), "{rule:?} {kind:?}");
        }
    }
    Ok(())
}

#[test]
#[should_panic(expected = "an update of 702 parameters got [702] and gradient [701]")]
fn a_gradient_of_another_length_is_refused() {
    let mut memory = Memory::default();
    let mut parameters = Tensor::ones([LENGTH], (Kind::Float, Device::Cpu));
    let way = ways().next().expect("a way");
    let mut flat = claim(way, &every_rule()[0], &parameters, &mut memory).expect("a claim");
    flat.step(&mut parameters, &Tensor::ones([LENGTH - 1], (Kind::Float, Device::Cpu)), 1.0, &mut memory);
}

#[test]
fn settings_that_do_not_fit_are_refused() {
    for (yaml, wrong) in [
        ("{name: sgd, nesterov: true}", "found momentum 0 and dampening 0"),
        ("{name: sgd, nesterov: true, momentum: 0.9, dampening: 0.1}", "found momentum 0.9 and dampening 0.1"),
    ] {
        let rule: OptimizerKind = serde_yaml::from_str(yaml).expect("each setting alone is fine");
        let error = rule.check().expect_err(yaml);
        assert!(error.path == "nesterov" && error.what.contains(wrong), "{error:?}");
    }
    for rule in every_rule() {
        assert_eq!(rule.check(), Ok(()));
    }
}

#[test]
fn values_out_of_range_are_refused_where_they_are_read() {
    for (yaml, wrong) in [
        ("{name: adam, betas: [0.9, 1]}", "1, expected a number from 0 up to, not including, 1"),
        ("{name: adam, betas: [0.9]}", "invalid length 1"),
        ("{name: adamw, learning_rate: 0}", "expected a number above 0"),
        ("{name: rmsprop, alpha: 1.5}", "expected a number from 0 to 1"),
        ("{name: adagrad, lr_decay: 0.1}", "unknown field `lr_decay`"),
        ("{name: sgd, groups: [{match: '*', momentum: 0.1}]}", "unknown field `momentum`"),
        ("{name: sgd, groups: [{match: '*', weight_decay: -1}]}", "expected a number of 0 or above"),
    ] {
        let error = serde_yaml::from_str::<OptimizerKind>(yaml).expect_err(yaml).to_string();
        assert!(error.contains(wrong), "{yaml}: {error}");
    }
}
