//! Closed forms, properties, and Monte Carlo for the volumes that have no closed form.

use super::*;
use crate::random::generator;
use rand::RngExt;

/// `count` points of `N` objectives, evenly distributed in the unit box.
fn drawn<const N: usize>(count: usize, seed: u64) -> Vec<[f64; N]> {
    let mut random = generator(seed, "pareto.tests", 0, 0);
    (0..count).map(|_| [(); N].map(|()| random.random::<f64>())).collect()
}

/// Points on the unit sphere: a front.
fn on_the_sphere<const N: usize>(count: usize, seed: u64) -> Vec<[f64; N]> {
    let normed = |point: [f64; N]| point.map(|value| value / euclidean(&point, &[0.0; N]));
    drawn(count, seed).into_iter().map(normed).collect()
}

fn assert_near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} instead of {expected}");
}

#[test]
fn a_front_holds_what_nothing_dominates() {
    let points = [[1.0, 3.0], [2.0, 2.0], [2.0, 2.0], [2.0, 2.5], [3.0, 2.0], [0.0, 4.0], [f64::NAN, 0.0], [5.0, -1.0]];
    assert_eq!(front(&points), [[0.0, 4.0], [1.0, 3.0], [2.0, 2.0], [5.0, -1.0]]);
    assert_eq!(front::<[f64; 2]>(&[]), Vec::<[f64; 2]>::new());
    let points = [[1.0, 1.0, 1.0], [2.0, 0.0, 2.0], [1.0, 1.0, 2.0], [1.0, 1.0, 1.0], [0.0, 2.0, 0.5]];
    assert_eq!(front(&points), [[0.0, 2.0, 0.5], [1.0, 1.0, 1.0], [2.0, 0.0, 2.0]]);
}

#[test]
fn of_any_number_of_objectives_a_front_is_what_pairs_say() {
    fn check<const N: usize>() {
        let points = drawn::<N>(200, N as u64);
        let dominates = |a: &[f64; N], b: &[f64; N]| a != b && a.iter().zip(b).all(|(a, b)| a <= b);
        let mut expected: Vec<[f64; N]> =
            points.iter().filter(|point| !points.iter().any(|other| dominates(other, point))).copied().collect();
        expected.sort_by(|a, b| a[0].total_cmp(&b[0]));
        assert_eq!(front(&points), expected);
        assert!(expected.len() < points.len());
    }
    check::<1>();
    check::<2>();
    check::<3>();
    check::<5>();
}

#[test]
fn few_points_dominate_boxes() {
    assert_eq!(hypervolume::<[f64; 2]>(&[], &[1.0, 1.0]), 0.0);
    assert_eq!(hypervolume(&[[0.25, 0.5]], &[1.0, 1.0]), 0.75 * 0.5);
    // A union: two rectangles less their overlap; a dominated point and those beyond the reference add nothing.
    let points = [[0.5, 0.25], [0.25, 0.5], [0.6, 0.6], [2.0, -9.0], [-9.0, 1.0], [f64::NAN, 0.0]];
    assert_eq!(hypervolume(&points, &[1.0, 1.0]), 0.375 + 0.375 - 0.25);
    assert_eq!(hypervolume(&points[..1], &[-1.0, -1.0]), 0.0);
    assert_eq!(hypervolume(&[[0.5], [0.25]], &[1.0]), 0.75);
    assert_eq!(hypervolume(&[[0.5, 0.25, 0.5]], &[1.0, 1.0, 2.0]), 0.5 * 0.75 * 1.5);
    // Three boxes of a quarter each: every two share an eighth, as all three do.
    let boxes = [[0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]];
    assert_eq!(hypervolume(&boxes, &[1.0; 3]), 3.0 * 0.25 - 3.0 * 0.125 + 0.125);
    // And in four dimensions, one after the other thinner by the last.
    let boxes: Vec<Vec<f64>> = boxes.iter().zip([0.0, 0.5, 0.5]).map(|(p, last)| [&p[..], &[last]].concat()).collect();
    assert_eq!(hypervolume(&boxes, &[1.0; 4]), 0.25 + 0.125 * 2.0 - 0.0625 * 3.0 + 0.0625);
}

