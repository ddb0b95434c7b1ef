//! Which parameters are updated with which settings: patterns over names become segments of the flat buffer.

use super::OptimizerKind;
use crate::error::{BadSetting, nearest};
use globset::{GlobBuilder, GlobMatcher};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters with settings of their own.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterGroup {
    /// Which parameters: a pattern over their names, such as `shared_layers.*` or `*.bias`; `*` also matches dots.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Their base learning rate; the optimizer's own where absent.
    #[serde(default, with = "crate::settings::optional::NonNegative", skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Their weight decay; the optimizer's own where absent.
    #[serde(default, with = "crate::settings::optional::NonNegative", skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

/// A run of neighbouring parameters in the flat buffer that share their settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// Where it begins, in elements.
    pub start: i64,
    /// How many elements it has.
    pub length: i64,
    /// Before the schedule.
    pub learning_rate: f64,
    /// As the rule understands it.
    pub weight_decay: f64,
}

/// Cuts a flat buffer into segments: parameters in the buffer's order, as name, number of elements, and whether it is frozen.
///
/// A frozen parameter is in no segment. Neighbours with equal settings share one.
///
/// # Errors
/// A group of the rule's is malformed, sets nothing, or applies to no parameter; the path begins with `optimizer.groups[i]`.
pub fn segments(parameters: &[(String, i64, bool)], rule: &OptimizerKind) -> Result<Vec<Segment>, BadSetting> {
    let groups = rule.groups();
    let matchers = groups.iter().enumerate().map(|(i, group)| matcher(i, group)).collect::<Result<Vec<_>, _>>()?;
    let mut used = vec![false; groups.len()];
    let mut segments: Vec<Segment> = Vec::new();
    let mut start = 0;
    for (name, length, frozen) in parameters {
        let group = matchers.iter().position(|matcher| matcher.is_match(name));
        if let Some(group) = group {
            used[group] = true;
        }
        if !frozen && *length > 0 {
            let group = group.map(|group| &groups[group]);
            let learning_rate = group.and_then(|g| g.learning_rate).unwrap_or(rule.learning_rate());
            let weight_decay = group.and_then(|g| g.weight_decay).unwrap_or(rule.weight_decay());
            append(&mut segments, Segment { start, length: *length, learning_rate, weight_decay });
        }
        start += length;
    }
    match used.iter().position(|used| !used) {
        Some(unused) => Err(applies_to_nothing(unused, &matchers, groups, parameters)),
        None => Ok(segments),
    }
}

/// Adds a segment, or lengthens the last one where it goes on with the same settings.
fn append(segments: &mut Vec<Segment>, next: Segment) {
    match segments.last_mut() {
        Some(last)
            if last.start + last.length == next.start
                && last.learning_rate == next.learning_rate
                && last.weight_decay == next.weight_decay =>
        {
            last.length += next.length;
        }
        _ => segments.push(next),
    }
}

fn matcher(index: usize, group: &ParameterGroup) -> Result<GlobMatcher, BadSetting> {
    if group.learning_rate.is_none() && group.weight_decay.is_none() {
        let what = format!("the group `{}` sets nothing", group.pattern);
        return Err(BadSetting::new(format!("optimizer.groups[{index}]"), what)
            .remedy("give it a learning_rate, a weight_decay, or both"));
    }
    let glob = GlobBuilder::new(&group.pattern).build().map_err(|error| {
        let what = format!("`{}` is not a pattern: {}", group.pattern, error.kind());
        BadSetting::new(format!("optimizer.groups[{index}].match"), what)
            .remedy("use * for any characters, ? for one, {a,b} for alternatives")
    })?;
    Ok(glob.compile_matcher())
}

