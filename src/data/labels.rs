//! A task's labels, made of an array that holds them: checked, and as narrow as they fit.

use crate::error::Mistake;
use crate::tasks::{Form, NO_CLASS, Standardization, Target, Task};
use std::fmt::Display;
use tch::{Kind, Tensor};

/// An array of labels, and where it comes from.
pub(super) struct Labels<'a> {
    pub task: &'a Task,
    /// `[N, …]`: classes `[N]`, of tokens `[N, L]` or of pixels `[N, H, W]`; else `[N, columns]`,
    /// `[N, columns, L]` or `[N, columns, H, W]`, where one column needs no dimension.
    pub values: Tensor,
    /// The value that stands for "no label"; of several columns of a pixel, all must have it.
    pub ignore: Option<f64>,
    /// Where row `n` stands, such as `FILE, row 3`.
    pub place: &'a dyn Fn(i64) -> String,
}

impl Labels<'_> {
    /// The labels as they are stored: classes in the narrowest kind, real ones in `precision`; no weight where all are there.
    ///
    /// # Errors
    /// A shape that is not the task's, a class that it does not have, a number that is none.
    pub fn target(&self, precision: Kind) -> Result<Target, Mistake> {
        match self.task.form {
            Form::Classes(classes) => self.classes(classes),
            Form::Binary(columns) => {
                let values = self.columns(columns)?;
                let missing = self.missing(&values);
                let wrong = values.ne(0).logical_and(&values.ne(1)).logical_and(&missing.logical_not());
                self.refuse(&wrong, &values, |value| {
                    let what = format!("{value} is not a yes-or-no label of task \"{}\"", self.task.name);
                    (what, "write 0 or 1, and name the number that stands for no label in `ignore`".into())
                })?;
                Ok(with_weights(values.masked_fill(&missing, 0).to_kind(Kind::Bool), missing))
            }
            Form::Real(columns) => {
                let values = self.columns(columns)?;
                let missing = self.missing(&values);
                let values = values.masked_fill(&missing, 0).to_kind(precision);
                self.refuse(&values.isfinite().logical_not(), &values, |value| {
                    let what = format!("{value} is not a finite number, as task \"{}\" needs", self.task.name);
                    (what, "mend it, or name the number that stands for no label in `ignore`".into())
                })?;
                Ok(with_weights(values, missing))
            }
        }
    }

    fn classes(&self, classes: i64) -> Result<Target, Mistake> {
        let size = self.values.size();
        let values = match size.as_slice() {
            [_, 1] | [_, 1, _, _] => self.values.squeeze_dim(1),
            [_] | [_, _] | [_, _, _] => self.values.shallow_clone(),
            _ => return Err(self.shape("[N], [N, L] or [N, H, W]")),
        };
        // Narrow kinds hold neither NO_CLASS nor every number of classes.
        let values = match values.kind() {
            Kind::Bool | Kind::Uint8 | Kind::Int8 | Kind::Int16 => values.to_kind(Kind::Int),
            _ => values,
        };
        let missing = self.missing(&values);
        let fraction =
            if values.is_floating_point() { values.ne_tensor(&values.floor()) } else { missing.zeros_like() };
        let wrong = values.lt(0).logical_or(&values.ge(classes)).logical_or(&fraction);
        self.refuse(&wrong.logical_and(&missing.logical_not()), &values, |value| {
            let what = format!("{value} is not a class of task \"{}\": 0 to {} are", self.task.name, classes - 1);
            (what, "mend it or the loss's `classes`, and name the number that stands for no label in `ignore`".into())
        })?;
        let kind = match classes {
            ..=127 => Kind::Int8,
            128..=32_767 => Kind::Int16,
            _ => Kind::Int64,
        };
        Ok(with_weights(values.masked_fill(&missing, NO_CLASS).to_kind(kind), missing))
    }

    /// As `[N, columns]`, `[N, columns, L]` or `[N, columns, H, W]`.
    fn columns(&self, columns: i64) -> Result<Tensor, Mistake> {
        let size = self.values.size();
        match size.as_slice() {
            [_, found, ..] if *found == columns && size.len() <= 4 => Ok(self.values.shallow_clone()),
            [_] | [_, _] | [_, _, _] if columns == 1 => Ok(self.values.unsqueeze(1)),
            _ => Err(self.shape(&format!("[N, {columns}], [N, {columns}, L] or [N, {columns}, H, W]"))),
        }
    }

    fn shape(&self, expected: &str) -> Mistake {
        let what = format!("has shape {:?}, task \"{}\" needs {expected}", self.values.size(), self.task.name);
        Mistake::new((self.place)(0), what).remedy("name another array, or as many targets as it has columns")
    }

    /// Which cells have no label.
    fn missing(&self, values: &Tensor) -> Tensor {
        let Some(ignore) = self.ignore else { return values.zeros_like().to_kind(Kind::Bool) };
        let missing = if ignore.is_nan() { values.isnan() } else { values.eq(ignore) };
        if missing.dim() == 4 { missing.all_dim(1, true).expand_as(&missing) } else { missing }
    }

    /// The first cell that is wrong.
    fn refuse(&self, wrong: &Tensor, values: &Tensor, say: impl Fn(f64) -> (String, String)) -> Result<(), Mistake> {
        if wrong.any().int64_value(&[]) == 0 {
            return Ok(());
        }
        let at = Vec::<i64>::try_from(wrong.nonzero().select(0, 0)).expect("a place");
        let (what, remedy) = say(values.double_value(&at));
        let columns = usize::from(!matches!(self.task.form, Form::Classes(_)));
        let pixel = match &at[(1 + columns).min(at.len())..] {
            [] => String::new(),
            [token] => format!(" token {token}"),
            pixel => format!(" pixel {pixel:?}"),
        };
        Err(Mistake::new(format!("{}{pixel}", (self.place)(at[0])), what).remedy(remedy))
    }
}

