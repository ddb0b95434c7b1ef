//! Whether runs that are held against each other read the same rows.

use super::collect::Collection;
use crate::data::{Identity, Likeness};
use crate::error::Mistake;
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A run, and which rows it read.
type Seen = (PathBuf, Identity);

impl Collection {
    /// Checks that runs of one seed, and runs whose rows were drawn by one seed or by none, read the same rows, and that the
    /// splits of runs of other seeds were dealt from the same rows. With `across_data` arms that read others are marked
    /// instead.
    ///
    /// # Errors
    /// Two runs read other rows: their difference is not one between arms.
    pub fn check_rows(&mut self, across_data: bool) -> Result<()> {
        let (mut by_seed, mut by_draw) = (BTreeMap::<u64, Seen>::new(), BTreeMap::<Option<u64>, Seen>::new());
        let mut by_tasks = BTreeMap::<Vec<String>, Seen>::new();
        let (mut silent, mut all, mut sampled) = (0, 0, false);
        for arm in &mut self.arms {
            for trial in &arm.trials {
                for (seed, run) in trial.finished() {
                    all += 1;
                    let Some(own) = &run.data else {
                        silent += 1;
                        continue;
                    };
                    let folder = &trial.folders[&seed];
                    let here = || (folder.clone(), own.clone());
                    let tasks: Vec<String> = own.fingerprint.tasks.keys().cloned().collect();
                    let others = [
                        by_seed.entry(seed).or_insert_with(here).clone(),
                        by_draw.entry(own.split_seed).or_insert_with(here).clone(),
                        by_tasks.entry(tasks).or_insert_with(here).clone(),
                    ];
                    for (at, (other, theirs)) in others.iter().enumerate() {
                        // Under another seed the splits are others, but together they hold the same rows.
                        let likeness = match (at, &own.all_rows, &theirs.all_rows) {
                            (2, Some(own), Some(theirs)) if own != theirs => Likeness::Other,
                            (2, ..) => Likeness::Same,
                            _ => own.fingerprint.likeness(&theirs.fingerprint),
                        };
                        match likeness {
                            Likeness::Same => {}
                            Likeness::SampleIsSame => sampled = true,
                            Likeness::Unknown => silent += 1,
                            Likeness::Other if across_data => arm.other_rows = true,
                            Likeness::Other => {
                                let (a, b) = (own.fingerprint.short(), theirs.fingerprint.short());
                                let what = format!("read other rows ({a}) than {} ({b})", other.display());
                                return Err(Mistake::new(folder.display(), what)
                                    .remedy("compare runs on the same rows; --across-data compares and marks them")
                                    .into());
                            }
                        }
                    }
                }
            }
        }
        let other: Vec<&str> = self.arms.iter().filter(|arm| arm.other_rows).map(|arm| arm.name.as_str()).collect();
        if !other.is_empty() {
            let names = other.join(", ");
            self.notes.push(format!(
                "§ Compared across data: runs of {names} read other rows than those of other arms or seeds."
            ));
        }
        if silent > 0 {
            self.notes.push(format!(
                "{silent} of {all} runs do not say which rows they read (an earlier version wrote them): whether they are \
                 the same was not checked."
            ));
        }
        if sampled {
            self.notes.push("Data sets too large to hash were compared by a sample of their rows.".into());
        }
        Ok(())
    }
}
