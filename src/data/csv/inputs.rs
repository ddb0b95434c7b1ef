//! Which columns of the header are inputs.

use super::Csv;
use super::table::{Opened, Role, Wanted, hint};
use crate::data::{Column, Features};
use crate::error::{BadSetting, Mistake};
use crate::tasks::Task;
use anyhow::Result;
use globset::Glob;

/// An input column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Input {
    pub name: String,
    pub categorical: bool,
    /// Whether an empty cell is taken.
    pub may_miss: bool,
}

impl Input {
    /// How it is read.
    pub fn wanted(&self) -> Wanted<'_> {
        let role = if self.categorical { Role::Category } else { Role::Number { may_miss: self.may_miss } };
        Wanted { name: &self.name, role }
    }
}

/// The columns of the first file that the section names as inputs.
pub(super) fn choose(settings: &Csv, files: &[Opened], first: usize, tasks: &[Task]) -> Result<Vec<Input>> {
    let header = &files[first].header;
    let kept = kept_out(settings, tasks);
    let excluded = excluded(settings, files)?;
    let mut chosen: Vec<usize> = Vec::new();
    match &settings.inputs {
        None => chosen.extend((0..header.len()).filter(|field| !kept.iter().any(|(name, _)| *name == header[*field]))),
        Some(patterns) => {
            for (index, pattern) in patterns.iter().enumerate() {
                let setting = format!("data.inputs[{index}]");
                let fields = find(&setting, pattern, &files[first])?;
                if fields.len() == 1 && header[fields[0]] == *pattern && chosen.contains(&fields[0]) {
                    return Err(BadSetting::new(setting, format!("\"{pattern}\" is an input already")).into());
                }
                chosen.extend(fields.iter().filter(|field| !chosen.contains(field)).copied().collect::<Vec<_>>());
            }
        }
    }
    chosen.retain(|field| !excluded.contains(&header[*field]));
    if let Some((name, what)) = kept.iter().find(|(name, _)| chosen.iter().any(|field| header[*field] == *name)) {
        return Err(BadSetting::new("data.inputs", format!("\"{name}\" is an input and {what}"))
            .remedy("leave it out of `inputs`, or name it in `exclude`: a model that reads its answer learns nothing")
            .into());
    }
    if chosen.is_empty() {
        let what = format!("leaves no input column of {}", files[first].path.display());
        return Err(BadSetting::new("data.inputs", what).remedy("name at least one column").into());
    }
    if settings.inputs.is_none() {
        no_column_too_many(header, files, &kept, &excluded)?;
    }
    let categorical = categorical(settings, &files[first], &chosen)?;
    let input = |field: usize| {
        let categorical = categorical.contains(&field);
        let may_miss = !categorical && settings.missing == super::Missing::Mean;
        Input { name: header[field].clone(), categorical, may_miss }
    };
    Ok(chosen.into_iter().map(input).collect())
}

/// The columns that a fitted model reads.
pub(super) fn fitted(features: &Features) -> Vec<Input> {
    let input = |column: &Column| match column {
        Column::Numeric { name, missing, .. } => {
            Input { name: name.clone(), categorical: false, may_miss: missing.is_some() }
        }
        Column::Categorical { name, .. } => Input { name: name.clone(), categorical: true, may_miss: false },
    };
    features.columns.iter().map(input).collect()
}

/// Whether the experiment's inputs are the columns that a model reads, in any order.
///
/// # Errors
/// One of the two has a column more; the first is named.
pub(super) fn same_columns(model: &[Input], own: &[Input]) -> Result<(), BadSetting> {
    let lacks = |inputs: &[Input], of: &[Input]| {
        let strange = of.iter().find(|input| !inputs.iter().any(|other| other.name == input.name));
        strange.map(|input| input.name.clone())
    };
    let what = match (lacks(own, model), lacks(model, own)) {
        (Some(name), _) => format!("leaves out \"{name}\", which the model reads"),
        (None, Some(name)) => format!("has \"{name}\", which the model does not read"),
        (None, None) => return Ok(()),
    };
    Err(BadSetting::new("data.inputs", what).remedy(
        "name the columns that the model was trained on; one that a new model must not read goes into `exclude`",
    ))
}

/// The columns that can be no inputs, each with the reason.
fn kept_out<'a>(settings: &'a Csv, tasks: &'a [Task]) -> Vec<(&'a str, String)> {
    let targets = tasks.iter().flat_map(|task| {
        task.targets.iter().map(|target| (target.as_str(), format!("the target of task \"{}\"", task.name)))
    });
    let weight = settings.weight.iter().map(|weight| (weight.as_str(), "the weight of the rows".to_string()));
    targets.chain(weight).collect()
}

/// The names, over all files, that `exclude` takes out.
fn excluded(settings: &Csv, files: &[Opened]) -> Result<Vec<String>, BadSetting> {
    let mut names = Vec::new();
    for (index, pattern) in settings.exclude.iter().enumerate() {
        let setting = format!("data.exclude[{index}]");
        let found: Vec<_> = files.iter().map(|file| (file, find(&setting, pattern, file))).collect();
        if found.iter().all(|(_, fields)| fields.is_err()) {
            return Err(found.into_iter().find_map(|(_, fields)| fields.err()).expect("a plan has a file"));
        }
        for (file, fields) in found {
            names.extend(fields.into_iter().flatten().map(|field| file.header[field].clone()));
        }
    }
    Ok(names)
}

/// The fields that `categorical` names, all of them inputs.
fn categorical(settings: &Csv, file: &Opened, chosen: &[usize]) -> Result<Vec<usize>, BadSetting> {
    let mut fields = Vec::new();
    for (index, pattern) in settings.categorical.iter().enumerate() {
        let setting = format!("data.categorical[{index}]");
        let found: Vec<usize> =
            find(&setting, pattern, file)?.into_iter().filter(|field| chosen.contains(field)).collect();
        if found.is_empty() {
            return Err(
                BadSetting::new(setting, format!("\"{pattern}\" is no input")).remedy("name it in `inputs` too")
            );
        }
        fields.extend(found);
    }
    Ok(fields)
}

/// The fields that a name or a pattern means, in the file's order. A header that is called so comes before a pattern.
fn find(setting: &str, pattern: &str, file: &Opened) -> Result<Vec<usize>, BadSetting> {
    if let Some(field) = file.header.iter().position(|name| name == pattern) {
        return Ok(vec![field]);
    }
    let glob = Glob::new(pattern).map_err(|error| BadSetting::new(setting, format!("is no pattern: {error}")))?;
    let matcher = glob.compile_matcher();
    let fields: Vec<usize> = (0..file.header.len()).filter(|field| matcher.is_match(&file.header[*field])).collect();
    if !fields.is_empty() {
        return Ok(fields);
    }
    let mistake = BadSetting::new(setting, format!("\"{pattern}\" matches no column of {}", file.path.display()));
    Err(mistake.remedy(hint(pattern, &file.header)))
}

/// Where every column is an input, a column that the first file lacks would be dropped unsaid.
fn no_column_too_many(
    header: &[String],
    files: &[Opened],
    kept: &[(&str, String)],
    excluded: &[String],
) -> Result<(), Mistake> {
    for file in files {
        let unknown = file.header.iter().find(|name| {
            !header.contains(name) && !excluded.contains(name) && !kept.iter().any(|(kept, _)| kept == name)
        });
        if let Some(name) = unknown {
            return Err(Mistake::new(
                file.path.display(),
                format!("has a column \"{name}\" that the training file lacks"),
            )
            .remedy("name the `inputs`, or name it in `exclude`"));
        }
    }
    Ok(())
}
