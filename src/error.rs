//! What a person can fix, and how.

use std::fmt;
use std::io::Write;

/// A mistake that a person can mend: the place, what is wrong there (with the value), and the way on.
///
/// Shown as `place: what`; the remedy stands on a line of its own, behind `hint:`.
///
/// ```
/// use polytask::error::Mistake;
/// let mistake = Mistake::new("adult.csv:12:3", "\"n/a\" is not a number").remedy("leave the cell empty or mend it");
/// assert_eq!(mistake.to_string(), "adult.csv:12:3: \"n/a\" is not a number");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mistake {
    /// Where: `FILE`, `FILE:LINE:COLUMN`, a setting's path, a folder.
    pub place: String,
    /// What is wrong, with the value found.
    pub what: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Mistake {
    /// A mistake at `place`.
    pub fn new(place: impl fmt::Display, what: impl Into<String>) -> Self {
        Self { place: place.to_string(), what: what.into(), remedy: None }
    }

    /// The same, with a way on.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl std::error::Error for Mistake {}

/// A mistake that a run's own numbers made: a loss that is not finite, losses that the method cannot take. The same run
/// would end there again.
#[derive(Debug, Clone, PartialEq)]
pub struct Diverged(pub Mistake);

impl fmt::Display for Diverged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Diverged {}

/// A value in the YAML that no type can refuse alone (it takes two settings, or the data, to see that it is wrong).
///
/// The part that finds it names the setting's path; whoever read the file turns it into a [`Mistake`] with line and column.
#[derive(Debug, Clone, PartialEq)]
pub struct BadSetting {
    /// The setting's path from the root of the YAML, such as `tasks[1].loss.classes`.
    pub path: String,
    /// What is wrong, with the value found and what is allowed.
    pub what: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl BadSetting {
    /// The same, seen from a section above: `path` becomes `section.path`.
    #[must_use]
    pub fn under(self, section: &str) -> Self {
        let path = if self.path.is_empty() { section.to_string() } else { format!("{section}.{}", self.path) };
        Self { path, ..self }
    }

    /// A bad value at `path`.
    pub fn new(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { path: path.into(), what: what.into(), remedy: None }
    }

    /// The same, with a way on.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

impl std::error::Error for BadSetting {}

/// The error and its causes as a person reads them, remedies last.
pub fn report(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1) {
        text += &format!("\n  caused by: {cause}");
    }
    // anyhow finds a mistake that was attached as context only through the error as a whole.
    let whole = remedy(|| error.downcast_ref(), || error.downcast_ref(), || error.downcast_ref());
    let causes = error.chain().map(|it| remedy(|| it.downcast_ref(), || it.downcast_ref(), || it.downcast_ref()));
    let mut told: Vec<&String> = Vec::new();
    for remedy in std::iter::once(whole).chain(causes).flatten() {
        if !told.contains(&remedy) {
            text += &format!("\n  hint: {remedy}");
            told.push(remedy);
        }
    }
    text
}

/// The way on that one of the kinds of mistakes tells.
fn remedy<'a>(
    mistake: impl Fn() -> Option<&'a Mistake>,
    diverged: impl Fn() -> Option<&'a Diverged>,
    setting: impl Fn() -> Option<&'a BadSetting>,
) -> Option<&'a String> {
    let mistake = mistake().or_else(|| diverged().map(|Diverged(mistake)| mistake));
    mistake.and_then(|it| it.remedy.as_ref()).or_else(|| setting().and_then(|it| it.remedy.as_ref()))
}

/// Says something on stderr, if anyone listens: a closed stderr is no reason to panic, or to stop a training.
pub fn note(words: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{words}");
}

/// The first line of an error from libtorch: the rest is a C++ backtrace.
pub fn first_line(error: &impl fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().to_string()
}

/// The name among `names` that `wrong` most likely meant: one spelled nearly so, or one that it abbreviates (`lr`).
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let distance = |name: &str| match name.split('_').filter_map(|word| word.chars().next()).collect::<String>() {
        initials if name.contains('_') && initials == wrong => 0,
        _ if wrong.len() >= 4 && name.to_lowercase().contains(&wrong) => 1,
        _ => strsim::damerau_levenshtein(&wrong, &name.to_lowercase()),
    };
    // Not so far that every letter would be another.
    let near = |name: &str| {
        let longest = wrong.chars().count().max(name.chars().count());
        1.max(longest / 3).min(longest - 1)
    };
    names
        .into_iter()
        .map(|name| (distance(name), name))
        .filter(|(distance, name)| *distance <= near(name))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_only_when_near() {
        assert_eq!(nearest("cagard", ["mgda", "cagrad"]), Some("cagrad"));
        assert_eq!(nearest("learning-rate", ["learning_rate", "eps"]), Some("learning_rate"));
        assert_eq!(nearest("lr", ["eps", "learning_rate"]), Some("learning_rate"));
        assert_eq!(nearest("zebra", ["mgda", "cagrad"]), None);
        assert_eq!(nearest("4", ["c"]), None);
    }

    #[test]
    fn a_report_shows_causes_and_then_remedies() {
        let error = anyhow::Error::new(Mistake::new("a.csv", "is empty").remedy("add rows")).context("loading data");
        assert_eq!(report(&error), "error: loading data\n  caused by: a.csv: is empty\n  hint: add rows");
        let full = anyhow::anyhow!("no space").context(Mistake::new("a.pt", "cannot be written").remedy("free some"));
        let expected = "error: saving\n  caused by: a.pt: cannot be written\n  caused by: no space\n  hint: free some";
        assert_eq!(report(&full.context("saving")), expected);
    }
}
