//! PyTorch's state_dicts and checkpoints: read without running anything, written so that `weights_only=True` reads them.

use super::archive::{Archive, Content};
use super::ffi;
use super::unpickle::{self, Id, Pickle, Value};
use crate::error::Mistake;
use crate::files;
use anyhow::Result;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use tch::{Kind, Tensor};

/// Names under which checkpoints keep the model's weights, the surest first.
const INNER: [&str; 3] = ["model_state_dict", "state_dict", "model"];

/// Reads the weights of a file that `torch.save` wrote: `model.state_dict()`, any dictionary of tensors, or a checkpoint
/// that holds one under `model_state_dict`, `state_dict` or `model`. Names of nested dictionaries are joined by dots;
/// what is no tensor is passed over. The order is the file's.
///
/// Nothing in the file is run. The tensors are on the CPU, compact, and require no gradient.
///
/// # Errors
/// The file is missing, damaged, of another kind, or holds a whole pickled module or no tensor at all.
pub fn read_state_dict(path: &Path) -> Result<Vec<(String, Tensor)>> {
    let archive = Archive::open(path)?;
    let checkpoint = Checkpoint::open(&archive)?;
    let leaves = checkpoint.leaves(checkpoint.weights()?)?;
    let mut tensors = Vec::new();
    for (name, id) in leaves {
        if let Some(layout) = checkpoint.layout(id) {
            let unreadable = |what| archive.mistake(format!("tensor {name:?} cannot be read: {what}"));
            tensors.push((name.clone(), checkpoint.tensor(&layout.map_err(unreadable)?).map_err(unreadable)?));
        }
    }
    if tensors.is_empty() {
        return Err(archive
            .mistake("holds no tensors")
            .remedy("save the weights with torch.save(model.state_dict(), FILE)")
            .into());
    }
    Ok(tensors)
}

/// All that a file of `torch.save` holds, in its order: the path of each leaf and its kind and shape, or its value.
///
/// # Errors
/// As for [`read_state_dict`], except that whatever the file holds is listed.
pub fn describe(path: &Path) -> Result<Vec<(String, String)>> {
    let archive = Archive::open(path)?;
    let checkpoint = Checkpoint::open(&archive)?;
    let leaves = checkpoint.leaves(checkpoint.pickle.root)?;
    Ok(leaves.into_iter().map(|(name, id)| (name, checkpoint.text(id))).collect())
}

/// Writes tensors by name, whole or not at all, as a dictionary that `torch.load(path, weights_only=True)` reads.
/// Views are written compactly, device tensors as CPU tensors.
///
/// # Errors
/// As for [`files::replace`].
pub fn write_state_dict(tensors: &[(String, Tensor)], path: &Path) -> Result<()> {
    let failed =
        |what: String| Mistake::new(path.display(), format!("the tensors cannot be saved: {}", ffi::gist(&what)));
    let names = tensors.iter().map(|(name, _)| ffi::text(name)).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let names: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    let handles = ffi::handles(tensors.iter().map(|(_, tensor)| tensor));
    let mut bytes = ffi::Bytes::default();
    // SAFETY: names, tensors and `bytes` outlive the call.
    ffi::call(|error| unsafe {
        let (names, handles, sink) = (names.as_ptr(), handles.as_ptr(), ffi::Bytes::SINK);
        ffi::polytask_state_dict_save(names, handles, tensors.len(), sink, bytes.context(), error)
    })
    .map_err(failed)?;
    files::replace_with(path, &bytes.0)
}

/// PyTorch's name of a kind, and a shape as Python prints it: `float32 [20, 10]`.
fn shape_text(kind: Kind, shape: &[i64]) -> String {
    let name = match kind {
        Kind::Float => "float32",
        Kind::Double => "float64",
        Kind::Half => "float16",
        Kind::BFloat16 => "bfloat16",
        Kind::Int64 => "int64",
        Kind::Int => "int32",
        Kind::Int16 => "int16",
        Kind::Int8 => "int8",
        Kind::Uint8 => "uint8",
        Kind::Bool => "bool",
        other => return format!("{other:?} {shape:?}"),
    };
    format!("{name} {shape:?}")
}

/// How a tensor lies in its storage.
#[derive(Debug)]
struct Layout {
    /// The storage's record.
    key: String,
    kind: Kind,
    /// In elements, as the strides.
    offset: i64,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

struct Checkpoint<'a> {
    archive: &'a Archive,
    pickle: Pickle,
    /// Storages that were read already: tensors may share one.
    storages: RefCell<HashMap<(String, Kind), Tensor>>,
}

