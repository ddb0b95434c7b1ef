//! Settings from YAML: every mistake names its line, column, path, value, and the way on.

mod overrides;
mod places;
mod syntax;
mod tree;
mod words;
mod write;

pub use overrides::Override;
pub use places::Places;
pub use write::{difference, inline, to_yaml};

use crate::error::{BadSetting, Mistake};
use crate::files;
use crate::path::{SettingPath, Step};
use serde::de::DeserializeOwned;
use serde_yaml::Value;
use std::path::Path;
use tree::Tree;

/// Settings, and where each of them stands.
#[derive(Debug, Clone)]
pub struct Document<T> {
    /// As read, overrides included.
    pub settings: T,
    /// For mistakes that are found later.
    pub places: Places,
}

/// Reads the settings in `text`, a file that the person calls `place`, with `overrides` laid over them in order.
///
/// ```
/// #[derive(Debug, serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Settings { epochs: u64 }
/// let document = polytask::yaml::read::<Settings>("epochs: 5", "a.yaml", &["epochs=7".parse().unwrap()]).unwrap();
/// assert_eq!(document.settings.epochs, 7);
/// let mistake = polytask::yaml::read::<Settings>("# short\nepochs: few", "a.yaml", &[]).unwrap_err();
/// assert_eq!(mistake.to_string(), "a.yaml:2:9: epochs: string \"few\" is not a whole number of 0 or above");
/// ```
///
/// # Errors
/// The first mistake in the text or in the overrides.
pub fn read<T: DeserializeOwned>(text: &str, place: &str, overrides: &[Override]) -> Result<Document<T>, Mistake> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tree = Tree::read(text);
    let mut value = syntax::parse(text, &tree).map_err(|flaw| {
        let (line, column) = flaw.at.unwrap_or((1, 1));
        Mistake { place: format!("{place}:{line}:{column}"), what: flaw.what, remedy: flaw.remedy }
    })?;
    let places = Places::new(place, tree, overrides);
    let remedy = "write settings as lines of \"name: value\"";
    match &value {
        Value::Null => return Err(Mistake::new(place, "holds no settings").remedy(remedy)),
        Value::Mapping(_) => {}
        other => {
            let what = format!("{} where settings are needed", crate::registry::kind(other).replace('`', ""));
            return Err(Mistake::new(places.of(""), what).remedy(remedy));
        }
    }
    for change in overrides {
        change.apply(&mut value)?;
    }
    match settings(&value) {
        Ok(settings) => Ok(Document { settings, places }),
        Err(bad) => {
            let allowed = names_for(&bad, &value, |value| settings::<T>(value).err());
            Err(words::explain(bad, &allowed, &value, &places))
        }
    }
}

fn settings<T: DeserializeOwned>(value: &Value) -> Result<T, BadSetting> {
    crate::registry::settings(value.as_mapping().cloned().unwrap_or_default())
}

/// The names that are allowed where something other than a text stands: serde tells them only to a text.
fn names_for(bad: &BadSetting, root: &Value, read: impl Fn(&Value) -> Option<BadSetting>) -> Vec<String> {
    if !bad.what.ends_with("expected a Value::Tagged enum") {
        return vec![];
    }
    let path: SettingPath = bad.path.parse().unwrap_or_default();
    let mut root = root.clone();
    let place = path.steps.iter().try_fold(&mut root, |value, step| match step {
        Step::Key(key) => value.as_mapping_mut()?.get_mut(key.as_str()),
        Step::Index(index) => value.as_sequence_mut()?.get_mut(*index),
    });
    let Some(place) = place else { return vec![] };
    *place = Value::from("\u{1}");
    read(&root).filter(|other| other.path == bad.path).map(|other| words::names(&other.what)).unwrap_or_default()
}

/// Reads the settings in the file `path`.
///
/// # Errors
/// The file cannot be read, is not UTF-8, or as [`read`].
pub fn read_file<T: DeserializeOwned>(path: &Path, overrides: &[Override]) -> Result<Document<T>, Mistake> {
    let place = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| files::unreadable(path, &error))?;
    read(&utf8(bytes, &place)?, &place, overrides)
}

fn utf8(bytes: Vec<u8>, place: &str) -> Result<String, Mistake> {
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let before = String::from_utf8_lossy(good);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let byte = error.as_bytes()[good.len()];
        Mistake::new(format!("{place}:{line}:{column}"), format!("byte 0x{byte:02x} is not UTF-8 text"))
            .remedy("save the file as UTF-8")
    })
}

#[cfg(test)]
mod tests;
