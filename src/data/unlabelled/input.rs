//! One input's rows: read from where they lie, and held against what the model reads.

use super::format::RowFormat;
use super::{KnownInputs, Stored};
use crate::data::arrays::{self, MapLayout, SameRows, check_channels, check_ids};
use crate::data::images::ImageFiles;
use crate::data::kinds::is_integer;
use crate::data::{Column, Data, InputKind, InputRule, csv, idx};
use crate::error::{Mistake, note};
use anyhow::Result;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Arrays as a person may write them.
const ARRAYS: &str = "FILE.npy, FILE.npz:KEY, FILE.safetensors:KEY or a folder of numbered .npy files";

/// An input, the file or folder of its rows, and what the model knows.
pub(super) struct Input<'a> {
    pub name: &'a str,
    pub path: &'a Path,
    pub known: &'a KnownInputs,
}

impl Input<'_> {
    /// The rows, and how the model reads them; they must be as many as `same` has seen.
    ///
    /// # Errors
    /// They cannot be read, or are not what the model reads.
    pub fn read(&self, same: &mut SameRows) -> Result<(Stored, InputRule)> {
        let format = RowFormat::of(self.path, self.known.source.as_ref().map(Data::name))?;
        let columns = self.known.features.as_ref().map_or(&[][..], |features| &features.columns);
        if !columns.is_empty() && format != RowFormat::Table {
            return Err(self.is_no_table(&format, columns).into());
        }
        let (stored, rule) = match format {
            RowFormat::Array => return self.array(same),
            RowFormat::Table => self.table()?,
            RowFormat::Idx => self.idx()?,
            RowFormat::Images(files) => self.images(self.placed(files)?)?,
        };
        same.check_rows(&self.path.display().to_string(), stored.rows())?;
        Ok((stored, rule))
    }

    fn array(&self, same: &mut SameRows) -> Result<(Stored, InputRule)> {
        let said = match &self.known.source {
            Some(Data::Arrays(arrays)) => arrays.channels.as_ref(),
            _ => None,
        };
        let layout = |size: &[i64]| {
            self.known.features.as_ref()?;
            MapLayout::for_model(self.name, size, self.shape(), said)
        };
        let array = arrays::unlabelled(self.path, self.known.precision, self.is_scaled(), same, layout)?;
        self.fitting(array.tensor, &array.stored)
    }

    fn table(&self) -> Result<(Stored, InputRule)> {
        let precision = self.known.precision;
        let as_it_is = |(x, _): (Tensor, Vec<String>)| (Stored::Whole(x), InputRule::new(InputKind::Numbers));
        match (&self.known.features, &self.known.source) {
            (None, _) => csv::read_numbers(self.path, precision, |_| Ok(())).map(as_it_is),
            (Some(features), _) if !features.columns.is_empty() => {
                csv::read_inputs(self.path, features, precision).map(as_it_is)
            }
            (_, Some(Data::Images(images))) => self.images(images.files(self.path)?),
            _ => self.columns_in_order(),
        }
    }

    /// A table for a model of arrays: as many columns as a row has numbers.
    fn columns_in_order(&self) -> Result<(Stored, InputRule)> {
        // Ids beyond the digits of a single stay whole, and what is scaled keeps its digits until then.
        let ids = self.rule(&Tensor::zeros([0, 1], (Kind::Double, Device::Cpu))).kind == InputKind::Ids;
        let kind = if ids || self.is_scaled() { Kind::Double } else { self.known.precision };
        let (x, _) = csv::read_numbers(self.path, kind, |header| self.check_columns(header))?;
        let place = self.path.display();
        note(format!("note: {place}: the model knows no names of columns, they are taken in the order of the file"));
        let stored = x.size();
        self.fitting(x, &stored)
    }

    /// Whether the model standardizes the input.
    fn is_scaled(&self) -> bool {
        let rules = self.known.features.as_ref().and_then(|features| features.inputs.as_ref());
        rules.and_then(|rules| rules.get(self.name)).is_some_and(|rule| rule.scaling.is_some())
    }

    /// A table has a column for each number of a row.
    fn check_columns(&self, header: &[String]) -> Result<(), Mistake> {
        let (model, name) = (self.model(), self.name);
        let (what, remedy) = match self.shape() {
            None => return Ok(()),
            Some([width]) if *width == header.len() as i64 => return Ok(()),
            Some([width]) => (
                format!("has {}, and {model} reads rows of {width} numbers as input {name}", columns(header.len())),
                format!("give {width} in the order of training, or [N, {width}] as {ARRAYS}"),
            ),
            Some(shape) => {
                let images = if matches!(shape, [1 | 3, _, _]) { "; images may come as a folder of files" } else { "" };
                (
                    format!("is a table, and {model} reads input {name} of shape {shape:?}"),
                    format!("give {} as {ARRAYS}{images}", shapes(shape)),
                )
            }
        };
        Err(Mistake::new(self.path.display(), what).remedy(remedy))
    }

    fn idx(&self) -> Result<(Stored, InputRule)> {
        self.check_scale_is_known()?;
        let images = idx::images(self.path)?;
        self.check_reads_images(&images)?;
        let stored = images.size();
        self.fitting(images, &stored)
    }

    fn images(&self, files: Vec<(PathBuf, String)>) -> Result<(Stored, InputRule)> {
        self.check_scale_is_known()?;
        let images = match (&self.known.source, self.shape()) {
            (Some(Data::Images(settings)), shape) => ImageFiles::of_settings(files, settings, shape)?,
            (_, Some(&[channels @ (1 | 3), height, width])) => ImageFiles::of_shape(files, [channels, height, width])?,
            (_, None) => {
                let what = format!("holds images, and {} does not tell their size", self.model());
                return Err(self.wants_arrays(what).into());
            }
            (_, Some(shape)) => {
                let what = format!("holds images, and {} reads input {} of shape {shape:?}", self.model(), self.name);
                return Err(self.wants_arrays(what).into());
            }
        };
        // An image stands for all: none is read yet.
        let [channels, height, width] = images.shape();
        let first = Tensor::zeros([1, channels, height, width], (Kind::Uint8, Device::Cpu));
        self.check_reads_images(&first)?;
        let (_, rule) = self.fitting(first, &[images.rows(), channels, height, width])?;
        Ok((Stored::Images(images), rule))
    }

    /// Of a module from elsewhere nobody knows how it scales bytes.
    fn check_scale_is_known(&self) -> Result<(), Mistake> {
        if self.known.features.is_some() {
            return Ok(());
        }
        let what = "holds images, and the model does not say how it reads them: Polytask did not write it";
        Err(self.wants_arrays(what.into()))
    }

    /// Whether bytes `[N, C, H, W]` are an image to the model: what it reads as numbers may have
    /// another scale.
    fn check_reads_images(&self, bytes: &Tensor) -> Result<(), Mistake> {
        let reads = self.rule(bytes).kind.of(Kind::Uint8);
        if reads == InputKind::Image {
            return Ok(());
        }
        let what = format!("holds images, and {} reads input {} as {}", self.model(), self.name, reads.name());
        Err(self.wants_arrays(what))
    }

    fn wants_arrays(&self, what: String) -> Mistake {
        let remedy = format!("write them as the numbers that the model was trained on, and give {ARRAYS}");
        Mistake::new(self.path.display(), what).remedy(remedy)
    }

    /// Files of images with the words for where each stands.
    fn placed(&self, files: Vec<PathBuf>) -> Result<Vec<(PathBuf, String)>, Mistake> {
        if files.is_empty() {
            let what = "holds no image";
            return Err(Mistake::new(self.path.display(), what).remedy("name a folder of png, jpeg, bmp or webp files"));
        }
        let place = |(row, file): (usize, PathBuf)| (file, format!("{}, row {}", self.path.display(), row + 1));
        Ok(files.into_iter().enumerate().map(place).collect())
    }

    /// Rows `x` `[N, …]`, stored in a shape `[N, …]`, as the model reads them: an image of one
    /// channel has that channel.
    fn fitting(&self, x: Tensor, stored: &[i64]) -> Result<(Stored, InputRule)> {
        let rule = self.rule(&x);
        let x = if rule.kind == InputKind::Image && x.dim() == 3 { x.unsqueeze(1) } else { x };
        self.check_shape(&x, stored)?;
        self.check_range(&x)?;
        check_ids(rule.kind, &x, self.name, self.path).map_err(|mistake| mistake.remedy("give whole numbers"))?;
        check_channels(&rule, &x, self.name).map_err(|bad| {
            Mistake::new(self.path.display(), bad.what).remedy("give rows of the shape that the model was trained on")
        })?;
        Ok((Stored::Whole(x), rule))
    }

    /// How the model reads rows `x` `[N, …]`.
    fn rule(&self, x: &Tensor) -> InputRule {
        let known = self.known.features.as_ref().and_then(|features| features.rule(self.name, x));
        // What a module from elsewhere does with integers, only its maker knows.
        let plain = || if is_integer(x.kind()) { InputKind::Ids } else { InputKind::Numbers };
        known.unwrap_or_else(|| InputRule::new(plain()))
    }

    /// The shape of a row, where the model tells.
    fn shape(&self) -> Option<&[i64]> {
        self.known.shapes.iter().find(|facts| facts.name == self.name).map(|facts| facts.shape.as_slice())
    }

    /// Numbers that keep the digits of a double are finite in the model's precision too.
    fn check_range(&self, x: &Tensor) -> Result<(), Mistake> {
        let narrow = x.to_kind(self.known.precision);
        if x.kind() != Kind::Double || narrow.isfinite().all().int64_value(&[]) != 0 {
            return Ok(());
        }
        let at = narrow.isfinite().logical_not().nonzero().select(0, 0);
        let at = Vec::<i64>::try_from(at).expect("a place");
        let what = format!("{:e} is beyond the model's precision", x.double_value(&at));
        Err(Mistake::new(format!("{}, row {}", self.path.display(), at[0] + 1), what).remedy("mend it"))
    }

    fn check_shape(&self, x: &Tensor, stored: &[i64]) -> Result<(), Mistake> {
        let Some(shape) = self.shape().filter(|shape| x.size()[1..] != **shape) else { return Ok(()) };
        let what = format!("has shape {stored:?}, and the model reads input {} as {}", self.name, shapes(shape));
        let is_row = match shape {
            [channels, height, width] => stored == shape || stored == [*height, *width, *channels],
            _ => stored == shape,
        };
        let remedy = match is_row {
            true => "its first dimension is the rows: of one row it is 1, `x[None]` in NumPy",
            false => "give rows of the shape that the model was trained on",
        };
        Err(Mistake::new(self.path.display(), what).remedy(remedy))
    }

    fn is_no_table(&self, format: &RowFormat, columns: &[Column]) -> Mistake {
        let is = match format {
            RowFormat::Images(_) => "holds images",
            RowFormat::Idx => "holds images of the format idx",
            _ => "is an array",
        };
        let names: Vec<String> = columns.iter().map(|column| column.name().to_string()).collect();
        let what = format!("{is}, and the model reads the columns of a table: {}", csv::table::listed(&names));
        Mistake::new(self.path.display(), what).remedy("give a .csv, .tsv, .gz or .parquet file with these columns")
    }

    /// The model, with what it was trained on.
    fn model(&self) -> String {
        let source = self.known.source.as_ref().map(Data::name);
        source.map_or("the model".into(), |source| format!("the model, trained on `{source}`,"))
    }
}

fn columns(count: usize) -> String {
    if count == 1 { "1 column".to_string() } else { format!("{count} columns") }
}

/// The shapes of arrays whose rows the model reads as `shape`.
fn shapes(shape: &[i64]) -> String {
    let join = |sizes: &[i64]| sizes.iter().map(|size| format!(", {size}")).collect::<String>();
    match shape {
        [channels, height, width] => {
            format!("[N, {channels}, {height}, {width}] or [N, {height}, {width}, {channels}]")
        }
        other => format!("[N{}]", join(other)),
    }
}
