//! Both engines make the same run: what is computed by hand equals libtorch's tape over whole trainings.

mod common;

use common::{every_method, fail, metrics, succeed, tensors, text, write};
use polytask::kernels::Instructions;
use std::fs;
use std::path::{Path, PathBuf};

/// What differs from case to case.
struct Case {
    name: &'static str,
    data: &'static str,
    tasks: &'static str,
    backbone: &'static str,
    rest: &'static str,
}

const TWO: &str =
    "[{name: a, loss: {name: cross_entropy, classes: 2}}, {name: b, loss: {name: cross_entropy, classes: 2}}]";
const MIXED: &str = "[{name: a, loss: {name: cross_entropy, classes: 3, label_smoothing: 0.1}},
    {name: b, loss: {name: binary_cross_entropy}}, {name: c, loss: {name: mse}}, {name: d, loss: {name: huber}}]";

const CASES: [Case; 5] = [
    Case {
        name: "the document's model",
        data: "{name: synthetic, features: 10, train: 320}",
        tasks: TWO,
        backbone: "[20, 20]",
        rest: "train: {steps: 500, batch_size: 64}",
    },
    Case {
        name: "odd sizes, every kind of task, labels missing",
        data: "{name: synthetic, features: 7, train: 101, missing: 0.3}",
        tasks: MIXED,
        backbone: "[13, 5], activation: tanh",
        rest: "train: {steps: 500, batch_size: 17}\nmethod: {name: mgda}",
    },
    Case {
        name: "one row at a time",
        data: "{name: synthetic, features: 3, train: 50, missing: 0.5}",
        tasks: TWO,
        backbone: "[6], activation: gelu",
        rest: "train: {steps: 500, batch_size: 1}\noptimizer: {name: sgd, learning_rate: 0.05, momentum: 0.9}",
    },
    Case {
        name: "one task, accumulated",
        data: "{name: synthetic, features: 5, train: 90}",
        tasks: "[{name: a, loss: {name: cross_entropy, classes: 4}}]",
        backbone: "[9], activation: silu",
        rest: "train: {steps: 500, batch_size: 8, accumulate: 3, clip_norm: 0.5}",
    },
    Case {
        name: "by the representation",
        data: "{name: synthetic, features: 4, train: 64}",
        tasks: TWO,
        backbone: "[8, 8]",
        rest: "train: {steps: 500, batch_size: 16}\nmethod: {name: upgrad, gradients: representation}",
    },
];

impl Case {
    fn yaml(&self, engine: &str, precision: &str) -> String {
        let optimizer =
            if self.rest.contains("optimizer") { "" } else { "optimizer: {name: adam, learning_rate: 0.003}\n" };
        let Self { data, tasks, backbone, rest, .. } = self;
        format!(
            "data: {data}\ntasks: {tasks}\nmodel: {{backbone: {{name: mlp, hidden: {backbone}}}}}\n{rest}\n{optimizer}\
             engine: {engine}\nprecision: {precision}\nrecord: {{every: 1, tensorboard: false}}\n"
        )
    }
}

fn train(folder: &Path, name: &str, yaml: &str) -> PathBuf {
    let file = write(folder, &format!("{name}.yaml"), yaml);
    let out = folder.join(name);
    succeed(&["train", text(&file), "--out", text(&out), "--quiet"]);
    out
}

/// Every number of a run's metrics.jsonl, with what it is.
fn numbers(run: &Path) -> Vec<(String, f64)> {
    let number = |line: serde_json::Value| {
        let what = ["step", "split", "task", "metric"].map(|key| line[key].to_string()).join(" ");
        line["value"].as_f64().map(|value| (what, value))
    };
    metrics(run).into_iter().filter_map(number).collect()
}

fn assert_same(what: &str, one: &Path, other: &Path, steps: i64, tolerance: f64) {
    let (one, other) = (numbers(one), numbers(other));
    assert!(!one.is_empty() && one.len() == other.len(), "{what}: {} numbers, {}", one.len(), other.len());
    for ((name, a), (of, b)) in one.iter().zip(&other) {
        assert_eq!(name, of, "{what}");
        let step: i64 = name.split(' ').next().and_then(|step| step.parse().ok()).expect("a step");
        if step < steps {
            assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}: {name} is {a} by hand, {b} by the tape");
        }
    }
}

