//! TorchScript written layer by layer: plain data that becomes a module which Python loads without Polytask.

use super::ffi::{self, RawModule, RawUnit};
use super::module::Module;
use crate::error::Mistake;
use anyhow::Result;
use std::path::Path;
use tch::Tensor;

/// A tree of TorchScript modules: parameters, buffers, children and the source of its methods.
///
/// The tensors are those given (views share their memory); a file gets copies.
#[derive(Debug)]
pub struct Script {
    /// The class that Python shows, such as `__torch__.torch.nn.modules.linear.Linear`.
    pub class: String,
    /// What `parameters()` gives in Python; floating-point ones require a gradient there.
    pub parameters: Vec<(String, Tensor)>,
    /// What `buffers()` gives in Python.
    pub buffers: Vec<(String, Tensor)>,
    /// Submodules by their attribute's name.
    pub children: Vec<(String, Script)>,
    /// TorchScript methods, `forward` among them, each from `def` on without indentation.
    pub source: String,
    /// A module that is compiled already; then it is all there is.
    pub compiled: Option<Module>,
}

/// How TorchScript source reads a submodule or tensor of `self`, whatever its name is.
fn access(name: &str) -> String {
    format!("getattr(self, {name:?})")
}

/// The same for a path of names with dots between.
pub fn access_path(path: &str) -> String {
    path.split('.').fold("self".to_string(), |owner, name| format!("getattr({owner}, {name:?})"))
}

impl Script {
    /// A module of the class `class` (its name behind `__torch__.`) with methods and nothing else yet.
    pub fn new(class: &str, source: impl Into<String>) -> Self {
        Self {
            class: format!("__torch__.{class}"),
            parameters: Vec::new(),
            buffers: Vec::new(),
            children: Vec::new(),
            source: source.into(),
            compiled: None,
        }
    }

    /// A module that is compiled already, such as one from a file.
    pub fn module(module: Module) -> Self {
        Self { compiled: Some(module), ..Self::new("torch.nn.Module", "") }
    }

