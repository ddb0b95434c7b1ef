//! The label columns that scenes have.

use super::objects::CLASSES;
use super::scene::Scene;
use crate::error::{BadSetting, nearest};
use crate::tasks::{Form, Task};
use tch::{Kind, Tensor};

/// A label column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Segmentation,
    Depth,
    Normals,
    Count,
    Nearest,
}

impl Column {
    const ALL: [Self; 5] = [Self::Segmentation, Self::Depth, Self::Normals, Self::Count, Self::Nearest];

    fn name(self) -> &'static str {
        match self {
            Self::Segmentation => "segmentation",
            Self::Depth => "depth",
            Self::Normals => "normals",
            Self::Count => "count",
            Self::Nearest => "nearest",
        }
    }

    fn form(self, most_objects: i64) -> Form {
        match self {
            Self::Segmentation => Form::Classes(CLASSES as i64 + 1),
            Self::Depth => Form::Real(1),
            Self::Normals => Form::Real(3),
            Self::Count => Form::Classes(most_objects + 1),
            Self::Nearest => Form::Classes(CLASSES as i64),
        }
    }

    /// The column that a task names.
    ///
    /// # Errors
    /// There is no such column, or its labels are not what the loss reads. Paths are relative to the task.
    pub fn of(task: &Task, most_objects: i64) -> Result<Self, BadSetting> {
        let names = Self::ALL.map(Self::name);
        let [target] = &task.targets[..] else {
            let what = format!("names {} columns, scenes have one per task", task.targets.len());
            return Err(BadSetting::new("target", what).remedy("name one, and `channels: 3` for normals"));
        };
        let Some(column) = Self::ALL.into_iter().find(|column| column.name() == target) else {
            let bad = BadSetting::new("target", format!("scenes have no {target} (allowed: {})", names.join(", ")));
            let near = nearest(target, names);
            return Err(bad.remedy(near.map_or("name one of these".into(), |near| format!("did you mean {near}?"))));
        };
        let form = column.form(most_objects);
        if form == task.form {
            return Ok(column);
        }
        let (labels, remedy) = match form {
            Form::Classes(classes) => {
                (format!("{classes} classes"), format!("write `loss: {{name: cross_entropy, classes: {classes}}}`"))
            }
            Form::Real(1) => {
                ("one real number".into(), "write a loss of real numbers, such as l1, and no `channels`".into())
            }
            _ => ("3 channels".into(), "write `channels: 3` and a loss of real numbers, such as cosine".into()),
        };
        let what = format!("{} reads {}, {target} has {labels}", task.loss.name(), described(task.form));
        Err(BadSetting::new("loss", what).remedy(remedy))
    }
}

fn described(form: Form) -> String {
    match form {
        Form::Classes(classes) => format!("{classes} classes"),
        Form::Binary(columns) => format!("yes or no in {columns} channels"),
        Form::Real(columns) => format!("real numbers in {columns} channels"),
    }
}

/// A column's labels, scene after scene.
pub struct Labels {
    column: Column,
    /// Classes of pixels.
    narrow: Vec<i8>,
    /// Classes of images.
    whole: Vec<i64>,
    real: Vec<f32>,
}

impl Labels {
    pub fn new(column: Column) -> Self {
        Self { column, narrow: vec![], whole: vec![], real: vec![] }
    }

    pub fn push(&mut self, scene: &Scene) {
        match self.column {
            Column::Segmentation => self.narrow.extend(scene.segmentation().map(|class| class as i8)),
            Column::Depth => self.real.extend(scene.planes().map(|(plane, place)| plane.depth(place) as f32)),
            Column::Normals => {
                let normals: Vec<[f64; 3]> = scene.planes().map(|(plane, _)| plane.normal()).collect();
                (0..3).for_each(|axis| self.real.extend(normals.iter().map(|normal| normal[axis] as f32)));
            }
            Column::Count => self.whole.push(scene.visible() as i64),
            Column::Nearest => self.whole.push(scene.classes[0] as i64),
        }
    }

    /// `[N]`, `[N, H, W]` or `[N, columns, H, W]`.
    pub fn tensor(&self, [count, height, width]: [i64; 3], precision: Kind) -> Tensor {
        match self.column {
            Column::Segmentation => Tensor::from_slice(&self.narrow).view([count, height, width]),
            Column::Depth | Column::Normals => {
                Tensor::from_slice(&self.real).to_kind(precision).view([count, -1, height, width])
            }
            Column::Count | Column::Nearest => Tensor::from_slice(&self.whole),
        }
    }

    /// Mean and standard deviation (over N; 1 stands for 0) per column, of images of so many pixels.
    pub fn moments(&self, pixels: usize) -> Vec<(f64, f64)> {
        let columns = if self.column == Column::Normals { 3 } else { 1 };
        let moments = |column| {
            let numbers = || {
                let images = self.real.chunks_exact(pixels).skip(column).step_by(columns);
                images.flatten().map(|number| f64::from(*number))
            };
            let count = (self.real.len() / columns) as f64;
            let mean = numbers().sum::<f64>() / count;
            let scale = (numbers().map(|number| (number - mean).powi(2)).sum::<f64>() / count).sqrt();
            (mean, if scale > 0.0 { scale } else { 1.0 })
        };
        (0..columns).map(moments).collect()
    }

    /// The numbers as they are held.
    #[cfg(test)]
    pub fn bytes(&self) -> Vec<u8> {
        let narrow = self.narrow.iter().map(|class| *class as u8);
        let whole = self.whole.iter().flat_map(|class| class.to_le_bytes());
        let real = self.real.iter().flat_map(|number| number.to_le_bytes());
        narrow.chain(whole).chain(real).collect()
    }
}