#[test]
fn sampled_fronts_have_the_areas_of_their_integrals() {
    let n = 10_000;
    let area = |at: &dyn Fn(f64) -> [f64; 2]| {
        let points: Vec<[f64; 2]> = (0..=n).map(|step| at(f64::from(step) / f64::from(n))).collect();
        let (samples, curve) = (hypervolume(&points, &[1.0, 1.0]), curve_hypervolume(&points, [1.0, 1.0]));
        assert!(samples < curve && curve < samples + 2e-4, "{samples} {curve}");
        curve
    };
    assert_near(area(&|share| [share * share, 1.0 - share]), 2.0 / 3.0, 1e-8); // ZDT1
    assert_near(area(&|share| [share, 1.0 - share * share]), 1.0 / 3.0, 1e-8); // ZDT2
    // Fonseca: the squared distances from the two centres, which are 2 apart.
    let fonseca = area(&|share| {
        let distance = 2.0 * share;
        [1.0 - (-distance * distance).exp(), 1.0 - (-(2.0 - distance).powi(2)).exp()]
    });
    assert_near(fonseca, 0.342116, 5e-7);
}

/// An eighth of the unit ball is not dominated: DTLZ2 with three objectives. Of each cell of a grid on the sphere a corner, which
/// is part of the front, gives too little, and the point that dominates the whole cell too much.
#[test]
fn a_spherical_front_has_the_volume_outside_the_ball() {
    let n = 24;
    let at = |i: i32, j: i32| {
        let angle = |step: i32| f64::from(step) / f64::from(n) * std::f64::consts::FRAC_PI_2;
        [angle(i).cos() * angle(j).cos(), angle(i).cos() * angle(j).sin(), angle(i).sin()]
    };
    let cells = || (0..n).flat_map(|i| (0..n).map(move |j| (i, j)));
    let corners: Vec<[f64; 3]> = (0..=n).flat_map(|i| (0..=n).map(move |j| at(i, j))).collect();
    let ideals: Vec<[f64; 3]> = cells().map(|(i, j)| [at(i + 1, j + 1)[0], at(i + 1, j)[1], at(i, j)[2]]).collect();
    let (low, high) = (hypervolume(&corners, &[1.0; 3]), hypervolume(&ideals, &[1.0; 3]));
    let exact = 1.0 - std::f64::consts::PI / 6.0;
    assert!(low < exact && exact < high && high - low < 0.11, "{low} {exact} {high}");
    assert_near((low + high) / 2.0, exact, 2e-3);
}

#[test]
fn volumes_are_those_of_monte_carlo() {
    fn check<const N: usize>(points: &[[f64; N]], reference: [f64; N]) {
        let samples = drawn::<N>(200_000, 9);
        let dominated = samples.iter().filter(|sample| {
            let at: [f64; N] = std::array::from_fn(|k| sample[k] * reference[k]);
            points.iter().any(|point| is_nowhere_larger(point, &at))
        });
        let whole: f64 = reference.iter().product();
        let share = dominated.count() as f64 / samples.len() as f64;
        let deviation = (share * (1.0 - share) / samples.len() as f64).sqrt();
        assert!((0.05..0.95).contains(&share));
        assert_near(hypervolume(points, &reference), whole * share, 4.0 * whole * deviation);
    }
    check(&on_the_sphere::<3>(40, 1), [1.1, 1.0, 0.9]);
    check(&on_the_sphere::<4>(40, 2), [1.0, 1.2, 1.0, 0.9]);
    check(&drawn::<4>(60, 3), [1.0; 4]);
    check(&drawn::<5>(60, 4), [1.0; 5]);
}