impl<'a> Checkpoint<'a> {
    fn open(archive: &'a Archive) -> Result<Self> {
        archive.expect(Content::Pickle)?;
        if archive.has("byteorder") && &*archive.read("byteorder")? != b"little" {
            return Err(archive
                .mistake("was written on a big-endian machine")
                .remedy("save it again on another machine")
                .into());
        }
        let pickle = unpickle::read(&archive.read("data.pkl")?).map_err(|what| archive.damaged(&what))?;
        Ok(Self { archive, pickle, storages: RefCell::default() })
    }

    /// The dictionary that holds the weights.
    fn weights(&self) -> Result<Id> {
        let root = self.pickle.root;
        let inner = INNER.iter().find_map(|name| self.member(root, name));
        let found = inner.filter(|id| self.layout(*id).is_none()).unwrap_or(root);
        match &self.pickle[found] {
            Value::Dict(_) => Ok(found),
            Value::Call { .. } if self.layout(found).is_some() => Err(self
                .archive
                .mistake("holds a single tensor, not a state_dict")
                .remedy("save model.state_dict()")
                .into()),
            Value::Call { function, .. } => {
                let class = self.global(*function).unwrap_or("unknown");
                let what = format!(
                    "holds a whole pickled object of the class {class}, which only its Python code can rebuild"
                );
                Err(self
                    .archive
                    .mistake(what)
                    .remedy("save its weights with torch.save(model.state_dict(), FILE)")
                    .into())
            }
            _ => Err(self.archive.mistake("holds no dictionary of tensors").remedy("save model.state_dict()").into()),
        }
    }

    fn member(&self, dict: Id, name: &str) -> Option<Id> {
        let Value::Dict(pairs) = &self.pickle[dict] else { return None };
        let (_, value) =
            pairs.iter().find(|(key, _)| matches!(&self.pickle[*key], Value::Text(text) if text == name))?;
        matches!(self.pickle[*value], Value::Dict(_) | Value::Call { .. }).then_some(*value)
    }

    /// Everything below `root` that is no container, with names joined by dots.
    fn leaves(&self, root: Id) -> Result<Vec<(String, Id)>> {
        let mut leaves = Vec::new();
        self.walk(root, String::new(), 0, &mut leaves)?;
        Ok(leaves)
    }

