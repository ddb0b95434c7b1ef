"""What a training writes for TensorBoard, read by TensorBoard itself and held against metrics.jsonl.

Run with pytest in an environment that has tensorboard (which brings Pillow) and numpy; POLYTASK names the binary.
"""

import io
import json
import os
import pathlib
import re
import subprocess

import numpy as np
import pytest
from PIL import Image
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
# The same, by a method that reads each task's gradient, and with a look at them every tenth step.
LOOKED_INTO = (
    EXPERIMENT.replace("method: {name: sum}", "method: {name: upgrad}")
    .replace("record: {every: 1,", "record: {every: 10, gradients: 10,")
    .replace("batch_size: 64", "batch_size: 16")
)
TASKS = ["task1", "task2"]
# Values of all tasks together, by their names in metrics.jsonl.
TOTALS = {
    "loss": "train/loss/total",
    "learning_rate": "train/learning_rate",
    "gradient_norm": "gradients/norm/total",
    "update_norm": "update/norm",
    "update_cosine": "update/cosine_to_mean",
    "backward_passes": "method/backward_passes",
    "conflicting_pairs": "gradients/conflicting_pairs",
}
# Known to TensorBoard alone: equal runs write equal metrics.jsonl, and no two runs take the same time.
TENSORBOARD_ONLY = {"time/step_ms", "method/milliseconds", "memory/rss_mb"}


def run_folder(folder, experiment):
    """Trains briefly and returns the folder of the run."""
    yaml = folder / "experiment.yaml"
    yaml.write_text(experiment)
    out = folder / "runs"
    binary = os.environ.get("POLYTASK")
    assert binary, "set POLYTASK to the path of the binary, such as target/release/polytask"
    command = [binary, "train", str(yaml), "--out", str(out), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (metrics,) = out.rglob("metrics.jsonl")
    return metrics.parent


def read_events(run):
    # 0: keep every value, not a sample.
    everything = {"scalars": 0, "tensors": 0, "histograms": 0, "graph": 0, "images": 0}
    return EventAccumulator(str(run), size_guidance=everything).Reload()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_folder(tmp_path_factory.mktemp("tensorboard"), EXPERIMENT)


@pytest.fixture(scope="module")
def events(run):
    return read_events(run)


@pytest.fixture(scope="module")
def looked_into(tmp_path_factory):
    return run_folder(tmp_path_factory.mktemp("gradients"), LOOKED_INTO)


@pytest.fixture(scope="module")
def gradient_events(looked_into):
    return read_events(looked_into)


def tags_of(line):
    """The tags under which TensorBoard shows a line of metrics.jsonl, and their values."""
    split, task, metric, value = line["split"], line["task"], line["metric"], line["value"]
    if split == "train" and task == "total" and metric in TOTALS:
        return {TOTALS[metric]: value}
    if split == "train" and metric in ("loss", "weight"):
        return {f"train/{metric}/{task}": value}
    if metric == "gradient_norm":
        return {f"gradients/norm/{task}": value}
    if metric == "gradient_cosines":
        assert len(value) == len(TASKS)
        later = TASKS.index(task) + 1
        return {f"gradients/cosine/{task}/{other}": value[TASKS.index(other)] for other in TASKS[later:]}
    return {f"{split}/{task}/{metric}": value}


def lines_of(path):
    lines = [json.loads(text) for text in pathlib.Path(path).read_text().splitlines()]
    assert all(list(line) == ["step", "epoch", "split", "task", "metric", "value"] for line in lines)
    return lines


def read_lines(path):
    """Tag -> {step: f32}, without the values that are not there."""
    values = {}
    for line in lines_of(path):
        for tag, value in tags_of(line).items():
            if value is not None:
                of_tag = values.setdefault(tag, {})
                assert line["step"] not in of_tag, f"written twice: {line}"
                of_tag[line["step"]] = np.float32(value)
    return values


@pytest.mark.parametrize("run_of, events_of", [("run", "events"), ("looked_into", "gradient_events")])
def test_every_scalar_is_that_of_metrics_jsonl(run_of, events_of, request):
    expected = read_lines(request.getfixturevalue(run_of) / "metrics.jsonl")
    events = request.getfixturevalue(events_of)
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


def test_the_tasks_gradients_have_their_curves(gradient_events):
    def curve(tag):
        return {scalar.step: scalar.value for scalar in gradient_events.Scalars(tag)}

    norms = [curve(f"gradients/norm/{task}") for task in TASKS]
    cosines, conflicts = curve("gradients/cosine/task1/task2"), curve("gradients/conflicting_pairs")
    assert len(cosines) >= 10
    for of_task in norms:
        assert set(of_task) == set(cosines) and all(norm > 0 for norm in of_task.values())
    assert all(-1.000001 <= cosine <= 1.000001 for cosine in cosines.values())
    assert conflicts == {step: float(cosine < 0) for step, cosine in cosines.items()}
    # UPGrad's direction conflicts with no task, so neither with their mean.
    assert all(-1e-6 <= cosine <= 1.000001 for cosine in curve("update/cosine_to_mean").values())
    assert all(norm > 0 for norm in curve("update/norm").values())
    assert all(passes >= 1 for passes in curve("method/backward_passes").values())
    assert all(milliseconds >= 0 for milliseconds in curve("method/milliseconds").values())
    assert set(curve("update/norm")) == set(cosines) == set(curve("method/milliseconds"))


def test_each_tasks_cosines_are_those_of_the_others(looked_into):
    matrices = {}
    for line in lines_of(looked_into / "metrics.jsonl"):
        if line["metric"] == "gradient_cosines":
            matrices.setdefault(line["step"], []).append(line["value"])
    assert len(matrices) >= 10
    for matrix in matrices.values():
        matrix = np.array(matrix, dtype=float)
        np.testing.assert_array_equal(matrix, matrix.T)
        np.testing.assert_allclose(np.diag(matrix), 1, rtol=0, atol=1e-6)


def test_each_epoch_has_a_picture_of_its_mean_cosines(looked_into, gradient_events):
    by_epoch = {}
    for line in lines_of(looked_into / "metrics.jsonl"):
        if line["metric"] == "gradient_cosines" and line["task"] == "task1":
            by_epoch.setdefault(line["epoch"], []).append(line["value"][1])
    pictures = gradient_events.Images("gradients/cosines")
    assert [picture.step for picture in pictures] == [40, 80, 120]
    for picture, cosines in zip(pictures, by_epoch.values(), strict=True):
        image = Image.open(io.BytesIO(picture.encoded_image_string))
        image.load()
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (picture.width, picture.height))
        # White, the red of the diagonal, and the colour of the two other cells.
        counts = sorted(image.getcolors(image.width * image.height), reverse=True)
        _, largest, second, *_ = (colour for _, colour in counts)
        red_of_one = (178, 24, 43)
        assert red_of_one in (largest, second)
        red, _, blue = second if largest == red_of_one else largest
        assert np.sign(red - blue) == np.sign(np.mean(cosines)), (red, blue, cosines)


