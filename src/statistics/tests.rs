//! The numbers of SciPy: `tests/fixtures/statistics`.

use serde_json::Value;

use super::nemenyi::studentized_range;
use super::*;

fn cases(name: &str) -> Vec<Value> {
    let text = include_str!("../../tests/fixtures/statistics/reference.json");
    let all: Value = serde_json::from_str(text).expect("JSON");
    all[name].as_array().unwrap_or_else(|| panic!("{name}: cases")).clone()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}: a number"))
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().unwrap_or_else(|| panic!("{values}: numbers")).iter().map(number).collect()
}

fn assert_near(found: f64, expected: f64, relative: f64, case: &Value) {
    assert!((found - expected).abs() <= relative * expected.abs(), "{found:e}, not {expected:e}, of {case}");
}

fn assert_test(found: Option<Test>, case: &Value) {
    let found = found.unwrap_or_else(|| panic!("no test of {case}"));
    assert_near(found.statistic, number(&case["statistic"]), 1e-9, case);
    assert_near(found.p, number(&case["p"]), 1e-9, case);
}

#[test]
fn student_finds_what_scipy_finds() {
    cases("t").iter().for_each(|case| assert_test(paired_t(&numbers(&case["differences"])), case));
}

#[test]
fn wilcoxon_finds_what_scipy_finds() {
    cases("wilcoxon").iter().for_each(|case| assert_test(wilcoxon(&numbers(&case["differences"])), case));
}

#[test]
fn the_sign_flip_test_finds_what_scipy_finds() {
    for case in cases("sign_flip") {
        let found = sign_flip(&numbers(&case["differences"])).expect("a test");
        assert_near(found, number(&case["p"]), 1e-12, &case);
    }
}

#[test]
fn friedman_finds_what_scipy_finds() {
    for case in cases("friedman") {
        let blocks: Vec<Vec<f64>> = case["blocks"].as_array().expect("blocks").iter().map(numbers).collect();
        assert_test(friedman(&blocks), &case);
    }
}

#[test]
fn holm_adjusts_as_its_definition_says() {
    for case in cases("holm") {
        let (found, expected) = (holm(&numbers(&case["p_values"])), numbers(&case["adjusted"]));
        assert_eq!(found.len(), expected.len());
        found.iter().zip(&expected).for_each(|(found, expected)| assert_near(*found, *expected, 1e-15, &case));
    }
}

#[test]
fn the_studentized_range_is_that_of_scipy() {
    for case in cases("studentized_range") {
        let arms = case["arms"].as_u64().expect("a count") as usize;
        assert_near(studentized_range(arms, number(&case["level"])), number(&case["range"]), 1e-9, &case);
    }
}
