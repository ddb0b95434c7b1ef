//! Which differences are real: every pair of arms tested once on a number, paired by seed, and all pairs corrected together.

use super::rows::Row;
use super::{Estimate, LEVEL, Measure, Score};
use crate::statistics::{
    center, holm, largest, paired_t, paired_t_in_steps, resolution, sign_flip, student_interval, wilcoxon,
    without_rounding,
};
use serde::Serialize;

/// What the seeds say about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Better than the reference, and told apart from it.
    Better,
    /// Worse, and told apart.
    Worse,
    /// The test's p, corrected by Holm, does not reach the level.
    NotDistinguishable,
    /// Fewer than three pairs.
    TooFewSeeds,
    /// The row was chosen from more trials than others had: no fair comparison.
    MoreTrials,
}

impl Verdict {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::NotDistinguishable => "not distinguishable",
            Self::TooFewSeeds => "too few seeds",
            Self::MoreTrials => "more trials",
        }
    }
}

/// The test whose p a verdict goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decisive {
    /// The paired t-test, with the variance of the steps that the metric moves in.
    PairedT,
    /// Wilcoxon's signed-rank test: the numbers are ranks.
    SignedRank,
}

impl Decisive {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::PairedT => "paired t-test",
            Self::SignedRank => "signed-rank test",
        }
    }
}

/// A row against the reference.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// The row's name.
    pub row: String,
    /// `score`, or `TASK/METRIC`.
    pub on: String,
    /// Seeds at which both have a value.
    pub pairs: usize,
    /// Row minus reference, mean over the pairs.
    pub mean: Option<f64>,
    /// Student's interval at `level`; none of ranks, which have no unit.
    pub interval: Option<[f64; 2]>,
    /// So wide that an interval excludes 0 exactly where the verdict tells rows apart: 95 %, or more where Holm left several
    /// pairs undecided.
    pub level: f64,
    /// The test that decides.
    pub test: Decisive,
    /// The grid that the values of both rows lie on, such as 1/160 of an accuracy over 160 rows; 0 of continuous values.
    pub step: f64,
    /// Of the test that decides, two-sided.
    pub p: Option<f64>,
    /// `p` after Holm's correction over all pairs of arms.
    pub p_holm: Option<f64>,
    /// Pairs of arms that were tested, and that Holm corrects together.
    pub tests: usize,
    /// Of the plain paired t-test, as SciPy's `ttest_rel`; none where all differences are equal.
    pub t_p: Option<f64>,
    /// Of the exact sign-flip (permutation) test; none above 16 pairs that are not all equal.
    pub sign_flip_p: Option<f64>,
    /// Of Wilcoxon's signed-rank test.
    pub wilcoxon_p: Option<f64>,
    /// What to make of it.
    pub verdict: Verdict,
}

/// So many pairs can tell something.
const FEWEST_PAIRS: usize = 3;

/// What two rows come to at the seeds that both have.
struct Paired {
    /// Without rounding.
    differences: Vec<f64>,
    /// The grid that the values lie on; 0 of continuous ones.
    step: f64,
}

/// All rows on one number, and what the tests of all pairs of arms come to.
pub struct Family<'a> {
    on: String,
    higher_is_better: bool,
    test: Decisive,
    rows: Vec<(&'a Row, &'a Estimate)>,
    /// Per pair of rows, p after Holm; none of rows outside of the equal budget.
    adjusted: Vec<Vec<Option<f64>>>,
    /// Pairs of arms that were tested.
    pub tests: usize,
    level: f64,
}

impl<'a> Family<'a> {
    /// That of the score.
    pub fn of_score(rows: &'a [Row], score: &Score) -> Self {
        let test = if score.is_rank() { Decisive::SignedRank } else { Decisive::PairedT };
        Self::new("score".into(), score.higher_is_better, test, rows.iter().map(|row| (row, &row.score)).collect())
    }

    /// That of the measure at a place.
    fn of_measure(rows: &'a [Row], measure: &Measure, at: usize) -> Self {
        let values = rows.iter().map(|row| (row, &row.values[at])).collect();
        Self::new(measure.name(), measure.higher_is_better, Decisive::PairedT, values)
    }

    fn new(on: String, higher_is_better: bool, test: Decisive, rows: Vec<(&'a Row, &'a Estimate)>) -> Self {
        let count = rows.len();
        let adjusted = vec![vec![None; count]; count];
        let mut family = Self { on, higher_is_better, test, rows, adjusted, tests: 0, level: LEVEL };
        family.correct();
        family
    }