fn with_weights(values: Tensor, missing: Tensor) -> Target {
    let weights = (missing.any().int64_value(&[]) != 0).then(|| missing.logical_not().contiguous());
    Target { values, weights }
}

/// How a task's labels `[N, columns]` are standardised, from the training rows.
///
/// # Errors
/// Labels of pixels or tokens, which have no columns to standardise; numbers whose squares are
/// infinite.
pub(super) fn standardization(
    task: &Task,
    target: &Target,
    place: impl Display,
) -> Result<Option<Standardization>, Mistake> {
    if !task.standardize || !matches!(task.form, Form::Real(_)) {
        return Ok(None);
    }
    if target.values.dim() != 2 {
        return Err(Mistake::new(
            place,
            format!("\"{}\" has labels of pixels or tokens, which are not standardised", task.name),
        )
        .remedy("leave `standardize` out, or scale the files"));
    }
    let values = target.values.to_kind(Kind::Double);
    let weights = target.weights.as_ref().map_or_else(|| values.ones_like(), |weights| weights.to_kind(Kind::Double));
    let sum = |cells: Tensor| cells.sum_dim_intlist([0i64].as_slice(), false, Kind::Double);
    let total = sum(weights.shallow_clone()).clamp_min(1.0);
    let mean = sum(&values * &weights) / &total;
    let scale = (sum((&values - &mean).square() * &weights) / total).sqrt();
    // Of a constant, rounding may leave a deviation of 1e-17: one label stands for all.
    let first = values.gather(0, &weights.argmax(0, true), false); // [1, columns]
    let varies = sum((values.ne_tensor(&first)).logical_and(&weights.gt(0.0)).to_kind(Kind::Double)).gt(0.0);
    let scale = scale.where_self(&varies.logical_and(&scale.gt(0.0)), &scale.ones_like());
    if (&mean + &scale).isfinite().all().int64_value(&[]) == 0 {
        let what = format!("the labels of \"{}\" are too large to be standardised", task.name);
        return Err(Mistake::new(place, what).remedy("scale them in the file"));
    }
    let numbers = |tensor: Tensor| Vec::<f64>::try_from(tensor).expect("a number per column");
    Ok(Some(Standardization { mean: numbers(mean), scale: numbers(scale) }))
}

/// The labels standardized, in the kind in which they come; those that are missing stay 0. Numbers in double precision are
/// brought to `precision` then.
pub(super) fn standardized(target: Target, standardization: Option<&Standardization>, precision: Kind) -> Target {
    let narrowed = |tensor: Tensor| if tensor.kind() == Kind::Double { tensor.to_kind(precision) } else { tensor };
    let Target { mut values, weights } = target;
    if let Some(it) = standardization {
        values = it.apply(&values);
        if let Some(weights) = &weights {
            values = values.masked_fill(&weights.eq(0), 0);
        }
    }
    Target { values: narrowed(values), weights: weights.map(narrowed) }
}

/// Every task needs a label to learn from.
pub(super) fn check_labelled(task: &Task, target: &Target, place: impl Display) -> Result<(), Mistake> {
    let there = target.weights.as_ref().is_none_or(|weights| weights.any().int64_value(&[]) != 0);
    if there && target.values.size()[0] > 0 {
        return Ok(());
    }
    Err(Mistake::new(place, format!("no training row has a label for task \"{}\"", task.name))
        .remedy("look at `ignore`, or take the task out"))
}
