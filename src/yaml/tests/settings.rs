//! Wrong settings: unknown, missing, of a wrong kind, out of range, given twice.

use super::*;

/// Text, what the person reads.
#[rustfmt::skip]
const ROWS: &[(&str, &str)] = &[
    (
        "seed: 1\nmethod: {name: sum}\nsede: 2",
        "a.yaml:3:1: unknown setting \"sede\" (allowed: seed, verbose, small, shift, clip, pair, hidden, tasks, method)\n\
         hint: did you mean seed?",
    ),
    (
        "seed: 1\nmethod: {name: sum}\nzebra: 2",
        "a.yaml:3:1: unknown setting \"zebra\" (allowed: seed, verbose, small, shift, clip, pair, hidden, tasks, method)",
    ),
    (
        "seed: 1\nmethod: {name: cagrad, alpha: 1}",
        "a.yaml:2:24: method: unknown setting \"alpha\" (allowed: c, rescale)",
    ),
    (
        "seed: 1\nmethod:\n  name: cagrad\n  recsale: none",
        "a.yaml:4:3: method: unknown setting \"recsale\" (allowed: c, rescale)\n\
         hint: did you mean rescale?",
    ),
    (
        "seed: 1\nmethod: {name: sum, c: 1}",
        "a.yaml:2:21: method: unknown setting \"c\" (none are allowed here)",
    ),
    (
        "seed: 1\nmethod: {name: forgetful, rank: 1, rnak: 1}",
        "a.yaml:2:36: method: unknown setting \"rnak\" (allowed: rank)\n\
         hint: did you mean rank?",
    ),
    (
        "seed: 1\nmethod: {name: cagard}",
        "a.yaml:2:16: method.name: unknown name \"cagard\" (allowed: sum, cagrad, forgetful, blend)\n\
         hint: did you mean cagrad?",
    ),
    (
        "seed: 1\nmethod: {nmae: cagrad}",
        "a.yaml:2:9: method: setting \"name\" is missing (allowed: sum, cagrad, forgetful, blend)\n\
         hint: did you mean name instead of nmae?",
    ),
    (
        "seed: 1\nmethod: cagard",
        "a.yaml:2:9: method: string \"cagard\" is not a section of settings\n\
         hint: write {name: cagrad}",
    ),
    (
        "seed: 1\nmethod: [sum]",
        "a.yaml:2:9: method: a list is not a section of settings\n\
         hint: write {name: …} with one of sum, cagrad, forgetful, blend",
    ),
    (
        "seed: 1\nmethod: 3",
        "a.yaml:2:9: method: 3 is not a section of settings\n\
         hint: write {name: …} with one of sum, cagrad, forgetful, blend",
    ),
    (
        "seed: 1\nmethod:",
        "a.yaml:2:1: method: setting \"name\" is missing (allowed: sum, cagrad, forgetful, blend)\n\
         hint: add \"name: …\"",
    ),
    (
        "seed: 1\nmethod: {name: 3}",
        "a.yaml:2:16: method.name: 3 is not one of sum, cagrad, forgetful, blend",
    ),
    (
        "seed: 1\nmethod: {name: [a]}",
        "a.yaml:2:16: method.name: a list is not one of sum, cagrad, forgetful, blend",
    ),
    (
        "seed: 1\nmethod: {name: ~}",
        "a.yaml:2:16: method.name: an empty value is not one of sum, cagrad, forgetful, blend",
    ),
    (
        "seed: 1\nmethod: {name: forgetful}",
        "a.yaml:2:9: method: setting \"rank\" is missing\n\
         hint: add \"rank: …\"",
    ),
    (
        "seed: 1\n",
        "a.yaml:1:1: setting \"method\" is missing\n\
         hint: add \"method: …\"",
    ),
    (
        "method: {name: sum}\n",
        "a.yaml:1:1: setting \"seed\" is missing\n\
         hint: add \"seed: …\"",
    ),
    (
        "seed: 1\nmethod: {name: cagrad, c: high}",
        "a.yaml:2:27: method.c: string \"high\" is not a number",
    ),
    (
        "seed: 1\nmethod: {name: cagrad, c: 1.5}",
        "a.yaml:2:27: method.c: 1.5 is not a number from 0 to 1",
    ),
    (
        "seed: 1\nmethod: {name: cagrad, c: -1e-3}",
        "a.yaml:2:27: method.c: -1e-3 is not a number from 0 to 1",
    ),
    (
        "seed: 1\nmethod: {name: cagrad, c: \"0.4\"}",
        "a.yaml:2:27: method.c: string \"0.4\" is not a number\n\
         hint: write 0.4 without quotes",
    ),
    (
        "seed: 1\nmethod: {name: cagrad, c: 0,4}",
        "a.yaml:2:29: method: unknown setting \"4\" (allowed: c, rescale)\n\
         hint: a comma starts the next setting: write decimals with a point",
    ),
    (
        "seed: 1\nmethod: {name: cagrad, c: '0,4'}",
        "a.yaml:2:27: method.c: string \"0,4\" is not a number\n\
         hint: write 0.4",
    ),
    (
        "seed: 1\nmethod: {name: cagrad, c: .nan}",
        "a.yaml:2:27: method.c: .nan is not a number from 0 to 1",
    ),
    (
        "seed: 1\nmethod: {name: cagrad, c: }",
        "a.yaml:2:24: method.c: an empty value is not a number",
    ),
    (
        "seed: 1\nmethod: {name: cagrad, c: true}",
        "a.yaml:2:27: method.c: true is not a number",
    ),
    (
        "seed: 1\nmethod: {name: cagrad, rescale: task}",
        "a.yaml:2:33: method.rescale: unknown name \"task\" (allowed: none, tasks)\n\
         hint: did you mean tasks?",
    ),
    (
        "seed: 1\nmethod: {name: cagrad, rescale: 3}",
        "a.yaml:2:33: method.rescale: 3 is not a name (allowed: none, tasks)",
    ),
    (
        "seed: 1\nmethod: {name: cagrad, rescale: {name: none}}",
        "a.yaml:2:33: method.rescale: a section is not a name (allowed: none, tasks)",
    ),
    (
        "seed: 2.5\nmethod: {name: sum}",
        "a.yaml:1:7: seed: 2.5 is not a whole number of 0 or above",
    ),
    (
        "seed: 1e3\nmethod: {name: sum}",
        "a.yaml:1:7: seed: 1e3 is not a whole number of 0 or above\n\
         hint: write 1000",
    ),
    (
        "seed: -1\nmethod: {name: sum}",
        "a.yaml:1:7: seed: -1 is not a whole number of 0 or above",
    ),
    (
        "seed: 18446744073709551616\nmethod: {name: sum}",
        "a.yaml:1:7: seed: 18446744073709551616 is too large (more than 64 bits)",
    ),
    (
        "seed: 1_000\nmethod: {name: sum}",
        "a.yaml:1:7: seed: string \"1_000\" is not a whole number of 0 or above\n\
         hint: write 1000",
    ),
    (
        "seed: 1e400\nmethod: {name: sum}",
        "a.yaml:1:7: seed: string \"1e400\" is not a whole number of 0 or above",
    ),
    (
        "seed: 007\nmethod: {name: sum}",
        "a.yaml:1:7: seed: string \"007\" is not a whole number of 0 or above\n\
         hint: write 7",
    ),
    (
        "seed:\nmethod: {name: sum}",
        "a.yaml:1:1: seed: an empty value is not a whole number of 0 or above",
    ),
    (
        "seed: 1\nmethod: {name: sum}\nverbose: yes",
        "a.yaml:3:10: verbose: string \"yes\" is not true or false\n\
         hint: write true",
    ),
    (
        "seed: 1\nmethod: {name: sum}\nverbose: 1",
        "a.yaml:3:10: verbose: 1 is not true or false\n\
         hint: write true",
    ),
    (
        "seed: 1\nmethod: {name: sum}\nverbose: Off",
        "a.yaml:3:10: verbose: string \"Off\" is not true or false\n\
         hint: write false",
    ),
    (
        "seed: 1\nmethod: {name: sum}\nsmall: 300",
        "a.yaml:3:8: small: 300 is not a whole number from 0 to 255",
    ),
    (
        "seed: 1\nmethod: {name: sum}\nsmall: -1",
        "a.yaml:3:8: small: -1 is not a whole number from 0 to 255",
    ),
    (
        "seed: 1\nmethod: {name: sum}\nshift: 9223372036854775808",
        "a.yaml:3:8: shift: 9223372036854775808 is not a whole number from -9223372036854775808 to 9223372036854775807",
    ),
    (
        "seed: 1\nmethod: {name: sum}\nshift: 1.5",
        "a.yaml:3:8: shift: 1.5 is not a whole number",
    ),
    (
        "seed: 1\nmethod: {name: sum}\nclip: 0",
        "a.yaml:3:7: clip: 0 is not a number above 0",
    ),
    (
        "seed: 1\nmethod: {name: sum}\nclip: none",
        "a.yaml:3:7: clip: string \"none\" is not a number",
    ),
    (
        "seed: 1\nmethod: {name: sum}\npair: [1]",
        "a.yaml:3:7: pair: a list of 1 is not a list of 2",
    ),
    (
        "seed: 1\nmethod: {name: sum}\npair: [1, 2, 3]",
        "a.yaml:3:7: pair: a list of 3 is too long",
    ),
    (
        "seed: 1\nmethod: {name: sum}\npair: [1, b]",
        "a.yaml:3:11: pair[1]: string \"b\" is not a number",
    ),
    (
        "seed: 1\nmethod: {name: sum}\nhidden: 20",
        "a.yaml:3:9: hidden: 20 is not a list\n\
         hint: write [20]",
    ),
    (
        "seed: 1\nmethod: {name: sum}\nhidden: [20, -20]",
        "a.yaml:3:14: hidden[1]: -20 is not a whole number of 0 or above",
    ),
    (
        "seed: 1\nmethod: {name: sum}\nhidden: {a: 20}",
        "a.yaml:3:9: hidden: a section is not a list\n\
         hint: start each entry of a list with \"- \"",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks:\n  - name: a\n  - nam: b",
        "a.yaml:5:5: tasks[1]: unknown setting \"nam\" (allowed: name, target, classes, weights)\n\
         hint: did you mean name?",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks:\n  - name: a\n  - classes: 2",
        "a.yaml:5:5: tasks[1]: setting \"name\" is missing\n\
         hint: add \"name: …\"",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks:\n  - name: 3",
        "a.yaml:4:11: tasks[0].name: 3 is not a text\n\
         hint: write \"3\", with quotes",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks:\n  - a",
        "a.yaml:4:5: tasks[0]: string \"a\" is not a section of settings",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks: {name: a}",
        "a.yaml:3:8: tasks: a section is not a list\n\
         hint: start each entry of a list with \"- \"",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks:\n  - name: a\n    target: [b, 3]",
        "a.yaml:5:17: tasks[0].target[1]: 3 is not a text\n\
         hint: write \"3\", with quotes",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks:\n  - name: a\n    target: {b: 3}",
        "a.yaml:5:13: tasks[0].target: a section is not a name or a list of names",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks:\n  - name: a\n    weights: {u.v: x}",
        "a.yaml:5:20: tasks[0].weights.\"u.v\": string \"x\" is not a number",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks:\n  - name: a\n    weights: {1: 2, 3: x}",
        "a.yaml:5:15: tasks[0].weights: the name 1 is not a text\n\
         hint: write \"1\", with quotes",
    ),
    (
        "seed: 1\nmethod: {name: sum}\n1: 2",
        "a.yaml:3:1: unknown setting \"1\" (allowed: seed, verbose, small, shift, clip, pair, hidden, tasks, method)",
    ),
    (
        "seed: 1\nmethod: {name: sum}\n[a]: 2",
        "a.yaml:1:1: unknown setting \"[…]\" (allowed: seed, verbose, small, shift, clip, pair, hidden, tasks, method)",
    ),
    (
        "seed: 1\nmethod: {name: sum}\nseed: 2",
        "a.yaml:3:1: setting \"seed\" is given twice (first in line 1)\n\
         hint: keep one of them",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks:\n  - name: a\n    classes: 2\n    name: b",
        "a.yaml:6:5: tasks[0]: setting \"name\" is given twice (first in line 4)\n\
         hint: keep one of them",
    ),
];

