//! Weights to start from: a whole file, or what of it fits.

use crate::error::{BadSetting, Mistake, nearest, note};
use crate::libtorch::{Content, extra_file, recognise};
use crate::metadata::{self, Metadata, ModelFacts};
use crate::models::Parameters;
use crate::registry::{bad_setting, kind, settings};
use crate::run;
use crate::tensor_file;
use crate::weights;
use anyhow::Result;
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};
use serde::{Deserialize as DeriveDeserialize, Serialize, Serializer};
use serde_yaml::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::Tensor;

/// Weights to start from.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(untagged)]
#[allow(clippy::large_enum_variant)] // one value per run
pub enum Initial {
    /// A file that holds every parameter of the model, and no other.
    File(PathBuf),
    /// What of a file is taken, and under which names.
    Part(InitialPart),
}

/// What of a file is taken, and under which names.
#[derive(Debug, Clone, PartialEq, Serialize, DeriveDeserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitialPart {
    /// A TorchScript, safetensors or PyTorch file.
    pub file: PathBuf,
    /// What stands before the names in the file and not in the model, such as `module.` or `state_dict.model.`; what does not
    /// begin with it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strip: Option<String>,
    /// Names in the file (without what was stripped) -> names in the model: of one tensor, or of a module with all that is in
    /// it, such as `{encoder: shared_layers}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rename: BTreeMap<String, String>,
    /// The model's parameters and buffers that are taken: names or patterns such as `shared_layers.*`. All others start as
    /// they would without a file. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
}

impl Serialize for Initial {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::File(file) => file.serialize(serializer),
            Self::Part(part) => part.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Initial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(file) => Ok(Self::File(file.into())),
            Value::Mapping(section) => settings(section).map(Self::Part).map_err(|bad: BadSetting| bad_setting(&bad)),
            other => Err(D::Error::custom(format!(
                "invalid type: {}, expected a file or {{file: PATH, only: [NAME, …]}}",
                kind(&other)
            ))),
        }
    }
}

impl Initial {
    /// The file.
    pub fn file(&self) -> &Path {
        match self {
            Self::File(file) => file,
            Self::Part(part) => &part.file,
        }
    }

    /// With another path of the file.
    #[must_use]
    pub fn at(&self, file: PathBuf) -> Self {
        match self {
            Self::File(_) => Self::File(file),
            Self::Part(part) => Self::Part(InitialPart { file, ..part.clone() }),
        }
    }

    /// The patterns of what is taken; empty for all.
    fn only(&self) -> &[String] {
        match self {
            Self::File(_) => &[],
            Self::Part(part) => &part.only,
        }
    }

