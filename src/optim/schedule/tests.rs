//! Schedules against `torch.optim.lr_scheduler`, and what they add to it.

use super::*;

const STEPS_PER_EPOCH: i64 = 7;

fn read(yaml: &str) -> ScheduleKind {
    serde_yaml::from_str(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"))
}

fn clock(step: i64, total_steps: Option<i64>) -> Clock {
    Clock { step, epoch: step / STEPS_PER_EPOCH, steps_per_epoch: STEPS_PER_EPOCH, total_steps }
}

/// The factors at the given steps of a run of `total_steps`.
fn factors(yaml: &str, total_steps: Option<i64>, steps: impl Iterator<Item = i64>) -> Vec<f64> {
    let mut memory = Memory::default();
    let schedule = Scheduler::claim(read(yaml), &mut memory).expect("an empty memory");
    steps.map(|step| schedule.factor(&clock(step, total_steps), &memory)).collect()
}

fn assert_close(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= 1e-14, "{what}: {found:?}, PyTorch {expected:?}");
    }
}

// import torch
// from torch.optim import lr_scheduler as s
// def run(make, n=8):
//     o = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0); x = make(o); out = []
//     for _ in range(n): out.append(o.param_groups[0]["lr"]); o.step(); x.step()
//     print(out)
// run(lambda o: s.StepLR(o, 3)); run(lambda o: s.StepLR(o, 2, 0.5)); run(lambda o: s.ExponentialLR(o, 0.9))
// run(lambda o: s.CosineAnnealingLR(o, 5)); run(lambda o: s.CosineAnnealingLR(o, 8, eta_min=0.1))
// run(lambda o: s.LinearLR(o, total_iters=4))
// run(lambda o: s.SequentialLR(o, [s.LinearLR(o, 0.1, total_iters=3), s.CosineAnnealingLR(o, 5)], [3]))
const PYTORCH: [(&str, &str, [f64; 8]); 7] = [
    ("name: step, step_size: 3", "unit", [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01]),
    ("name: step, step_size: 2, gamma: 0.5", "unit", [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]),
    (
        "name: exponential, gamma: 0.9",
        "unit",
        [1.0, 0.9, 0.81, 0.7290000000000001, 0.6561, 0.59049, 0.531441, 0.4782969],
    ),
    (
        "name: cosine, t_max: 5",
        "unit",
        [
            1.0,
            0.9045084971874737,
            0.6545084971874737,
            0.3454915028125263,
            0.09549150281252632,
            0.0,
            0.09549150281252627,
            0.34549150281252644,
        ],
    ),
    (
        "name: cosine, minimum_factor: 0.1",
        "unit",
        [
            1.0,
            0.9657457896300791,
            0.8681980515339464,
            0.7222075445642905,
            0.55,
            0.3777924554357097,
            0.2318019484660537,
            0.134254210369921,
        ],
    ),
    ("name: linear_warmup, WARMUP: 4", "", [1.0 / 3.0, 0.5, 2.0 / 3.0, 5.0 / 6.0, 1.0, 1.0, 1.0, 1.0]),
    (
        "name: linear_warmup, start_factor: 0.1, WARMUP: 3, then: {name: cosine, unit: UNIT}",
        "",
        [0.1, 0.4, 0.7, 1.0, 0.9045084971874737, 0.6545084971874737, 0.3454915028125263, 0.09549150281252632],
    ),
];

#[test]
fn by_epoch_and_by_step_the_factors_are_pytorchs() {
    for (settings, unit, expected) in PYTORCH {
        for (name, length) in [("epoch", STEPS_PER_EPOCH), ("step", 1)] {
            let unit = if unit.is_empty() { String::new() } else { format!(", unit: {name}") };
            let settings = settings.replace("WARMUP", &format!("{name}s")).replace("UNIT", name);
            let yaml = format!("{{{settings}{unit}}}");
            // The first and the last update of each unit; the run ends in the middle of the last one.
            for within in [0, length - 1] {
                let found = factors(&yaml, Some(7 * length + 1), (0..8).map(|time| time * length + within));
                assert_close(&found, &expected, &yaml);
            }
        }
    }
}

#[test]
fn the_default_unit_is_the_epoch_and_the_default_schedule_constant() {
    let found = factors("{name: step, step_size: 1}", None, [0, 6, 7, 14].into_iter());
    assert_close(&found, &[1.0, 1.0, 0.1, 0.01], "step");
    assert_eq!(ScheduleKind::default().name(), "constant");
    assert_eq!(factors("{name: constant}", None, 0..3), [1.0; 3]);
}

#[test]
fn after_a_rise_in_steps_epochs_are_counted_from_its_end() {
    let yaml = "{name: linear_warmup, steps: 3, start_factor: 0, then: {name: exponential, gamma: 0.5}}";
    let found = factors(yaml, None, [0, 1, 2, 3, 9, 10, 17].into_iter());
    assert_close(&found, &[0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0, 1.0, 0.5, 0.25], yaml);
}

/// The factor after each observed value.
fn observed(yaml: &str, values: &[f64], better: Better, restart: bool) -> Vec<f64> {
    let mut memory = Memory::default();
    let mut schedule = Scheduler::claim(read(yaml), &mut memory).expect("an empty memory");
    let mut found = Vec::new();
    for (evaluation, &value) in values.iter().enumerate() {
        let clock = clock(evaluation as i64, None);
        schedule.observe(Observation { value, better }, &clock, &mut memory);
        found.push(schedule.factor(&clock, &memory));
        if restart {
            memory = Memory::restore(memory.save());
            schedule = Scheduler::claim(read(yaml), &mut memory).expect("a memory of the same shape");
        }
    }
    found
}

