//! A TorchScript module: load, look into, run, train, save.

use super::archive::{Archive, Content};
use super::ffi::{self, RawModule};
use crate::error::Mistake;
use crate::files;
use anyhow::Result;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// What [`Module::forward`] gives.
#[derive(Debug)]
pub struct Outputs {
    /// The keys of a dictionary or the fields of a named tuple; `None` for a tensor, a tuple or a list.
    pub names: Option<Vec<String>>,
    /// The tensors, in the module's order.
    pub tensors: Vec<Tensor>,
}

/// One module of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Names from the root, joined by dots; empty for the root.
    pub path: String,
    /// The class as Python names it, such as `torch.nn.modules.linear.Linear`.
    pub class: String,
}

/// An argument of a module's `forward`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name in Python.
    pub name: String,
    /// Whether it may be left out.
    pub has_default: bool,
}

/// A TorchScript module in memory.
///
/// It runs by the plain interpreter, operation by operation as eager PyTorch does: the profiling executor changes the
/// graph after its first runs, and with it the last bits of a resumed training.
#[derive(Debug)]
pub struct Module {
    raw: *mut RawModule,
    extra: Vec<(String, Vec<u8>)>,
}

// SAFETY: a module is bound to no thread; without Sync, only one thread at a time reaches it.
unsafe impl Send for Module {}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: it is ours, and freed once.
        unsafe { ffi::polytask_module_free(self.raw) };
    }
}

impl Module {
    /// Loads a file that `torch.jit.save` or Polytask wrote. The mode (train or eval) is the file's.
    ///
    /// # Errors
    /// There is no such file, it is damaged, or it is something else (a state_dict, safetensors …): the error says which.
    pub fn load(path: &Path, device: Device) -> Result<Self> {
        let archive = Archive::open(path)?;
        archive.expect(Content::TorchScript)?;
        let extra = archive.extra()?;
        let bytes = archive.bytes();
        // SAFETY: the bytes outlive the call; the module has copied what it needs by then.
        let raw = ffi::call(|error| unsafe {
            ffi::polytask_module_load(bytes.as_ptr(), bytes.len(), ffi::device_number(device), error)
        })
        .map_err(|what| {
            Mistake::new(path.display(), format!("libtorch cannot load this module: {}", ffi::gist(&what)))
                .remedy("save it again with torch.jit.save under a PyTorch of the same version or older")
        })?;
        Ok(Self { raw, extra })
    }

    /// # Safety
    /// `raw` is a module that nobody else frees.
    pub(super) unsafe fn from_raw(raw: *mut RawModule) -> Self {
        Self { raw, extra: Vec::new() }
    }

    /// The same module under another owner; both are one.
    #[must_use]
    pub fn share(&self) -> Self {
        // SAFETY: the module is alive; the shim gives the second owner away.
        let raw = unsafe { ffi::polytask_module_share(self.raw) };
        Self { raw, extra: Vec::new() }
    }

    pub(super) fn raw(&self) -> *mut RawModule {
        self.raw
    }

    /// The text of an extra file (Python's `_extra_files`), if the module was loaded with it.
    pub fn extra(&self, name: &str) -> Option<String> {
        let (_, bytes) = self.extra.iter().find(|(key, _)| key == name)?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The parameters in order of declaration, by PyTorch's names. They are the module's own tensors: `set_data` on one
    /// redirects the module.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        let mut named = ffi::Named::default();
        // SAFETY: the module is alive and `named` outlives the call.
        ffi::call(|error| unsafe {
            ffi::polytask_module_parameters(self.raw, ffi::Named::VISIT, named.context(), error)
        })
        .expect("listing parameters does not fail");
        named.0
    }

    /// The buffers in order of declaration (BatchNorm's statistics and their like): the module's own tensors.
    pub fn buffers(&self) -> Vec<(String, Tensor)> {
        let mut named = ffi::Named::default();
        // SAFETY: the module is alive and `named` outlives the call.
        ffi::call(|error| unsafe { ffi::polytask_module_buffers(self.raw, ffi::Named::VISIT, named.context(), error) })
            .expect("listing buffers does not fail");
        named.0
    }

