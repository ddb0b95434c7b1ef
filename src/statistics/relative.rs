//! What multi-task learning gained over single tasks, in one number: Δm and Δp.

use super::moments::mean;

/// One metric of a multi-task model beside its baseline, as a rule a model trained on that task alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// The multi-task model's value, in the metric's unit.
    pub value: f64,
    /// The baseline's value.
    pub baseline: f64,
    /// Whether the metric is good when large, as accuracy, or when small, as an error.
    pub higher_is_better: bool,
}

impl Measure {
    /// The gain over the baseline in percent of the baseline's size; positive is better. `None` where the baseline is zero
    /// or a value is not finite.
    ///
    /// The papers divide by the baseline itself and have only positive ones. Its size gives the same there and keeps the
    /// sign's meaning for a negative baseline, as R² may be: from -0.5 to -0.25 is a gain of 50 %.
    pub fn gain(&self) -> Option<f64> {
        let difference = if self.higher_is_better { self.value - self.baseline } else { self.baseline - self.value };
        Some(100.0 * difference / self.baseline.abs()).filter(|gain| gain.is_finite())
    }
}

/// Δm: the mean loss against the baseline over all metrics of all tasks, in percent; lower is better, negative beats the
/// baselines. A task with many metrics weighs more. `None` of nothing, or where any metric has no gain.
///
/// References: Maninis, Radosavovic and Kokkinos, "Attentive Single-Tasking of Multiple Tasks", CVPR 2019; in this form
/// Navon et al., "Multi-Task Learning as a Bargaining Game", ICML 2022, and Liu et al., "FAMO", NeurIPS 2023.
pub fn delta_m(measures: &[Measure]) -> Option<f64> {
    Some(-mean_gain(measures)?)
}

/// Δp: the mean over tasks of the mean gain over the task's metrics, in percent; higher is better, positive beats the
/// baselines. Every task weighs the same. `None` without tasks, where a task has no metrics, or where any metric has no gain.
///
/// Reference: Lin and Zhang, "LibMTL: A Python Library for Deep Multi-Task Learning", JMLR 2023.
pub fn delta_p(tasks: &[Vec<Measure>]) -> Option<f64> {
    let gains: Option<Vec<f64>> = tasks.iter().map(|measures| mean_gain(measures)).collect();
    mean(&gains?)
}

fn mean_gain(measures: &[Measure]) -> Option<f64> {
    let gains: Option<Vec<f64>> = measures.iter().map(Measure::gain).collect();
    mean(&gains?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NYUv2: segmentation (mIoU, pixel accuracy), depth (absolute, relative error), normals (mean and median angle, shares
    /// within 11.25°, 22.5°, 30°).
    fn nyuv2(values: [f64; 9]) -> Vec<Vec<Measure>> {
        let alone = [0.3830, 0.6376, 0.6754, 0.2780, 25.01, 19.21, 0.3014, 0.5720, 0.6915];
        let higher = [true, true, false, false, false, false, true, true, true];
        let measure = |at: usize| Measure { value: values[at], baseline: alone[at], higher_is_better: higher[at] };
        [0..2, 2..4, 4..9].map(|task| task.map(measure).collect()).into()
    }

    /// Rows of the FAMO paper's table, whose Δm is 5.59 and -4.10; Δp worked out with NumPy from the same rows.
    #[test]
    fn published_rows_give_their_published_numbers() {
        let linear_scalarization = [0.3929, 0.6533, 0.5493, 0.2263, 28.15, 23.96, 0.2209, 0.4750, 0.6108];
        let famo = [0.3888, 0.6490, 0.5474, 0.2194, 25.06, 19.57, 0.2921, 0.5661, 0.6898];
        for (row, expected_m, expected_p) in [(linear_scalarization, 5.59, 0.878), (famo, -4.10, 6.793)] {
            let tasks = nyuv2(row);
            let delta_m = delta_m(&tasks.concat()).expect("whole rows");
            assert!((delta_m - expected_m).abs() < 0.01, "{delta_m}, not {expected_m}");
            let delta_p = delta_p(&tasks).expect("whole rows");
            assert!((delta_p - expected_p).abs() < 1e-3, "{delta_p}, not {expected_p}");
        }
    }

    #[test]
    fn a_gain_means_the_same_below_zero() {
        let gain = |value, baseline, higher_is_better| Measure { value, baseline, higher_is_better }.gain();
        assert_eq!(gain(0.75, 0.5, true), Some(50.0));
        assert_eq!(gain(0.75, 0.5, false), Some(-50.0));
        assert_eq!(gain(-0.25, -0.5, true), Some(50.0));
        assert_eq!(gain(-0.75, -0.5, false), Some(50.0));
        let broken = [(1.0, 0.0), (0.0, 0.0), (f64::NAN, 1.0), (1.0, f64::NAN), (f64::INFINITY, 1.0)];
        assert_eq!(broken.map(|(value, baseline)| gain(value, baseline, true)), [None; 5]);
        assert_eq!(gain(1.0, f64::INFINITY, true), None);
    }

    #[test]
    fn a_mean_over_nothing_or_with_a_hole_is_none() {
        let whole = Measure { value: 2.0, baseline: 1.0, higher_is_better: true };
        let hole = Measure { baseline: 0.0, ..whole };
        assert_eq!([delta_m(&[]), delta_m(&[whole, hole])], [None; 2]);
        assert_eq!([delta_p(&[]), delta_p(&[vec![whole], vec![]]), delta_p(&[vec![whole], vec![hole]])], [None; 3]);
        // The second task's two metrics count once in Δp and twice in Δm.
        let equal = Measure { value: 1.0, ..whole };
        assert_eq!(delta_p(&[vec![whole], vec![equal, equal]]), Some(50.0));
        assert_eq!(delta_m(&[whole, equal, equal]), Some(-100.0 / 3.0));
    }
}
