//! A flow as TorchScript: the tree of its modules, and the lines that apply them.

use super::{Flow, Part, Step, Value};
use crate::libtorch::{Script, access_path};

impl Flow {
    /// The whole as a module `forward(x)` of the class `class`; several outputs are a tuple.
    pub fn script(&self, class: &str, outputs: &[Value]) -> Script {
        let mut script = self.tree("");
        script.class = format!("__torch__.{class}");
        let result = match outputs {
            [_] => "Tensor".to_string(),
            several => format!("Tuple[{}]", vec!["Tensor"; several.len()].join(", ")),
        };
        let mut source = format!("def forward(self, x: Tensor) -> {result}:\n");
        for (at, step) in self.steps.iter().enumerate().skip(1) {
            source += &format!("    v{at} = {}\n", expression(step));
        }
        let names: Vec<String> = outputs.iter().map(variable).collect();
        source += &match names.as_slice() {
            [only] => format!("    return {only}\n"),
            several => format!("    return ({},)\n", several.join(", ")),
        };
        script.source = source;
        script
    }

    /// The modules and parameters below `prefix` (empty, or a path that ends in a dot).
    fn tree(&self, prefix: &str) -> Script {
        let mut script = Script::new("torch.nn.modules.container.ModuleDict", "");
        let mut order: Vec<&str> = vec![];
        let mut direct = true; // no child is a container that only the whole can apply
        for step in &self.steps {
            let Some(rest) = step.name.strip_prefix(prefix) else { continue };
            let (own, is_leaf) = rest.split_once('.').map_or((rest, true), |(own, _)| (own, false));
            match &step.part {
                Part::Input | Part::Operation(_) => {}
                _ if order.contains(&own) => {}
                Part::Parameter(tensor) if is_leaf => script = script.parameter(own, tensor),
                Part::Layer(layer) if is_leaf => {
                    order.push(own);
                    script = script.child(own, layer.script());
                }
                _ => {
                    direct = false;
                    order.push(own);
                    script = script.child(own, self.tree(&format!("{prefix}{own}.")));
                }
            }
        }
        let path = prefix.trim_end_matches('.');
        if direct && self.sequences.iter().any(|sequence| sequence == path) {
            let children = std::mem::take(&mut script.children);
            return Script::sequence(children);
        }
        script
    }
}

fn variable(value: &Value) -> String {
    if *value == Flow::INPUT { "x".into() } else { format!("v{}", value.0) }
}

fn expression(step: &Step) -> String {
    let inputs: Vec<String> = step.inputs.iter().map(variable).collect();
    match &step.part {
        Part::Input => unreachable!("it has a name of its own"),
        Part::Parameter(_) => access_path(&step.name),
        Part::Layer(layer) => {
            format!("{}.forward({})", access_path(&step.name), layer.script().argument(&inputs[0]))
        }
        Part::Operation(operation) => operation.expression(&inputs),
    }
}
