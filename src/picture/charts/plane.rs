//! Points over two measures: fronts against methods, cost against quality.

use super::Chart;
use super::labels::Scenery;
use super::panel::{Legend, Panel, Sample};
use super::scale::Scale;
use super::sheet::{RADIUS, RIM, SMALL_EM, Sheet, Spot, Tint, dash, fitted, room};
use anyhow::{Result, bail};

/// The most that a name beside a point takes.
const NAME: f64 = 130.0;

/// Points over two measures.
#[derive(Debug, Clone, Default)]
pub struct Plane {
    /// Above the picture.
    pub title: String,
    /// What is measured across and upwards.
    pub names: [String; 2],
    /// Whether more is better; if not, less is.
    pub more_is_better: [bool; 2],
    /// Whether the first measure is drawn by its logarithm; what has none is left out.
    pub log_x: bool,
    /// What any front is better than in both: the area that each front dominates above it is shaded.
    pub reference: Option<[f64; 2]>,
    /// In the order of the legend.
    pub groups: Vec<Group>,
}

/// Points that share a colour.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// In the legend, unless it is empty or stands beside one of the points.
    pub label: String,
    /// What joins the points.
    pub joined: Joined,
    /// In the order of the line.
    pub points: Vec<Point>,
}

/// What joins the points of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Joined {
    /// Nothing.
    #[default]
    Not,
    /// A line in their order.
    Line,
    /// A staircase through those that no other of the group dominates: the edge of what the group dominates.
    Front,
}

/// A point, such as the mean over seeds.
#[derive(Debug, Clone, Default)]
pub struct Point {
    /// Beside the point, unless empty.
    pub label: String,
    /// The first measure.
    pub x: f64,
    /// The second measure.
    pub y: f64,
    /// Around the first: from, to.
    pub x_interval: Option<[f64; 2]>,
    /// Around the second: from, to.
    pub y_interval: Option<[f64; 2]>,
}

impl Chart for Plane {
    fn sheet(&self) -> Result<Sheet> {
        let Some(panel) = self.panel() else {
            let points: usize = self.groups.iter().map(|group| group.points.len()).sum();
            bail!("plane: none of {points} points has two numbers to draw");
        };
        let named = self.groups.iter().enumerate().filter(|(_, group)| group.needs_legend());
        let entry = |group: &Group| if group.joined == Joined::Not { Sample::Mark } else { Sample::Both };
        let legend = Legend::new(named.map(|(place, group)| (place, group.label.as_str(), entry(group))), &panel);
        let (width, height) = legend.sheet_size(&panel);
        let mut sheet = Sheet::new(&self.title, width, height);
        panel.draw(&mut sheet, [&self.names[0], &self.names[1]]);
        let mut scenery =
            Scenery { bounds: [panel.left, panel.top, panel.right(), panel.bottom()], frames: vec![], lines: vec![] };
        self.draw_joints(&mut sheet, &panel, &mut scenery);
        self.draw_points(&mut sheet, &panel, &mut scenery);
        self.draw_labels(&mut sheet, &panel, &scenery);
        legend.draw(&mut sheet, &panel);
        Ok(sheet)
    }
}

impl Plane {
    fn points(&self) -> impl Iterator<Item = &Point> {
        self.groups.iter().flat_map(|group| &group.points)
    }

    /// Around all that can be drawn.
    fn panel(&self) -> Option<Panel> {
        let scale = |coordinate: usize, log: bool| {
            let middle = self.points().map(move |point| [point.x, point.y][coordinate]);
            let ends =
                self.points().filter_map(move |point| [point.x_interval, point.y_interval][coordinate]).flatten();
            Scale::over(middle.chain(ends).chain(self.reference.map(|at| at[coordinate])), log, 0.07)
        };
        let panel = Panel::new(scale(0, self.log_x)?, scale(1, false)?, (500.0, 360.0));
        self.points().any(|point| panel.spot(point.x, point.y).is_some()).then_some(panel)
    }