#[test]
fn every_wrong_setting_is_named() {
    for (text, expected) in ROWS {
        assert_eq!(told(text, &[]), *expected, "{text}");
    }
}

/// In the sample: a line's part, its replacement, what the person reads.
#[rustfmt::skip]
const IN_SAMPLE: &[(&str, &str, &str)] = &[
    (
        "rank: 3", "rank: x",
        "a.yaml:20:13: method.others[1].rank: string \"x\" is not a whole number of 0 or above",
    ),
    (
        "first: {name: sum}", "first: {name: smu}",
        "a.yaml:22:21: method.others[2].first.name: unknown name \"smu\" (allowed: sum, cagrad, forgetful, blend)\n\
         hint: did you mean sum?",
    ),
    (
        "first: {name: sum}", "first: {name: cagrad, c: 7}",
        "a.yaml:22:32: method.others[2].first.c: 7 is not a number from 0 to 1",
    ),
    (
        "      others: []\n", "",
        "a.yaml:21:7: method.others[2]: setting \"others\" is missing\n\
         hint: add \"others: …\"",
    ),
];

#[test]
fn every_wrong_setting_deep_inside_is_named() {
    for (part, replacement, expected) in IN_SAMPLE {
        assert_eq!(told(&SAMPLE.replacen(part, replacement, 1), &[]), *expected, "{replacement}");
    }
}
