//! A matrix of cosines as coloured cells.

use super::Png;
use super::page::{self, Draw, INK, Page, Side, WHITE, shortened, width};
use anyhow::{Result, ensure};
use plotters::prelude::{DrawingBackend, RGBColor};

/// From -1 to 1 in equal steps: ColorBrewer's RdBu, turned round, which red-green blind eyes tell apart; white in the
/// middle.
const COLOURS: [RGBColor; 9] = [
    RGBColor(33, 102, 172),
    RGBColor(67, 147, 195),
    RGBColor(146, 197, 222),
    RGBColor(209, 229, 240),
    WHITE,
    RGBColor(253, 219, 199),
    RGBColor(244, 165, 130),
    RGBColor(214, 96, 77),
    RGBColor(178, 24, 43),
];
const GRID: RGBColor = RGBColor(217, 217, 217);
const NOTHING: RGBColor = RGBColor(242, 242, 242);
const HATCH: RGBColor = RGBColor(176, 176, 176);

const MARGIN: i32 = 16;
const TITLE_EM: f64 = 16.0;
/// Of the legend, and the most that names have.
const TEXT_EM: f64 = 13.0;
/// The most that a name takes.
const NAME_WIDTH: u32 = 160;
/// Between a name or a number and what it names.
const GAP: i32 = 8;
/// The side of the matrix, if its cells can be made so large or so small.
const SIDE: u32 = 640;
/// The side of a cell of few tasks.
const LARGEST_CELL: u32 = 80;
/// Cells from this side on have a line between them.
const SMALLEST_APART: u32 = 8;
/// Up to so many tasks, a cell has its value written in it.
const WRITTEN_TASKS: usize = 10;
const BAR_WIDTH: u32 = 16;
const BAR_MARKS: [f64; 5] = [-1.0, -0.5, 0.0, 0.5, 1.0];

/// A square of cosines: blue for -1, white for 0, red for 1, hatched where there is none. Up to ten tasks the values are
/// written too. Rows and columns bear the tasks' names, shortened in their middle where they are long; of more tasks
/// than lines of letters have room, every second, third, … is named.
#[derive(Debug)]
pub struct Heatmap<'a> {
    values: &'a [Vec<Option<f64>>],
    title: &'a str,
    names: Vec<String>,
    cell: u32,
    em: f64,
}

impl<'a> Heatmap<'a> {
    /// Of `values` `[T][T]` in [-1, 1], `names` `[T]`. A value that is no number counts as none.
    ///
    /// # Errors
    /// The three sizes are not one.
    pub fn new(names: &[String], values: &'a [Vec<Option<f64>>], title: &'a str) -> Result<Self> {
        let size = names.len();
        ensure!(
            values.len() == size && values.iter().all(|row| row.len() == size),
            "heat map: the values are no square for {size} names"
        );
        let cell = (SIDE / size.max(1) as u32).clamp(1, LARGEST_CELL);
        let em = (f64::from(cell) * 0.7).clamp(9.0, TEXT_EM);
        let names = names.iter().map(|name| shortened(name, em, NAME_WIDTH)).collect();
        Ok(Self { values, title, names, cell, em })
    }

    /// As dots.
    ///
    /// # Errors
    /// None that is known: drawing into memory does not fail.
    pub fn png(&self) -> Result<Png> {
        page::png(self)
    }

    /// As the text of an SVG file.
    ///
    /// # Errors
    /// As [`png`](Self::png).
    pub fn svg(&self) -> Result<String> {
        page::svg(self)
    }

    /// Every how many-th task is named.
    fn stride(&self) -> usize {
        (self.em * 1.1 / f64::from(self.cell)).ceil() as usize
    }

    fn named(&self) -> impl Iterator<Item = (i32, &str)> {
        let middle = |task: usize| (task as u32 * self.cell + self.cell / 2) as i32;
        self.names.iter().enumerate().step_by(self.stride()).map(move |(task, name)| (middle(task), name.as_str()))
    }

    fn names_width(&self) -> u32 {
        self.names.iter().map(|name| width(name, self.em)).max().unwrap_or(0)
    }

    /// Whether the names of the columns fit side by side, as they are read best.
    fn columns_lie(&self) -> bool {
        self.names_width() + GAP as u32 <= self.cell
    }

    fn side(&self) -> u32 {
        self.names.len() as u32 * self.cell
    }

    /// The matrix's upper left corner.
    fn corner(&self) -> (i32, i32) {
        (MARGIN + self.names_width() as i32 + GAP, MARGIN + (TITLE_EM * 1.25) as i32 + GAP)
    }