def test_a_killed_run_shows_the_pictures_of_an_undisturbed_one(tmp_path):
    yaml = tmp_path / "long.yaml"
    # Checkpoints fall into the middle of epochs of 40 steps.
    yaml.write_text(LOOKED_INTO.replace("epochs: 3", "epochs: 40") + "checkpoint: {every: 7 steps}\n")
    train = [os.environ["POLYTASK"], "train", str(yaml)]
    subprocess.run([*train, "--out", tmp_path / "whole", "--quiet"], check=True, capture_output=True)
    killed = subprocess.Popen([*train, "--out", tmp_path / "killed"], stderr=subprocess.PIPE, text=True)
    epochs = (line for line in killed.stderr if "epoch " in line)
    for _ in range(3):
        assert next(epochs, None), "the run was killed before its end"
    killed.kill()
    assert killed.wait() < 0
    subprocess.run([*train, "--out", tmp_path / "killed", "--quiet", "--resume"], check=True, capture_output=True)

    def pictures(name):
        return {(image.step, image.encoded_image_string) for image in read_events(tmp_path / name).Images("gradients/cosines")}

    whole = pictures("whole")
    assert [step for step, _ in sorted(whole)] == list(range(40, 1640, 40))
    assert pictures("killed") == whole


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


def test_each_custom_chart_finds_its_scalars(gradient_events):
    (config,) = gradient_events.Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(config.tensor_proto.string_val[0])
    titles = {category.title: [chart.title for chart in category.chart] for category in layout.category}
    assert titles == {
        "training": ["loss", "weight"],
        "validation": ["loss"],
        "metrics": TASKS,
        "gradients": ["norm", "cosine", "conflicting pairs"],
        "update": ["norm", "cosine to the mean gradient", "milliseconds of the method"],
    }
    for category in layout.category:
        for chart in category.chart:
            for expression in chart.multiline.tag:
                found = [tag for tag in gradient_events.Tags()["scalars"] if re.match(expression, tag)]
                assert found, expression


def test_runs_share_one_layout(events, gradient_events):
    layouts = [of_run.Tensors("custom_scalars__config__")[0] for of_run in (events, gradient_events)]
    assert layouts[0].tensor_proto.string_val == layouts[1].tensor_proto.string_val


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