#[test]
fn five_hundred_steps_are_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    for (at, case) in CASES.iter().enumerate() {
        for (precision, steps, tolerance) in [("float64", 500, 1e-10), ("float32", 20, 2e-4)] {
            let run =
                |engine| train(folder.path(), &format!("{at}-{precision}-{engine}"), &case.yaml(engine, precision));
            let (dense, autograd) = (run("dense"), run("autograd"));
            assert_same(case.name, &dense, &autograd, steps, tolerance);
            let config = fs::read_to_string(dense.join("config.yaml")).expect("config.yaml");
            assert!(config.contains("engine: dense") && !config.contains("instructions: auto"), "{config}");
        }
    }
}

#[test]
fn every_method_makes_the_same_steps() {
    let folder = tempfile::tempdir().expect("a folder");
    for (at, method) in every_method(4).iter().enumerate() {
        let rest = format!("train: {{steps: 12, batch_size: 24}}\nmethod: {method}");
        let case = Case {
            name: "a method",
            data: "{name: synthetic, features: 6, train: 240, missing: 0.1}",
            // Accuracy is what dwa's relatives of key performance read: every task has classes.
            tasks: "[{name: a, loss: {name: cross_entropy, classes: 3}}, {name: b, loss: {name: cross_entropy, classes: 2}},
                     {name: c, loss: {name: binary_cross_entropy}}, {name: d, loss: {name: cross_entropy, classes: 2}}]",
            backbone: "[8, 8], activation: tanh",
            rest: Box::leak(rest.into_boxed_str()),
        };
        let run = |engine| train(folder.path(), &format!("{at}-{engine}"), &case.yaml(engine, "float64"));
        assert_same(method, &run("dense"), &run("autograd"), 12, 1e-6);
    }
}

/// The `backward_passes` of each step of the document's model with some heads.
fn passes(folder: &Path, name: &str, engine: &str, tasks: usize, method: &str, rest: &str) -> Vec<f64> {
    let head = |task: usize| format!("{{name: t{task}, loss: {{name: cross_entropy, classes: 2}}}}");
    let heads = (0..tasks).map(head).collect::<Vec<_>>().join(", ");
    let yaml = format!(
        "data: {{name: synthetic, features: 10, train: 96, missing: 0.3}}\ntasks: [{heads}]\nengine: {engine}\n\
         model: {{backbone: {{name: mlp, hidden: [20, 20]}}}}\nmethod: {method}\noptimizer: {{name: adam}}\n\
         train: {{steps: 2, {rest}}}\nrecord: {{every: 1, tensorboard: false}}\n"
    );
    let told = numbers(&train(folder, name, &yaml)).into_iter().filter(|(what, _)| what.contains("backward_passes"));
    told.map(|(_, passes)| passes).collect()
}

/// Beside the comparison of every recorded number above: read in portions, and with an update of
/// another length.
#[test]
fn both_engines_count_the_backward_passes_of_every_method_alike() {
    let folder = tempfile::tempdir().expect("a folder");
    for (at, method) in every_method(4).iter().enumerate() {
        let method = format!("{}, scale: sum}}", &method[..method.len() - 1]);
        let of = |engine| {
            passes(folder.path(), &format!("{at}-{engine}"), engine, 4, &method, "batch_size: 4, accumulate: 3")
        };
        assert_eq!(of("dense"), of("autograd"), "{method}");
    }
}