    /// What is dominated, and the lines.
    fn draw_joints(&self, sheet: &mut Sheet, panel: &Panel, scenery: &mut Scenery) {
        for (place, group) in self.groups.iter().enumerate() {
            let spots: Vec<Spot> = group.points.iter().filter_map(|point| panel.spot(point.x, point.y)).collect();
            let line = match (group.joined, self.corner(panel)) {
                (Joined::Not, _) => continue,
                (Joined::Line, _) => spots,
                (Joined::Front, None) => self.stairs(&spots),
                (Joined::Front, Some(corner)) => self.shaded_stairs(sheet, &spots, corner, place),
            };
            scenery.lines.extend(line.windows(2).map(|ends| [ends[0], ends[1]]));
            sheet.dashed(line, Tint::Series(place), 1.75, dash(place));
        }
        if let Some((x, y)) = self.reference.and_then(|[x, y]| panel.spot(x, y)) {
            for (across, down) in [(4.0, 4.0), (4.0, -4.0)] {
                sheet.line(vec![(x - across, y - down), (x + across, y + down)], Tint::Muted, 1.5);
            }
            scenery.frames.push([x - 5.0, y - 5.0, x + 5.0, y + 5.0]);
        }
    }

    /// The reference on the sheet.
    fn corner(&self, panel: &Panel) -> Option<Spot> {
        let [x, y] = self.reference?;
        Some((panel.across(panel.x.bound(x)?), panel.down(panel.y.bound(y)?)))
    }

    /// Shades what lies between the stairs and the corner, as far as points are better than it in both measures. The
    /// stairs, drawn out to the corner's height and breadth.
    fn shaded_stairs(&self, sheet: &mut Sheet, spots: &[Spot], corner: Spot, place: usize) -> Vec<Spot> {
        let (x, y) = self.turned(corner);
        let is_better = |spot: &Spot| self.turned(*spot).0 < x && self.turned(*spot).1 < y;
        let within = self.stairs(&spots.iter().copied().filter(is_better).collect::<Vec<Spot>>());
        let mut line = self.stairs(spots);
        let (Some(first), Some(last)) = (within.first(), within.last()) else { return line };
        let (start, end) = ((first.0, corner.1), (corner.0, last.1));
        if line.first() == Some(first) {
            line.insert(0, start);
        }
        if line.last() == Some(last) {
            line.push(end);
        }
        let edge = [start].into_iter().chain(within.iter().copied()).chain([end, corner]);
        sheet.area(edge.collect(), Tint::Series(place), 0.1);
        line
    }

    /// Turned so that less is better in both, and back; on the sheet, down is more.
    fn turned(&self, (x, y): Spot) -> Spot {
        let [across, upwards] = self.more_is_better.map(|more| if more { -1.0 } else { 1.0 });
        (across * x, -upwards * y)
    }

    /// From the best in the first measure to the best in the second, by way of what both dominate.
    fn stairs(&self, spots: &[Spot]) -> Vec<Spot> {
        let mut sorted: Vec<Spot> = spots.iter().map(|spot| self.turned(*spot)).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut stairs: Vec<Spot> = vec![];
        for (x, y) in sorted {
            match stairs.last() {
                Some((_, lowest)) if y >= *lowest => {}
                Some((_, lowest)) => stairs.extend([(x, *lowest), (x, y)]),
                None => stairs.push((x, y)),
            }
        }
        stairs.into_iter().map(|spot| self.turned(spot)).collect()
    }

    fn draw_points(&self, sheet: &mut Sheet, panel: &Panel, scenery: &mut Scenery) {
        let groups = self.groups.iter().enumerate();
        for (place, point) in groups.flat_map(|(place, group)| group.points.iter().map(move |point| (place, point))) {
            let Some((x, y)) = panel.spot(point.x, point.y) else { continue };
            sheet.mark((x, y), place, RIM + RADIUS, Tint::Ground);
            for line in whiskers(point, panel) {
                scenery.lines.push(line);
                sheet.line(line.to_vec(), Tint::Series(place), 1.0);
            }
            sheet.mark((x, y), place, RADIUS, Tint::Series(place));
            scenery.frames.push([x - RADIUS - 1.0, y - RADIUS - 1.0, x + RADIUS + 1.0, y + RADIUS + 1.0]);
        }
    }