    /// With one more parameter.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, tensor: &Tensor) -> Self {
        self.parameters.push((name.into(), tensor.shallow_clone()));
        self
    }

    /// With one more buffer.
    #[must_use]
    pub fn buffer(mut self, name: impl Into<String>, tensor: &Tensor) -> Self {
        self.buffers.push((name.into(), tensor.shallow_clone()));
        self
    }

    /// With one more submodule.
    #[must_use]
    pub fn child(mut self, name: impl Into<String>, child: Script) -> Self {
        self.children.push((name.into(), child));
        self
    }

    /// `torch.nn.Linear`: weight `[outputs, inputs]`, bias `[outputs]`.
    pub fn linear(weight: &Tensor, bias: Option<&Tensor>) -> Self {
        let bias_source = if bias.is_some() { "self.bias" } else { "None" };
        let source = format!(
            "def forward(self, input: Tensor) -> Tensor:\n    return torch.linear(input, self.weight, {bias_source})\n"
        );
        let linear = Self::new("torch.nn.modules.linear.Linear", source).parameter("weight", weight);
        match bias {
            Some(bias) => linear.parameter("bias", bias),
            None => linear,
        }
    }

    /// A layer without parameters: `expression` is TorchScript that reads `input`, such as `torch.relu(input)`.
    pub fn activation(class: &str, expression: &str) -> Self {
        Self::new(class, format!("def forward(self, input: Tensor) -> Tensor:\n    return {expression}\n"))
    }

    /// `torch.nn.Dropout`: it draws in training mode only.
    pub fn dropout(probability: f64) -> Self {
        let expression = format!("torch.dropout(input, {probability:?}, self.training)");
        Self::activation("torch.nn.modules.dropout.Dropout", &expression)
    }

    /// `torch.nn.Sequential`: the children are named 0, 1, ….
    pub fn sequential(children: impl IntoIterator<Item = Script>) -> Self {
        Self::sequence((0..).map(|at: usize| at.to_string()).zip(children).collect())
    }

    /// Modules applied one behind another, under names of their own.
    pub fn sequence(children: Vec<(String, Script)>) -> Self {
        let mut source = "def forward(self, input: Tensor) -> Tensor:\n".to_string();
        for (name, child) in &children {
            source += &format!("    input = {}.forward({})\n", access(name), child.argument("input"));
        }
        source += "    return input\n";
        Self { children, ..Self::new("torch.nn.modules.container.Sequential", source) }
    }

    /// How TorchScript source passes `variable` to this module: one from outside may write into what it reads.
    pub fn argument(&self, variable: &str) -> String {
        if self.compiled.is_some() { format!("{variable}.clone()") } else { variable.to_string() }
    }

    /// The module that this describes, ready to run. Its tensors share memory with those given.
    ///
    /// # Errors
    /// The source is no TorchScript, or a name cannot be used in it.
    pub fn compile(&self) -> Result<Module> {
        let unit = Unit::new();
        let module = self.build(&unit)?;
        module.set_training(false)?;
        Ok(module)
    }

    /// Writes it for `torch.jit.load`, in eval mode, whole or not at all. `extra` is what `_extra_files` reads in Python.
    ///
    /// # Errors
    /// As for [`Script::compile`] and [`crate::files::replace`].
    pub fn save(&self, path: &Path, extra: &[(&str, &str)]) -> Result<()> {
        self.compile()?.save(path, extra)
    }

    fn build(&self, unit: &Unit) -> Result<Module> {
        if let Some(module) = &self.compiled {
            return Ok(module.share());
        }
        self.check_names()?;
        let broken = |what: String| Mistake::new(&self.class, ffi::gist(&what));
        let class = ffi::text(&self.class).map_err(broken)?;
        // SAFETY: the unit outlives the call; the module keeps it alive from there on.
        let raw =
            ffi::call(|error| unsafe { ffi::polytask_module_new(unit.0, class.as_ptr(), error) }).map_err(broken)?;
        // SAFETY: the shim gives the module away.
        let module = unsafe { Module::from_raw(raw) };
        for (name, tensor) in &self.parameters {
            let tensor = tensor.detach().set_requires_grad(tensor.is_floating_point());
            add_tensor(module.raw(), name, &tensor, false).map_err(broken)?;
        }
        for (name, tensor) in &self.buffers {
            add_tensor(module.raw(), name, &tensor.detach(), true).map_err(broken)?;
        }
        for (name, child) in &self.children {
            let child = child.build(unit)?;
            let name = ffi::text(name).map_err(broken)?;
            // SAFETY: both modules are alive; the parent shares the child.
            ffi::call(|error| unsafe {
                ffi::polytask_module_add_child(module.raw(), name.as_ptr(), child.raw(), error)
            })
            .map_err(broken)?;
        }
        if self.source.is_empty() {
            return Ok(module);
        }
        let source = ffi::text(&self.source).map_err(broken)?;
        // SAFETY: the module is alive.
        ffi::call(|error| unsafe { ffi::polytask_module_define(module.raw(), source.as_ptr(), error) })
            .map_err(|what| Mistake::new(&self.class, format!("its TorchScript does not compile: {}", what.trim())))?;
        Ok(module)
    }

    /// A name that breaks the saved source would be found only by whoever loads the file.
    fn check_names(&self) -> Result<()> {
        let identifier = |part: &str| {
            part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !part.starts_with(|c: char| c.is_ascii_digit())
                && !part.is_empty()
        };
        if !self.class.split('.').all(identifier) {
            let remedy = "use letters, digits and _ between dots";
            return Err(Mistake::new(&self.class, "is no name for a class").remedy(remedy).into());
        }
        let tensors = self.parameters.iter().chain(&self.buffers).map(|(name, _)| name);
        for name in tensors.chain(self.children.iter().map(|(name, _)| name)) {
            if !is_part_name(name) {
                let what = format!("{name:?} cannot name a part of a TorchScript module");
                let remedy = "use letters, digits, spaces, - and _, and no word of Python's grammar";
                return Err(Mistake::new(&self.class, what).remedy(remedy).into());
            }
        }
        Ok(())
    }
}

/// Whether a submodule or tensor can have this name: TorchScript's saved source must be able to spell it.
pub fn is_part_name(name: &str) -> bool {
    let spelled = |c: char| (c.is_ascii_graphic() || c == ' ') && !matches!(c, '.' | '"' | '\\');
    !name.is_empty() && name.chars().all(spelled) && !RESERVED.contains(&name)
}

/// Words of TorchScript's grammar, and what a module has of its own. Found by trying.
const RESERVED: &[&str] = &[
    "False",
    "None",
    "True",
    "and",
    "as",
    "assert",
    "break",
    "class",
    "continue",
    "def",
    "del",
    "elif",
    "else",
    "for",
    "global",
    "if",
    "import",
    "in",
    "is",
    "not",
    "or",
    "pass",
    "raise",
    "return",
    "while",
    "with",
    "forward",
    "training",
    "_is_full_backward_hook",
    "__annotations__",
    "__buffers__",
    "__parameters__",
];

fn add_tensor(module: *mut RawModule, name: &str, tensor: &Tensor, buffer: bool) -> Result<(), String> {
    let name = ffi::text(name)?;
    let handle = tensor.as_ptr().cast_mut();
    // SAFETY: the module and the tensor are alive; C++ shares the tensor.
    ffi::call(|error| unsafe { ffi::polytask_module_add_tensor(module, name.as_ptr(), handle, buffer.into(), error) })?;
    Ok(())
}

/// Where the classes of one tree of modules live.
struct Unit(*mut RawUnit);

impl Unit {
    fn new() -> Self {
        // SAFETY: a plain call.
        Self(unsafe { ffi::polytask_unit_new() })
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // SAFETY: it is ours, and freed once.
        unsafe { ffi::polytask_unit_free(self.0) };
    }
}
