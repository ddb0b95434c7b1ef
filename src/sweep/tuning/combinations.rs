//! The combinations of tuned values that an arm tries: all of a grid, or so many that are drawn.

use super::super::change::{Change, above_first};
use super::Tuned;
use crate::error::BadSetting;
use std::collections::HashSet;

/// More trials of an arm than anyone means.
const MOST: u64 = 1_000_000;

/// Draws in a row that find nothing new, after which drawing ends.
const PATIENCE: usize = 1000;

/// A value for every tuned setting.
#[derive(Debug, Clone)]
pub struct Combination {
    /// `learning_rate=0.01,c=0.4`; empty where nothing is tuned.
    pub label: String,
    /// The settings, upper ones first.
    pub changes: Vec<Change>,
}

impl Combination {
    fn new(mut changes: Vec<Change>) -> Self {
        let one = |change: &Change| format!("{}={}", change.path.last_key().unwrap_or("value"), change.called(true));
        let label = changes.iter().map(one).collect::<Vec<_>>().join(",");
        above_first(&mut changes);
        Self { label, changes }
    }
}

/// What is tried, and what a person should know about it.
#[derive(Debug, Default)]
pub struct Tried {
    /// Different ones.
    pub combinations: Vec<Combination>,
    /// Why there are fewer trials than `trials` asks for.
    pub shortage: Option<String>,
    /// Ranges that give fewer numbers than their `count`.
    pub merged: Vec<String>,
}

/// Every combination of the axes' values.
///
/// # Errors
/// A range does not say how many numbers to take; there are too many combinations.
pub fn grid(axes: &[Tuned]) -> Result<Tried, BadSetting> {
    let mut tried = Tried::default();
    let mut values = Vec::new();
    let mut size = 1_u64;
    for axis in axes {
        let (of_axis, merged) = axis.grid(MOST)?;
        size = size.saturating_mul(of_axis.len() as u64);
        if size > MOST {
            return Err(too_many(&axis.origin.to_string(), size));
        }
        values.push(of_axis);
        tried.merged.extend(merged);
    }
    tried.combinations = (0..size).map(|number| numbered(&values, number)).collect();
    Ok(tried)
}

/// Different combinations, drawn until there are `asked` of them. The first draws are those of
/// every version, so that a sweep may grow; where they repeat, drawing goes on.
///
/// # Errors
/// A range says how many numbers to take; too many trials are asked for.
pub fn draws(axes: &[Tuned], asked: u64, seed: u64) -> Result<Tried, BadSetting> {
    if asked > MOST {
        return Err(too_many("trials", asked));
    }
    // Of a range that holds far more numbers than are asked for, draws find enough.
    let listed = axes.iter().map(|axis| axis.listed(10 * asked)).collect::<Option<Vec<_>>>();
    let size = |values: &Vec<Vec<Change>>| values.iter().fold(1_u64, |size, of| size.saturating_mul(of.len() as u64));
    let size = listed.as_ref().map(size);
    let wanted = size.map_or(asked, |size| size.min(asked)) as usize;
    let mut found = Found::default();
    let (mut trial, mut misses) = (0, 0);
    while found.combinations.len() < wanted && misses < PATIENCE {
        let drawn = axes.iter().map(|axis| axis.drawn(seed, trial)).collect::<Result<Vec<_>, _>>()?;
        misses = if found.add(Combination::new(drawn)) { 0 } else { misses + 1 };
        trial += 1;
    }
    // The last few of many are rare: they are looked up, not waited for.
    let mut rest = 0..size.unwrap_or_default();
    while found.combinations.len() < wanted
        && let (Some(values), Some(number)) = (&listed, rest.next())
    {
        found.add(numbered(values, number));
    }
    let count = found.combinations.len() as u64;
    let shortage = (count < asked).then(|| {
        let why = match size {
            Some(_) => "there are no more combinations".to_string(),
            None => format!("{PATIENCE} draws in a row found no other combination"),
        };
        format!("{count} trials of the {asked} asked for: {why}")
    });
    Ok(Tried { combinations: found.combinations, shortage, merged: vec![] })
}

/// Combinations in the order in which they were found, each once.
#[derive(Default)]
struct Found {
    combinations: Vec<Combination>,
    labels: HashSet<String>,
}

impl Found {
    /// Whether it is new.
    fn add(&mut self, combination: Combination) -> bool {
        let new = self.labels.insert(combination.label.clone());
        if new {
            self.combinations.push(combination);
        }
        new
    }
}

/// The combination of this number in the order of the lists, the last of which turns fastest.
fn numbered(values: &[Vec<Change>], mut number: u64) -> Combination {
    let mut changes = Vec::new();
    for of_axis in values.iter().rev() {
        let count = of_axis.len() as u64;
        changes.push(of_axis[(number % count) as usize].clone());
        number /= count;
    }
    changes.reverse();
    Combination::new(changes)
}

fn too_many(place: &str, count: u64) -> BadSetting {
    BadSetting::new(place, format!("{count} trials of an arm are too many: at most {MOST}"))
        .remedy("try fewer values, or draw fewer trials")
}

