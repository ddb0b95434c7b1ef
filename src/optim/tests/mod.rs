//! What holds for every rule of the table.

mod golden;

use super::*;
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

const LENGTH: i64 = 702;

fn claim(rule: &OptimizerKind, parameters: &Tensor, memory: &mut Memory) -> Result<Flat> {
    let segments = [(0, 660, 1.0), (662, 40, 0.5)].map(|(start, length, factor)| Segment {
        start,
        length,
        learning_rate: factor * rule.learning_rate(),
        weight_decay: rule.weight_decay(),
    });
    Flat::claim(rule.clone(), segments.to_vec(), parameters, "optimizer", memory)
}

fn train(flat: &mut Flat, parameters: &mut Tensor, memory: &mut Memory, steps: std::ops::Range<i64>) {
    for step in steps {
        let gradient = (&*parameters * (step + 1)).sin();
        flat.step(parameters, &gradient, 1.0 / (step + 1) as f64, memory);
    }
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one_bit_by_bit() -> Result<()> {
    for rule in every_rule() {
        for kind in [Kind::Float, Kind::Double] {
            let mut memory = Memory::default();
            let mut parameters = Tensor::linspace(-2, 2, LENGTH, (kind, Device::Cpu));
            let mut flat = claim(&rule, &parameters, &mut memory)?;
            train(&mut flat, &mut parameters, &mut memory, 0..4);

            let mut again_memory = Memory::restore(memory.save());
            let mut again_parameters = parameters.copy();
            let mut again = claim(&rule, &again_parameters, &mut again_memory)?;
            assert_eq!(again_memory.unclaimed().next(), None, "{rule:?}");
            assert_eq!(again.steps(&again_memory), 4);

            train(&mut flat, &mut parameters, &mut memory, 4..9);
            assert!(!parameters.equal(&again_parameters), "{rule:?}: the run does not share storage with its copy");
            train(&mut again, &mut again_parameters, &mut again_memory, 4..9);
            assert!(parameters.equal(&again_parameters), "{rule:?} {kind:?}");
            for ((name, value), (_, resumed)) in memory.save().iter().zip(again_memory.save()) {
                assert!(value.equal(&resumed), "{rule:?} {kind:?}: {name}");
            }
        }
    }
    Ok(())
}

#[test]
fn what_a_rule_remembers_stands_in_memory_under_its_name() -> Result<()> {
    for rule in every_rule() {
        let mut memory = Memory::default();
        let mut parameters = Tensor::linspace(-2, 2, LENGTH, (Kind::Float, Device::Cpu));
        let mut flat = claim(&rule, &parameters, &mut memory)?;
        train(&mut flat, &mut parameters, &mut memory, 0..3);
        let saved = memory.save();
        let names: Vec<_> = saved.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(names, [vec!["optimizer.step".to_string()], moment_names(&rule, "optimizer")].concat());
        for (name, moment) in &saved[1..] {
            assert_eq!((moment.size(), moment.kind()), (vec![LENGTH], Kind::Float), "{name}");
            assert!(moment.std(true).double_value(&[]) > 0.0, "{rule:?}: {name} never moved");
        }
    }
    Ok(())
}

#[test]
fn parameters_that_require_gradients_are_updated_too() -> Result<()> {
    for rule in every_rule() {
        let mut memory = Memory::default();
        let mut parameters = Tensor::ones([LENGTH], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let mut flat = claim(&rule, &parameters, &mut memory)?;
        flat.step(&mut parameters, &Tensor::ones([LENGTH], (Kind::Float, Device::Cpu)), 1.0, &mut memory);
        assert!(parameters.requires_grad() && parameters.is_leaf(), "{rule:?}");
        assert!(parameters.min().double_value(&[]) < 1.0, "{rule:?}");
    }
    Ok(())
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