    fn walk(&self, id: Id, name: String, depth: usize, leaves: &mut Vec<(String, Id)>) -> Result<()> {
        // A pickle may contain itself, or name one list a million times.
        if depth > 64 || leaves.len() > 1_000_000 {
            return Err(self.archive.mistake("is nested too deeply to be a checkpoint").into());
        }
        let below = |part: &str| if name.is_empty() { part.to_string() } else { format!("{name}.{part}") };
        match &self.pickle[id] {
            Value::Dict(pairs) => {
                for (key, value) in pairs {
                    self.walk(*value, below(&self.text(*key)), depth + 1, leaves)?;
                }
            }
            Value::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.walk(*item, below(&index.to_string()), depth + 1, leaves)?;
                }
            }
            _ => leaves.push((name, id)),
        }
        Ok(())
    }

    /// A leaf in words; a key's own text.
    fn text(&self, id: Id) -> String {
        match &self.pickle[id] {
            Value::None => "None".into(),
            Value::Bool(value) => if *value { "True" } else { "False" }.into(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => format!("{value:?}"),
            Value::Text(text) => text.clone(),
            Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Value::Sequence(items) => format!("{} items", items.len()),
            Value::Dict(pairs) => format!("{} items", pairs.len()),
            Value::Global(name) => name.clone(),
            Value::Persistent(_) => "a storage".into(),
            Value::Call { function, .. } => match self.layout(id) {
                Some(Ok(layout)) => shape_text(layout.kind, &layout.shape),
                Some(Err(what)) => format!("a tensor that cannot be read: {what}"),
                None => format!("an object of {}", self.global(*function).unwrap_or("an unknown class")),
            },
        }
    }

    fn global(&self, id: Id) -> Option<&str> {
        match &self.pickle[id] {
            Value::Global(name) => Some(name),
            _ => None,
        }
    }

    fn items(&self, id: Id) -> &[Id] {
        match &self.pickle[id] {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    fn integers(&self, id: Id) -> Option<Vec<i64>> {
        let Value::Sequence(items) = &self.pickle[id] else { return None };
        items.iter().map(|item| self.integer(*item)).collect()
    }

    fn integer(&self, id: Id) -> Option<i64> {
        match self.pickle[id] {
            Value::Int(value) => Some(value),
            _ => None,
        }
    }

    /// The tensor that a call would build; `None` if it builds something else.
    fn layout(&self, id: Id) -> Option<Result<Layout, String>> {
        let mut id = id;
        // A parameter wraps a tensor, which may wrap another; a file that wraps without end is no tensor.
        for _ in 0..8 {
            let Value::Call { function, arguments } = &self.pickle[id] else { return None };
            let arguments = self.items(*arguments);
            match self.global(*function)? {
                "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => {
                    return Some(
                        self.read_layout(arguments).ok_or_else(|| "its description is damaged".to_string()).flatten(),
                    );
                }
                "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
                    id = *arguments.first()?
                }
                // A tensor with attributes of its own: (function, class, arguments, attributes)
                "torch._tensor._rebuild_from_type_v2" => match self.global(*arguments.first()?)? {
                    "torch._utils._rebuild_tensor_v2" => {
                        let inner = self.items(*arguments.get(2)?);
                        return Some(
                            self.read_layout(inner).ok_or_else(|| "its description is damaged".to_string()).flatten(),
                        );
                    }
                    other => return Some(Err(format!("it is built by {other}"))),
                },
                other if other.starts_with("torch._utils._rebuild_") => {
                    return Some(Err(format!("it is built by {other}")));
                }
                _ => return None,
            }
        }
        None
    }

    /// The arguments of `_rebuild_tensor_v2`: storage, offset, shape, strides, …. `None` if they are not these.
    fn read_layout(&self, arguments: &[Id]) -> Option<Result<Layout, String>> {
        let [storage, offset, shape, strides, ..] = arguments else { return None };
        let Value::Persistent(storage) = self.pickle[*storage] else { return None };
        // ('storage', torch.FloatStorage, KEY, DEVICE, ELEMENTS)
        let [_, class, key, ..] = self.items(storage) else { return None };
        let Value::Text(key) = &self.pickle[*key] else { return None };
        let class = self.global(*class)?;
        let Some(kind) = storage_kind(class) else { return Some(Err(format!("its storage is a {class}"))) };
        let (offset, shape, strides) = (self.integer(*offset)?, self.integers(*shape)?, self.integers(*strides)?);
        if shape.len() != strides.len() || offset < 0 || shape.iter().chain(&strides).any(|number| *number < 0) {
            return None;
        }
        Some(Ok(Layout { key: key.clone(), kind, offset, shape, strides }))
    }

    fn tensor(&self, layout: &Layout) -> Result<Tensor, String> {
        let storage = self.storage(layout)?;
        let elements = storage.numel() as i64;
        // The last element that the shape and the strides reach.
        let last = layout.shape.iter().zip(&layout.strides).try_fold(layout.offset, |last, (length, stride)| {
            last.checked_add((length - 1).max(0).checked_mul(*stride)?)
        });
        let count = layout.shape.iter().try_fold(1_i64, |count, length| count.checked_mul(*length));
        let (Some(last), Some(count)) = (last, count) else { return Err("its shape is out of bounds".into()) };
        // A stride of 0 repeats an element: a file may claim a tensor larger than any memory.
        if (count > 0 && last >= elements) || count > elements.max(1 << 24) {
            return Err(format!("it reaches beyond the {elements} elements of its storage"));
        }
        if count == 0 {
            return Ok(Tensor::zeros(&layout.shape, (layout.kind, tch::Device::Cpu)));
        }
        let view = storage
            .f_as_strided(&layout.shape, &layout.strides, layout.offset)
            .map_err(|e| crate::error::first_line(&e))?;
        Ok(if count == elements && view.is_contiguous() { view } else { view.contiguous().copy() })
    }

    fn storage(&self, layout: &Layout) -> Result<Tensor, String> {
        let key = (layout.key.clone(), layout.kind);
        if let Some(storage) = self.storages.borrow().get(&key) {
            return Ok(storage.shallow_clone());
        }
        let bytes = self.archive.read(&format!("data/{}", layout.key)).map_err(|error| error.to_string())?;
        let size = layout.kind.elt_size_in_bytes();
        let elements = bytes.len() / size;
        let storage = Tensor::f_from_data_size(&bytes[..elements * size], &[elements as i64], layout.kind)
            .map_err(|error| crate::error::first_line(&error))?;
        self.storages.borrow_mut().insert(key, storage.shallow_clone());
        Ok(storage)
    }
}

fn storage_kind(class: &str) -> Option<Kind> {
    Some(match class.strip_prefix("torch.")?.strip_suffix("Storage")? {
        "Float" => Kind::Float,
        "Double" => Kind::Double,
        "Half" => Kind::Half,
        "BFloat16" => Kind::BFloat16,
        "Long" => Kind::Int64,
        "Int" => Kind::Int,
        "Short" => Kind::Int16,
        "Char" => Kind::Int8,
        "Byte" => Kind::Uint8,
        "Bool" => Kind::Bool,
        _ => return None,
    })
}
