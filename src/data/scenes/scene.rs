//! One scene: flat objects in front of a plane, and what a camera sees of them.
//!
//! The camera projects in parallel. Its axes are u to the right and v down, both 0 in the middle of the canvas and in units
//! of the canvas's height, and z away from it. Nothing here takes more than the four operations and square roots, which
//! give the same bytes on every machine.

use super::objects::{CLASSES, Objects, SIDE, brightness};
use rand::{Rng, RngExt};

/// Where the light comes from, of length 1: from behind the camera, top left.
const LIGHT: [f64; 3] = [-0.48, -0.64, -0.6];
/// The share of the light that comes from everywhere.
const AMBIENT: f64 = 0.25;
/// The distance at which half of the colour is haze.
const HAZE_DISTANCE: f64 = 6.0;
/// Red, green, blue.
const HAZE: [f64; 3] = [0.55, 0.65, 0.8];
/// How bright an object's darkest pixel is.
const DARK: f64 = 0.35;

/// A plane: the distance at (u, v) is `distance + slope · (u, v)`.
#[derive(Debug, Clone, Copy)]
pub struct Plane {
    pub distance: f64,
    pub slope: [f64; 2],
}

impl Plane {
    pub fn depth(&self, [u, v]: [f64; 2]) -> f64 {
        self.distance + self.slope[0] * u + self.slope[1] * v
    }

    /// Of length 1, towards the camera.
    pub fn normal(&self) -> [f64; 3] {
        let [a, b] = self.slope;
        let length = (a * a + b * b + 1.0).sqrt();
        [a / length, b / length, -1.0 / length]
    }
}

/// A plane and its colour (red, green, blue, from 0 to 1).
#[derive(Debug, Clone, Copy)]
struct Surface {
    plane: Plane,
    tint: [f64; 3],
}

/// An object on the canvas.
struct Object<'a> {
    surface: Surface,
    class: usize,
    image: &'a [u8],
    mirrored: bool,
    /// Of the square that the image fills, in pixels.
    left: usize,
    top: usize,
    side: usize,
}

impl Object<'_> {
    /// The brightness at a pixel, where the object is.
    fn brightness(&self, row: usize, column: usize) -> Option<f64> {
        let inside = |at: usize, start: usize| at.checked_sub(start).filter(|at| *at < self.side);
        let (row, column) = (inside(row, self.top)?, inside(column, self.left)?);
        let column = if self.mirrored { self.side - 1 - column } else { column };
        brightness(self.image, row * SIDE / self.side, column * SIDE / self.side)
    }
}

/// Height and width, in pixels.
pub type Size = [usize; 2];

/// What is seen, pixel by pixel, row after row.
pub struct Scene {
    size: Size,
    background: Surface,
    /// From front to back.
    surfaces: Vec<Surface>,
    /// Of the objects, from front to back.
    pub classes: Vec<usize>,
    /// Which object is seen, counted from the front, and how bright it is; `None`: the background.
    pub seen: Vec<Option<(usize, f64)>>,
}

impl Scene {
    /// Draws a scene of `count` objects of a split.
    pub fn draw(random: &mut impl Rng, objects: &Objects, split: usize, size: Size, count: usize) -> Self {
        let mut near = 1.0; // all that stands already is nearer
        let all: Vec<Object> = (0..count).map(|_| object(random, objects, split, size, &mut near)).collect();
        let [height, width] = size;
        let extent = [width as f64 / height as f64, 1.0];
        let background = surface(random, 0.5, [0.0, 0.0], extent, &mut near);
        let front = |pixel| {
            let (row, column) = (pixel / width, pixel % width);
            all.iter().enumerate().find_map(|(at, object)| Some((at, object.brightness(row, column)?)))
        };
        Self {
            size,
            background,
            surfaces: all.iter().map(|object| object.surface).collect(),
            classes: all.iter().map(|object| object.class).collect(),
            seen: (0..height * width).map(front).collect(),
        }
    }

