//! The works, as `problem.py` has them.

use polytask::data::Group;
use polytask::random::generator;
use polytask::tasks::{Target, Task, TaskSettings};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use tch::{Kind, Tensor};

pub struct Problem {
    pub tasks: usize,
    pub classes: i64,
    pub features: i64,
    pub hidden: Vec<i64>,
    pub batch: i64,
    pub method: &'static str,
    pub images: bool,
}

/// Rows of every work.
pub const ROWS: i64 = 6400;

impl Problem {
    pub fn of(work: &str) -> Self {
        let small = |tasks, hidden: &[i64], method| Self {
            tasks,
            classes: 2,
            features: 10,
            hidden: hidden.to_vec(),
            batch: 64,
            method,
            images: false,
        };
        let large = |tasks, method| Self { features: 784, batch: 256, ..small(tasks, &[512, 512, 256], method) };
        match work {
            "document" => small(2, &[20, 20], "sum"),
            "forty_mgda" => small(40, &[64, 64], "mgda"),
            "forty_nash_mtl" => small(40, &[64, 64], "nash_mtl"),
            "large_sum" => large(8, "sum"),
            "large_upgrad" => large(40, "upgrad"),
            "lenet" => Self { classes: 10, images: true, ..large(2, "sum") },
            other => panic!("there is no work {other}"),
        }
    }

    pub fn tasks(&self) -> Vec<Task> {
        let task = |task: usize| {
            let yaml = format!("{{name: t{task}, loss: {{name: cross_entropy, classes: {}}}}}", self.classes);
            serde_yaml::from_str::<TaskSettings>(&yaml).expect("a task").checked().expect("a task")
        };
        (0..self.tasks).map(task).collect()
    }

    /// Normal features, labelled by linear teachers that have half of their direction in common; a tenth of the labels are
    /// drawn anew. Pictures are the sum of one template per task and noise.
    pub fn rows(&self) -> Group {
        let mut random = generator(0, "race", 0, 0);
        let mut normal = |shape: &[i64]| {
            let count = shape.iter().product::<i64>();
            let values: Vec<f32> = (0..count).map(|_| StandardNormal.sample(&mut random)).collect();
            Tensor::from_slice(&values).view(shape)
        };
        let mut labels = generator(0, "labels", 0, 0);
        let mut draw = |count: i64| {
            Tensor::from_slice(&(0..count).map(|_| labels.random_range(0..self.classes)).collect::<Vec<i64>>())
        };
        let mut x = normal(&[ROWS, self.features]);
        let common = normal(&[self.features, self.classes]);
        let mut target = |_| {
            let drawn = draw(ROWS);
            let values = if self.images {
                x += normal(&[self.classes, self.features]).index_select(0, &drawn);
                drawn
            } else {
                let taught = x.matmul(&(&common + normal(&[self.features, self.classes]))).argmax(1, false);
                let anew = normal(&[ROWS]).gt(1.2816); // a tenth
                drawn.where_self(&anew, &taught)
            };
            Target { values: values.to_kind(Kind::Int64), weights: None }
        };
        let targets = (0..self.tasks).map(&mut target).collect();
        let x = if self.images { x.view([ROWS, 1, 28, 28]) } else { x };
        Group { inputs: vec![("x".into(), x)], tasks: (0..self.tasks).collect(), targets }
    }
}