fn applies_to_nothing(
    index: usize,
    matchers: &[GlobMatcher],
    groups: &[ParameterGroup],
    parameters: &[(String, i64, bool)],
) -> BadSetting {
    let (path, pattern) = (format!("optimizer.groups[{index}].match"), &groups[index].pattern);
    let names = || parameters.iter().map(|(name, ..)| name.as_str());
    if names().any(|name| matchers[index].is_match(name)) {
        return BadSetting::new(path, format!("groups before it take every parameter that `{pattern}` matches"))
            .remedy("put narrow patterns before wide ones: the first match wins");
    }
    // A pattern may mean a whole module: `shared_layer.*` is near to `shared_layers.*`, not to `shared_layers.0.weight`.
    let modules: Vec<String> =
        names().flat_map(|name| name.match_indices('.').map(|(dot, _)| format!("{}*", &name[..=dot]))).collect();
    let error = BadSetting::new(path, format!("no parameter is named `{pattern}`"));
    match nearest(pattern, names().chain(modules.iter().map(String::as_str))) {
        Some(near) => error.remedy(format!("did you mean `{near}`?")),
        None => error.remedy(format!("the parameters are {}", names().collect::<Vec<_>>().join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Vec<(String, i64, bool)> {
        [
            ("shared_layers.0.weight", 200, false),
            ("shared_layers.0.bias", 20, false),
            ("shared_layers.2.weight", 400, true),
            ("shared_layers.2.bias", 20, false),
            ("task_layers.0.weight", 40, false),
            ("task_layers.0.bias", 2, false),
        ]
        .map(|(name, length, frozen)| (name.to_string(), length, frozen))
        .to_vec()
    }

    fn cut(yaml: &str) -> Result<Vec<(i64, i64, f64, f64)>, BadSetting> {
        let rule = serde_yaml::from_str(yaml).expect("valid YAML");
        Ok(segments(&parameters(), &rule)?
            .iter()
            .map(|s| (s.start, s.length, s.learning_rate, s.weight_decay))
            .collect())
    }

    #[test]
    fn neighbours_of_equal_settings_are_one_segment_and_frozen_ones_none() {
        assert_eq!(cut("{name: adam}"), Ok(vec![(0, 220, 1e-3, 0.0), (620, 62, 1e-3, 0.0)]));
    }

    #[test]
    fn the_first_matching_group_wins_and_what_it_leaves_open_is_the_rules() {
        let groups = "[{match: '*.bias', weight_decay: 0}, {match: 'shared_layers.*', learning_rate: 0.5}]";
        assert_eq!(
            cut(&format!("{{name: adamw, groups: {groups}}}")),
            Ok(vec![
                (0, 200, 0.5, 0.01),
                (200, 20, 1e-3, 0.0),
                (620, 20, 1e-3, 0.0),
                (640, 40, 1e-3, 0.01),
                (680, 2, 1e-3, 0.0)
            ])
        );
    }

    #[test]
    fn a_group_that_applies_to_nothing_is_an_error_with_a_way_on() {
        for (groups, path, remedy) in [
            ("[{match: shared_layer.*, learning_rate: 1}]", "groups[0].match", "did you mean `shared_layers.*`?"),
            (
                "[{match: task_layers.0.wieght, learning_rate: 1}]",
                "groups[0].match",
                "did you mean `task_layers.0.weight`?",
            ),
            ("[{match: zebra, learning_rate: 1}]", "groups[0].match", "the parameters are shared_layers.0.weight, "),
            (
                "[{match: '*', learning_rate: 1}, {match: '*.bias', learning_rate: 2}]",
                "groups[1].match",
                "put narrow patterns before wide ones",
            ),
            ("[{match: '[', learning_rate: 1}]", "groups[0].match", "use * for any characters"),
            ("[{match: '*'}]", "groups[0]", "give it a learning_rate"),
        ] {
            let error = cut(&format!("{{name: sgd, groups: {groups}}}")).expect_err(groups);
            assert_eq!(error.path, format!("optimizer.{path}"), "{groups}");
            assert!(error.remedy.as_ref().is_some_and(|r| r.starts_with(remedy)), "{groups}: {error:?}");
        }
    }

    #[test]
    fn groups_are_written_as_they_are_read() {
        let yaml = "name: sgd\nlearning_rate: 0.1\ngroups:\n- match: '*.bias'\n  weight_decay: 0.5\n";
        let rule: OptimizerKind = serde_yaml::from_str(yaml).expect("valid YAML");
        let written = serde_yaml::to_string(&rule).expect("serializable");
        assert!(written.ends_with("groups:\n- match: '*.bias'\n  weight_decay: 0.5\n"), "{written}");
    }
}