    fn draw_labels(&self, sheet: &mut Sheet, panel: &Panel, scenery: &Scenery) {
        let named = self.points().filter(|point| !point.label.is_empty());
        let mut words: Vec<(Spot, String)> = named
            .filter_map(|point| Some((panel.spot(point.x, point.y)?, fitted(&point.label, SMALL_EM, NAME))))
            .collect();
        let reference = self.reference.and_then(|[x, y]| panel.spot(x, y));
        words.extend(reference.map(|spot| (spot, "reference".to_string())));
        let sizes: Vec<(Spot, f64)> = words.iter().map(|(spot, text)| (*spot, room(text, SMALL_EM))).collect();
        for ((spot, text), place) in words.iter().zip(scenery.places(&sizes, 13.0)) {
            if let Some(end) = place.leader {
                sheet.line(vec![*spot, end], Tint::Muted, 0.75);
            }
            let tint = if Some(*spot) == reference { Tint::Muted } else { Tint::Ink };
            sheet.words_apart(text, place.at, place.side, SMALL_EM, tint);
        }
    }
}

impl Group {
    fn needs_legend(&self) -> bool {
        !self.label.is_empty() && self.points.iter().all(|point| point.label != self.label)
    }
}

/// The intervals of a point, as far as they are on the panel.
fn whiskers(point: &Point, panel: &Panel) -> Vec<[Spot; 2]> {
    let Some((x, y)) = panel.spot(point.x, point.y) else { return vec![] };
    let ends = |interval: Option<[f64; 2]>, scale: &Scale| {
        let [from, to] = interval?.map(|value| scale.bound(value));
        from.zip(to)
    };
    let across = ends(point.x_interval, &panel.x).map(|(from, to)| [(panel.across(from), y), (panel.across(to), y)]);
    let upwards = ends(point.y_interval, &panel.y).map(|(from, to)| [(x, panel.down(from)), (x, panel.down(to))]);
    across.into_iter().chain(upwards).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sheet::Shape;
    use super::*;

    #[test]
    fn stairs_join_what_nothing_dominates() {
        // Across and down: (1, 1) has little of the first measure and much of the second.
        let spots = [(3.0, 3.0), (1.0, 1.0), (2.0, 2.0), (2.0, 0.5), (3.0, 2.5)];
        let plane = |more_is_better| Plane { more_is_better, ..Plane::default() };
        assert_eq!(plane([false, false]).stairs(&spots), [(1.0, 1.0), (2.0, 1.0), (2.0, 2.0), (3.0, 2.0), (3.0, 3.0)]);
        assert_eq!(plane([true, true]).stairs(&spots), [(3.0, 2.5), (2.0, 2.5), (2.0, 0.5)]);
        assert_eq!(plane([false, true]).stairs(&spots), [(1.0, 1.0), (2.0, 1.0), (2.0, 0.5)]);
        assert!(plane([true, true]).stairs(&[]).is_empty());
    }

    #[test]
    fn what_is_worse_than_the_reference_dominates_nothing() {
        let mut sheet = Sheet::new("", 10.0, 10.0);
        let plane = Plane::default();
        // Less is better, so up is worse: the first point has more of the second measure than the reference, (8, 2).
        let line = plane.shaded_stairs(&mut sheet, &[(1.0, 1.0), (3.0, 5.0), (6.0, 7.0)], (8.0, 2.0), 0);
        assert_eq!(line, [(1.0, 1.0), (3.0, 1.0), (3.0, 5.0), (6.0, 5.0), (6.0, 7.0), (8.0, 7.0)]);
        let points = vec![(3.0, 2.0), (3.0, 5.0), (6.0, 5.0), (6.0, 7.0), (8.0, 7.0), (8.0, 2.0)];
        assert_eq!(sheet.shapes, [Shape::Area { points, tint: Tint::Series(0), opacity: 0.1 }]);
        plane.shaded_stairs(&mut sheet, &[(9.0, 9.0), (1.0, 1.0)], (8.0, 2.0), 0);
        assert_eq!(sheet.shapes.len(), 1);
    }
}
