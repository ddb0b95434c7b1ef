//! Means over the measured steps, pair by pair.

use super::Measured;

/// What was seen so far.
#[derive(Debug, Clone)]
pub struct Means {
    tasks: usize,
    steps: u64,
    rates: f64,
    /// Each `[T * T]`.
    affinity: Vec<Sum>,
    cosines: Vec<Sum>,
    left_out: Vec<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    total: f64,
    count: u64,
}

impl Sum {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.total += value;
            self.count += 1;
        }
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.total / self.count as f64)
    }
}

impl Means {
    /// Of so many tasks, before any step.
    pub fn new(tasks: usize) -> Self {
        let pairs = tasks * tasks;
        let sums = vec![Sum::default(); pairs];
        Self { tasks, steps: 0, rates: 0.0, affinity: sums.clone(), cosines: sums, left_out: vec![0; pairs] }
    }

    /// Takes in a step that was probed at a learning rate; one without any task does not count.
    pub fn add(&mut self, measured: &Measured, learning_rate: f64) {
        if measured.present.is_empty() {
            return;
        }
        self.steps += 1;
        self.rates += learning_rate;
        for &from in &measured.present {
            for &onto in &measured.present {
                let pair = from * self.tasks + onto;
                self.affinity[pair].add(measured.affinity[from][onto]);
                self.cosines[pair].add(measured.cosines[from][onto]);
                self.left_out[pair] += u64::from(measured.affinity[from][onto].is_none());
            }
        }
    }

    /// The steps that were measured.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The mean learning rate of the probes.
    pub fn learning_rate(&self) -> f64 {
        self.rates / self.steps as f64
    }

    /// `[T, T]`: the affinity of a row's task onto a column's; none where no step had both.
    pub fn affinity(&self) -> Vec<Vec<Option<f64>>> {
        self.rows(&self.affinity, Sum::mean)
    }

    /// `[T, T]`
    pub fn cosines(&self) -> Vec<Vec<Option<f64>>> {
        self.rows(&self.cosines, Sum::mean)
    }

    /// `[T, T]`: the steps that had both tasks, and whose affinity counts.
    pub fn counts(&self) -> Vec<Vec<u64>> {
        self.rows(&self.affinity, |sum| sum.count)
    }

    /// `[T, T]`: the steps that had both tasks but whose affinity has no value, as the loss was 0 before or is not finite
    /// after the probe.
    pub fn left_out(&self) -> Vec<Vec<u64>> {
        self.rows(&self.left_out, |count| *count)
    }

    fn rows<A, B>(&self, pairs: &[A], value: impl Fn(&A) -> B) -> Vec<Vec<B>> {
        pairs.chunks(self.tasks.max(1)).map(|row| row.iter().map(&value).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_over_the_steps_that_have_a_value_and_the_others_are_counted() {
        let measured = |affinity: [[Option<f64>; 2]; 2], present: &[usize]| Measured {
            affinity: affinity.map(Vec::from).to_vec(),
            cosines: affinity.map(Vec::from).to_vec(),
            present: present.to_vec(),
        };
        let mut means = Means::new(2);
        means.add(&measured([[Some(1.0), Some(2.0)], [Some(3.0), Some(4.0)]], &[0, 1]), 0.1);
        means.add(&measured([[Some(2.0), None], [None, None]], &[0]), 0.2); // the second task is absent
        means.add(&measured([[Some(6.0), None], [Some(5.0), None]], &[0, 1]), 0.6); // its loss is 0
        means.add(&measured([[None; 2]; 2], &[]), 0.9);
        assert_eq!(means.affinity(), [[Some(3.0), Some(2.0)], [Some(4.0), Some(4.0)]]);
        assert_eq!(means.cosines(), means.affinity());
        assert_eq!(means.counts(), [[3, 1], [2, 1]]);
        assert_eq!(means.left_out(), [[0, 1], [0, 1]]);
        assert_eq!((means.steps(), (means.learning_rate() * 1e9).round()), (3, 3e8));
    }
}