    /// The number of objects of which a pixel is seen.
    pub fn visible(&self) -> usize {
        (0..self.classes.len()).filter(|at| self.seen.iter().flatten().any(|(seen, _)| seen == at)).count()
    }

    /// 0 is the background, class `c` is `c + 1`.
    pub fn segmentation(&self) -> impl Iterator<Item = usize> {
        self.seen.iter().map(|seen| seen.map_or(0, |(object, _)| self.classes[object] + 1))
    }

    /// The plane that is seen and where, (u, v).
    pub fn planes(&self) -> impl Iterator<Item = (Plane, [f64; 2])> {
        (0..self.seen.len()).map(|pixel| (self.surface(pixel).plane, self.place(pixel)))
    }

    /// Red, green and blue from 0 to 1: `t · light · tint · brightness + (1 - t) · haze`, with t falling with the distance.
    pub fn colours(&self) -> impl Iterator<Item = [f64; 3]> {
        (0..self.seen.len()).map(|pixel| {
            let Surface { plane, tint } = self.surface(pixel);
            let brightness = self.seen[pixel].map_or(1.0, |(_, brightness)| DARK + (1.0 - DARK) * brightness);
            let clear = 1.0 / (1.0 + plane.depth(self.place(pixel)) / HAZE_DISTANCE);
            let towards_light: f64 = plane.normal().iter().zip(LIGHT).map(|(n, l)| n * l).sum();
            let light = AMBIENT + (1.0 - AMBIENT) * towards_light.max(0.0);
            std::array::from_fn(|c| clear * light * tint[c] * brightness + (1.0 - clear) * HAZE[c])
        })
    }

    fn surface(&self, pixel: usize) -> Surface {
        self.seen[pixel].map_or(self.background, |(object, _)| self.surfaces[object])
    }

    fn place(&self, pixel: usize) -> [f64; 2] {
        let [_, width] = self.size;
        middle(self.size, (pixel % width) as f64 + 0.5, (pixel / width) as f64 + 0.5)
    }
}

/// Where a point of the canvas in pixels is: (u, v).
fn middle([height, width]: Size, x: f64, y: f64) -> [f64; 2] {
    let (height, width) = (height as f64, width as f64);
    [(x - 0.5 * width) / height, (y - 0.5 * height) / height]
}

fn object<'a>(random: &mut impl Rng, objects: &'a Objects, split: usize, size: Size, near: &mut f64) -> Object<'a> {
    let class = random.random_range(0..CLASSES);
    let image = objects.image(split, class, random.random_range(0..Objects::in_split(split)));
    let mirrored = random.random();
    let shorter = size[0].min(size[1]);
    let side = ((shorter as f64 * random.random_range(0.3..0.6)) as usize).max(1);
    let (top, left) = (random.random_range(0..=size[0] - side), random.random_range(0..=size[1] - side));
    let half = 0.5 * side as f64;
    let centre = middle(size, left as f64 + half, top as f64 + half);
    let extent = [side as f64 / size[0] as f64; 2];
    let surface = surface(random, 1.0, centre, extent, near);
    Object { surface, class, image, mirrored, left, top, side }
}

/// A surface of some extent around a place that is wholly behind `near`, which moves behind it.
fn surface(random: &mut impl Rng, steepest: f64, at: [f64; 2], extent: [f64; 2], near: &mut f64) -> Surface {
    let slope: [f64; 2] = std::array::from_fn(|_| random.random_range(-steepest..steepest));
    let half = 0.5 * (slope[0].abs() * extent[0] + slope[1].abs() * extent[1]);
    let centre = *near + random.random_range(0.1..0.6) + half;
    *near = centre + half;
    let tint = std::array::from_fn(|_| random.random_range(0.4..1.0));
    Surface { plane: Plane { distance: centre - slope[0] * at[0] - slope[1] * at[1], slope }, tint }
}
