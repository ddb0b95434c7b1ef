//! How often verdicts are wrong, and how often they find what is there: 4,000 made-up studies of each kind.
//!
//! `cargo test --release --lib simulation -- --nocapture` prints the tables of `docs/statistics.md`.

use super::rows::{Estimate, Presence, Row};
use super::verdicts::{Difference, Family, Verdict, differences, is_real};
use super::{MEAN_RANK, Measure, Score, ranks};
use crate::random::generator;
use crate::statistics::{paired_t_in_steps, without_rounding};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, Distribution, Exp1, StandardNormal};
use rayon::prelude::*;

const STUDIES: u64 = 4000;
const SEEDS: [usize; 6] = [3, 4, 5, 6, 8, 10];
const ARMS: usize = 4;

/// What an arm comes to at a seed.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Normal,
    Exponential,
    /// A share of so many test rows, of which 80 % are right on average.
    Accuracy(u32),
    /// Two tasks without a common range: the score is the mean rank.
    Ranks,
}

const KINDS: [Kind; 7] = [
    Kind::Normal,
    Kind::Exponential,
    Kind::Accuracy(10),
    Kind::Accuracy(20),
    Kind::Accuracy(100),
    Kind::Accuracy(1000),
    Kind::Ranks,
];

impl Kind {
    fn name(self) -> String {
        match self {
            Self::Normal => "normal".into(),
            Self::Exponential => "exponential".into(),
            Self::Accuracy(rows) => format!("accuracy over {rows} rows"),
            Self::Ranks => "mean ranks of two tasks".into(),
        }
    }

    /// A value of an arm that is better than others by `advantage` standard deviations.
    fn draw(self, random: &mut ChaCha8Rng, advantage: f64) -> f64 {
        match self {
            Self::Normal | Self::Ranks => {
                let value: f64 = StandardNormal.sample(random);
                value + advantage
            }
            Self::Exponential => {
                let value: f64 = Exp1.sample(random);
                value + advantage
            }
            Self::Accuracy(rows) => {
                let share = 0.8 + advantage * (0.8 * 0.2 / f64::from(rows)).sqrt();
                let right = Binomial::new(rows.into(), share.min(1.0)).expect("a share").sample(random);
                right as f64 / f64::from(rows)
            }
        }
    }

    /// The arms of a study, the second better by `advantage`, and what they are compared by.
    fn study(self, number: u64, seeds: usize, advantage: f64) -> (Vec<Row>, Score) {
        let mut random = generator(number, "study", seeds as u64, 0);
        let measures = [("a", true), ("b", false)].map(|(task, higher_is_better)| Measure {
            task: task.into(),
            metric: String::new(),
            higher_is_better,
        });
        let mut row = |arm: usize| {
            let mut values = |sign: f64| Estimate {
                values: (0..seeds)
                    .map(|_| Some(sign * self.draw(&mut random, if arm == 1 { advantage } else { 0.0 })))
                    .collect(),
                ..Estimate::default()
            };
            let name = arm.to_string();
            Row {
                values: vec![values(1.0), values(-1.0)],
                arm: name.clone(),
                name,
                presence: vec![Presence::Finished; seeds],
                ..Row::default()
            }
        };
        let mut rows: Vec<Row> = (0..ARMS).map(&mut row).collect();
        if !matches!(self, Self::Ranks) {
            rows.iter_mut().for_each(|row| row.score = row.values[0].clone());
            return (rows, Score { name: "mean accuracy".into(), higher_is_better: true });
        }
        ranks::rank(&mut rows, &measures, seeds);
        rows.iter_mut().for_each(|row| row.score.values.clone_from(&row.ranks));
        (rows, Score { name: MEAN_RANK.into(), higher_is_better: false })
    }

    /// The percentage of studies of which something holds, told of all pairs' p and of the arms against the first.
    fn share(
        self,
        seeds: usize,
        advantage: f64,
        holds: impl Fn(&[Vec<Option<f64>>], &[Difference]) -> bool + Sync,
    ) -> f64 {
        let of_study = |number: &u64| {
            let (rows, score) = self.study(*number, seeds, advantage);
            let family = Family::of_score(&rows, &score);
            let pairs = family.pairs(&(0..ARMS).collect::<Vec<_>>());
            holds(&pairs, &differences(&rows, 0, &family, &[])[0])
        };
        100.0 * (0..STUDIES).into_par_iter().filter(of_study).count() as f64 / STUDIES as f64
    }
}

