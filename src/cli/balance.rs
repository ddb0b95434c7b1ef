//! `polytask balance`

use super::words::say;
use crate::balance::MethodSettings;
use crate::balance::case::Case;
use crate::error::Mistake;
use crate::files;
use crate::yaml;
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

const LONG: &str = "\
Runs a balancing method on given losses and gradients, step by step, without any model.

CASE.json holds {\"steps\": [{\"losses\": [T], \"jacobian\": [T][P]}, …]}, or a list of such cases (then --case chooses).
A loss of null is an absent task. A step may hold \"losses_after\" [T] (for methods that look again after the update),
\"end_of_epoch\": true, \"accuracies\" [T], and \"jacobian_2\" and \"jacobian_3\" (for methods that read three batches).

Prints {\"steps\": [{\"weights\": [T], \"direction\": [P]}, …]}, in float64; weights only where the method forms them.
Parameters that a run's optimizer would learn (uw, imtl_l) stand still.";

/// Runs a balancing method on given losses and gradients, step by step, without any model.
#[derive(Debug, Args)]
#[command(long_about = LONG)]
pub struct Balance {
    /// The file with the steps
    case: PathBuf,
    /// The method as YAML, such as '{name: cagrad, c: 0.4}' (default: the method that the case names)
    #[arg(long, value_name = "YAML")]
    method: Option<String>,
    /// Which case of a file that holds several, from 0
    #[arg(long = "case", value_name = "N", id = "number")]
    number: Option<usize>,
    /// The seed of methods that draw (default: the case's own, else 0)
    #[arg(long)]
    seed: Option<u64>,
}

impl Balance {
    /// Runs the method and prints what it said.
    pub fn run(&self) -> Result<()> {
        let mut case = self.read()?;
        case.seed = self.seed.unwrap_or(case.seed);
        let place = self.case.display().to_string();
        let settings = match &self.method {
            Some(method) => settings(method)?,
            None => case.settings().with_context(|| place.clone())?,
        };
        let steps = case.run(&settings).with_context(|| place)?;
        say(serde_json::to_string(&json!({ "steps": steps }))?)
    }

    fn read(&self) -> Result<Case> {
        let place = self.case.display().to_string();
        let broken = |error: serde_json::Error| {
            Mistake::new(format!("{place}:{}:{}", error.line(), error.column()), error.to_string())
                .remedy("write {\"steps\": [{\"losses\": […], \"jacobian\": [[…], …]}]}")
        };
        let bytes = files::read(&self.case)?;
        let text = String::from_utf8_lossy(&bytes);
        if !text.trim_start().starts_with('[') {
            return Ok(serde_json::from_str(&text).map_err(broken)?);
        }
        let mut cases: Vec<Case> = serde_json::from_str(&text).map_err(broken)?;
        let count = cases.len();
        let number = match self.number {
            None if count == 1 => 0,
            _ if count == 0 => {
                return Err(Mistake::new(place, "holds no case").remedy("write {\"steps\": […]} into the list").into());
            }
            None => {
                return Err(Mistake::new(place, format!("holds {count} cases"))
                    .remedy("choose one with --case N")
                    .into());
            }
            Some(number) if number < count => number,
            Some(number) => {
                return Err(Mistake::new("--case", format!("{number} is none of the cases 0 to {}", count - 1)).into());
            }
        };
        Ok(cases.swap_remove(number))
    }
}

/// A method written on the command line: as a section of YAML, or as a plain name.
fn settings(written: &str) -> Result<MethodSettings> {
    let plain = !written.contains([':', '{', '\n']);
    let text = if plain { format!("{{name: {written}}}") } else { written.to_string() };
    Ok(yaml::read(&text, "--method", &[])?.settings)
}
