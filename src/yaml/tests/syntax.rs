//! Texts that are no settings: empty, broken, several documents, aliases, tags.

use super::*;

/// Text, what the person reads.
#[rustfmt::skip]
const ROWS: &[(&str, &str)] = &[
    (
        "",
        "a.yaml: holds no settings\n\
         hint: write settings as lines of \"name: value\"",
    ),
    (
        "# nothing\n",
        "a.yaml: holds no settings\n\
         hint: write settings as lines of \"name: value\"",
    ),
    (
        "- a\n- b",
        "a.yaml:1:1: a list where settings are needed\n\
         hint: write settings as lines of \"name: value\"",
    ),
    (
        "text",
        "a.yaml:1:1: string \"text\" where settings are needed\n\
         hint: write settings as lines of \"name: value\"",
    ),
    (
        "seed: 1\n\tmethod: x",
        "a.yaml:2:1: found a tab character that violates indentation (while scanning a plain scalar at line 1, column 7)\n\
         hint: indent with spaces: YAML does not allow tabs there",
    ),
    (
        "seed: 1\nmethod:\n\tname: sum",
        "a.yaml:3:1: found character that cannot start any token (while scanning for the next token)\n\
         hint: indent with spaces: YAML does not allow tabs there",
    ),
    (
        "seed: 1\nmethod: {name: sum\nsmall: 3\n",
        "a.yaml:3:6: did not find expected ',' or '}' (while parsing a flow mapping at line 2, column 9)\n\
         hint: close the bracket",
    ),
    (
        "seed: 1\nhidden: [1, 2\nmethod: {name: sum}\n",
        "a.yaml:3:7: did not find expected ',' or ']' (while parsing a flow sequence at line 2, column 9)\n\
         hint: close the bracket",
    ),
    (
        "seed: 1\nmethod: name: sum",
        "a.yaml:2:13: mapping values are not allowed in this context\n\
         hint: check the indentation; a text that holds \": \" needs quotes",
    ),
    (
        "seed: 1\nmethod: \"sum\nx: 3",
        "a.yaml:3:5: found unexpected end of stream (while scanning a quoted scalar at line 2, column 9)\n\
         hint: close the quote",
    ),
    (
        "seed: 1\nmethod:\n  name: sum\n c: 3",
        "a.yaml:4:2: did not find expected key (while parsing a block mapping)\n\
         hint: check the indentation and the quotes in this line and above it",
    ),
    (
        "seed: @a\n",
        "a.yaml:1:7: found character that cannot start any token (while scanning for the next token)\n\
         hint: put the text in quotes",
    ),
    (
        "seed: 1\n---\nseed: 2",
        "a.yaml:2:1: a second document starts here\n\
         hint: write one document per file, without a second \"---\"",
    ),
    (
        "seed: *one\n",
        "a.yaml:1:7: this alias (*) has no anchor (&) of its name above it\n\
         hint: mark the first use with &NAME",
    ),
    (
        "seed: &one [*one]\n",
        "a.yaml:1:7: nested too deeply\n\
         hint: look for an alias (*) inside its own anchor (&)",
    ),
    (
        "seed: !big 3\nmethod: {name: sum}",
        "a.yaml:1:7: tags have no meaning here\n\
         hint: remove the word that starts with \"!\", or quote the text",
    ),
    (
        "seed: 1\u{1}\n",
        "a.yaml:1:8: control characters are not allowed\n\
         hint: remove the invisible character",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks:\n  - &t {name: a, classes: x}\n  - {<<: *t, name: b}",
        "a.yaml:4:27: tasks[0].classes: string \"x\" is not a whole number of 0 or above",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks:\n  - {name: a}\n  - {<<: {classes: x}, name: b}",
        "a.yaml:5:20: tasks[1].classes: string \"x\" is not a whole number of 0 or above",
    ),
    (
        "seed: 1\nmethod: {name: sum}\ntasks:\n  - {name: a, <<: 3}",
        "a.yaml:4:15: expected a mapping or list of mappings for merging, but found scalar\n\
         hint: write <<: *ANCHOR, of a section",
    ),
    (
        "seed: 1\nmethod: {name: sum}\nclip: &x -1\nshift: *x",
        "a.yaml:3:7: clip: -1 is not a number above 0",
    ),
];

#[test]
fn every_broken_text_is_explained() {
    for (text, expected) in ROWS {
        assert_eq!(told(text, &[]), *expected, "{text}");
    }
}