    fn value(&self, row: usize, column: usize) -> Option<f64> {
        self.values[row][column].filter(|value| !value.is_nan())
    }

    fn lacks_values(&self) -> bool {
        (0..self.names.len()).any(|row| (0..self.names.len()).any(|column| self.value(row, column).is_none()))
    }

    fn cells<B: DrawingBackend>(&self, page: &Page<B>) -> Result<()> {
        let (left, top) = self.corner();
        let apart = u32::from(self.cell >= SMALLEST_APART);
        let frame = self.side() + 1;
        page.rectangle((left - 1, top - 1), (frame + 1 - apart, frame + 1 - apart), GRID)?;
        for row in 0..self.names.len() {
            for column in 0..self.names.len() {
                let at = (left + (column as u32 * self.cell) as i32, top + (row as u32 * self.cell) as i32);
                let side = self.cell - apart;
                match self.value(row, column) {
                    None => hatched(page, at, side)?,
                    Some(value) => {
                        page.rectangle(at, (side, side), colour(value))?;
                        if self.names.len() <= WRITTEN_TASKS {
                            self.written(page, at, value)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn written<B: DrawingBackend>(&self, page: &Page<B>, (x, y): (i32, i32), value: f64) -> Result<()> {
        let middle = self.cell as i32 / 2;
        page.text(&number(value), (x + middle, y + middle), Side::Middle, TEXT_EM, ink_on(colour(value)))
    }

    fn axes<B: DrawingBackend>(&self, page: &Page<B>) -> Result<()> {
        let (left, top) = self.corner();
        let bottom = top + self.side() as i32 + GAP;
        for (middle, name) in self.named() {
            page.text(name, (left - GAP, top + middle), Side::Left, self.em, INK)?;
            if self.columns_lie() {
                page.text(name, (left + middle, bottom + (self.em / 2.0) as i32), Side::Middle, self.em, INK)?;
            } else {
                page.text(name, (left + middle, bottom), Side::Below, self.em, INK)?;
            }
        }
        Ok(())
    }

    /// The colours with their values, 1 at the top; below it the sign for none, if there is one.
    fn legend<B: DrawingBackend>(&self, page: &Page<B>) -> Result<()> {
        let (corner, top) = self.corner();
        let (side, left) = (self.side() as i32, corner + self.side() as i32 + 3 * GAP);
        let beside = left + BAR_WIDTH as i32 + GAP;
        for y in 0..side {
            let value = 1.0 - 2.0 * f64::from(y) / f64::from((side - 1).max(1));
            page.rectangle((left, top + y), (BAR_WIDTH, 1), colour(value))?;
        }
        for mark in BAR_MARKS {
            let y = top + (f64::from(side - 1) * (1.0 - mark) / 2.0).round() as i32;
            page.text(&short(mark), (beside, y), Side::Right, TEXT_EM, INK)?;
        }
        if self.lacks_values() {
            let y = top + side + 2 * GAP;
            hatched(page, (left, y), BAR_WIDTH)?;
            page.text("none", (beside, y + BAR_WIDTH as i32 / 2), Side::Right, TEXT_EM, INK)?;
        }
        Ok(())
    }
}

impl Draw for Heatmap<'_> {
    fn size(&self) -> (u32, u32) {
        let (left, top) = self.corner();
        let legend = 4 * GAP + BAR_WIDTH as i32 + width("−0.5", TEXT_EM) as i32;
        let drawn = left + self.side() as i32 + legend + MARGIN;
        let titled = 2 * MARGIN + width(self.title, TITLE_EM) as i32;
        let names = if self.columns_lie() { (self.em * 1.25) as i32 } else { self.names_width() as i32 };
        // Of one size whether values are lacking or not, for pictures that are leafed through.
        let below = names.max(GAP + BAR_WIDTH as i32);
        let height = top + self.side() as i32 + GAP + below + MARGIN;
        (drawn.max(titled).unsigned_abs(), height.unsigned_abs())
    }

    fn draw<B: DrawingBackend>(&self, page: &Page<B>) -> Result<()> {
        page.text(self.title, (MARGIN, MARGIN + (TITLE_EM / 2.0) as i32), Side::Right, TITLE_EM, INK)?;
        self.cells(page)?;
        self.axes(page)?;
        self.legend(page)
    }
}

/// A grey square with lines across.
fn hatched<B: DrawingBackend>(page: &Page<B>, (x, y): (i32, i32), side: u32) -> Result<()> {
    page.rectangle((x, y), (side, side), NOTHING)?;
    let last = side as i32 - 1;
    // Every line has one sum of its coordinates.
    for sum in (3..2 * last).step_by(6) {
        let (near, far) = ((sum - last).max(0), sum.min(last));
        page.line((x + near, y + far), (x + far, y + near), HATCH)?;
    }
    Ok(())
}

fn colour(value: f64) -> RGBColor {
    let place = (value.clamp(-1.0, 1.0) + 1.0) / 2.0 * (COLOURS.len() - 1) as f64;
    let below = (place as usize).min(COLOURS.len() - 2);
    let (RGBColor(r, g, b), RGBColor(to_r, to_g, to_b)) = (COLOURS[below], COLOURS[below + 1]);
    let share = place - below as f64;
    let mixed = |from: u8, to: u8| (f64::from(from) * (1.0 - share) + f64::from(to) * share).round() as u8;
    RGBColor(mixed(r, to_r), mixed(g, to_g), mixed(b, to_b))
}

/// Dark or light, whichever is read better there.
fn ink_on(RGBColor(r, g, b): RGBColor) -> RGBColor {
    let brightness = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
    if brightness < 140.0 { WHITE } else { INK }
}

/// Two decimals, with the minus sign that is as wide as a digit.
fn number(value: f64) -> String {
    let rounded = format!("{value:.2}");
    match rounded.strip_prefix('-') {
        Some("0.00") => "0.00".into(),
        Some(size) => format!("−{size}"),
        None => rounded,
    }
}

fn short(value: f64) -> String {
    value.to_string().replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (1..=count).map(|number| format!("task{number}")).collect()
    }

    /// Symmetric, 1 on the diagonal, all kinds of values beside it.
    fn values(count: usize) -> Vec<Vec<Option<f64>>> {
        let value = |row: usize, column: usize| {
            let (row, column) = (row.min(column) as f64, row.max(column) as f64);
            Some(if row == column { 1.0 } else { (row * 1.7 + column * 2.3 + row * column).sin() })
        };
        (0..count).map(|row| (0..count).map(|column| value(row, column)).collect()).collect()
    }

    fn pixel(pixels: &[u8], width: u32, x: u32, y: u32) -> RGBColor {
        let at = 3 * (y * width + x) as usize;
        RGBColor(pixels[at], pixels[at + 1], pixels[at + 2])
    }

    #[test]
    fn colours_go_from_blue_over_white_to_red_and_no_further() {
        assert_eq!([-1.0, 0.0, 1.0].map(colour), [COLOURS[0], WHITE, COLOURS[8]]);
        assert_eq!([-2.0, 1.0000001, f64::INFINITY].map(colour), [COLOURS[0], COLOURS[8], COLOURS[8]]);
        assert_eq!(colour(0.125), RGBColor(254, 237, 227));
        for step in 1..=100 {
            let (before, now) = (f64::from(step - 1) / 100.0, f64::from(step) / 100.0);
            assert!(colour(now).2 < colour(before).2 || colour(now).1 < colour(before).1, "{now} is redder");
            assert!(colour(-now).0 < colour(-before).0, "{now} is bluer");
        }
    }

    #[test]
    fn every_cell_has_its_colour_and_its_value_where_there_is_room() -> Result<()> {
        for count in [1, 2, 6, 10, 11, 40, 200] {
            let (names, values) = (names(count), values(count));
            let map = Heatmap::new(&names, &values, "cosines")?;
            let (pixels, (width, _)) = (page::pixels(&map)?, map.size());
            let (left, top) = map.corner();
            for (row, values) in values.iter().enumerate() {
                for (column, value) in values.iter().enumerate() {
                    let colour = colour(value.expect("all are there"));
                    let (x, y) = (left as u32 + column as u32 * map.cell, top as u32 + row as u32 * map.cell);
                    assert_eq!(pixel(&pixels, width, x, y), colour, "{count} tasks, row {row}, column {column}");
                    let inner = map.cell - 1;
                    let inside = (0..inner * inner).map(|dot| pixel(&pixels, width, x + dot % inner, y + dot / inner));
                    let written = inside.filter(|found| *found != colour).count();
                    assert_eq!(written > 20, count <= 10, "{count} tasks, row {row}, column {column}: {written}");
                    assert!(count <= 10 || written == 0);
                }
            }
        }
        Ok(())
    }

    #[test]
    fn nothing_is_cut_off_at_the_edges() -> Result<()> {
        let long = "keypoints_in_two_dimensions_with_all_visible_joints";
        for (count, prefix) in [(1, ""), (2, long), (3, "task"), (10, long), (40, "depth"), (40, long), (300, "task")] {
            let names: Vec<String> = (0..count).map(|number| format!("{prefix}{number}")).collect();
            let mut values = values(count);
            values[0][count - 1] = None;
            let map = Heatmap::new(&names, &values, "mean cosines of the tasks' gradients, step 1234567")?;
            let (pixels, (width, height)) = (page::pixels(&map)?, map.size());
            assert!(width < 1000 && height < 1000, "{width} x {height}");
            for dot in 0..width * height {
                let (x, y) = (dot % width, dot / width);
                let from_edge = x.min(y).min(width - 1 - x).min(height - 1 - y);
                if from_edge < MARGIN as u32 / 2 {
                    assert_eq!(
                        pixel(&pixels, width, x, y),
                        WHITE,
                        "{count} {prefix} at {x}, {y} of {width} x {height}"
                    );
                }
            }
        }
        Ok(())
    }

    #[test]
    fn what_is_not_there_is_hatched_and_explained() -> Result<()> {
        let (names, whole) = (names(6), values(6));
        let mut holed = values(6);
        (holed[1][4], holed[4][1]) = (None, Some(f64::NAN));
        let (map, complete) = (Heatmap::new(&names, &holed, "")?, Heatmap::new(&names, &whole, "")?);
        let (pixels, (width, _)) = (page::pixels(&map)?, map.size());
        let (left, top) = map.corner();
        for (row, column) in [(1, 4), (4, 1)] {
            let (x, y) = (left as u32 + column * map.cell, top as u32 + row * map.cell);
            let inner = map.cell - 1;
            let inside = (0..inner * inner).map(|dot| pixel(&pixels, width, x + dot % inner, y + dot / inner));
            let lines = inside.filter(|found| *found != NOTHING).inspect(|RGBColor(r, g, b)| assert!(r == g && g == b));
            assert!((600..3000).contains(&lines.count()));
        }
        assert!(map.svg()?.contains("none\n</text>") && !complete.svg()?.contains("none\n</text>"));
        Ok(())
    }

    #[test]
    fn rows_and_columns_bear_their_names() -> Result<()> {
        let texts = |names: &[String], start: &str| -> Result<Vec<String>> {
            let svg = Heatmap::new(names, &values(names.len()), "a < b")?.svg()?;
            assert!(svg.contains("a &lt; b"));
            let lines = svg.lines().filter(|line| line.starts_with(start));
            Ok(lines.map(String::from).collect())
        };
        for count in [2, 6, 40] {
            let names = names(count);
            let twice: Vec<&String> = names.iter().flat_map(|name| [name, name]).collect();
            assert_eq!(texts(&names, "task")?.iter().collect::<Vec<_>>(), twice);
        }
        let of_many = texts(&names(100), "task")?;
        assert_eq!(of_many[..6], ["task1", "task1", "task3", "task3", "task5", "task5"]);

        let long: Vec<String> = (0..12).map(|number| format!("ä{}{number}", "very_long".repeat(number))).collect();
        let short = texts(&long, "ä")?;
        assert_eq!(short[..2], ["ä0", "ä0"]);
        assert!(short[22].starts_with("ävery_long") && short[22].contains('…') && short[22].ends_with("11"));
        assert!(short.iter().all(|name| width(name, TEXT_EM) <= NAME_WIDTH));
        Ok(())
    }

    #[test]
    fn names_of_columns_lie_if_they_fit() -> Result<()> {
        let svg = |names: &[&str]| -> Result<String> {
            let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
            Heatmap::new(&names, &values(names.len()), "")?.svg()
        };
        assert!(!svg(&["income", "age"])?.contains("rotate"));
        assert_eq!(svg(&["income", "marital_status"])?.matches("rotate(270").count(), 2);
        Ok(())
    }

    #[test]
    fn numbers_have_two_decimals_and_no_negative_zero() {
        assert_eq!([0.456, -0.456, -0.001, 1.0, -1.0].map(number), ["0.46", "−0.46", "0.00", "1.00", "−1.00"]);
    }

    #[test]
    fn a_matrix_that_is_no_square_is_refused() {
        let mut broken = values(3);
        assert!(Heatmap::new(&names(2), &broken, "").is_err());
        broken[2].pop();
        let error = Heatmap::new(&names(3), &broken, "").expect_err("a row is short").to_string();
        assert_eq!(error, "heat map: the values are no square for 3 names");
    }
}