    /// Every attribute that is neither submodule, parameter nor buffer (numbers, texts, lists, plain tensors) by its dotted
    /// name, written as bytes `[n]` that are equal where the values are. What cannot be written is left out.
    pub fn attributes(&self) -> Vec<(String, Tensor)> {
        let mut named = ffi::Named::default();
        // SAFETY: the module is alive and `named` outlives the call.
        ffi::call(|error| unsafe {
            ffi::polytask_module_attributes(self.raw, ffi::Named::VISIT, named.context(), error)
        })
        .expect("listing attributes does not fail");
        named.0
    }

    /// Runs `forward` on copies of the inputs, its first arguments, so that a module that writes
    /// into them changes nothing outside itself. It records gradients unless within `tch::no_grad`.
    ///
    /// # Errors
    /// The module refuses the inputs (number, shape, kind), or gives anything but tensors.
    pub fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        self.run(inputs, None)
    }

    /// Runs [`forward`](Self::forward) on inputs that go to the arguments of these names, one each.
    ///
    /// # Errors
    /// As [`forward`](Self::forward); an argument that is not there.
    pub fn forward_by_name(&self, inputs: &[Tensor], names: &[&str]) -> Result<Outputs> {
        assert_eq!(inputs.len(), names.len(), "an argument for each input");
        self.run(inputs, Some(names))
    }

    fn run(&self, inputs: &[Tensor], names: Option<&[&str]>) -> Result<Outputs> {
        let failed = |what: String| Mistake::new("forward of the TorchScript module", ffi::gist(&what));
        let (mut named, mut has_names) = (ffi::Named::default(), 0);
        let handles = ffi::handles(inputs);
        let texts = names.map(|names| names.iter().map(|name| ffi::text(name)).collect::<Result<Vec<_>, _>>());
        let texts = texts.transpose().map_err(failed)?;
        let pointers: Option<Vec<_>> = texts.as_ref().map(|texts| texts.iter().map(|text| text.as_ptr()).collect());
        let names = pointers.as_ref().map_or(std::ptr::null(), |pointers| pointers.as_ptr());
        // SAFETY: the module, the inputs and the names are alive, `named` and `has_names` outlive
        // the call.
        ffi::call(|error| unsafe {
            let (visit, context) = (ffi::Named::VISIT, named.context());
            let (inputs, count) = (handles.as_ptr(), handles.len());
            ffi::polytask_module_forward(self.raw, inputs, names, count, visit, context, &mut has_names, error)
        })
        .map_err(|what| misfit(inputs, ffi::gist(&what)))?;
        let (names, tensors): (Vec<_>, Vec<_>) = named.0.into_iter().unzip();
        Ok(Outputs { names: (has_names != 0).then_some(names), tensors })
    }

    /// Switches between training mode (dropout draws, BatchNorm counts) and eval mode.
    ///
    /// # Errors
    /// libtorch refuses; a frozen module has no modes and does not mind.
    pub fn set_training(&self, on: bool) -> Result<()> {
        // SAFETY: the module is alive.
        ffi::call(|error| unsafe { ffi::polytask_module_train(self.raw, on.into(), error) })
            .map_err(|what| Mistake::new("mode of the TorchScript module", ffi::gist(&what)))?;
        Ok(())
    }

    /// Moves all tensors to a device, the floating-point ones to a precision too. The tensors stay the same objects.
    ///
    /// # Errors
    /// The device is not there or full.
    ///
    /// # Panics
    /// `kind` is no floating-point kind.
    pub fn to(&self, device: Device, kind: Kind) -> Result<()> {
        // C++'s numbering of scalar types.
        let number = match kind {
            Kind::Half => 5,
            Kind::Float => 6,
            Kind::Double => 7,
            Kind::BFloat16 => 15,
            other => panic!("{other:?} is no precision"),
        };
        // SAFETY: the module is alive.
        ffi::call(|error| unsafe { ffi::polytask_module_to(self.raw, ffi::device_number(device), number, error) })
            .map_err(|what| Mistake::new(format!("{device:?}"), ffi::gist(&what)))?;
        Ok(())
    }

    /// Writes the module for `torch.jit.load`: in eval mode, on the CPU, whole or not at all. `extra` is what
    /// `_extra_files` reads in Python; extra files that this module was loaded with are not repeated.
    /// The module itself keeps its mode, its device and its views.
    ///
    /// # Errors
    /// The module holds what cannot be saved, or as for [`files::replace`].
    pub fn save(&self, path: &Path, extra: &[(&str, &str)]) -> Result<()> {
        let failed =
            |what: String| Mistake::new(path.display(), format!("the module cannot be saved: {}", ffi::gist(&what)));
        let names = extra.iter().map(|(name, _)| ffi::text(name)).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let names: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let texts: Vec<_> = extra.iter().map(|(_, text)| text.as_ptr().cast()).collect();
        let sizes: Vec<_> = extra.iter().map(|(_, text)| text.len()).collect();
        let mut bytes = ffi::Bytes::default();
        // SAFETY: the module is alive; the names, the texts and `bytes` outlive the call.
        ffi::call(|error| unsafe {
            let (names, texts, sizes) = (names.as_ptr(), texts.as_ptr(), sizes.as_ptr());
            let (sink, context) = (ffi::Bytes::SINK, bytes.context());
            ffi::polytask_module_save(self.raw, names, texts, sizes, extra.len(), sink, context, error)
        })
        .map_err(failed)?;
        files::replace_with(path, &bytes.0)
    }

    /// The modules of the tree, the root first.
    pub fn tree(&self) -> Vec<Node> {
        let mut texts = ffi::Texts::default();
        // SAFETY: the module is alive and `texts` outlives the call.
        ffi::call(|error| unsafe { ffi::polytask_module_tree(self.raw, ffi::Texts::SINK, texts.context(), error) })
            .expect("listing modules does not fail");
        texts
            .0
            .iter()
            .map(|line| {
                let (path, class) = line.split_once('\0').unwrap_or(("", line));
                Node { path: path.to_string(), class: plain_class(class) }
            })
            .collect()
    }

    /// The signature of `forward`, such as `forward(Net self, Tensor x) -> (Tensor, Tensor)`; `None` without a `forward`.
    pub fn signature(&self) -> Option<String> {
        let mut texts = ffi::Texts::default();
        // SAFETY: the module is alive and `texts` outlives the call.
        ffi::call(|error| unsafe {
            ffi::polytask_module_signature(self.raw, ffi::Texts::SINK, texts.context(), error)
        })
        .ok()?;
        texts.0.pop().map(|text| plain_class(&text))
    }

    /// The arguments of `forward` without `self`, in order; none without a `forward`.
    pub fn arguments(&self) -> Vec<Argument> {
        let mut texts = ffi::Texts::default();
        // SAFETY: the module is alive and `texts` outlives the call.
        let listed = ffi::call(|error| unsafe {
            ffi::polytask_module_arguments(self.raw, ffi::Texts::SINK, texts.context(), error)
        });
        let argument = |text: &String| {
            let (name, has_default) = text.split_once('\0').unwrap_or((text, "0"));
            Argument { name: name.to_string(), has_default: has_default == "1" }
        };
        listed.map_or(vec![], |_| texts.0.iter().map(argument).collect())
    }
}

/// Without what TorchScript adds to a class's name.
fn plain_class(name: &str) -> String {
    let mut plain = name.replace("__torch__.", "");
    while let Some(start) = plain.find("___torch_mangle_") {
        let end = plain[start..].find('.').map_or(plain.len(), |dot| start + dot + 1);
        plain.replace_range(start..end, "");
    }
    plain
}

/// A forward pass that failed; where the type of the numbers may be why, with a way on.
fn misfit(inputs: &[Tensor], what: String) -> Mistake {
    let is_int64 = inputs.iter().any(|input| input.kind() == Kind::Int64);
    let wants_ids = what.contains("indices") && what.contains("scalar types");
    let is_beyond = what.contains("index out of range");
    let mistake = Mistake::new("forward of the TorchScript module", what);
    if is_beyond {
        return mistake
            .remedy("an id is beyond the table that the module looks it up in: give ids that it was made for");
    }
    match (is_int64, wants_ids) {
        (true, _) => mistake
            .remedy("its integers come as int64: write `kind: numbers` in `data` where a module reads them as numbers"),
        (false, true) => mistake.remedy("write `kind: ids` in `data` where a module reads ids"),
        (false, false) => mistake,
    }
}