#[test]
fn a_volume_knows_no_order_and_grows_with_the_set_by_what_is_not_dominated() {
    fn check<const N: usize>() {
        let points = [on_the_sphere::<N>(30, 5), drawn(30, 6)].concat();
        let volume = |points: &[[f64; N]]| hypervolume(points, &[1.0; N]);
        let all = volume(&points);
        let backwards: Vec<[f64; N]> = points.iter().rev().copied().collect();
        assert_near(volume(&backwards), all, 1e-14);
        // Nor does it know the order of the objectives.
        let turned: Vec<[f64; N]> = points.iter().map(|p| std::array::from_fn(|k| p[(k + 1) % N])).collect();
        assert_near(volume(&turned), all, 1e-14);
        let mut before = 0.0;
        for count in 1..=points.len() {
            let now = volume(&points[..count]);
            let is_dominated = points[..count - 1].iter().any(|other| is_nowhere_larger(other, &points[count - 1]));
            assert!(if is_dominated { (now - before).abs() < 1e-14 } else { now > before }, "{count}: {before} {now}");
            before = now;
        }
        // Scaled objectives scale it.
        let scaled: Vec<[f64; N]> = points.iter().map(|p| p.map(|value| 1e-6 * value)).collect();
        assert_near(hypervolume(&scaled, &[1e-6; N]) * 1e6f64.powi(N as i32), all, 1e-13);
    }
    check::<2>();
    check::<3>();
    check::<4>();
    check::<5>();
}

#[test]
#[should_panic(expected = "left: 2")]
fn a_point_of_another_number_of_objectives_is_refused() {
    hypervolume(&[[0.5, 0.5]], &[1.0; 3]);
}

#[test]
fn spreads_are_those_of_a_hand_calculation() {
    let line = [[0.0, 4.0], [1.0, 3.0], [2.0, 2.0], [4.0, 0.0], [3.0, 3.0]];
    let root = 2f64.sqrt();
    // Gaps √2, √2, 2√2 with the mean 4√2/3; the dominated last point takes no part.
    let uneven = 2.0 * (4.0 / 3.0 - 1.0) + (2.0 - 4.0 / 3.0);
    assert_near(spread(&line, [[0.0, 4.0], [4.0, 0.0]]).unwrap(), uneven / 4.0, 1e-15);
    // Both ends missed by √2.
    assert_near(spread(&line, [[-1.0, 5.0], [5.0, -1.0]]).unwrap(), (uneven + 2.0) / 6.0, 1e-15);
    assert_eq!(spread(&line[..3], [[0.0, 4.0], [2.0, 2.0]]), Some(0.0));
    assert_eq!(spread(&line[..1], [[0.0, 4.0], [4.0, 0.0]]), None);

    assert_near(maximum_spread(&line), 4.0 * root, 1e-15);
    assert_eq!(maximum_spread(&[[1.0, 2.0, 3.0], [3.0, 3.0, 1.0]]), 3.0);
    assert_eq!(maximum_spread::<[f64; 2]>(&[]), 0.0);

    // Nearest in steps along the axes: 2, 2, 2 and 4.
    assert_near(spacing(&line).unwrap(), (3.0 * 0.25 + 2.25f64).sqrt() / 3f64.sqrt(), 1e-15);
    assert_eq!(spacing(&[[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]), Some(0.0));
    assert_eq!(spacing(&line[4..]), None);
}

#[test]
fn the_distance_of_a_set_to_a_front_is_the_mean_over_the_front() {
    let front = [[0.0, 1.0], [1.0, 0.0]];
    assert_eq!(inverted_generational_distance(&front, &front), 0.0);
    // Points on the front that leave out half of it, and points that cover all but lie above.
    assert_near(inverted_generational_distance(&front[..1], &front), 2f64.sqrt() / 2.0, 1e-15);
    assert_near(inverted_generational_distance(&[vec![0.0, 2.0], vec![3.0, 0.0]], &front), 1.5, 1e-15);
    assert_eq!(inverted_generational_distance::<[f64; 2], _>(&[], &front), f64::INFINITY);
    assert_eq!(inverted_generational_distance::<_, [f64; 2]>(&front, &[]), 0.0);
}
