//! Which file's rows go to which input of a model.

use crate::error::{Mistake, nearest};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Rows as a person names them: `PATH`, or `NAME=PATH` for one of several inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenRows {
    /// The input that they are for, where that is said.
    pub name: Option<String>,
    /// Where they lie; behind the file of an array its `:KEY`.
    pub path: PathBuf,
}

impl GivenRows {
    /// Reads `NAME=PATH`, where NAME is a word of letters, digits and `_`; all else is a path, and
    /// so is what exists as one, such as `lr=0.1/x.npy`.
    pub fn new(text: &OsStr) -> Self {
        let whole = || Self { name: None, path: PathBuf::from(text) };
        let Some((name, path)) = text.to_str().and_then(|text| text.split_once('=')) else { return whole() };
        let is_word = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.is_empty();
        if !is_word || path.is_empty() || file(Path::new(text)).exists() {
            return whole();
        }
        Self { name: Some(name.to_string()), path: PathBuf::from(path) }
    }

    /// The file or folder, without the `:KEY` of an array.
    pub(super) fn file(&self) -> &Path {
        file(&self.path)
    }
}

/// A path as it is, or, where nothing is there, the file before its `:KEY`.
fn file(path: &Path) -> &Path {
    let keyed = path.to_str().filter(|_| !path.exists()).and_then(|text| text.rsplit_once(':'));
    keyed.map_or(path, |(file, _)| Path::new(file))
}

/// The inputs that a model reads.
#[derive(Debug)]
pub(super) struct InputNames {
    /// Those that it must get, in order.
    pub required: Vec<String>,
    /// Those that it can do without.
    pub optional: Vec<String>,
}

impl InputNames {
    /// The files by the names of the inputs that they are for, in the model's order; `place` names
    /// the model.
    ///
    /// # Errors
    /// An input that the model does not read, that is missing, or that is given twice; several
    /// files without a name.
    pub fn assign(&self, given: &[GivenRows], place: &str) -> Result<Vec<(String, PathBuf)>, Mistake> {
        let all: Vec<&String> = self.required.iter().chain(&self.optional).collect();
        if let ([GivenRows { name: None, path }], 0 | 1) = (given, self.required.len()) {
            let name = all.first().map_or("x".to_string(), |name| (*name).clone());
            return Ok(vec![(name, path.clone())]);
        }
        for (at, GivenRows { name, path }) in given.iter().enumerate() {
            let Some(name) = name else { return Err(self.unnamed(path, place)) };
            if !all.contains(&name) {
                let near = nearest(name, all.iter().map(|name| name.as_str()));
                let remedy =
                    near.map_or(format!("it reads {}", self.listed()), |near| format!("did you mean \"{near}\"?"));
                return Err(Mistake::new(place, format!("has no input \"{name}\"")).remedy(remedy));
            }
            if given[..at].iter().any(|other| other.name.as_ref() == Some(name)) {
                let what = format!("input \"{name}\" is given twice");
                return Err(Mistake::new(path.display(), what).remedy("give every input once"));
            }
        }
        let path = |name: &String| given.iter().find(|it| it.name.as_ref() == Some(name)).map(|it| it.path.clone());
        if let Some(missing) = self.required.iter().find(|name| path(name).is_none()) {
            let what = format!("reads the inputs {}, and {missing} is not given", self.listed());
            return Err(Mistake::new(place, what).remedy(format!("add {missing}=PATH")));
        }
        Ok(all.into_iter().filter_map(|name| Some((name.clone(), path(name)?))).collect())
    }

    fn unnamed(&self, path: &Path, place: &str) -> Mistake {
        let (what, remedy) = match self.required.as_slice() {
            [] | [_] => (format!("reads one input, {}", self.listed()), "give it one file or folder".to_string()),
            several => {
                let named: Vec<String> = several.iter().map(|name| format!("{name}=PATH")).collect();
                (format!("reads the inputs {}", self.listed()), format!("name each: {}", named.join(" ")))
            }
        };
        let what = format!("{what}, and {} does not say which input it is", path.display());
        Mistake::new(place, what).remedy(remedy)
    }

    fn listed(&self) -> String {
        let optional = self.optional.iter().map(|name| format!("{name} (optional)"));
        self.required.iter().cloned().chain(optional).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(texts: &[&str]) -> Vec<GivenRows> {
        texts.iter().map(|text| GivenRows::new(OsStr::new(text))).collect()
    }

    #[test]
    fn a_name_is_a_word_before_a_path() {
        let name = |text: &str| GivenRows::new(OsStr::new(text)).name;
        assert_eq!(name("image=a.npy"), Some("image".into()));
        assert_eq!(name("image=a=b/c.npz:key"), Some("image".into()));
        for path in ["a.npy", "./image=a.npy", "runs/lr=0.1/a.npy", "=a.npy", "image="] {
            assert_eq!(given(&[path]), [GivenRows { name: None, path: path.into() }]);
        }
    }

    #[test]
    fn every_input_is_given_once_by_its_name() {
        let names = |required: &[&str], optional: &[&str]| InputNames {
            required: required.iter().map(|name| (*name).to_string()).collect(),
            optional: optional.iter().map(|name| (*name).to_string()).collect(),
        };
        let assign = |names: &InputNames, texts: &[&str]| match names.assign(&given(texts), "model.pt") {
            Ok(all) => {
                all.iter().map(|(name, path)| format!("{name}={}", path.display())).collect::<Vec<_>>().join(" ")
            }
            Err(mistake) => format!("{mistake}; {}", mistake.remedy.clone().unwrap_or_default()),
        };
        let (one, two) = (names(&["x"], &[]), names(&["image", "table"], &["mask"]));
        assert_eq!((assign(&one, &["a"]), assign(&one, &["x=a"])), ("x=a".into(), "x=a".into()));
        assert_eq!(assign(&names(&[], &["x"]), &["a"]), "x=a");
        assert_eq!(assign(&two, &["table=b", "image=a"]), "image=a table=b");
        assert_eq!(assign(&two, &["mask=c", "table=b", "image=a"]), "image=a table=b mask=c");
        for (names, texts, expected) in [
            (&one, &["a", "b"][..], "reads one input, x, and a does not say which"),
            (
                &two,
                &["a"],
                "reads the inputs image, table, mask (optional), and a does not say which input it is; name each",
            ),
            (&two, &["imgae=a", "table=b"], "has no input \"imgae\"; did you mean \"image\"?"),
            (&two, &["zebra=a", "table=b"], "has no input \"zebra\"; it reads image, table, mask (optional)"),
            (&two, &["table=a", "table=b"], "input \"table\" is given twice"),
            (&two, &["table=a"], "and image is not given; add image=PATH"),
        ] {
            let said = assign(names, texts);
            assert!(said.contains(expected), "{said}");
        }
    }
}
