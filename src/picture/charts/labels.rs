//! Words beside points: each where it hides least.

use super::sheet::Spot;
use crate::picture::page::Side;

/// Left, top, right, bottom.
pub type Frame = [f64; 4];

/// What words should not hide.
pub struct Scenery {
    /// What they must stay inside.
    pub bounds: Frame,
    /// Marks.
    pub frames: Vec<Frame>,
    /// Thin lines.
    pub lines: Vec<[Spot; 2]>,
}

/// Where words lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// What they name.
    pub point: Spot,
    /// What they cover.
    pub frame: Frame,
    /// From where they are set.
    pub at: Spot,
    /// On which side of it.
    pub side: Side,
    /// The end of a thin line from their point, where they are too far to be told its own.
    pub leader: Option<Spot>,
}

/// From the middle of a point to its words.
const DISTANCES: [f64; 7] = [9.0, 18.0, 30.0, 44.0, 62.0, 84.0, 110.0];
/// The nearest that has a leader.
const LED: f64 = 15.0;
/// Across and down: first where words are looked for first.
const DIRECTIONS: [Spot; 8] =
    [(1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (-1.0, 0.0), (0.75, -0.75), (0.75, 0.75), (-0.75, -0.75), (-0.75, 0.75)];

impl Scenery {
    /// A place for each of some words, given their points, widths and common height. Each is moved again once all others
    /// are there.
    pub fn places(&self, words: &[(Spot, f64)], height: f64) -> Vec<Place> {
        let mut places: Vec<Place> = vec![];
        for word in words {
            places.push(self.best(*word, height, &places));
        }
        for _ in 0..3 {
            for (number, word) in words.iter().enumerate() {
                let others: Vec<Place> = (0..words.len()).filter(|other| *other != number).map(|o| places[o]).collect();
                places[number] = self.best(*word, height, &others);
            }
        }
        places
    }

    fn best(&self, (point, width): (Spot, f64), height: f64, others: &[Place]) -> Place {
        let all = DISTANCES.iter().flat_map(|distance| DIRECTIONS.iter().map(move |to| (*distance, *to)));
        let places = all.enumerate().map(|(number, (distance, to))| {
            let place = beside(point, distance, to, width, height);
            (self.hidden(&place, others) + distance + number as f64 * 0.01, place)
        });
        // There are always candidates; the fallback is the first of them.
        let best = places.min_by(|(a, _), (b, _)| a.total_cmp(b));
        best.map_or_else(|| beside(point, DISTANCES[0], DIRECTIONS[0], width, height), |(_, place)| place)
    }

    /// How much words hide: an area, and lines with some width.
    fn hidden(&self, place: &Place, others: &[Place]) -> f64 {
        let frame = place.frame;
        let outside = area(frame) - common(frame, self.bounds);
        let marks: f64 = self.frames.iter().map(|other| common(frame, *other)).sum();
        let words: f64 = others.iter().map(|other| common(frame, other.frame)).sum();
        // A leader through a mark or a word seems to come from there.
        let mut misled = 0.0;
        if let Some(end) = place.leader {
            let is_foreign = |frame: &&Frame| common(**frame, around(place.point)) == 0.0;
            let frames = self.frames.iter().filter(is_foreign).copied().chain(others.iter().map(|other| other.frame));
            misled = frames.map(|frame| inside([place.point, end], frame)).sum();
        }
        let lines: f64 = self.lines.iter().map(|line| inside(*line, frame)).sum();
        let leaders = others.iter().filter_map(|other| Some([other.leader?, other.point]));
        let led: f64 = leaders.map(|line| inside(line, frame)).sum();
        100.0 * outside + 3.0 * marks + 3.0 * words + 3.0 * misled + 2.0 * (lines + led)
    }
}

fn beside((x, y): Spot, distance: f64, (right, down): Spot, width: f64, height: f64) -> Place {
    let (x_at, y_at) = (x + distance * right, y + distance * down);
    let (left, side, at) = match right {
        right if right > 0.0 => (x_at, Side::Right, x_at),
        right if right < 0.0 => (x_at - width, Side::Left, x_at),
        _ => (x_at - width / 2.0, Side::Middle, x_at),
    };
    // Above and below a mark there is less to see than letters are high.
    let center = if right == 0.0 { y_at + down * (height / 2.0 - 3.0) } else { y_at };
    let frame = [left, center - height / 2.0, left + width, center + height / 2.0];
    let nearest = (x.clamp(frame[0], frame[2]), y.clamp(frame[1], frame[3]));
    Place { point: (x, y), frame, at: (at, center), side, leader: (distance > LED).then_some(nearest) }
}

fn area([left, top, right, bottom]: Frame) -> f64 {
    (right - left).max(0.0) * (bottom - top).max(0.0)
}

fn common(a: Frame, b: Frame) -> f64 {
    area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])])
}

/// What is there, if only a little.
fn around((x, y): Spot) -> Frame {
    [x - 0.5, y - 0.5, x + 0.5, y + 0.5]
}

/// The length of a line inside a frame, by Liang and Barsky's clipping.
fn inside([(x, y), (to_x, to_y)]: [Spot; 2], [left, top, right, bottom]: Frame) -> f64 {
    let (across, down) = (to_x - x, to_y - y);
    let (mut enter, mut leave) = (0.0f64, 1.0f64);
    for (way, room) in [(-across, x - left), (across, right - x), (-down, y - top), (down, bottom - y)] {
        if way == 0.0 && room < 0.0 {
            return 0.0;
        } else if way < 0.0 {
            enter = enter.max(room / way);
        } else if way > 0.0 {
            leave = leave.min(room / way);
        }
    }
    (leave - enter).max(0.0) * across.hypot(down)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_long_as_its_part_inside() {
        let frame = [0.0, 0.0, 10.0, 5.0];
        assert_eq!(inside([(-5.0, 2.0), (20.0, 2.0)], frame), 10.0);
        assert_eq!(inside([(2.0, 2.0), (2.0, 3.0)], frame), 1.0);
        assert_eq!(inside([(2.0, 7.0), (9.0, 7.0)], frame), 0.0);
        assert!((inside([(-1.0, -1.0), (6.0, 6.0)], frame) - 50f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn words_of_a_crowd_do_not_overlap_and_stay_inside() {
        let bounds = [0.0, 0.0, 500.0, 350.0];
        let spot = |number: u32| {
            let angle = f64::from(number) * 2.4;
            let radius = 12.0 * f64::from(number).sqrt();
            (250.0 + radius * angle.cos(), 175.0 + radius * angle.sin())
        };
        let words: Vec<(Spot, f64)> = (0..20).map(|number| (spot(number), 70.0)).collect();
        let frames = words.iter().map(|((x, y), _)| [x - 4.0, y - 4.0, x + 4.0, y + 4.0]).collect();
        let places = Scenery { bounds, frames, lines: vec![] }.places(&words, 13.0);
        for (number, place) in places.iter().enumerate() {
            assert!((common(place.frame, bounds) - area(place.frame)).abs() < 1e-6);
            for other in &places[..number] {
                assert!(common(place.frame, other.frame) < 3.0, "{place:?} {other:?}");
            }
        }
    }
}
