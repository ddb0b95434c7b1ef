//! Trajectories of `torch.optim` 2.13, every rule with every option; `golden.py` beside this file made `golden.txt`.

use super::*;

const STEPS_SHOWN: [i64; 4] = [1, 2, 5, 12];

/// The gradient of step `step`, exact in every precision, with zeros among it.
fn gradient(step: i64, kind: Kind) -> Tensor {
    let value = |i: i64| ((7 * step + 11 * i) % 13 - 6) as f64 / 4.0;
    Tensor::from_slice(&[value(0), value(1), value(2)]).to_kind(kind)
}

/// The parameters after each of [`STEPS_SHOWN`].
fn trajectory(rule: &OptimizerKind, kind: Kind) -> Result<Vec<[f64; 3]>> {
    let mut memory = Memory::default();
    let mut parameters = Tensor::from_slice(&[1.0, -2.0, 0.5]).to_kind(kind);
    let named = [("trunk".to_string(), 2, false), ("head".to_string(), 1, false)];
    let mut flat = Flat::claim(rule.clone(), segments(&named, rule)?, &parameters, "optimizer", &mut memory)?;
    let mut shown = Vec::new();
    for step in 1..=12 {
        flat.step(&mut parameters, &gradient(step, kind), 1.0, &mut memory);
        if STEPS_SHOWN.contains(&step) {
            shown.push([0, 1, 2].map(|i| parameters.double_value(&[i])));
        }
    }
    Ok(shown)
}

#[test]
fn every_rule_with_every_option_follows_pytorch() -> Result<()> {
    let mut lines = include_str!("golden.txt").lines();
    let mut seen = std::collections::BTreeSet::new();
    while let Some(yaml) = lines.next() {
        let rule: OptimizerKind = serde_yaml::from_str(yaml)?;
        seen.insert(rule.name());
        for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 1e-6)] {
            for (step, found) in STEPS_SHOWN.iter().zip(trajectory(&rule, kind)?) {
                let line = lines.next().expect("four lines per precision");
                for (found, expected) in found.iter().zip(line.split_whitespace()) {
                    let expected: f64 = expected.parse()?;
                    let error = (found - expected).abs() / expected.abs();
                    assert!(error <= tolerance, "{yaml} {kind:?}, step {step}: {found}, PyTorch {expected}");
                }
            }
        }
    }
    assert_eq!(seen, OptimizerKind::NAMES.iter().copied().collect(), "every rule of the table is compared");
    Ok(())
}
