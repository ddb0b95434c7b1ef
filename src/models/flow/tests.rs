//! A flow computes what its steps say, in Rust and as TorchScript.

use super::{
    Add, Block, Combination, Concatenate, Flatten, Flow, MeanOverPositions, Mixture, Multiply, Resize, Softmax, Stack,
    Value,
};
use crate::models::layers::{Activation, Layer};
use crate::models::{Builder, Mode};
use tch::{Device, Kind, Tensor, nn};

fn numbers(shape: &[i64]) -> Tensor {
    (Tensor::arange(shape.iter().product::<i64>(), (Kind::Double, Device::Cpu)) * 0.7).sin().view(shape)
}

/// The results, which the TorchScript of the same flow gives too.
fn run(flow: &Flow, x: &Tensor, wanted: &[Value]) -> Vec<Tensor> {
    let results = flow.run(&[(Flow::INPUT, x)], wanted, Mode::Evaluate);
    let scripted = flow.script("a.B", wanted).compile().unwrap().forward(&[x.shallow_clone()]).unwrap().tensors;
    assert_eq!(results.len(), scripted.len());
    for ((result, scripted), value) in results.iter().zip(&scripted).zip(wanted) {
        assert_eq!(result, scripted);
        assert_eq!(result.size()[1..], *flow.shape(*value));
    }
    results
}

#[test]
fn every_operation_is_the_same_in_torchscript() {
    let store = nn::VarStore::new(Device::Cpu);
    let builder = Builder::new(store.root(), 0);
    let mut flow = Flow::new(&[3, 4, 6]);
    let x = Flow::INPUT;
    let flat = flow.operation("flat", Flatten, &[x]);
    let mean = flow.operation("mean", MeanOverPositions { maps: true }, &[x]);
    let shares = flow.operation("shares", Softmax, &[mean]);
    let sum = flow.operation("sum", Add, &[x, x, x]);
    let product = flow.operation("product", Multiply, &[x, sum]);
    let beside = flow.operation("beside", Concatenate, &[x, product]);
    let stack = flow.operation("stack", Stack, &[x, sum, product]);
    let mixture = flow.operation("mixture", Mixture, &[shares, stack]);
    let weights = flow.parameter("weights.0", builder.at("weights").values("0", &[2, 2], &[1.0, 2.0, 3.0, 4.0]));
    let combination = flow.operation("combination", Combination { row: 1 }, &[weights, x, sum]);
    let resized = flow.operation("resized", Resize { to: [5, 7] }, &[x]);
    let wanted = [flat, mean, shares, sum, product, beside, stack, mixture, combination, resized];
    let input = numbers(&[2, 3, 4, 6]).to_kind(Kind::Float);
    let results = run(&flow, &input, &wanted);
    let expected: Tensor = &input * 3.0 + &input * 3.0 * 4.0;
    assert!((&results[8] - expected).abs().max().double_value(&[]) < 1e-5);
    let expected: Tensor = (0..3).map(|e| results[2].select(1, e).view([2, 1, 1, 1]) * results[6].select(1, e)).sum();
    assert!((&results[7] - expected).abs().max().double_value(&[]) < 1e-6);
}

#[test]
fn only_what_is_wanted_is_computed_and_a_value_can_be_given() {
    struct Refuse;
    impl Layer for Refuse {
        fn forward(&self, _: &Tensor, _: Mode) -> Tensor {
            panic!("not wanted")
        }
        fn class(&self) -> &'static str {
            "Refuse"
        }
        fn script(&self) -> crate::libtorch::Script {
            Activation::Relu.script()
        }
    }
    let mut flow = Flow::new(&[4]);
    let refused = flow.layer("refused", Box::new(Refuse), Flow::INPUT);
    let kept = flow.layer("kept", Box::new(Activation::Relu), Flow::INPUT);
    let after = flow.operation("after", Add, &[refused, kept]);
    let x = numbers(&[2, 4]);
    assert_eq!(flow.run(&[(Flow::INPUT, &x)], &[kept], Mode::Evaluate), [x.relu()]);
    assert_eq!(flow.run(&[(Flow::INPUT, &x), (refused, &x)], &[after], Mode::Evaluate), [&x + x.relu()]);
}

#[test]
fn a_block_is_a_layer_with_its_modules_inside() {
    let store = nn::VarStore::new(Device::Cpu);
    let builder = Builder::new(store.root(), 0);
    let mut inner = Flow::new(&[4]);
    let linear = inner.layer("linear", Box::new(builder.at("trunk.0.linear").linear(4, 4)), Flow::INPUT);
    let sum = inner.operation("sum", Add, &[linear, Flow::INPUT]);
    let mut flow = Flow::new(&[4]);
    let block = Block { class: "Residual", flow: inner, output: sum };
    let z =
        flow.chain("trunk", vec![("0".into(), Box::new(block)), ("1".into(), Box::new(Activation::Relu))], Flow::INPUT);
    let x = numbers(&[5, 4]).to_kind(Kind::Float);
    run(&flow, &x, &[z]);
    let names: Vec<String> =
        flow.script("a.B", &[z]).compile().unwrap().parameters().into_iter().map(|p| p.0).collect();
    assert_eq!(names, ["trunk.0.linear.weight", "trunk.0.linear.bias"]);
    assert_eq!(flow.graph().iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["trunk/0", "trunk/1"]);
}

#[test]
fn linear_layers_that_serve_the_same_results_are_one_product_and_others_stay_apart() {
    let store = nn::VarStore::new(Device::Cpu);
    let builder = Builder::new(store.root(), 0);
    let mut flow = Flow::new(&[4]);
    let linear =
        |flow: &mut Flow, name: &str, width| flow.layer(name, Box::new(builder.at(name).linear(4, width)), Flow::INPUT);
    let (a, b, own) = (linear(&mut flow, "a", 3), linear(&mut flow, "b", 3), linear(&mut flow, "own", 3));
    let both = flow.operation("both", Multiply, &[a, b]);
    let first = flow.operation("first", Add, &[both, own]);
    let second = flow.operation("second", Add, &[both, both]);
    let x = numbers(&[5, 4]).to_kind(Kind::Float);
    let gradients = |flow: &Flow| {
        let results = flow.run(&[(Flow::INPUT, &x)], &[first, second], Mode::Evaluate);
        let leaves: Vec<Tensor> = store.trainable_variables();
        let of_second = Tensor::run_backward(&[results[1].sum(Kind::Float)], &leaves, true, false);
        let reached: Vec<bool> = of_second.iter().map(Tensor::defined).collect();
        (
            results,
            Tensor::run_backward(
                &[results_sum(&flow.run(&[(Flow::INPUT, &x)], &[first, second], Mode::Evaluate))],
                &leaves,
                false,
                false,
            ),
            reached,
        )
    };
    let apart = gradients(&flow);
    flow.join_siblings(&[first, second]);
    let together = gradients(&flow);
    assert_eq!(together.2, apart.2, "the second result does not reach what only the first needs");
    assert_eq!(apart.2, [true, true, true, true, false, false]);
    for (one, other) in apart.0.iter().chain(&apart.1).zip(together.0.iter().chain(&together.1)) {
        assert!((one - other).abs().max().double_value(&[]) < 1e-6);
    }
    assert_eq!(flow.run(&[(Flow::INPUT, &x), (a, &apart.0[0])], &[b], Mode::Evaluate).len(), 1);
}

fn results_sum(results: &[Tensor]) -> Tensor {
    results.iter().map(|result| result.sin().sum(Kind::Float)).sum()
}
