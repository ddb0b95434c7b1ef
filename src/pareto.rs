//! Points of two objectives, both to be made small: which are best, and how much they dominate.

/// The points that no other one dominates, by the first objective; of equal ones, one. Points that are not finite are left out.
pub fn front(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut sorted: Vec<[f64; 2]> = points.iter().copied().filter(|p| p.iter().all(|v| v.is_finite())).collect();
    sorted.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let mut lowest = f64::INFINITY;
    sorted.retain(|point| {
        let better = point[1] < lowest;
        lowest = lowest.min(point[1]);
        better
    });
    sorted
}

/// The hypervolume: the area that the points dominate below the `reference`, exactly. Points beyond it add nothing.
///
/// Reference: Zitzler and Thiele, "Multiobjective Evolutionary Algorithms: A Comparative Case Study and the Strength Pareto
/// Approach", IEEE Transactions on Evolutionary Computation 1999.
pub fn hypervolume(points: &[[f64; 2]], reference: [f64; 2]) -> f64 {
    let inside: Vec<[f64; 2]> =
        front(points).into_iter().filter(|point| point[0] < reference[0] && point[1] < reference[1]).collect();
    let mut ceiling = reference[1];
    let mut area = 0.0;
    // From left to right each point adds the strip between it and the one before.
    for [first, second] in inside {
        area += (reference[0] - first) * (ceiling - second);
        ceiling = second;
    }
    area
}

/// The hypervolume of a whole front, of which `points` are samples that straight lines join: exact to second order in their
/// distance, where the samples alone miss half a step.
pub fn curve_hypervolume(points: &[[f64; 2]], reference: [f64; 2]) -> f64 {
    let clipped: Vec<[f64; 2]> =
        front(points).into_iter().map(|p| [p[0].min(reference[0]), p[1].min(reference[1])]).collect();
    let between: f64 = clipped.windows(2).map(|pair| (pair[1][0] - pair[0][0]) * (pair[0][1] - pair[1][1])).sum();
    hypervolume(points, reference) + between / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_front_holds_what_nothing_dominates() {
        let points =
            [[1.0, 3.0], [2.0, 2.0], [2.0, 2.0], [2.0, 2.5], [3.0, 2.0], [0.0, 4.0], [f64::NAN, 0.0], [5.0, -1.0]];
        assert_eq!(front(&points), [[0.0, 4.0], [1.0, 3.0], [2.0, 2.0], [5.0, -1.0]]);
        assert_eq!(front(&[]), Vec::<[f64; 2]>::new());
    }

    #[test]
    fn few_points_dominate_rectangles() {
        assert_eq!(hypervolume(&[], [1.0, 1.0]), 0.0);
        assert_eq!(hypervolume(&[[0.25, 0.5]], [1.0, 1.0]), 0.75 * 0.5);
        // A union: two rectangles less their overlap; a dominated point and those beyond the reference add nothing.
        let points = [[0.5, 0.25], [0.25, 0.5], [0.6, 0.6], [2.0, -9.0], [-9.0, 1.0]];
        assert_eq!(hypervolume(&points, [1.0, 1.0]), 0.375 + 0.375 - 0.25);
        assert_eq!(hypervolume(&points[..1], [-1.0, -1.0]), 0.0);
    }

    #[test]
    fn sampled_fronts_have_the_areas_of_their_integrals() {
        let n = 10_000;
        let area = |at: &dyn Fn(f64) -> [f64; 2]| {
            let points: Vec<[f64; 2]> = (0..=n).map(|step| at(f64::from(step) / f64::from(n))).collect();
            let (samples, curve) = (hypervolume(&points, [1.0, 1.0]), curve_hypervolume(&points, [1.0, 1.0]));
            assert!(samples < curve && curve < samples + 2e-4, "{samples} {curve}");
            curve
        };
        let zdt1 = area(&|share| [share * share, 1.0 - share]);
        assert!((zdt1 - 2.0 / 3.0).abs() < 1e-8, "{zdt1}");
        let zdt2 = area(&|share| [share, 1.0 - share * share]);
        assert!((zdt2 - 1.0 / 3.0).abs() < 1e-8, "{zdt2}");
        // Fonseca: the squared distances from the two centres, which are 2 apart.
        let fonseca = area(&|share| {
            let distance = 2.0 * share;
            [1.0 - (-distance * distance).exp(), 1.0 - (-(2.0 - distance).powi(2)).exp()]
        });
        assert!((fonseca - 0.342116).abs() < 5e-7, "{fonseca}");
    }
}
