//! A drawing of the sharing: what each part reads, how many numbers it has, and which tasks it serves.

use crate::models::{Node, Span};
use std::collections::HashMap;

/// Some nodes of the graph that are shown as one part: layers one behind another under one name.
struct Part {
    label: String,
    nodes: Vec<usize>,
    numbers: i64,
    reads: Vec<String>,
}

/// One line per part, inputs first: a block under each task that the part serves, its count of numbers, what it reads.
pub fn drawing(nodes: &[Node], spans: &[Span], tasks: &[&str]) -> String {
    let parts = parts(nodes, spans);
    let served: Vec<Vec<bool>> = tasks.iter().map(|task| ancestors(nodes, task)).collect();
    let width = parts.iter().map(|part| part.label.chars().count()).max().unwrap_or(0).max(4);
    let columns: Vec<usize> = tasks.iter().map(|task| task.chars().count()).collect();
    let mut lines = vec![format!("{:<width$}  {}  {:>9}  reads", "part", tasks.join("  "), "numbers")];
    for part in &parts {
        let mark = |(served, column): (&Vec<bool>, &usize)| {
            let block = if part.nodes.iter().any(|&node| served[node]) { "█" } else { "·" };
            block.repeat(*column)
        };
        let marks: Vec<String> = served.iter().zip(&columns).map(mark).collect();
        let numbers = if part.numbers > 0 { part.numbers.to_string() } else { String::new() };
        let reads = shortened(&part.reads);
        lines.push(
            format!("{:<width$}  {}  {numbers:>9}  {reads}", part.label, marks.join("  ")).trim_end().to_string(),
        );
    }
    lines.join("\n")
}

/// The parts in order. Operations without numbers of one input are no part of their own, nor are stacks: who reads them
/// reads what they read.
fn parts(nodes: &[Node], spans: &[Span]) -> Vec<Part> {
    let mut parts: Vec<Part> = vec![];
    let mut part_of: HashMap<&str, usize> = HashMap::new();
    let mut stands_for: HashMap<&str, Vec<String>> = HashMap::from([("input", vec!["input".to_string()])]);
    for (at, node) in nodes.iter().enumerate() {
        let numbers = numbers(node, spans);
        // A module's second use is called as the first with a number behind.
        let module = node.name.rsplit_once('_').filter(|(_, count)| count.parse::<usize>().is_ok());
        if let Some(&part) = module.and_then(|(module, _)| part_of.get(module)) {
            parts[part].nodes.push(at);
            part_of.insert(&node.name, part);
            continue;
        }
        let before = node.inputs.first().and_then(|input| part_of.get(input.as_str()).copied());
        let follows = |part: &usize| {
            let last = &nodes[parts[*part].nodes[parts[*part].nodes.len() - 1]];
            node.inputs.len() == 1
                && last.name == node.inputs[0]
                && parent(last) == parent(node)
                && !parent(node).is_empty()
        };
        if let Some(part) = before.filter(follows) {
            parts[part].nodes.push(at);
            parts[part].numbers += numbers;
            part_of.insert(&node.name, part);
            continue;
        }
        let mut reads: Vec<String> = vec![];
        for input in &node.inputs {
            let known = stands_for.get(input.as_str()).cloned();
            reads.extend(
                known.unwrap_or_else(|| {
                    part_of.get(input.as_str()).map(|part| format!("#{part}")).into_iter().collect()
                }),
            );
        }
        if numbers == 0 && (node.inputs.len() == 1 || node.operation == "Stack") {
            stands_for.insert(&node.name, reads);
            continue;
        }
        part_of.insert(&node.name, parts.len());
        parts.push(Part { label: String::new(), nodes: vec![at], numbers, reads });
    }
    name(&mut parts, nodes);
    parts
}

/// Labels, also where parts are read: the common name of a part's nodes, or the node's own.
fn name(parts: &mut [Part], nodes: &[Node]) {
    let of = |part: &Part| {
        let first = &nodes[part.nodes[0]];
        let all = nodes.iter().filter(|node| parent(node) == parent(first)).count();
        let last = &nodes[part.nodes[part.nodes.len() - 1]];
        match (part.nodes.len(), last.name.rsplit('/').next().unwrap_or_default()) {
            (count, _) if count > 1 && count == all => parent(first).replace('/', "."),
            (count, last) if count > 1 && last.bytes().all(|byte| byte.is_ascii_digit()) => {
                format!("{}–{last}", dotted(first))
            }
            _ => dotted(first),
        }
    };
    let labels: Vec<String> = parts.iter().map(of).collect();
    for (part, label) in parts.iter_mut().zip(&labels) {
        part.label.clone_from(label);
        for read in &mut part.reads {
            if let Some(number) = read.strip_prefix('#').and_then(|number| number.parse::<usize>().ok()) {
                read.clone_from(&labels[number]);
            }
        }
    }
}