fn print(title: &str, table: impl Fn(Kind, usize) -> f64) -> Vec<Vec<f64>> {
    println!("\n{title}\n\n| values | {} |", SEEDS.map(|seeds| format!("{seeds} seeds")).join(" | "));
    println!("|---|{}", "--:|".repeat(SEEDS.len()));
    let of_kind = |kind: Kind| {
        let found: Vec<f64> = SEEDS.map(|seeds| table(kind, seeds)).into();
        println!("| {} | {} |", kind.name(), found.iter().map(|it| format!("{it:.1}")).collect::<Vec<_>>().join(" | "));
        found
    };
    KINDS.map(of_kind).into()
}

/// Chance moves a share of 5 % of 4,000 by 0.34 points (one standard deviation).
#[test]
fn of_studies_without_a_difference_at_most_five_in_a_hundred_have_a_verdict() {
    let table = print("Studies without a difference in which a pair is told apart, in %", |kind, seeds| {
        kind.share(seeds, 0.0, |pairs, _| pairs.iter().flatten().flatten().any(|p| is_real(*p)))
    });
    let all: Vec<f64> = table.concat();
    assert!(all.iter().all(|share| *share <= 5.0 + 3.0 * 0.34), "{all:?}");
    assert!(all.iter().sum::<f64>() / all.len() as f64 <= 5.0, "{all:?}");
}

/// Ten arms at three seeds, nine against the first: where equal differences are taken for certain, and where their steps
/// count.
#[test]
fn equal_differences_of_a_coarse_metric_are_not_certain() {
    let (arms, seeds) = (10, 3);
    for (rows, certain) in [(5, 15.0), (10, 12.0)] {
        let step = 1.0 / f64::from(rows);
        let told = |step: f64, study: &u64| {
            let mut random = generator(*study, "coarse", 0, 0);
            let mut values = || [(); 3].map(|()| Kind::Accuracy(rows).draw(&mut random, 0.0));
            let first = values();
            let least = (1..arms).filter_map(|_| {
                let own = values();
                let mut differences: Vec<f64> = own.iter().zip(first).map(|(own, first)| own - first).collect();
                without_rounding(&mut differences, 1.0);
                paired_t_in_steps(&differences, step)
            });
            is_real(least.fold(1.0, f64::min) * f64::from(arms - 1))
        };
        let share = |step: f64| 100.0 * (0..STUDIES).filter(|study| told(step, study)).count() as f64 / STUDIES as f64;
        let (without, with) = (share(0.0), share(step));
        println!(
            "{arms} arms, {seeds} seeds, {rows} rows: {without:.1} % where equal differences are certain, {with:.1} %"
        );
        assert!(without > certain && with <= 5.0 + 3.0 * 0.34, "{rows} rows: {without} %, {with} %");
    }
}

#[test]
fn intervals_hold_no_difference_in_at_least_ninety_five_studies_of_a_hundred_and_agree_with_verdicts() {
    let table = print("Intervals of a difference that hold the true one, 0, in %", |kind, seeds| {
        kind.share(seeds, 0.0, |_, against| {
            let Some([low, high]) = against[0].interval else { return true };
            let holds = low <= 0.0 && 0.0 <= high;
            assert_eq!(holds, against[0].verdict == Verdict::NotDistinguishable);
            holds
        })
    });
    assert!(table.concat().iter().all(|share| *share >= 95.0), "{table:?}");
}

#[test]
fn verdicts_find_a_difference_the_more_often_the_larger_it_is_and_the_more_seeds_there_are() {
    let power = |advantage: f64| {
        let title = format!("Studies that find an arm better which is so by {advantage} standard deviations, in %");
        print(&title, |kind, seeds| kind.share(seeds, advantage, |_, against| against[0].verdict == Verdict::Better))
    };
    let [two, four] = [2.0, 4.0].map(power);
    // Ranks of three, four and five seeds cannot tell anything, in theory neither.
    for (small, large) in two.iter().zip(&four) {
        assert!(small.last() > small.first() && large.iter().zip(small).all(|(large, small)| large >= small));
    }
    let five = SEEDS.iter().position(|seeds| *seeds == 5).expect("five seeds");
    assert!(four[0][five] > 50.0 && four[0][5] > 99.0, "{four:?}");
}
