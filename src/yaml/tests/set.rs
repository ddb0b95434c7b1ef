//! Mistakes in `--set`, and mistakes that it brings about.

use super::*;

/// Text, overrides, what the person reads.
#[rustfmt::skip]
const ROWS: &[(&str, &[&str], &str)] = &[
    (
        "seed: 1\nmethod: {name: sum}\n",
        &["method.c=0.4"],
        "--set method.c=0.4: method: unknown setting \"c\" (none are allowed here)",
    ),
    (
        "seed: 1\nmethod: {name: cagrad}",
        &["method.c=high"],
        "--set method.c=high: method.c: string \"high\" is not a number",
    ),
    (
        "seed: 1\nmethod: {name: cagrad, c: 0.1}",
        &["method.c=1e1"],
        "--set method.c=1e1: method.c: 1e1 is not a number from 0 to 1",
    ),
    (
        "seed: 1\nmethod: {name: cagrad, c: 0.1}",
        &["method.name=sum"],
        "a.yaml:2:24: method: unknown setting \"c\" (none are allowed here)\n\
         hint: --set method.name=sum keeps the section's other settings; give the whole section: --set 'method={name: sum}'",
    ),
    (
        "seed: 1\nmethod: {name: cagrad, c: 0.1}",
        &["method.name=forgetful"],
        "a.yaml:2:24: method: unknown setting \"c\" (allowed: rank)\n\
         hint: --set method.name=forgetful keeps the section's other settings; give the whole section: --set 'method={name: forgetful, …}'",
    ),
    (
        "seed: 1\nmethod: {name: sum}",
        &["method.name=forgetful"],
        "a.yaml:2:9: method: setting \"rank\" is missing\n\
         hint: --set method.name=forgetful keeps the section's other settings; give the whole section: --set 'method={name: forgetful, …}'",
    ),
    (
        "seed: 1",
        &["method.c=0.3"],
        "--set method.c=0.3: method: setting \"name\" is missing (allowed: sum, cagrad, forgetful, blend)\n\
         hint: add \"name: …\"",
    ),
    (
        "seed: 1",
        &["metod.c=0.3"],
        "--set metod.c=0.3: unknown setting \"metod\" (allowed: seed, verbose, small, shift, clip, pair, hidden, tasks, method)\n\
         hint: did you mean method?",
    ),
    (
        "seed: 1\nmethod: {name: sum}\n",
        &["seed.x=0.3"],
        "--set seed.x=0.3: seed is 1, so it has no setting \"x\"",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks: [{name: a}]",
        &["tasks[1].name=b"],
        "--set tasks[1].name=b: tasks has one entry, [0], so there is no [1]\n\
         hint: to add an entry, give the whole list: --set 'tasks=[…]'",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks: [{name: a}]",
        &["tasks.name=b"],
        "--set tasks.name=b: tasks is a list, so it has no setting \"name\"\n\
         hint: name the entry: tasks[0].name",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks: [{name: a}]",
        &["tasks[0].clases=3"],
        "--set tasks[0].clases=3: tasks[0]: unknown setting \"clases\" (allowed: name, target, classes, weights)\n\
         hint: did you mean classes?",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks: [{name: a}]",
        &["tasks[0]={name: a, classes: -3}"],
        "--set tasks[0]={name: a, classes: -3}: tasks[0].classes: -3 is not a whole number of 0 or above",
    ),
    (
        "seed: 1\nmethod: {name: sum}\n",
        &["tasks[0].name=b"],
        "--set tasks[0].name=b: tasks is not set, so it has no [0]",
    ),
    (
        "seed: 1\nmethod: {name: sum}\n",
        &["method[0]=b"],
        "--set method[0]=b: method is a section, so it has no [0]",
    ),
    (
        "seed: 1\nmethod: {name: sum}\n",
        &["seed"],
        "--set seed: \"=\" is missing after the path\n\
         hint: write --set PATH=VALUE, such as --set method.c=0.4 or --set 'tasks[0].loss={name: mse}'",
    ),
    (
        "seed: 1\nmethod: {name: sum}\n",
        &["=3"],
        "--set =3: a name is missing\n\
         hint: write --set PATH=VALUE, such as --set method.c=0.4 or --set 'tasks[0].loss={name: mse}'",
    ),
    (
        "seed: 1\nmethod: {name: sum}\n",
        &["a..b=3"],
        "--set a..b=3: a name is missing\n\
         hint: write --set PATH=VALUE, such as --set method.c=0.4 or --set 'tasks[0].loss={name: mse}'",
    ),
    (
        "seed: 1\nmethod: {name: sum}\n",
        &["tasks[x]=3"],
        "--set tasks[x]=3: \"[x]\" is not a number in brackets\n\
         hint: write --set PATH=VALUE, such as --set method.c=0.4 or --set 'tasks[0].loss={name: mse}'",
    ),
    (
        "seed: 1\nmethod: {name: sum}\n",
        &["hidden=[1, 2"],
        "--set hidden=[1, 2: the value is not YAML: did not find expected ',' or ']' (while parsing a flow sequence)\n\
         hint: close the bracket",
    ),
    (
        "seed: 1\nmethod: {name: sum}\n",
        &["seed=1", "seed=-1"],
        "--set seed=-1: seed: -1 is not a whole number of 0 or above",
    ),
    (
        "seed: 1\nmethod: {name: sum}\nbad: 1",
        &["seed=2"],
        "a.yaml:3:1: unknown setting \"bad\" (allowed: seed, verbose, small, shift, clip, pair, hidden, tasks, method)",
    ),
];

#[test]
fn every_wrong_override_is_named() {
    for (text, overrides, expected) in ROWS {
        assert_eq!(told(text, overrides), *expected, "{text}\n{overrides:?}");
    }
}