    /// The tensors of the file under the model's names.
    fn read(&self, file: &Path) -> Result<Vec<(String, Tensor)>> {
        let tensors = match run::is_checkpoint(file) {
            Some((folder, name)) => run::weights(folder, name)?,
            None => weights::read(file)?,
        };
        let Self::Part(InitialPart { strip, rename, .. }) = self else { return Ok(tensors) };
        let prefix = strip.as_deref().unwrap_or_default();
        let first = tensors.first().map(|(name, _)| name.clone()).unwrap_or_default();
        // A checkpoint's own state_dict is taken out of it already, and `inspect` shows the whole path.
        let begins = |prefix: &str| tensors.iter().any(|(name, _)| name.starts_with(prefix));
        let inside = prefix.strip_prefix("state_dict.").filter(|inside| !begins(prefix) && begins(inside));
        let prefix = inside.unwrap_or(prefix);
        let stripped: Vec<_> = tensors
            .into_iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_string(), tensor)))
            .collect();
        if stripped.is_empty() {
            let what = format!("no name in {} begins with \"{prefix}\"", file.display());
            return Err(BadSetting::new("model.initial.strip", what).remedy(format!("its first is {first}")).into());
        }
        if let Some(from) = rename.keys().find(|from| !stripped.iter().any(|(name, _)| below(name, from).is_some())) {
            let near = nearest(from, stripped.iter().map(|(name, _)| name.as_str()));
            let bad = BadSetting::new("model.initial.rename", format!("no name in {} is {from}", file.display()));
            return Err(bad
                .remedy(near.map_or(format!("its first is {first}"), |near| format!("did you mean {near}?")))
                .into());
        }
        let kept: Vec<_> = stripped.into_iter().map(|(name, tensor)| (renamed(&name, rename), tensor)).collect();
        Ok(kept)
    }

    /// Puts the file's tensors into the model; `folder` is where its path starts.
    ///
    /// # Errors
    /// The file cannot be read, or a tensor that is to be taken is missing or has another shape.
    pub fn load(&self, parameters: &mut Parameters, folder: &Path) -> Result<()> {
        let file = folder.join(self.file());
        let taken = parameters.load_only(&self.read(&file)?, self.only(), &file.display().to_string())?;
        if !self.only().is_empty() {
            let all = parameters.named().len();
            note(format!("note: {taken} of the model's {all} parameters and buffers are from {}", file.display()));
        }
        Ok(())
    }

    /// What the model in `file`, of which all `facts` are known, says of what is taken from it: of a
    /// part, heads that are not taken say nothing about their tasks, and renamed ones are other
    /// tasks' now.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn facts_taken(&self, mut facts: ModelFacts, file: &Path) -> Result<ModelFacts> {
        let Self::Part(InitialPart { rename, only, .. }) = self else { return Ok(facts) };
        if only.is_empty() && rename.is_empty() {
            return Ok(facts);
        }
        let names = self.read(file)?;
        let taken = |head: &str| names.iter().any(|(name, _)| below(name, head).is_some() && self.takes(name));
        for task in &mut facts.tasks {
            let head = renamed(&format!("{}_layer", task.name), rename);
            task.name = head.strip_suffix("_layer").unwrap_or_default().to_string();
        }
        facts.tasks.retain(|task| taken(&format!("{}_layer", task.name)));
        Ok(facts)
    }

    /// Whether a parameter is taken.
    fn takes(&self, name: &str) -> bool {
        let matches =
            |pattern: &String| globset::Glob::new(pattern).is_ok_and(|it| it.compile_matcher().is_match(name));
        self.only().is_empty() || self.only().iter().any(matches)
    }
}

/// A name by its longest match in `rename`: itself, or a module that it lies in.
fn renamed(name: &str, rename: &BTreeMap<String, String>) -> String {
    let matches = rename.iter().filter_map(|(from, to)| Some((from, to, below(name, from)?)));
    match matches.max_by_key(|(from, ..)| from.len()) {
        Some((_, to, rest)) => format!("{}{rest}", to.trim_end_matches('.')).trim_start_matches('.').to_string(),
        None => name.to_string(),
    }
}

/// What follows `module` in the name of something that it is or that lies in it.
fn below<'a>(name: &'a str, module: &str) -> Option<&'a str> {
    name.strip_prefix(module.trim_end_matches('.')).filter(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What a file that Polytask wrote says of how its model is fed and read; `None` for a file from elsewhere. Nothing of a
/// TorchScript file is run.
///
/// # Errors
/// The file is missing or damaged.
pub fn facts(file: &Path) -> Result<Option<ModelFacts>> {
    let place = file.display().to_string();
    match recognise(file)? {
        Content::TorchScript => {
            let text = extra_file(file, metadata::FILE)?;
            Ok(text.map(|text| Metadata::parse(&text, &place)).transpose()?.map(|metadata| metadata.facts))
        }
        Content::Safetensors => {
            let Some(written) = tensor_file::facts(file)? else { return Ok(None) };
            let facts = of_checkpoint(&written, &place)?;
            if facts.is_none() {
                note(format!(
                    "note: {place} does not say how its model is fed and read: columns, classes and label units are taken \
                     by position"
                ));
            }
            Ok(facts)
        }
        _ => Ok(None),
    }
}

/// What a checkpoint's facts say of the model; `None` of what Polytask 0.1 wrote.
///
/// # Errors
/// A later version wrote them.
pub fn of_checkpoint(facts: &serde_json::Value, place: &str) -> Result<Option<ModelFacts>> {
    let model = facts.get("model").cloned();
    let read = model.map(serde_json::from_value).transpose();
    Ok(read.map_err(|error| {
        Mistake::new(place, format!("its facts about the model cannot be read ({error})"))
            .remedy("use the version of Polytask that wrote the file")
    })?)
}