const NAN: f64 = f64::NAN;
const VALUES: [f64; 16] =
    [1.0, 0.9, 0.9, 0.89995, 0.95, 0.91, 0.93, 0.7, 0.72, NAN, 0.75, 0.71, 0.74, 0.73, 0.72, 0.76];

// def plateau(**k):
//     o = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0); x = s.ReduceLROnPlateau(o, eps=0, **k); out = []
//     for m in VALUES: x.step(m); out.append(o.param_groups[0]["lr"])
//     print(out)
// plateau(patience=1); plateau(patience=1, cooldown=2, factor=0.5); plateau(patience=0, factor=0.5, min_lr=0.2)
// plateau(patience=1, factor=0.5, threshold=0.15, threshold_mode="abs")
// plateau(patience=1, factor=0.5, mode="max", cooldown=1)
// plateau(patience=1, factor=0.5, mode="max", threshold=0.01, threshold_mode="abs"); plateau()
const PLATEAUS: [(&str, [f64; 16]); 7] = [
    ("patience: 1", [1., 1., 1., 0.1, 0.1, 1e-2, 1e-2, 1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5, 1e-6]),
    (
        "patience: 1, cooldown: 2, factor: 0.5",
        [1., 1., 1., 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125],
    ),
    (
        "patience: 0, factor: 0.5, minimum_factor: 0.2",
        [1., 1., 0.5, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2],
    ),
    (
        "patience: 1, factor: 0.5, threshold: 0.15, threshold_mode: abs",
        [
            1., 1., 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.125, 0.0625, 0.0625, 0.03125, 0.03125, 0.015625, 0.015625,
            0.0078125,
        ],
    ),
    (
        "patience: 1, factor: 0.5, mode: max, cooldown: 1",
        [1., 1., 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125, 0.0625, 0.0625, 0.0625, 0.03125, 0.03125],
    ),
    (
        "patience: 1, factor: 0.5, mode: max, threshold: 0.01, threshold_mode: abs",
        [
            1., 1., 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625, 0.03125, 0.03125, 0.015625, 0.015625,
            0.0078125, 0.0078125,
        ],
    ),
    ("", [1.0; 16]),
];

#[test]
fn a_plateau_lowers_the_rate_when_pytorch_does_and_resumes_anywhere() {
    for (settings, expected) in PLATEAUS {
        let yaml = format!("{{name: plateau, {settings}}}");
        for restart in [false, true] {
            assert_close(&observed(&yaml, &VALUES, Better::Lower, restart), &expected, &yaml);
        }
        if settings.contains("mode: max") {
            let yaml = yaml.replace("mode: max, ", "").replace("mode: max", "");
            let found = observed(&yaml, &VALUES, Better::Higher, true);
            assert_close(&found, &expected, "without a mode, the metric says what is better");
        }
    }
}

#[test]
fn a_plateau_behind_a_rise_sees_only_what_comes_after() {
    let yaml = "{name: linear_warmup, steps: 2, start_factor: 0.5, then: {name: plateau, patience: 0, factor: 0.5}}";
    // The values of the rise are better than all later ones; were they seen, the third would already be bad.
    let found = observed(yaml, &[0.1, 0.1, 0.9, 0.8, 0.85], Better::Lower, true);
    assert_close(&found, &[0.5, 0.75, 1.0, 1.0, 0.5], yaml);
    assert!(read(yaml).observes() && !read("{name: constant}").observes());
}

#[test]
fn settings_that_do_not_fit_the_run_are_refused() {
    for (yaml, total, path) in [
        ("{name: cosine}", None, "t_max"),
        ("{name: linear_warmup}", Some(9), "steps"),
        ("{name: linear_warmup, steps: 2, epochs: 1}", Some(9), "epochs"),
        ("{name: linear_warmup, steps: 2, then: {name: cosine}}", None, "then.t_max"),
    ] {
        assert_eq!(read(yaml).check(total).expect_err(yaml).path, path);
    }
    for yaml in ["{name: cosine}", "{name: linear_warmup, epochs: 2, then: {name: cosine, unit: step}}"] {
        assert_eq!(read(yaml).check(Some(10)), Ok(()), "{yaml}");
    }
    assert_eq!(read("{name: cosine, t_max: 3}").check(None), Ok(()));
}

#[test]
fn a_schedule_is_written_as_it_is_read_and_its_schema_may_nest() {
    let yaml = "{name: linear_warmup, steps: 5, then: {name: linear_warmup, epochs: 1, then: {name: plateau}}}";
    let written = serde_yaml::to_string(&read(yaml)).expect("serializable");
    assert_eq!(serde_yaml::to_string(&read(&written)).expect("serializable"), written);
    assert!(written.contains("then:\n  name: linear_warmup"), "{written}");
    assert_eq!(ScheduleKind::entries().len(), ScheduleKind::NAMES.len());
}

#[test]
fn a_schedule_follows_the_run_where_the_number_of_steps_moves_its_factors() {
    let schedules = [
        "{name: constant}",
        "{name: step, step_size: 3}",
        "{name: exponential, gamma: 0.9}",
        "{name: cosine, t_max: 5}",
        "{name: cosine}",
        "{name: cosine, unit: step}",
        "{name: linear_warmup, steps: 2}",
        "{name: linear_warmup, steps: 2, then: {name: cosine, t_max: 5}}",
        "{name: linear_warmup, epochs: 1, then: {name: cosine}}",
        "{name: plateau}",
    ];
    for yaml in schedules {
        let of_run = |total| factors(yaml, Some(total), 0..40);
        assert_eq!(read(yaml).follows_run(), of_run(40) != of_run(80), "{yaml}");
    }
}