/// `experts.0, experts.1, experts.2` as `experts.0–2`.
fn shortened(reads: &[String]) -> String {
    let split = |read: &str| {
        let (stem, number) = read.rsplit_once('.')?;
        Some((stem.to_string(), number.parse::<usize>().ok()?))
    };
    // Each with the number that it ends with, where it is a run.
    let mut runs: Vec<(String, Option<usize>)> = vec![];
    for read in reads {
        let goes_on = runs.last().is_some_and(|(first, last)| match (split(first), split(read)) {
            (Some((stem, from)), Some((own, number))) => stem == own && last.unwrap_or(from) + 1 == number,
            _ => false,
        });
        match runs.last_mut().filter(|_| goes_on) {
            Some((_, last)) => *last = split(read).map(|(_, number)| number),
            None => runs.push((read.clone(), None)),
        }
    }
    let text = |(first, last): &(String, Option<usize>)| match last {
        Some(last) => format!("{first}–{last}"),
        None => first.clone(),
    };
    runs.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// Per node whether the output of `task` depends on it.
fn ancestors(nodes: &[Node], task: &str) -> Vec<bool> {
    let head = format!("heads/{task}/");
    let mut serves: Vec<bool> = nodes.iter().map(|node| node.name.starts_with(&head)).collect();
    let place: HashMap<&str, usize> = nodes.iter().enumerate().map(|(at, node)| (node.name.as_str(), at)).collect();
    for at in (0..nodes.len()).rev() {
        if serves[at] {
            nodes[at]
                .inputs
                .iter()
                .filter_map(|input| place.get(input.as_str()))
                .for_each(|&before| serves[before] = true);
        }
    }
    serves
}

/// The folder of a node's name: the module that its layer lies in.
fn parent(node: &Node) -> &str {
    let name = own_name(node);
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A node's name without the box of its head.
fn own_name(node: &Node) -> &str {
    match node.name.strip_prefix("heads/") {
        Some(rest) => rest.split_once('/').map_or(rest, |(_, name)| name),
        None => &node.name,
    }
}

fn dotted(node: &Node) -> String {
    own_name(node).replace('/', ".")
}

/// The count of numbers of a node's parameters.
fn numbers(node: &Node, spans: &[Span]) -> i64 {
    let name = dotted(node);
    let is_own =
        |span: &&Span| span.name.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    spans.iter().filter(is_own).map(|span| span.length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, operation: &str, inputs: &[&str]) -> Node {
        let inputs = inputs.iter().map(|input| input.to_string()).collect();
        Node { name: name.into(), operation: operation.into(), inputs, shape: vec![-1, 4] }
    }

    fn span(name: &str, length: i64) -> Span {
        Span { name: name.into(), shape: vec![length], start: 0, length, frozen: false }
    }

    #[test]
    fn a_person_sees_who_reads_what_and_whom_it_serves() {
        let nodes = [
            node("experts/0/0", "Linear", &["input"]),
            node("experts/0/1", "ReLU", &["experts/0/0"]),
            node("experts/1/0", "Linear", &["input"]),
            node("experts/1/1", "ReLU", &["experts/1/0"]),
            node("experts_stack", "Stack", &["experts/0/1", "experts/1/1"]),
            node("a_gate", "Linear", &["input"]),
            node("a_gate_shares", "Softmax", &["a_gate"]),
            node("a_mixture", "Mixture", &["a_gate_shares", "experts_stack"]),
            node("heads/a/a_layer", "Linear", &["a_mixture"]),
            node("heads/bb/bb_layer", "Linear", &["experts/1/1"]),
        ];
        let spans = [
            span("experts.0.0.weight", 16),
            span("experts.0.0.bias", 4),
            span("experts.1.0.weight", 16),
            span("a_gate.weight", 8),
            span("a_layer.weight", 12),
            span("bb_layer.weight", 12),
        ];
        let expected = "\
part       a  bb    numbers  reads
experts.0  █  ··         20  input
experts.1  █  ██         16  input
a_gate     █  ··          8  input
a_mixture  █  ··             a_gate, experts.0–1
a_layer    █  ··         12  a_mixture
bb_layer   ·  ██         12  experts.1";
        assert_eq!(drawing(&nodes, &spans, &["a", "bb"]), expected);
    }

    #[test]
    fn a_module_used_twice_is_one_part() {
        let nodes = [
            node("adapter/1", "Adapter", &["input"]),
            node("adapter/1_2", "Adapter", &["input"]),
            node("heads/a/a_layer", "Linear", &["adapter/1"]),
            node("heads/b/b_layer", "Linear", &["adapter/1_2"]),
        ];
        let spans = [span("adapter.1.0.weight", 3), span("a_layer.weight", 2), span("b_layer.weight", 2)];
        let drawn = drawing(&nodes, &spans, &["a", "b"]);
        assert!(drawn.contains("adapter  █  █          3  input"), "{drawn}");
        assert_eq!(drawn.lines().count(), 4, "{drawn}");
    }
}
