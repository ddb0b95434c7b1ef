//! Trajectories of `torch.optim` 2.13, every rule with every option; `golden.py` beside this file made `golden.txt`.

use super::*;

const START: [f64; 3] = [1.0, -2.0, 0.5];

const STEPS_SHOWN: [i64; 4] = [1, 2, 5, 12];

/// The gradient of step `step`, exact in every precision, with zeros among it.
fn gradient(step: i64, kind: Kind) -> Tensor {
    let value = |i: i64| ((7 * step + 11 * i) % 13 - 6) as f64 / 4.0;
    Tensor::from_slice(&[value(0), value(1), value(2)]).to_kind(kind)
}

/// The parameters after each of [`STEPS_SHOWN`].
fn trajectory(way: Way, rule: &OptimizerKind, kind: Kind) -> Result<Vec<[f64; 3]>> {
    let mut memory = Memory::default();
    let mut parameters = Tensor::from_slice(&START).to_kind(kind);
    let named = [("trunk".to_string(), 2, false), ("head".to_string(), 1, false)];
    let segments = segments(&named, rule)?;
    let mut flat = Flat::claim_by(way, rule.clone(), segments, &parameters, "optimizer", &mut memory)?;
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
            let shown: Vec<&str> = lines.by_ref().take(STEPS_SHOWN.len()).collect();
            for way in ways() {
                for ((step, found), line) in STEPS_SHOWN.iter().zip(trajectory(way, &rule, kind)?).zip(&shown) {
                    for ((found, expected), start) in found.iter().zip(line.split_whitespace()).zip(START) {
                        let expected: f64 = expected.parse()?;
                        // PyTorch multiplies and adds with one rounding. With two, a parameter that comes near 0 shows
                        // the digits that it lost on its way.
                        let size = match way {
                            Way::Fused(Instructions::Portable) => expected.abs().max(start.abs()),
                            _ => expected.abs(),
                        };
                        let error = (found - expected).abs() / size;
                        let place = format!("{yaml} {kind:?} {way:?}, step {step}");
                        assert!(error <= tolerance, "{place}: {found}, PyTorch {expected}");
                    }
                }
            }
        }
    }
    assert_eq!(seen, OptimizerKind::NAMES.iter().copied().collect(), "every rule of the table is compared");
    Ok(())
}