    /// Holm over all pairs of rows at equal budget, so that an arm counts once.
    fn correct(&mut self) {
        let equal: Vec<usize> = (0..self.rows.len()).filter(|&at| self.rows[at].0.is_equal_budget()).collect();
        let pairs = equal.iter().enumerate().flat_map(|(at, &a)| equal[at + 1..].iter().map(move |&b| (a, b)));
        let p = |(a, b)| Some(((a, b), self.p(&self.paired(a, b))?));
        let (pairs, tested): (Vec<(usize, usize)>, Vec<f64>) = pairs.filter_map(p).unzip();
        let adjusted = holm(&tested);
        for ((a, b), p) in pairs.into_iter().zip(&adjusted) {
            (self.adjusted[a][b], self.adjusted[b][a]) = (Some(*p), Some(*p));
        }
        self.tests = adjusted.len();
        // Holm stops at the first p above (1 - LEVEL) / (pairs left): at that level intervals and verdicts agree.
        let undecided = adjusted.iter().filter(|p| !is_real(**p)).count().max(1);
        self.level = 1.0 - (1.0 - LEVEL) / undecided as f64;
    }

    /// Two rows at the seeds where both have a value.
    fn paired(&self, one: usize, other: usize) -> Paired {
        let [one, other] = [one, other].map(|at| &self.rows[at].1.values);
        let both: Vec<(f64, f64)> = one.iter().zip(other).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
        let values: Vec<f64> = both.iter().flat_map(|(a, b)| [*a, *b]).collect();
        let mut differences: Vec<f64> = both.into_iter().map(|(a, b)| a - b).collect();
        without_rounding(&mut differences, largest(values.iter().copied()));
        let step = if self.test == Decisive::PairedT { resolution(&values) } else { 0.0 };
        Paired { differences, step }
    }

    /// p of the test that decides; none of too few pairs.
    fn p(&self, paired: &Paired) -> Option<f64> {
        let decide = || match self.test {
            Decisive::PairedT => paired_t_in_steps(&paired.differences, paired.step),
            Decisive::SignedRank => wilcoxon(&paired.differences).map(|test| test.p),
        };
        (paired.differences.len() >= FEWEST_PAIRS).then(decide)?
    }

    /// p after Holm of every pair of some rows; none of those that were not tested.
    pub fn pairs(&self, rows: &[usize]) -> Vec<Vec<Option<f64>>> {
        rows.iter().map(|&a| rows.iter().map(|&b| self.adjusted[a][b]).collect()).collect()
    }

    /// Every row but the reference against it.
    fn against(&self, reference: usize) -> Vec<Difference> {
        (0..self.rows.len()).filter(|&at| at != reference).map(|at| self.difference(at, reference)).collect()
    }

    fn difference(&self, at: usize, reference: usize) -> Difference {
        let both = self.paired(at, reference);
        let Paired { differences: paired, step } = &both;
        let enough = paired.len() >= FEWEST_PAIRS;
        let center = center(paired);
        let p_holm = self.adjusted[at][reference];
        let spread = enough && self.test == Decisive::PairedT;
        let interval = spread.then(|| student_interval(paired, *step, self.level)).flatten();
        let better = center.is_some_and(|center| (center > 0.0) == self.higher_is_better);
        Difference {
            row: self.rows[at].0.name.clone(),
            on: self.on.clone(),
            pairs: paired.len(),
            mean: center,
            interval: interval.map(|interval| [interval.low, interval.high]),
            level: self.level,
            test: self.test,
            step: *step,
            p: self.p(&both),
            p_holm,
            tests: self.tests,
            t_p: paired_t(paired).map(|test| test.p).filter(|_| enough),
            sign_flip_p: sign_flip(paired).filter(|_| enough),
            wilcoxon_p: wilcoxon(paired).map(|test| test.p).filter(|_| enough),
            verdict: match p_holm {
                _ if !enough => Verdict::TooFewSeeds,
                _ if !self.rows[at].0.is_equal_budget() => Verdict::MoreTrials,
                Some(p) if is_real(p) && better => Verdict::Better,
                Some(p) if is_real(p) => Verdict::Worse,
                _ => Verdict::NotDistinguishable,
            },
        }
    }
}

/// Whether a corrected p reaches the level.
pub fn is_real(p: f64) -> bool {
    p < 1.0 - LEVEL
}

/// Every row but the reference against it: by the score, then by each measure.
pub fn differences(rows: &[Row], reference: usize, by_score: &Family, measures: &[Measure]) -> Vec<Vec<Difference>> {
    let by_measure = measures.iter().enumerate().map(|(at, it)| Family::of_measure(rows, it, at).against(reference));
    std::iter::once(by_score.against(reference)).chain(by_measure).collect()
}
