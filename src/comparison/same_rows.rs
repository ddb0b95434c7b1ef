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
                    let same_splits = |(_, theirs): &Seen| own.fingerprint.likeness(&theirs.fingerprint);
                    // Under another seed the splits are others, but together they hold the same rows.
                    let same_pool = |(_, theirs): &Seen| match own.is_dealt_from_others(theirs) {
                        true => Likeness::Other,
                        false => Likeness::Same,
                    };
                    let (a, b) = (by_seed.entry(seed), by_draw.entry(own.split_seed));
                    let (a, b) = (a.or_insert_with(here), b.or_insert_with(here));
                    let c = by_tasks.entry(tasks).or_insert_with(here);
                    let found = [(&*a, same_splits(a)), (&*b, same_splits(b)), (&*c, same_pool(c))];
                    silent += usize::from(found.iter().any(|(_, likeness)| *likeness == Likeness::Unknown));
                    for ((other, theirs), likeness) in found {
                        match likeness {
                            Likeness::Same | Likeness::Unknown => {}
                            Likeness::SampleIsSame => sampled = true,
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
