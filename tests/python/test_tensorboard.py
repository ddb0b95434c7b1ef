"""What a training writes for TensorBoard, read by TensorBoard itself and held against metrics.jsonl.

Run with pytest in an environment that has tensorboard and numpy; POLYTASK names the binary.
"""

import json
import os
import pathlib
import re
import subprocess

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import graph_pb2
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2

EXPERIMENT = """\
name: seen_by_tensorboard
seed: 0
data: {name: synthetic, features: 10, train: 640, validation: 160, correlation: 0.5}
tasks:
  - {name: task1, loss: {name: cross_entropy, classes: 2}, metrics: [accuracy]}
  - {name: task2, loss: {name: cross_entropy, classes: 2}, metrics: [accuracy]}
model:
  architecture: {name: hard_sharing}
  backbone: {name: mlp, hidden: [20, 20]}
method: {name: sum}
optimizer: {name: adam, learning_rate: 1e-3}
train: {epochs: 3, batch_size: 64}
record: {every: 1, tensorboard: true}
"""
TASKS = ["task1", "task2"]
# Values of all tasks together, by their names in metrics.jsonl.
TOTALS = {
    "loss": "train/loss/total",
    "learning_rate": "train/learning_rate",
    "gradient_norm": "gradient/norm/total",
}
# Known to TensorBoard alone: equal runs write equal metrics.jsonl, and no two runs take the same time.
TENSORBOARD_ONLY = {"time/step_ms", "memory/rss_mb"}


def run_folder(folder):
    """Trains briefly and returns the folder of the run."""
    yaml = folder / "experiment.yaml"
    yaml.write_text(EXPERIMENT)
    out = folder / "runs"
    binary = os.environ.get("POLYTASK")
    assert binary, "set POLYTASK to the path of the binary, such as target/release/polytask"
    command = [binary, "train", str(yaml), "--out", str(out), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (metrics,) = out.rglob("metrics.jsonl")
    return metrics.parent


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_folder(tmp_path_factory.mktemp("tensorboard"))


@pytest.fixture(scope="module")
def events(run):
    # 0: keep every value, not a sample.
    everything = {"scalars": 0, "tensors": 0, "histograms": 0, "graph": 0}
    return EventAccumulator(str(run), size_guidance=everything).Reload()


def tag_of(line):
    """The tag under which TensorBoard shows a line of metrics.jsonl."""
    split, task, metric = line["split"], line["task"], line["metric"]
    if split == "train" and task == "total" and metric in TOTALS:
        return TOTALS[metric]
    if split == "train" and metric in ("loss", "weight"):
        return f"train/{metric}/{task}"
    return f"{split}/{task}/{metric}"


def read_lines(path):
    """Tag -> {step: f32}, without the values that are not there."""
    values = {}
    for text in pathlib.Path(path).read_text().splitlines():
        line = json.loads(text)
        assert list(line) == ["step", "epoch", "split", "task", "metric", "value"]
        if line["value"] is not None:
            of_tag = values.setdefault(tag_of(line), {})
            assert line["step"] not in of_tag, f"written twice: {text}"
            of_tag[line["step"]] = np.float32(line["value"])
    return values


def test_every_scalar_is_that_of_metrics_jsonl(run, events):
    expected = read_lines(run / "metrics.jsonl")
    shown = set(events.Tags()["scalars"])
    assert shown - TENSORBOARD_ONLY == set(expected)
    for tag, values in expected.items():
        scalars = events.Scalars(tag)
        assert [scalar.step for scalar in scalars] == sorted(values), tag
        for scalar in scalars:
            np.testing.assert_array_equal(np.float32(scalar.value), values[scalar.step], f"{tag} at {scalar.step}")


def test_every_task_has_its_curves(events):
    shown = set(events.Tags()["scalars"])
    for task in TASKS:
        wanted = {f"train/loss/{task}", f"train/weight/{task}"}
        wanted |= {f"validation/{task}/loss", f"validation/{task}/accuracy"}
        assert wanted <= shown
        assert len(events.Scalars(f"train/loss/{task}")) >= 30
    assert TENSORBOARD_ONLY <= shown
    assert all(scalar.value > 1 for scalar in events.Scalars("memory/rss_mb"))


def test_config_and_environment_are_texts(events):
    (config,) = events.Tensors("config/text_summary")
    text = config.tensor_proto.string_val[0].decode()
    assert text.startswith("```yaml\n") and text.endswith("\n```") and "seen_by_tensorboard" in text
    (environment,) = events.Tensors("environment/text_summary")
    assert "|---|---|" in environment.tensor_proto.string_val[0].decode()
    assert {"config/text_summary", "environment/text_summary"} <= set(events.PluginTagToContent("text"))


def test_hyper_parameters_have_columns_values_and_an_end(events):
    contents = events.PluginTagToContent("hparams")
    data = {tag: plugin_data_pb2.HParamsPluginData.FromString(content) for tag, content in contents.items()}
    experiment = data["_hparams_/experiment"].experiment
    start = data["_hparams_/session_start_info"].session_start_info
    end = data["_hparams_/session_end_info"].session_end_info
    assert {info.name for info in experiment.hparam_infos} == set(start.hparams)
    assert start.hparams["method"].string_value == "sum"
    assert start.group_name and end.end_time_secs >= start.start_time_secs
    metrics = [info.name.tag for info in experiment.metric_infos]
    assert set(metrics) >= {f"validation/{task}/{metric}" for task in TASKS for metric in ("loss", "accuracy")}
    assert set(metrics) <= set(events.Tags()["scalars"])


def test_each_custom_chart_finds_its_scalars(events):
    (config,) = events.Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(config.tensor_proto.string_val[0])
    charts = [chart for category in layout.category for chart in category.chart]
    assert [chart.title for chart in charts] == ["loss", "weight", "loss", *TASKS]
    for chart in charts:
        for expression in chart.multiline.tag:
            found = [tag for tag in events.Tags()["scalars"] if re.match(expression, tag)]
            assert found, expression


def test_each_parameter_has_a_histogram_per_epoch(events):
    tags = events.Tags()["histograms"]
    assert tags and all(tag.startswith("parameters/") for tag in tags)
    steps = [histogram.step for histogram in events.Histograms(tags[0])]
    assert len(steps) >= 3 and steps == sorted(set(steps))
    for tag in tags:
        for histogram in events.Histograms(tag):
            value = histogram.histogram_value
            assert value.num == sum(value.bucket) > 0
            assert value.min <= value.max == value.bucket_limit[-1]


def test_the_graph_leads_from_the_input_to_every_head(events):
    graph = graph_pb2.GraphDef.FromString(events.Graph().SerializeToString())
    nodes = {node.name: node for node in graph.node}
    assert len(nodes) == len(graph.node) and all("_output_shapes" in node.attr for node in graph.node)
    for node in graph.node:
        assert set(node.input) <= set(nodes), node.name
    for task in TASKS:
        assert any(name.startswith(f"heads/{task}/") for name in nodes)
    assert any(name.startswith("shared_layers/") for name in nodes)