#[cfg(test)]
mod tests {
    use super::super::{axes, fit};
    use super::*;
    use crate::path::SettingPath;
    use serde_yaml::Value;

    /// The axes of a section of `tune`.
    fn tuned(tune: &str) -> Vec<Tuned> {
        let section = serde_yaml::from_str(tune).unwrap();
        let mut axes = axes(&section, &SettingPath::default().key("tune")).unwrap();
        fit(&mut axes, &Value::Null).unwrap();
        axes
    }

    fn labels(tried: &Tried) -> Vec<&str> {
        tried.combinations.iter().map(|it| it.label.as_str()).collect()
    }

    #[test]
    fn a_grid_turns_its_last_axis_fastest() {
        let tried = grid(&tuned("{threads: [1, 2], optimizer.learning_rate: {from: 0, to: 1, count: 3}}")).unwrap();
        let expected = ["0", "0.5", "1"].map(|rate| format!("threads=1,learning_rate={rate}"));
        assert_eq!(labels(&tried)[..3], expected);
        assert_eq!(labels(&tried)[3], "threads=2,learning_rate=0");
        assert_eq!(labels(&grid(&[]).unwrap()), [""], "nothing tuned is one trial");
    }

    #[test]
    fn equal_numbers_of_a_range_count_once_and_are_told() {
        let tried = grid(&tuned("{train.batch_size: {from: 1, to: 3, count: 5}}")).unwrap();
        assert_eq!(labels(&tried), ["batch_size=1", "batch_size=2", "batch_size=3"]);
        let note = "tune.\"train.batch_size\": 3 numbers of the 5 asked for: rounded, the others are equal";
        assert_eq!(tried.merged, [note]);
        assert!(grid(&tuned("{train.batch_size: {from: 1, to: 3, count: 3}}")).unwrap().merged.is_empty());
    }

    #[test]
    fn draws_are_distinct_grow_at_the_end_and_find_all_there_is() {
        for tune in [
            "{threads: [1, 2, 3], train.batch_size: [16, 32, 64]}",
            "{train.batch_size: {from: 1, to: 9}}",
            "{train.batch_size: {from: 1, to: 9, scale: log}}",
            "{threads: [1, 2, 3, 1, 2], train.batch_size: {from: 7, to: 9}}",
        ] {
            let axes = tuned(tune);
            let all = draws(&axes, 9, 0).unwrap();
            assert!(all.combinations.len() == 9 && all.shortage.is_none(), "{tune}: {:?}", labels(&all));
            for asked in 1..9 {
                let some = draws(&axes, asked, 0).unwrap();
                assert_eq!(labels(&some), labels(&all)[..asked as usize], "{tune}");
            }
            let more = draws(&axes, 30, 0).unwrap();
            assert_eq!(labels(&more), labels(&all));
            assert_eq!(more.shortage.unwrap(), "9 trials of the 30 asked for: there are no more combinations");
        }
    }

    #[test]
    fn the_first_draws_are_those_of_earlier_versions() {
        let axes =
            tuned("{optimizer.learning_rate: {from: 1e-4, to: 1e-1, scale: log}, train.batch_size: [16, 32, 64]}");
        let mut random = crate::random::generator(5, "sweep.optimizer.learning_rate", 0, 0);
        let rate = 10_f64.powf(-4.0 + 3.0 * rand::RngExt::random::<f64>(&mut random));
        let drawn = draws(&axes, 2, 5).unwrap();
        let value = drawn.combinations[0].changes.iter().find(|it| it.value.is_f64()).unwrap().value.as_f64().unwrap();
        assert!((value / rate - 1.0).abs() < 1e-5, "{value}, {rate}");
    }

    #[test]
    fn drawing_ends_also_where_nothing_new_is_left() {
        // Three labels of six digits; lists of one value, and of a million.
        let few = draws(&tuned("{optimizer.learning_rate: {from: 0.1, to: 0.100002}}"), 50, 0).unwrap();
        assert_eq!(few.combinations.len(), 3);
        assert_eq!(
            few.shortage.unwrap(),
            "3 trials of the 50 asked for: 1000 draws in a row found no other combination"
        );
        let same = draws(&tuned(&format!("{{threads: [{}]}}", vec!["1"; 5000].join(","))), 2, 0).unwrap();
        assert_eq!(labels(&same), ["threads=1"]);
        let numbers: Vec<String> = (1..=20_000).map(|number| number.to_string()).collect();
        let every = draws(&tuned(&format!("{{train.batch_size: [{}]}}", numbers.join(","))), 20_000, 0).unwrap();
        assert!(every.combinations.len() == 20_000 && every.shortage.is_none());
        let wide = draws(&tuned("{train.batch_size: {from: 1, to: 1000000000, scale: log}}"), 2000, 0).unwrap();
        assert_eq!(wide.combinations.len(), 2000);
        let range = draws(&tuned("{train.batch_size: {from: 1000001, to: 1000009}}"), 10, 0).unwrap();
        assert_eq!(labels(&range), ["batch_size=1.00001e6", "batch_size=1e6"], "labels have six digits");
    }
}