#[test]
fn a_backward_pass_is_one_sweep_for_one_cotangent() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, portions) = ("batch_size: 32", "batch_size: 4, accumulate: 3");
    for (at, (method, rest, expected)) in [
        ("{name: sum}", whole, 1.0),
        ("{name: sum}", portions, 1.0),
        // What the heads follow is no pass of its own.
        ("{name: uw, heads: own}", whole, 1.0),
        // The direction, and that whose length it shall have.
        ("{name: sum, scale: mean}", whole, 2.0),
        // A Gramian, a Jacobian, and three of which the last is only added up: a pass per task and
        // batch.
        ("{name: upgrad}", whole, 2.0),
        ("{name: upgrad, scale: mean}", portions, 2.0),
        ("{name: moco}", whole, 2.0),
        ("{name: sdmgrad}", whole, 6.0),
        ("{name: sdmgrad}", portions, 6.0),
        // Through the trunk once.
        ("{name: upgrad, gradients: representation}", whole, 1.0),
        ("{name: graddrop, gradients: representation}", portions, 1.0),
    ]
    .into_iter()
    .enumerate()
    {
        for engine in ["dense", "autograd"] {
            let found = passes(folder.path(), &format!("{at}-{engine}"), engine, 2, method, rest);
            assert_eq!(found, [expected; 2], "{method}, {rest}, {engine}");
        }
    }
    // Between the steps that `every` names, kept weights add up the losses.
    let kept = passes(folder.path(), "every", "dense", 2, "{name: upgrad, every: 2}", whole);
    assert_eq!(kept, [2.0, 1.0]);
}

#[test]
fn what_is_computed_by_hand_resumes_bit_for_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let small = ["sum", "nash_mtl", "uw", "famo", "sdmgrad"].map(|method| (method, "[12, 9]", 1));
    // Products that threads share.
    let all = small.into_iter().chain([("mgda", "[400, 300]", 2)]);
    for (at, (method, hidden, threads)) in all.enumerate() {
        let yaml = |steps: usize| {
            format!(
                "data: {{name: synthetic, train: 300, validation: 60, missing: 0.2}}\ntasks: {TWO}\nengine: dense\n\
                 threads: {threads}\nmodel: {{backbone: {{name: mlp, hidden: {hidden}}}}}\noptimizer: {{name: adam}}\nmethod: {{name: {method}}}\n\
                 train: {{steps: {steps}, batch_size: 32}}\nrecord: {{every: 1}}\n"
            )
        };
        let whole = train(folder.path(), &format!("{at}-whole"), &yaml(31));
        let parts = train(folder.path(), &format!("{at}-parts"), &yaml(14));
        let file = write(folder.path(), "more.yaml", &yaml(31));
        succeed(&["train", text(&file), "--out", text(&parts), "--quiet", "--resume"]);
        let of = |run: &Path| (tensors(&run.join("checkpoints/last.safetensors")), numbers(run));
        let ((one, lines), (two, more)) = (of(&whole), of(&parts));
        for name in one.keys().filter(|name| !name.contains("seconds") && !name.contains("bytes")) {
            assert_eq!(one[name], two[name], "{method}: {name}");
        }
        assert_eq!(lines.last(), more.last(), "{method}");
    }
}

#[test]
fn every_instruction_set_makes_the_same_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |instructions: &str| {
        let yaml = format!("{}instructions: {instructions}\n", CASES[1].yaml("dense", "float64"));
        train(folder.path(), instructions, &yaml)
    };
    let portable = run("portable");
    for set in Instructions::ALL.into_iter().filter(|set| set.available() && *set != Instructions::Portable) {
        assert_same(set.name(), &run(set.name()), &portable, 500, 1e-10);
    }
}

#[test]
fn what_cannot_be_computed_by_hand_is_told_and_auto_takes_the_tape() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = CASES[0].yaml("dense", "float32").replace("[20, 20]", "[20, 20], dropout: 0.1");
    let file = write(folder.path(), "dropout.yaml", &yaml);
    let said = fail(&["train", text(&file), "--out", text(&folder.path().join("refused"))]);
    assert!(said.contains("dropout.yaml") && said.contains("engine: dense cannot serve here"), "{said}");
    assert!(said.contains("Dropout") && said.contains("engine: auto"), "{said}");
    let auto = train(folder.path(), "auto", &yaml.replace("engine: dense", "engine: auto").replace("500", "5"));
    let config = fs::read_to_string(auto.join("config.yaml")).expect("config.yaml");
    assert!(config.contains("engine: autograd"), "{config}");
    let file = write(folder.path(), "wide.yaml", &format!("{yaml}instructions: sse\n"));
    let said = fail(&["check", text(&file)]);
    assert!(said.contains("instructions") && said.contains("avx512"), "{said}");
}
