//! Values for the dashboard that compares runs by their hyper-parameters.

use super::file::now;
use super::summaries::{nothing, of_plugin};
use crate::record::{Header, Hyperparameter, SplitName};
use protobuf::Message;
use protobuf::well_known_types::Value;
use std::io;
use tensorboard_proto::api::{DataType, DatasetType, Experiment, HParamInfo, MetricInfo, MetricName, Status};
use tensorboard_proto::plugin_hparams::{HParamsPluginData, SessionEndInfo, SessionStartInfo};
use tensorboard_proto::summary::Summary_Value;

/// The columns: hyper-parameters and the validation metrics. TensorBoard reads those of one run only.
pub fn experiment(header: &Header) -> io::Result<Summary_Value> {
    let mut metrics = Vec::new();
    for (task, names) in header.tasks.iter().zip(header.metrics) {
        metrics.push(metric(task, "loss"));
        metrics.extend(names.iter().map(|name| metric(task, name)));
    }
    let mut experiment = Experiment::new();
    experiment.set_hparam_infos(header.hyperparameters.iter().map(|(name, value)| column(name, value)).collect());
    experiment.set_metric_infos(metrics.into());
    let mut data = HParamsPluginData::new();
    data.set_experiment(experiment);
    summary("experiment", &data)
}

/// This run's values. Runs of one group, which differ in the seed alone, share a row of means.
pub fn start(header: &Header) -> io::Result<Summary_Value> {
    let values = header.hyperparameters.iter().map(|(name, value)| (name.clone(), cell(value)));
    let mut info = SessionStartInfo::new();
    info.set_hparams(values.collect());
    info.set_group_name(format!("{}/{}", header.experiment, header.group));
    info.set_start_time_secs(now());
    let mut data = HParamsPluginData::new();
    data.set_session_start_info(info);
    summary("session_start_info", &data)
}

/// The run came to its own end.
pub fn end() -> io::Result<Summary_Value> {
    let mut info = SessionEndInfo::new();
    info.set_status(Status::STATUS_SUCCESS);
    info.set_end_time_secs(now());
    let mut data = HParamsPluginData::new();
    data.set_session_end_info(info);
    summary("session_end_info", &data)
}

fn summary(name: &str, data: &HParamsPluginData) -> io::Result<Summary_Value> {
    let content = data.write_to_bytes().map_err(io::Error::other)?;
    Ok(of_plugin("hparams", &format!("_hparams_/{name}"), content, nothing()))
}

fn metric(task: &str, metric: &str) -> MetricInfo {
    let mut name = MetricName::new();
    name.set_tag(format!("{}/{task}/{metric}", SplitName::Validation.name()));
    let mut info = MetricInfo::new();
    info.set_name(name);
    info.set_display_name(format!("{task}/{metric}"));
    info.set_dataset_type(DatasetType::DATASET_VALIDATION);
    info
}

fn column(name: &str, value: &Hyperparameter) -> HParamInfo {
    let mut info = HParamInfo::new();
    info.set_name(name.into());
    info.set_field_type(match value {
        Hyperparameter::Text(_) => DataType::DATA_TYPE_STRING,
        Hyperparameter::Number(_) => DataType::DATA_TYPE_FLOAT64,
        Hyperparameter::Flag(_) => DataType::DATA_TYPE_BOOL,
    });
    info
}

fn cell(value: &Hyperparameter) -> Value {
    let mut cell = Value::new();
    match value {
        Hyperparameter::Text(text) => cell.set_string_value(text.clone()),
        Hyperparameter::Number(number) => cell.set_number_value(*number),
        Hyperparameter::Flag(flag) => cell.set_bool_value(*flag),
    }
    cell
}
