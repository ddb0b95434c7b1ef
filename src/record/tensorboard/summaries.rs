//! Values for the dashboards of scalars, images, text and custom scalars.

use crate::picture::Png;
use crate::record::Header;
use crate::table::literal;
use protobuf::Message;
use std::io;
use tensorboard_proto::layout::{Category, Chart, Layout, MultilineChartContent};
use tensorboard_proto::summary::{Summary_Image, Summary_Value, SummaryMetadata, SummaryMetadata_PluginData};
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::tensor_shape::{TensorShapeProto, TensorShapeProto_Dim};
use tensorboard_proto::types::DataType;

pub fn scalar(tag: &str, value: f64) -> Summary_Value {
    let mut summary = Summary_Value::new();
    summary.set_tag(tag.into());
    summary.set_simple_value(value as f32);
    summary
}

pub fn image(tag: &str, picture: Png) -> Summary_Value {
    let mut image = Summary_Image::new();
    image.set_width(picture.width as i32);
    image.set_height(picture.height as i32);
    // Red, green and blue.
    image.set_colorspace(3);
    image.set_encoded_image_string(picture.bytes);
    let mut summary = Summary_Value::new();
    summary.set_tag(tag.into());
    summary.set_image(image);
    summary
}

/// Markdown, shown under the name `tag`.
pub fn text(tag: &str, markdown: &str) -> Summary_Value {
    of_plugin("text", &format!("{tag}/text_summary"), vec![], string(markdown.as_bytes().to_vec()))
}

/// The YAML as it ran.
pub fn config(yaml: &str) -> Summary_Value {
    text("config", &format!("```yaml\n{}\n```", yaml.trim_end()))
}

/// A table of facts.
pub fn environment(facts: &[(String, String)]) -> Summary_Value {
    let mut table = String::from("| | |\n|---|---|\n");
    for (name, value) in facts {
        table += &format!("| {} | {} |\n", literal(name), literal(value));
    }
    text("environment", &table)
}

/// The same charts in every run of an experiment: TensorBoard shows the layout of one run for all.
pub fn layout(header: &Header) -> io::Result<Summary_Value> {
    let mut metrics = Vec::new();
    for (task, names) in header.tasks.iter().zip(header.metrics) {
        if !names.is_empty() {
            metrics.push(chart(task, &format!("(train|validation|test)/{task}/({})$", names.join("|"))));
        }
    }
    let mut layout = Layout::new();
    let mut categories = vec![
        category("training", vec![chart("loss", "train/loss/.+"), chart("weight", "train/weight/.+")]),
        category("validation", vec![chart("loss", "validation/[^/]+/loss$")]),
    ];
    if !metrics.is_empty() {
        categories.push(category("metrics", metrics));
    }
    categories.extend([gradients(header.tasks.len()), update()]);
    layout.set_category(categories.into());
    let bytes = layout.write_to_bytes().map_err(io::Error::other)?;
    Ok(of_plugin("custom_scalars", "custom_scalars__config__", vec![], string(bytes)))
}

/// Empty in a run that does not look at them; but all runs must have one layout.
fn gradients(tasks: usize) -> Category {
    let mut charts = vec![chart("norm", "gradients/norm/.+")];
    if pairs_are_shown(tasks) {
        charts.push(chart("cosine", "gradients/cosine/.+"));
    }
    if tasks > 1 {
        charts.push(chart("conflicting pairs", "gradients/conflicting_pairs$"));
    }
    category("gradients", charts)
}

fn update() -> Category {
    let charts = [
        chart("norm", "update/norm$"),
        chart("cosine to the mean gradient", "update/cosine_to_mean$"),
        chart("milliseconds of the method", "method/milliseconds$"),
    ];
    category("update", charts.into())
}

fn category(title: &str, charts: Vec<Chart>) -> Category {
    let mut category = Category::new();
    category.set_title(title.into());
    category.set_chart(charts.into());
    category
}

/// A chart of all scalars whose tags match, from their start on.
fn chart(title: &str, expression: &str) -> Chart {
    let mut lines = MultilineChartContent::new();
    lines.set_tag(vec![expression.to_string()].into());
    let mut chart = Chart::new();
    chart.set_title(title.into());
    chart.set_multiline(lines);
    chart
}

/// A value that only the plugin of that name reads.
pub fn of_plugin(plugin: &str, tag: &str, content: Vec<u8>, tensor: TensorProto) -> Summary_Value {
    let mut data = SummaryMetadata_PluginData::new();
    data.set_plugin_name(plugin.into());
    data.set_content(content);
    let mut metadata = SummaryMetadata::new();
    metadata.set_plugin_data(data);
    let mut value = Summary_Value::new();
    value.set_tag(tag.into());
    value.set_metadata(metadata);
    value.set_tensor(tensor);
    value
}

/// A tensor without elements, for plugins that read their metadata only.
pub fn nothing() -> TensorProto {
    let mut tensor = TensorProto::new();
    tensor.set_dtype(DataType::DT_FLOAT);
    tensor.set_tensor_shape(shape(&[0]));
    tensor
}

fn string(bytes: Vec<u8>) -> TensorProto {
    let mut tensor = TensorProto::new();
    tensor.set_dtype(DataType::DT_STRING);
    tensor.set_tensor_shape(shape(&[]));
    tensor.set_string_val(vec![bytes].into());
    tensor
}

pub fn shape(sizes: &[i64]) -> TensorShapeProto {
    let dimension = |size: &i64| {
        let mut dimension = TensorShapeProto_Dim::new();
        dimension.set_size(*size);
        dimension
    };
    let mut shape = TensorShapeProto::new();
    shape.set_dim(sizes.iter().map(dimension).collect());
    shape
}

/// Of more tasks, the pairs are in the picture only.
const PAIRED_TASKS: usize = 8;

/// Whether each pair of so many tasks has a curve of its own.
pub fn pairs_are_shown(tasks: usize) -> bool {
    (2..=PAIRED_TASKS).contains(&tasks)
}
