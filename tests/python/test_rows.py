"""The tensors that reach a model, made again from the raw files by NumPy, pandas and Pillow.

`polytask check EXPERIMENT --batches FILE.npz` writes the first three batches as training reads
them. Every test makes small files, asks for their batches, and compares all values with what the
documentation promises of them; nothing is shared with src/data. Which rows a batch holds is
Polytask's own draw: the batches tell, and the values follow from it. `synthetic` and `scenes` have
no raw files: their test holds them to their seeds and shapes alone.

Run with pytest in an environment that has torch, numpy, pandas, pillow, scikit-learn and
safetensors; POLYTASK names the binary.
"""

import csv
import gzip
import itertools
import json
import os
import struct
import subprocess

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from PIL import Image
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import interpolate

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

NO_CLASS = -100
TOLERANCE = {np.dtype("float32"): 1e-6, np.dtype("float64"): 1e-12}
both_precisions = pytest.mark.parametrize("precision", ["float32", "float64"])

# ---- Experiments, and the batches that they read


class Refused(Exception):
    """What Polytask says of an experiment that it does not take."""


def polytask(*arguments):
    binary = os.environ.get("POLYTASK")
    assert binary, "set POLYTASK to the path of the binary, such as target/release/polytask"
    done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(done.stderr)


def classes(name, count, **more):
    return {"name": name, "loss": {"name": "cross_entropy", "classes": count}, **more}


def binary(name, **more):
    return {"name": name, "loss": {"name": "binary_cross_entropy"}, **more}


def real(name, loss="mse", **more):
    return {"name": name, "loss": {"name": loss}, **more}


def write_experiment(folder, data, tasks, model, precision="float64", seed=0, batch=5, **train):
    """`run.yaml`; JSON is YAML too, but for its NaN."""
    experiment = {
        "seed": seed,
        "device": "cpu",
        "precision": precision,
        "data": data,
        "tasks": tasks,
        "model": model or {"backbone": {"name": "mlp", "hidden": [4]}},
        "optimizer": {"name": "sgd", "learning_rate": 1e-3},
        "train": {"epochs": 1, "batch_size": batch, **train},
    }
    path = folder / "run.yaml"
    path.write_text(json.dumps(experiment).replace("NaN", ".nan"))
    return path


class Rows:
    """Rows of a group: their places in the training rows, inputs and labels by name, weights."""

    def __init__(self):
        self.rows, self.inputs, self.labels, self.weights = None, {}, {}, {}

    @property
    def x(self):
        (x,) = self.inputs.values()
        return x

    def of(self, values):
        """What these rows are among values of all rows."""
        return np.asarray(values)[self.rows]

    def one(self, at):
        """The row at a place, alone."""
        found = Rows()
        found.rows = self.rows[[at]]
        for kind in ["inputs", "labels", "weights"]:
            of_kind = getattr(self, kind)
            setattr(found, kind, {name: values[[at]] for name, values in of_kind.items()})
        return found


def read_batches(folder, data, tasks, model=None, precision="float64", **more):
    """The first three batches: of each, rows by group."""
    file = folder / "batches.npz"
    experiment = write_experiment(folder, data, tasks, model, precision, **more)
    polytask("check", experiment, "--batches", file)
    batches = [{}, {}, {}]
    with np.load(file) as arrays:
        for key in arrays:
            batch, group, kind, *name = key.split("/")
            rows = batches[int(batch)].setdefault(int(group), Rows())
            if kind == "rows":
                rows.rows = arrays[key]
            else:
                getattr(rows, kind)["/".join(name)] = arrays[key]
    for rows in (rows for batch in batches for rows in batch.values()):
        assert rows.rows.dtype == np.int64
        for values in [*rows.inputs.values(), *rows.labels.values(), *rows.weights.values()]:
            assert len(values) == len(rows.rows)
            assert values.dtype in (precision, np.int64), values.dtype
        assert all(weights.dtype == precision for weights in rows.weights.values())
    return batches


def join(batches, group=0):
    """A group's batches behind one another; where a task has no weights in a batch, it weighs 1."""
    parts, whole = [batch[group] for batch in batches], Rows()
    whole.rows = np.concatenate([part.rows for part in parts])
    for name in parts[0].inputs:
        whole.inputs[name] = np.concatenate([part.inputs[name] for part in parts])
    for task in parts[0].labels:
        whole.labels[task] = np.concatenate([part.labels[task] for part in parts])
        if any(task in part.weights for part in parts):
            ones = lambda part: np.ones(part.labels[task].shape)
            weights = [part.weights.get(task, ones(part)) for part in parts]
            whole.weights[task] = np.concatenate(weights)
    return whole


def read(folder, data, tasks, model=None, shuffle=True, **more):
    """The first three batches of the only group behind one another; no row of it comes twice."""
    batches = read_batches(folder, data, tasks, model, shuffle=shuffle, **more)
    assert [list(batch) for batch in batches] == [[0]] * 3
    rows = join(batches)
    assert len(set(rows.rows)) == len(rows.rows) and rows.rows.min() >= 0
    in_order = list(rows.rows) == list(range(len(rows.rows)))
    assert in_order != shuffle, rows.rows
    return rows


# ---- What is expected of them


def same(found, expected):
    """Equal in type, shape and every value."""
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found, expected)


def close(found, expected, tolerance=None):
    """Equal to the rounding of the type in which `found` comes."""
    assert found.shape == expected.shape
    tolerance = tolerance or TOLERANCE[found.dtype]
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def check_labels(rows, task, expected, weights=1.0):
    """Labels weigh as expected and, where they weigh anything, are as expected.

    A missing class may be told by its weight or by NO_CLASS.
    """
    found, expected = rows.labels[task], np.asarray(expected)
    assert found.shape == expected.shape
    is_class = np.issubdtype(expected.dtype, np.integer)
    assert (found.dtype == np.int64) == is_class, found.dtype
    weights = np.broadcast_to(weights, found.shape)
    weighed = np.broadcast_to(rows.weights.get(task, np.ones(())), found.shape)
    weighed = weighed * (found != NO_CLASS) if is_class else weighed
    np.testing.assert_allclose(weighed, weights, rtol=1e-6)
    there = weights > 0
    (same if is_class else close)(found[there], expected[there])


def scaled(values, axes, weights=1.0):
    """Values brought to mean 0 and population deviation 1; what is constant has the deviation 1."""
    values = np.asarray(values, np.float64)
    weights = np.broadcast_to(weights, values.shape)
    mean = np.average(values, axes, weights, keepdims=True)
    deviation = np.sqrt(np.average((values - mean) ** 2, axes, weights, keepdims=True))
    return (values - mean) / np.where(deviation > 1e-13 * np.abs(mean), deviation, 1)


def as_image(levels, precision):
    """Bytes as numbers from 0 to 1."""
    return levels.astype(precision) / np.dtype(precision).type(255)


def levels(rows):
    """An image as the bytes that it is made of."""
    found = np.rint(rows.x * 255)
    same(rows.x, as_image(found, rows.x.dtype))
    return found.astype(int)


# ---- TorchScript modules, which read inputs of any shape and type


class Positions(torch.nn.Module):
    """Outputs `[N, width, …]` of every position of `[N, channels, …]` or `[N, L]`."""

    def __init__(self, widths):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(sum(widths.values())))
        self.names, self.widths = list(widths), list(widths.values())

    def forward(self, x):
        z = x.to(self.weight.dtype)
        z = z.mean(1, keepdim=True) if z.dim() > 2 else z.unsqueeze(1)
        shape = [-1 if axis == 1 else 1 for axis in range(z.dim())]
        outputs: dict[str, torch.Tensor] = {}
        first = 0
        for name, width in zip(self.names, self.widths):
            outputs[name] = z * self.weight[first : first + width].view(shape)
            first += width
        return outputs


class Three(torch.nn.Module):
    """The task `y` of three inputs."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))

    def mean(self, x):
        return x.flatten(1).to(self.weight.dtype).mean(1, keepdim=True)

    def forward(self, image, ids, numbers):
        z = torch.cat([self.mean(image), self.mean(ids), self.mean(numbers)], 1)
        return {"y": (z * self.weight).sum(1, keepdim=True)}


class Recorder(torch.nn.Module):
    """Keeps its batches of training, `[batches, rows, …]`, and `held` rows of an evaluation."""

    def __init__(self, shape, held, width):
        super().__init__()
        self.register_buffer("seen", torch.zeros(shape))
        self.register_buffer("count", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("held", torch.zeros(held, *shape[2:]))
        self.layer = torch.nn.Linear(1, width)

    def forward(self, x):
        if self.training:
            at = int(self.count.item())
            if at < self.seen.size(0) and x.size(0) == self.seen.size(1):
                self.seen[at].copy_(x)
            self.count.add_(1)
        elif x.size(0) == self.held.size(0):
            self.held.copy_(x)
        return self.layer(x.flatten(1).to(self.layer.weight.dtype).mean(1, keepdim=True))


MODULE = {"torchscript": "module.pt"}


def script(folder, module):
    torch.jit.script(module).save(folder / "module.pt")
    return MODULE


def record(folder, data, task, shape, held=1, **more):
    """The batches of a training, how many they were, and the rows of an evaluation, as read."""
    model = script(folder, Recorder(shape, held, task["loss"].get("classes", 1)))
    out = folder / f"run{held}"
    experiment = write_experiment(folder, data, [task], model, **more)
    polytask("train", experiment, "--out", out, "--quiet")
    state = torch.jit.load(out / "model.pt").state_dict()
    return state["seen"].numpy(), int(state["count"]), state["held"].numpy()


# ---- csv

WARDS = ["b", "a", "B", "ä", "a b", "10", "9", "x,y", 'q"q', ""]


def table(rows=15, seed=1):
    """Numbers of several units, categories, and labels of every form."""
    random = np.random.default_rng(seed)
    columns = {
        "age": random.normal(40, 12, rows),
        "lab_1": random.lognormal(0, 2, rows),
        "ward": random.choice(WARDS, rows),
        "lab_2": random.integers(-5, 5, rows),
        "steady": 0.1,
        "id": np.arange(rows),
        "died": random.choice(["yes", "no"], rows),
        "stage": random.integers(0, 3, rows),
        "f1": random.integers(0, 2, rows),
        "f2": random.integers(0, 2, rows),
        "days": random.normal(1e3, 50, rows),
        "cost": random.exponential(3, rows),
    }
    return pd.DataFrame(columns)


STAGE = classes("stage", 3)
DAYS = real("days", standardize=True)


def csv_data(folder, frame, inputs, **more):
    frame.to_csv(folder / "rows.csv", index=False)
    return {"name": "csv", "train": "rows.csv", "inputs": inputs, **more}


@both_precisions
def test_numbers_of_a_table_are_standardized_as_by_scikit_learn(tmp_path, precision):
    frame = table()
    numbers = ["lab_2", "steady", "age", "lab_1"]
    data = csv_data(tmp_path, frame, numbers)
    rows = read(tmp_path, data, [STAGE], precision=precision)
    close(rows.x, rows.of(StandardScaler().fit_transform(frame[numbers].to_numpy(float))))
    check_labels(rows, "stage", rows.of(frame.stage))

    data["standardize"] = False
    rows = read(tmp_path, data, [STAGE], precision=precision, shuffle=False)
    same(rows.x, frame[numbers].to_numpy(precision))


def test_a_large_mean_costs_a_column_of_a_table_no_digits(tmp_path):
    frame = table()
    frame["age"], frame["days"] = 1e8 + frame.id, 1e9 + frame.id
    rows = read(tmp_path, csv_data(tmp_path, frame, ["age"]), [DAYS], precision="float32")
    expected = rows.of(scaled(frame[["id"]], 0))
    close(rows.x, expected)
    check_labels(rows, "days", expected)


def test_cells_are_the_numbers_that_python_reads(tmp_path):
    cells = "1e3 +5 -.5 7. 0.1 1E-300 123456789012345678 -0 00012 2.5e+2 1e22 4.35".split()
    cells += ["9007199254740993", "0.30000000000000004", "1.7976931348623157e308"]
    lines = [f"{cell},{at % 3}\n" for at, cell in enumerate(cells)]
    (tmp_path / "rows.csv").write_text("a,stage\n" + "".join(lines))
    data = {"name": "csv", "train": "rows.csv", "standardize": False}
    rows = read(tmp_path, data, [STAGE], shuffle=False)
    same(rows.x, np.array([[float(cell)] for cell in cells]))


def test_categories_are_one_hot_by_sorted_levels_among_the_numbers(tmp_path):
    frame = table()
    inputs = ["age", "ward", "lab_2", "lab_1"]
    data = csv_data(tmp_path, frame, inputs, categorical=["ward", "lab_2"])
    rows = read(tmp_path, data, [classes("died", 2, labels=["no", "yes"])])
    hot = lambda column: pd.get_dummies(frame[column].astype(str)).to_numpy(float)
    number = lambda column: scaled(frame[[column]], 0)
    parts = [number("age"), hot("ward"), hot("lab_2"), number("lab_1")]
    close(rows.x, rows.of(np.hstack(parts)))


def test_texts_of_a_category_are_those_that_pandas_reads_without_spaces_at_their_ends(tmp_path):
    frame = table()
    frame["ward"] = ["a", " a", "b", "b ", "c"] * 3
    data = csv_data(tmp_path, frame, ["ward"], categorical=["ward"])
    rows = read(tmp_path, data, [STAGE])
    wards = pd.read_csv(tmp_path / "rows.csv").ward.str.strip()
    same(rows.x, rows.of(pd.get_dummies(wards).to_numpy(float)))


def test_the_backbone_tabular_reads_the_places_of_levels_from_one_on(tmp_path):
    frame = table()
    data = csv_data(tmp_path, frame, ["age", "ward"], categorical=["ward"], standardize=False)
    rows = read(tmp_path, data, [STAGE], {"backbone": {"name": "tabular", "hidden": [4]}})
    ids = np.unique(frame.ward, return_inverse=True)[1] + 1
    assert ids.max() > 5 and rows.x.shape == (15, 2)
    columns = {tuple(column) for column in rows.x.T}
    assert columns == {tuple(rows.of(ids)), tuple(rows.of(frame.age))}


def test_a_missing_number_is_the_mean_of_the_others(tmp_path):
    frame = table()
    numbers = ["age", "lab_1", "lab_2"]
    frame[numbers] = frame[numbers].mask(np.random.default_rng(2).random((15, 3)) < 0.3)
    data = csv_data(tmp_path, frame, numbers, missing="mean", standardize=False)
    rows = read(tmp_path, data, [STAGE])
    close(rows.x, rows.of(SimpleImputer().fit_transform(frame[numbers])))


def test_a_column_with_missing_numbers_has_the_deviation_1_over_the_others(tmp_path):
    frame = table()
    frame.loc[[2, 5, 6], "age"] = np.nan
    rows = read(tmp_path, csv_data(tmp_path, frame, ["age"], missing="mean"), [STAGE])
    scaled = StandardScaler().fit_transform(frame[["age"]])
    close(rows.x, rows.of(SimpleImputer().fit_transform(scaled)))


def test_a_row_counts_as_often_as_its_weight_says(tmp_path):
    frame = table()
    frame["weight"] = np.random.default_rng(3).integers(0, 4, 15)
    frame.loc[3, "days"] = np.nan
    data = csv_data(tmp_path, frame, ["age", "lab_1"], weight="weight")
    rows = read(tmp_path, data, [DAYS, STAGE, binary("f", target=["f1", "f2"])])
    repeated = frame.loc[frame.index.repeat(frame.weight)]

    def fitted(columns):
        scaler = StandardScaler().fit(repeated[columns].to_numpy())
        return rows.of(scaler.transform(frame[columns].to_numpy()))

    close(rows.x, fitted(["age", "lab_1"]))
    weights = rows.of(frame.weight)
    check_labels(rows, "days", fitted(["days"]), (weights * rows.of(frame.days.notna()))[:, None])
    check_labels(rows, "stage", rows.of(frame.stage), weights)
    check_labels(rows, "f", rows.of(frame[["f1", "f2"]] * 1.0), weights[:, None])


def test_a_missing_number_is_the_mean_of_the_others_by_their_weights(tmp_path):
    frame = table()
    frame["weight"] = np.random.default_rng(3).integers(0, 4, 15)
    frame.loc[[5, 6], "age"] = np.nan
    more = {"weight": "weight", "missing": "mean", "standardize": False}
    rows = read(tmp_path, csv_data(tmp_path, frame, ["age"], **more), [STAGE])
    mean = frame.age.loc[frame.index.repeat(frame.weight)].mean()
    close(rows.x[:, 0], rows.of(frame.age.fillna(mean)))


@both_precisions
def test_labels_of_every_form_in_a_table(tmp_path, precision):
    frame = table(30)
    random = np.random.default_rng(4)
    for column in ["died", "stage", "f1", "f2", "days", "cost"]:
        frame[column] = frame[column].astype(object).mask(random.random(30) < 0.25)
    tasks = [
        classes("fate", 2, target="died", labels=["yes", "no"]),
        STAGE,
        binary("f", target=["f1", "f2"]),
        DAYS,
        real("both", target=["cost", "days"]),
        real("scaled", "huber", target=["cost", "days"], standardize=True),
    ]
    data = csv_data(tmp_path, frame, ["age"])
    rows = read(tmp_path, data, tasks, precision=precision, batch=10)
    fate = pd.Categorical(frame.died, categories=["yes", "no"]).codes.astype(int)
    check_labels(rows, "fate", rows.of(fate), rows.of(frame.died.notna()))
    stage = frame.stage.fillna(0).astype(int)
    check_labels(rows, "stage", rows.of(stage), rows.of(frame.stage.notna()))
    for task in tasks[2:]:
        columns = task.get("target", [task["name"]])
        values = frame[columns].to_numpy(float)
        if task.get("standardize"):
            values = StandardScaler().fit_transform(values)
        check_labels(rows, task["name"], rows.of(values), rows.of(frame[columns].notna()))


def test_labels_that_are_all_alike_are_standardized_to_nothing(tmp_path):
    data = csv_data(tmp_path, table(), ["age"])
    rows = read(tmp_path, data, [real("steady", standardize=True)])
    close(rows.labels["steady"], np.zeros((15, 1)))


ENDINGS = ["tsv", "csv.gz", "tsv.gz", "quoted.csv", "crlf.csv", "bom.csv", "open.csv"]


def written(frame, ending):
    """A table as text of a kind, in bytes."""
    separator = "\t" if "tsv" in ending else ","
    lines = "\r\n" if ending == "crlf.csv" else "\n"
    quoting = csv.QUOTE_NONNUMERIC if ending == "quoted.csv" else csv.QUOTE_MINIMAL
    text = frame.to_csv(index=False, sep=separator, lineterminator=lines, quoting=quoting)
    text = text.rstrip("\n") if ending == "open.csv" else text
    data = text.encode("utf-8-sig" if ending == "bom.csv" else "utf-8")
    return gzip.compress(data) if ending.endswith(".gz") else data


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_way_to_write_a_table_says_the_same(tmp_path, ending):
    frame = table()
    frame.loc[2, "ward"] = "two\nlines"
    frame.loc[3, "ward"] = 'a "quoted", and\ttabbed cell'
    (tmp_path / f"rows.{ending}").write_bytes(written(frame, ending))
    data = {"name": "csv", "train": f"rows.{ending}", "inputs": ["age", "ward"]}
    data |= {"categorical": ["ward"], "standardize": False}
    rows = read(tmp_path, data, [classes("died", 2, labels=["no", "yes"])])
    hot = pd.get_dummies(frame.ward).to_numpy(float)
    same(rows.x, rows.of(np.hstack([frame[["age"]], hot])))
    check_labels(rows, "died", rows.of(frame.died == "yes").astype(int))


def test_inputs_are_what_is_named_less_what_is_excluded(tmp_path):
    frame = table()
    cases = {
        ("lab_*", "age"): ["lab_1", "lab_2", "age"],
        ("age", "lab_[0-1]", "i?"): ["age", "lab_1", "id"],
        ("{id,age}", "steady"): ["age", "id", "steady"],
    }
    for inputs, expected in cases.items():
        rows = read(tmp_path, csv_data(tmp_path, frame, inputs, standardize=False), [STAGE])
        same(rows.x, rows.of(frame[expected] * 1.0))
    # By default all columns but labels and weights.
    more = {"exclude": ["ward", "died", "f[12]", "days"], "weight": "cost", "standardize": False}
    rows = read(tmp_path, csv_data(tmp_path, frame, None, **more), [STAGE])
    same(rows.x, rows.of(frame[["age", "lab_1", "lab_2", "steady", "id"]] * 1.0))


def test_tasks_with_files_of_their_own_are_groups_and_share_statistics(tmp_path):
    frames = [table(15), table(6, seed=9)]
    data = csv_data(tmp_path, frames[0], ["age", "ward", "lab_1"], categorical=["ward"])
    frames[1].to_csv(tmp_path / "fewer.csv", index=False)
    data["train"] = {"stage": "rows.csv", "days": "fewer.csv"}
    batches = read_batches(tmp_path, data, [STAGE, DAYS])
    assert [sorted(batch) for batch in batches] == [[0, 1]] * 3
    # The shorter one starts anew, and no batch reads of two passes.
    assert [len(batch[1].rows) for batch in batches] == [5, 1, 5]
    assert sorted(join(batches[:2], 1).rows) == list(range(6))

    both = pd.concat(frames, ignore_index=True)
    numbers = scaled(both[["age", "lab_1"]], 0)
    x = np.hstack([numbers[:, :1], pd.get_dummies(both.ward), numbers[:, 1:]])
    groups = [join(batches, group) for group in range(2)]
    close(groups[0].x, groups[0].of(x[:15]))
    close(groups[1].x, groups[1].of(x[15:]))
    assert [list(group.labels) for group in groups] == [["stage"], ["days"]]
    check_labels(groups[0], "stage", groups[0].of(frames[0].stage))
    check_labels(groups[1], "days", groups[1].of(scaled(frames[1][["days"]], 0)))


def test_fractions_of_a_table_are_disjoint_and_training_rows_alone_make_statistics(tmp_path):
    frame = table(40)
    fractions = {"train": 0.6, "validation": 0.25, "test": 0.15}
    data = csv_data(tmp_path, frame, ["id", "age", "lab_1"], fractions=fractions)
    data["file"] = data.pop("train")
    plain, ids = {**data, "standardize": False}, {}
    for split, count in {"validation": 10, "test": 6}.items():
        seen, batches, held = record(tmp_path, plain, DAYS, (3, 8, 3), count, batch=8)
        assert batches == 3
        ids["train"], ids[split] = seen[:, :, 0].flatten(), held[:, 0]
    assert sorted(np.concatenate(list(ids.values()))) == list(range(40))

    rows = read(tmp_path, plain, [DAYS], MODULE, batch=8, shuffle=False)
    chosen = rows.x[:, 0].astype(int)
    assert sorted(chosen) == sorted(ids["train"])
    rows = read(tmp_path, data, [DAYS], MODULE, batch=8)
    close(rows.x, rows.of(scaled(frame[["id", "age", "lab_1"]].iloc[chosen], 0)))
    check_labels(rows, "days", rows.of(scaled(frame[["days"]].iloc[chosen], 0)))
    other = read(tmp_path, plain, [DAYS], MODULE, batch=8, seed=1)
    assert sorted(other.x[:, 0]) != sorted(chosen)


def test_validation_is_read_as_training_is_and_unseen_levels_are_zeros(tmp_path):
    frame, held = table(15), table(7, seed=8)
    held.loc[[1, 4], "ward"] = ["new", "other"]
    held.loc[2, "lab_1"] = np.nan
    held.to_csv(tmp_path / "held.csv", index=False)
    more = {"categorical": ["ward"], "missing": "mean", "validation": "held.csv"}
    data = csv_data(tmp_path, frame, ["age", "ward", "lab_1"], **more)
    levels = np.unique(frame.ward)
    _, _, found = record(tmp_path, data, real("days"), (3, 5, 2 + len(levels)), held=7)
    numbers = StandardScaler().fit(frame[["age", "lab_1"]].to_numpy())
    held = held.fillna({"lab_1": frame.lab_1.mean()})
    numbers = numbers.transform(held[["age", "lab_1"]].to_numpy())
    hot = held.ward.to_numpy()[:, None] == levels
    assert (hot.sum(1) == 0).sum() >= 2
    close(found, np.hstack([numbers[:, :1], hot, numbers[:, 1:]]))


def test_a_model_that_goes_on_reads_rows_as_it_read_those_before(tmp_path):
    frame, later = table(15), table(15, seed=5)
    data = csv_data(tmp_path, frame, ["age", "ward", "lab_1"], categorical=["ward"])
    experiment = write_experiment(tmp_path, data, [STAGE], None)
    polytask("train", experiment, "--out", tmp_path / "run", "--quiet")
    # Its columns by name, in whatever order, and its levels: those that are new are zeros.
    later = later[later.columns[::-1]]
    data = csv_data(tmp_path, later, ["ward", "lab_1", "age"], categorical=["ward"])
    model = {"backbone": {"name": "mlp", "hidden": [4]}, "initial": "run/model.pt"}
    rows = read(tmp_path, data, [STAGE], model)
    numbers = StandardScaler().fit(frame[["age", "lab_1"]].to_numpy())
    numbers = numbers.transform(later[["age", "lab_1"]].to_numpy())
    hot = later.ward.to_numpy()[:, None] == np.unique(frame.ward)
    close(rows.x, rows.of(np.hstack([numbers[:, :1], hot, numbers[:, 1:]])))

    # Unless these rows are to have means and deviations of their own.
    rows = read(tmp_path, {**data, "refit": True}, [STAGE], model)
    numbers = scaled(later[["age", "lab_1"]], 0)
    close(rows.x, rows.of(np.hstack([numbers[:, :1], hot, numbers[:, 1:]])))


# ---- What training reads is what `check` shows


@pytest.mark.parametrize("prefetch", [0, 2])
def test_training_reads_the_batches_that_check_shows(tmp_path, prefetch):
    frame = table(33)
    frame.loc[[3, 7], "age"] = np.nan
    inputs = ["id", "age", "ward"]
    data = csv_data(tmp_path, frame, inputs, categorical=["ward"], missing="mean")
    shape = (6, 11, 2 + frame.ward.nunique())
    more = {"batch": 11, "prefetch": prefetch, "epochs": 2}
    seen, count, _ = record(tmp_path, data, DAYS, shape, **more)
    shown = read_batches(tmp_path, data, [DAYS], MODULE, batch=11)
    assert count == 6
    same(seen[:3], np.stack([batch[0].x for batch in shown]))
    # A second epoch has the same rows in another order.
    first, second = seen[:3].reshape(33, -1), seen[3:].reshape(33, -1)
    assert (first != second).any()
    same(first[first[:, 0].argsort()], second[second[:, 0].argsort()])


@pytest.mark.parametrize("prefetch", [0, 2])
def test_training_reads_the_changed_images_that_check_shows(tmp_path, prefetch):
    images, labels = digits(44)
    augment = {"crop": 2, "flip": True, "scale": [1, 1.5]}
    data = idx_data(tmp_path, images, {"digit": labels}, validation=0.25, augment=augment)
    more = {"batch": 11, "precision": "float32"}
    shape = (3, 11, 1, 9, 7)
    seen, count, held = record(tmp_path, data, DIGIT, shape, 11, prefetch=prefetch, **more)
    shown = read_batches(tmp_path, data, [DIGIT], MODULE, **more)
    assert count == 3
    same(seen, np.stack([batch[0].x for batch in shown]))
    # What is held out does not change.
    ids = np.rint(255 * held[:, 0, 0, 0]).astype(int)
    same(held, as_image(images[ids], "float32")[:, None])


# ---- What `predict` says is what PyTorch computes from such rows


def predicted(folder, data, tasks, model, given, x, **more):
    """The arrays that `predict` writes, and what torch computes from rows `x`, by task."""
    run, file = folder / "run", folder / "predictions.npz"
    polytask("train", write_experiment(folder, data, tasks, model, **more), "--out", run, "--quiet")
    polytask("predict", run, given, "-o", file)
    with torch.no_grad():
        outputs = torch.jit.load(run / "model.pt").eval()(torch.as_tensor(x))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    names = [task["name"] for task in tasks]
    with np.load(file) as arrays:
        return dict(arrays), {name: it.numpy() for name, it in zip(names, outputs)}


def test_labels_of_pixels_are_predicted_from_images_in_arrays(tmp_path):
    images = whole("u1", (15, 3, 8, 6))
    labels = {"seg": whole("u1", (15, 8, 6)) % 3, "depth": np.random.default_rng(3).random((15, 8, 6))}
    data = arrays_data(tmp_path, images, labels, kind="image", standardize=True)
    model = {"backbone": {"name": "unet", "channels": [4]}}
    x = scaled(images / 255, (0, 2, 3))
    found, expected = predicted(
        tmp_path, data, [classes("seg", 3), real("depth", "l1")], model, tmp_path / "x.npy", x
    )
    close(found["seg"], expected["seg"], 1e-9)
    same(found["seg.decision"], expected["seg"].argmax(1))
    close(found["depth"], expected["depth"], 1e-9)
    assert set(found) == {"seg", "seg.decision", "depth"}


def test_labels_of_tokens_are_predicted_from_ids(tmp_path):
    ids = whole("u1", (15, 7)) % 50
    labels = {"tag": ids.astype("i4") % 4, "mark": (ids % 2).astype("?")}
    data = arrays_data(tmp_path, ids, labels)
    model = {"backbone": {"name": "bilstm", "hidden": 4, "vocabulary": 50}}
    tasks = [classes("tag", 4), binary("mark")]
    found, expected = predicted(tmp_path, data, tasks, model, tmp_path / "x.npy", ids.astype("i8"))
    close(found["tag"], expected["tag"], 1e-9)
    same(found["tag.decision"], expected["tag"].argmax(1))
    same(found["mark.decision"], (expected["mark"] > 0).astype("u1"))


def test_labels_in_their_own_unit_are_predicted_from_pictures_in_a_folder(tmp_path):
    files = [(f"{at}.png", smooth(9, 12, at), {}) for at in range(15)]
    days = np.random.default_rng(4).normal(40, 9, 15)
    data = images_data(tmp_path, files, {"days": days}, channels=1, size=[8, 6], fit="stretch")
    model = {"backbone": {"name": "conv", "channels": [4]}}
    tasks = [real("days", standardize=True)]
    pictures = [Image.open(tmp_path / file).convert("L").resize((6, 8), Image.BILINEAR) for file, _, _ in files]
    x = np.stack([np.asarray(picture)[None] / 255 for picture in pictures])
    found, expected = predicted(tmp_path, data, tasks, model, tmp_path, x)
    # A pixel may round otherwise, by one of 255.
    close(found["days"], expected["days"] * days.std() + days.mean(), 0.05)


# ---- idx

DIGIT = classes("digit", 10)


def write_idx(path, array):
    """Bytes with the header of MNIST's files; compressed where the path says so."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    data = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def digits(rows=15, shape=(9, 7), seed=5):
    """Bytes whose first pixel tells the row, and classes from 0 to 9."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (rows, *shape), dtype=np.uint8)
    images.reshape(rows, -1)[:, 0] = np.arange(rows)
    return images, random.integers(0, 10, rows)


def idx_data(folder, images, labels, ending="", **more):
    write_idx(folder / f"images{ending}", images)
    for task, values in labels.items():
        write_idx(folder / f"{task}{ending}", values)
    names = {task: f"{task}{ending}" for task in labels}
    return {"name": "idx", "train": {"images": f"images{ending}", "labels": names}, **more}


@both_precisions
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_bytes_of_idx_files_are_numbers_from_0_to_1(tmp_path, ending, precision):
    images, labels = digits()
    data = idx_data(tmp_path, images, {"digit": labels, "odd": labels % 2}, ending)
    tasks = [classes("odd", 2), DIGIT]
    rows = read(tmp_path, data, tasks, precision=precision)
    same(rows.x, rows.of(as_image(images, precision)[:, None]))
    check_labels(rows, "digit", rows.of(labels))
    check_labels(rows, "odd", rows.of(labels % 2))
    data["standardize"] = True
    rows = read(tmp_path, data, tasks, precision=precision, shuffle=False)
    close(rows.x, scaled(images / 255, (0, 1, 2))[:, None])


def test_idx_files_of_four_dimensions_have_channels_of_their_own_scale(tmp_path):
    images, labels = digits(15, (3, 5, 4))
    images[:, 1] //= 3
    images[:, 2] = 77
    data = idx_data(tmp_path, images, {"digit": labels}, standardize=True)
    rows = read(tmp_path, data, [DIGIT])
    close(rows.x, rows.of(scaled(images / 255, (0, 2, 3))))


def test_a_share_held_out_of_idx_files_is_no_part_of_training_or_its_statistics(tmp_path):
    images, labels = digits(40)
    data = idx_data(tmp_path, images, {"digit": labels}, validation=0.25)
    more = {"batch": 10, "precision": "float32"}
    seen, _, held = record(tmp_path, data, DIGIT, (3, 10, 1, 9, 7), 10, **more)
    ids = lambda x: np.rint(255 * x[..., 0, 0, 0]).astype(int).flatten()
    assert sorted([*ids(seen), *ids(held)]) == list(range(40))
    chosen = ids(read(tmp_path, data, [DIGIT], shuffle=False, **more).x)
    assert sorted(chosen) == sorted(ids(seen))
    data["standardize"] = True
    rows = read(tmp_path, data, [DIGIT], **more)
    close(rows.x, rows.of(scaled(images[chosen] / 255, (0, 1, 2))[:, None]))
    check_labels(rows, "digit", rows.of(labels[chosen]))


def test_the_order_of_rows_is_a_function_of_the_seed(tmp_path):
    images, labels = digits(60)
    data = idx_data(tmp_path, images, {"digit": labels})
    orders = [read(tmp_path, data, [DIGIT], seed=seed).rows for seed in (0, 0, 1)]
    same(orders[0], orders[1])
    assert (orders[0] != orders[2]).any()


# ---- images

KIND = classes("kind", 2)


def picture(mode, height=8, width=6, seed=6):
    """A picture of noise in one of Pillow's modes."""
    random = np.random.default_rng(seed)
    noise = lambda *more: random.integers(0, 256, (height, width, *more), dtype=np.uint8)
    if mode == "1":
        return Image.fromarray(noise() > 127)
    if mode == "P":
        image = Image.fromarray(noise(), "P")
        image.putpalette(random.integers(0, 256, 768, dtype=np.uint8).tobytes())
        return image
    return Image.fromarray(noise() if mode == "L" else noise(len(mode)), mode)


def smooth(height, width, seed=7):
    """A colored picture without sharp edges, as photographs are."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    phases = np.random.default_rng(seed).uniform(0, 6, (3, 3))
    wave = lambda a, b, c: np.sin(7 * x + a) + np.sin(6 * y + b) + np.sin(5 * (x + y) + c)
    channels = np.stack([127.5 + 40 * wave(*phase) for phase in phases], -1)
    return Image.fromarray(channels.round().astype(np.uint8))


def images_data(folder, files, columns=None, name="photos", **more):
    """Files of (name, picture, how it is saved), and the table that names them."""
    for file, image, settings in files:
        image.save(folder / file, **settings)
    columns = {"file": [file for file, _, _ in files], "kind": 0} | (columns or {})
    pd.DataFrame(columns).to_csv(folder / f"{name}.csv", index=False)
    return {"name": "images", "train": f"{name}.csv", **more}


def as_levels(image, channels):
    """Pillow's bytes `[C, H, W]` of a picture in gray or colors."""
    array = np.asarray(image.convert("L" if channels == 1 else "RGB"), int)
    return array[None] if channels == 1 else array.transpose(2, 0, 1)


def deviations(folder, files, rows, channels):
    """By file, the largest difference to the bytes that Pillow reads."""
    pillow = lambda at: as_levels(Image.open(folder / files[at][0]), channels)
    return {files[at][0]: abs(x - pillow(at)).max() for x, at in zip(levels(rows), rows.rows)}


LOSSLESS = [
    *((f"{mode}.png", mode, {}) for mode in ["1", "L", "LA", "P", "RGB", "RGBA"]),
    *((f"{mode}.bmp", mode, {}) for mode in ["1", "L", "P", "RGB"]),
    ("UPPER.PNG", "RGB", {}),
    ("clear.png", "P", {"transparency": 3}),
    *((f"{mode}.webp", mode, {"lossless": True, "exact": True}) for mode in ["L", "RGB", "RGBA"]),
]


@both_precisions
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_without_loss_have_the_bytes_that_pillow_reads(tmp_path, channels, precision):
    files = [(name, picture(mode, seed=at), more) for at, (name, mode, more) in enumerate(LOSSLESS)]
    data = images_data(tmp_path, files, channels=channels)
    rows = read(tmp_path, data, [KIND], precision=precision)
    off = deviations(tmp_path, files, rows, channels)
    assert not any(off.values()), off


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_of_gray_become_the_nearest_of_eight(tmp_path, channels):
    deep = np.random.default_rng(8).integers(0, 65536, (15, 8, 6), dtype=np.uint16)
    files = [(f"{at}.png", Image.fromarray(array), {}) for at, array in enumerate(deep)]
    rows = read(tmp_path, images_data(tmp_path, files, channels=channels), [KIND])
    assert abs(levels(rows) - rows.of(deep / 257)[:, None]).max() < 1


def test_gray_may_be_that_of_version_0_1(tmp_path):
    files = [(f"{at}.png", picture("RGB", seed=at), {}) for at in range(15)]
    rows = read(tmp_path, images_data(tmp_path, files, channels=1, grayscale="rec709"), [KIND])
    colors = np.stack([np.asarray(image, float) for _, image, _ in files])
    assert abs(levels(rows)[:, 0] - rows.of(colors @ [0.2126, 0.7152, 0.0722])).max() < 1


@pytest.mark.parametrize("shape", [(24, 24), (17, 13)])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_files_have_the_bytes_that_pillow_reads_but_for_rounding(tmp_path, channels, shape):
    turned = Image.Exif()
    turned[0x0112] = 6
    kinds = {
        "whole": {"quality": 95, "subsampling": 0},
        "halved": {"quality": 90, "subsampling": 2},
        "progressive": {"quality": 90, "progressive": True},
        "rough": {"quality": 40},
        "turned": {"quality": 95, "exif": turned},
    }
    files = [("gray.jpeg", smooth(*shape, 9).convert("L"), {"quality": 90})]
    for at, (name, more) in itertools.product(range(3), kinds.items()):
        files.append((f"{name}{at}.jpg", smooth(*shape, at), more))
    rows = read(tmp_path, images_data(tmp_path, files, channels=channels), [KIND])
    off = deviations(tmp_path, files, rows, channels)
    print("largest deviations of jpeg files:", off)
    # A unit of a color difference is 1.8 units of red or blue.
    assert max(off.values()) <= (2 if channels == 1 else 3), off


@pytest.mark.parametrize("side", [16, 17, 24, 32])
def test_webp_files_of_one_color_have_that_color(tmp_path, side):
    colors = np.random.default_rng(9).integers(0, 256, (15, 3))
    picture = lambda color: Image.new("RGB", (side, side), tuple(map(int, color)))
    files = [(f"{at}.webp", picture(color), {"quality": 90}) for at, color in enumerate(colors)]
    rows = read(tmp_path, images_data(tmp_path, files), [KIND])
    off = deviations(tmp_path, files, rows, 3)
    assert max(off.values()) <= 3, off


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", ["cover", "stretch"])
def test_pictures_are_resized_as_by_pillow(tmp_path, fit, channels):
    # Their cut in the middle is of whole pixels; they are larger and smaller than what they become.
    shapes = [(40, 30), (30, 40), (30, 30), (12, 12), (7, 7), (12, 24), (9, 3), (64, 128), (36, 12)]
    files = [(f"smooth{at}.png", smooth(*shape, at), {}) for at, shape in enumerate(shapes)]
    files += [(f"noise{at}.png", picture("RGB", *shape, at), {}) for at, shape in enumerate(shapes)]
    data = images_data(tmp_path, files, size=[12, 12], fit=fit, channels=channels)
    rows = read(tmp_path, data, [KIND], batch=6)
    off = {}
    for x, (name, image, _) in zip(levels(rows), [files[at] for at in rows.rows]):
        image = image.convert("L") if channels == 1 else image
        if fit == "cover":
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            image = image.crop((left, top, left + side, top + side))
        resized = image.resize((12, 12), Image.Resampling.BILINEAR)
        off[name] = abs(x - as_levels(resized, channels)).max()
    print("largest deviations of resized pictures:", off)
    assert max(off.values()) <= 1, off


class Maps:
    """Pictures with maps of classes, depths and normals."""

    WIDTHS = {"segmentation": 3, "mask": 2, "depth": 1, "flat": 1, "normals": 3}
    TASKS = [
        classes("segmentation", 3),
        classes("mask", 2),
        real("depth", "l1"),
        real("flat", "l1"),
        real("normals", "cosine", channels=3),
    ]
    IGNORE = {"segmentation": 255, "depth": 0, "flat": 0, "normals": 0}

    def __init__(self, rows=15, height=6, width=5):
        random = np.random.default_rng(10)
        shape = (rows, height, width)
        self.images = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
        self.segmentation = random.choice([0, 1, 2, 255], shape)
        self.mask = random.integers(0, 2, shape)
        self.depth = random.choice([0, 7, 300, 65535], shape)
        self.normals = random.choice([0.0, -0.5, 0.25], (rows, 3, height, width))

    def data(self, folder, empty=None, **more):
        """A file per picture and map; the row `empty` names no classes and no normals."""
        rows = range(len(self.images))
        for at in rows:
            Image.fromarray(self.images[at]).save(folder / f"image{at}.png")
            classes = Image.fromarray(self.segmentation[at].astype(np.uint8))
            classes.save(folder / f"segmentation{at}.png")
            Image.fromarray(self.mask[at] > 0).save(folder / f"mask{at}.png")
            Image.fromarray(self.depth[at].astype(np.uint16)).save(folder / f"depth{at}.png")
            flat = self.depth[at].astype([np.int32, np.float32, np.int64][at % 3])
            np.save(folder / f"flat{at}.npy", flat if at % 2 else np.asfortranarray(flat))
            normals = self.normals[at].astype([np.float32, np.float64][at % 2])
            np.save(folder / f"normals{at}.npy", np.moveaxis(normals, 0, -1) if at % 3 else normals)
        endings = dict.fromkeys(["image", "segmentation", "mask", "depth"], "png")
        endings |= dict.fromkeys(["flat", "normals"], "npy")
        names = {name: [f"{name}{at}.{ending}" for at in rows] for name, ending in endings.items()}
        frame = pd.DataFrame(names)
        if empty is not None:
            frame.loc[empty, ["segmentation", "normals"]] = None
        frame.to_csv(folder / "maps.csv", index=False)
        ignore = {"train": "maps.csv", "column": "image", "ignore": self.IGNORE}
        return {"name": "images", **ignore, **more}

    def check(self, rows, change=lambda values, fill: values, there=True, nearer=1, mirrored=False):
        """Whether labels are these, changed; `fill` is what stands for no label."""
        found = change(rows.of(self.segmentation), 255).astype(int)
        check_labels(rows, "segmentation", found, (found != 255) & np.reshape(there, (-1, 1, 1)))
        found = change(rows.of(self.mask), NO_CLASS).astype(int)
        check_labels(rows, "mask", found, found != NO_CLASS)
        depth = change(rows.of(self.depth)[:, None], 0).astype(float)
        check_labels(rows, "depth", depth / nearer, depth != 0)
        check_labels(rows, "flat", depth, depth != 0)
        normals = change(rows.of(self.normals), 0).copy()
        normals[:, 0] *= -1 if mirrored else 1
        labelled = (normals != 0).any(1, keepdims=True)
        check_labels(rows, "normals", normals, labelled & np.reshape(there, (-1, 1, 1, 1)))


@both_precisions
@pytest.mark.parametrize("size", [None, [9, 10], [3, 3]])
def test_maps_of_labels_lie_beside_their_pictures(tmp_path, size, precision):
    maps = Maps()
    data = maps.data(tmp_path, empty=2, fit="stretch") | ({"size": size} if size else {})
    model = script(tmp_path, Positions(maps.WIDTHS))
    rows = read(tmp_path, data, maps.TASKS, model, precision=precision)
    if size is None:
        same(rows.x, rows.of(as_image(maps.images.transpose(0, 3, 1, 2), precision)))
    height, width = size or (6, 5)
    # The pixel under the middle of each new one, as Pillow's NEAREST.
    down = ((np.arange(height) + 0.5) * 6 / height).astype(int)
    right = ((np.arange(width) + 0.5) * 5 / width).astype(int)
    nearest = lambda values, _: values[..., down[:, None], right]
    maps.check(rows, nearest, rows.rows != 2)


def mask_data(folder, masks, shape, bits, **more):
    """Pictures with masks, which are pictures of so many bits."""
    files = [(f"{at}.png", smooth(*shape, at), {}) for at in range(len(masks))]
    names = [f"mask{at}.png" for at in range(len(masks))]
    for name, mask, count in zip(names, masks, bits):
        mask.save(folder / name, bits=count)
    return images_data(folder, files, {"mask": names}, **more)


def test_a_mask_is_cut_and_resized_with_its_picture(tmp_path):
    mask = np.random.default_rng(11).integers(0, 5, (15, 20, 30)).astype(np.uint8)
    masks = [Image.fromarray(array) for array in mask]
    data = mask_data(tmp_path, masks, (20, 30), [8] * 15, size=[10, 10])
    rows = read(tmp_path, data, [classes("mask", 5)], script(tmp_path, Positions({"mask": 5})))
    cut = [Image.fromarray(array[:, 5:25]) for array in mask]
    small = [np.asarray(image.resize((10, 10), Image.Resampling.NEAREST), int) for image in cut]
    check_labels(rows, "mask", rows.of(small))


def test_a_mask_with_a_palette_is_its_indices(tmp_path):
    random = np.random.default_rng(12)
    bits = [[1, 2, 4, 8][at % 4] for at in range(15)]
    indices = np.stack([random.integers(0, 2**count, (8, 6), dtype=np.uint8) for count in bits])
    masks = [Image.fromarray(array, "P") for array in indices]
    for mask, count in zip(masks, bits):
        mask.putpalette(random.integers(0, 256, 3 * 2**count, dtype=np.uint8).tobytes())
    data = mask_data(tmp_path, masks, (8, 6), bits)
    rows = read(tmp_path, data, [classes("mask", 256)], script(tmp_path, Positions({"mask": 256})))
    check_labels(rows, "mask", rows.of(indices.astype(int)))


def noise(rows, seed=13, dim=1):
    """Files of noise with channels of different scales, and their bytes `[N, C, H, W]`."""
    array = np.random.default_rng(seed).integers(0, 256, (rows, 5, 4, 3)) // [1, 2, 7] // dim
    array = array.astype(np.uint8)
    files = [(f"{seed}_{at}.png", Image.fromarray(image), {}) for at, image in enumerate(array)]
    return files, array.transpose(0, 3, 1, 2)


@both_precisions
def test_pictures_are_standardized_by_all_pixels_of_training(tmp_path, precision):
    files, array = noise(20)
    data = images_data(tmp_path, files, standardize=True)
    rows = read(tmp_path, data, [KIND], precision=precision)
    close(rows.x, rows.of(scaled(array / 255, (0, 2, 3))))


def test_pictures_of_tasks_with_tables_of_their_own_are_standardized_by_all(tmp_path):
    (first, bright), (second, dim) = noise(15), noise(20, seed=14, dim=2)
    data = images_data(tmp_path, first, {"a": 0}, "first", standardize=True)
    images_data(tmp_path, second, {"b": 1}, "second")
    data["train"] = {"a": "first.csv", "b": "second.csv"}
    batches = read_batches(tmp_path, data, [classes("a", 2), classes("b", 2)])
    both = scaled(np.concatenate([bright, dim]) / 255, (0, 2, 3))
    for group, of_group in enumerate([both[:15], both[15:]]):
        rows = join(batches, group)
        close(rows.x, rows.of(of_group))
        check_labels(rows, "ab"[group], np.full(15, group))


def test_pictures_count_as_often_as_their_weights_say(tmp_path):
    files, array = noise(15)
    columns = {"weight": np.random.default_rng(15).integers(0, 4, 15), "days": np.arange(15) ** 1.5}
    data = images_data(tmp_path, files, columns, standardize=True, weight="weight")
    rows = read(tmp_path, data, [KIND, DAYS])
    weights = columns["weight"][:, None]
    close(rows.x, rows.of(scaled(array / 255, (0, 2, 3), weights[..., None, None])))
    check_labels(rows, "kind", np.zeros(15, int), rows.of(columns["weight"]))
    days = scaled(columns["days"][:, None], 0, weights)
    check_labels(rows, "days", rows.of(days), rows.of(weights))


def test_columns_beside_pictures_are_labels_as_in_a_table(tmp_path):
    frame = table()
    frame.loc[4, ["stage", "days"]] = np.nan
    text = frame.astype({"stage": "Int64"})[["died", "stage", "f1", "f2", "days"]]
    data = images_data(tmp_path, noise(15)[0], text.to_dict("series"))
    # The table lies elsewhere.
    (tmp_path / "tables").mkdir()
    data |= {"train": "tables/photos.csv", "folder": "."}
    (tmp_path / "photos.csv").rename(tmp_path / data["train"])
    died = classes("died", 2, labels=["no", "yes"])
    rows = read(tmp_path, data, [died, STAGE, binary("f", target=["f1", "f2"]), DAYS])
    there = rows.rows != 4
    check_labels(rows, "died", rows.of(frame.died == "yes").astype(int))
    check_labels(rows, "stage", rows.of(frame.stage.fillna(0).astype(int)), there)
    check_labels(rows, "f", rows.of(frame[["f1", "f2"]] * 1.0))
    days = StandardScaler().fit_transform(frame[["days"]].to_numpy())
    check_labels(rows, "days", rows.of(days), there[:, None])


# ---- arrays


def arrays_data(folder, inputs, labels, **more):
    """Files of arrays; `inputs` is one of them, or several by name."""
    several = isinstance(inputs, dict)
    for name, array in {**(inputs if several else {"x": inputs}), **labels}.items():
        np.save(folder / f"{name}.npy", array)
    paths = {name: f"{name}.npy" for name in inputs} if several else "x.npy"
    train = {"inputs": paths, "labels": {task: f"{task}.npy" for task in labels}}
    return {"name": "arrays", "train": train, **more}


KINDS = {"image": "image", "ids": "ids", "numbers": "numbers"}
MOST = {"?": 2, "u1": 256, "i1": 128, "f2": 2049}


def whole(dtype, shape, seed=16):
    """Whole numbers that the type holds, up to 32767."""
    most = MOST.get(dtype.strip("<>"), 32768)
    return np.random.default_rng(seed).integers(0, most, shape).astype(dtype)


@both_precisions
@pytest.mark.parametrize("dtype", ["u1", "i1", "<i2", "<i4", "<i8", "?", "<f2", "<f4", "<f8"])
def test_numbers_of_every_type_are_read_as_their_kind_says(tmp_path, dtype, precision):
    image, ids, numbers = (whole(dtype, (15, *shape)) for shape in [(4, 6), (3,), (5,)])
    kind = np.dtype(dtype).kind
    numbers = numbers if kind in "ub" else -numbers
    if kind == "f":
        image, numbers = image / image.dtype.type(64), numbers / numbers.dtype.type(7)
    if dtype == "<i8":
        ids[:, 0] += 2**40
    inputs = {"image": np.asfortranarray(image), "ids": ids, "numbers": np.asfortranarray(numbers)}
    y = np.random.default_rng(17).normal(size=15)
    data = arrays_data(tmp_path, inputs, {"y": y}, kind=KINDS)
    rows = read(tmp_path, data, [real("y")], script(tmp_path, Three()), precision=precision)
    image = as_image(image, precision) if dtype == "u1" else image.astype(precision)
    same(rows.inputs["image"], rows.of(image[:, None]))
    same(rows.inputs["ids"], rows.of(ids.astype(np.int64)))
    same(rows.inputs["numbers"], rows.of(numbers.astype(precision)))
    same(rows.labels["y"], rows.of(y.astype(precision)[:, None]))


@pytest.mark.parametrize("dtype", ["<u2", "<u4", ">i2", ">i4", ">i8", ">f4", ">f8"])
def test_numbers_of_other_types_are_read_or_refused_by_name(tmp_path, dtype):
    x = whole(dtype, (15, 4))
    data = arrays_data(tmp_path, x, {"y": np.arange(15.0)}, kind="numbers")
    try:
        rows = read(tmp_path, data, [real("y")])
    except Refused as refused:
        assert f"x.npy: holds numbers of type {dtype}\n  hint: write it again" in str(refused)
    else:
        same(rows.x, rows.of(x.astype(float)))


@pytest.mark.parametrize("storage", ["savez", "compressed", "safetensors", "folder", "only"])
def test_arrays_are_the_same_in_every_kind_of_file(tmp_path, storage):
    random = np.random.default_rng(18)
    x, y = random.normal(size=(15, 4)).astype(np.float32), random.integers(0, 3, 15)
    paths = {"inputs": "all.npz:x", "labels": {"y": "all.npz:y"}}
    if storage == "savez":
        np.savez(tmp_path / "all.npz", x=x, y=y)
    elif storage == "compressed":
        np.savez_compressed(tmp_path / "all.npz", y=y, x=np.asfortranarray(x))
    elif storage == "safetensors":
        tensors = {"x": torch.from_numpy(x).to(torch.bfloat16), "y": torch.from_numpy(y)}
        safetensors.torch.save_file(tensors, tmp_path / "all.safetensors")
        paths = {"inputs": "all.safetensors:x", "labels": {"y": "all.safetensors:y"}}
        x = tensors["x"].float().numpy()
    elif storage == "only":
        np.savez(tmp_path / "x.npz", whatever=x)
        safetensors.torch.save_file({"any": torch.from_numpy(y)}, tmp_path / "y.safetensors")
        paths = {"inputs": "x.npz", "labels": {"y": "y.safetensors"}}
    else:
        # In the order of numbers, 9 before 10, some left out.
        numbers = np.sort(random.choice(200, 15, replace=False))
        for name, array in {"x": x, "y": y}.items():
            (tmp_path / name).mkdir()
            for number, row in zip(numbers, array):
                np.save(tmp_path / name / f"{number}.npy", row)
        paths = {"inputs": "x", "labels": {"y": "y"}}
    data = {"name": "arrays", "train": paths}
    rows = read(tmp_path, data, [classes("y", 3)], precision="float32")
    same(rows.x, rows.of(x))
    check_labels(rows, "y", rows.of(y))


LAYOUTS = {
    # The shape of a row, what is said of its channels, and whether they are last.
    "3 first": ((3, 6, 8), None, False),
    "3 last": ((6, 8, 3), None, True),
    "4 last": ((6, 8, 4), None, True),
    "1 last": ((6, 8, 1), None, True),
    "both could be": ((3, 6, 4), None, False),
    "both could be, said": ((3, 6, 4), "last", True),
    "neither could be, said": ((6, 8, 5), "last", True),
    "the other, said": ((6, 8, 3), "first", False),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_have_their_channels_first(tmp_path, layout):
    shape, said, last = LAYOUTS[layout]
    x, y = whole("u1", (15, *shape)), whole("?", 15).astype(int)
    data = arrays_data(tmp_path, x, {"y": y}, kind="image") | ({"channels": said} if said else {})
    rows = read(tmp_path, data, [classes("y", 2)], precision="float32")
    same(rows.x, rows.of(as_image(np.moveaxis(x, -1, 1) if last else x, "float32")))


def test_what_reads_an_input_tells_what_it_is(tmp_path):
    photo, ids, y = whole("u1", (15, 6, 8)), whole("i1", (15, 7)) // 13, whole("?", 15).astype(int)
    transformer = {"name": "transformer", "width": 4, "heads": 1, "layers": 1, "vocabulary": 10}
    module = script(tmp_path, Recorder((1, 1, 7), 1, 2))
    convolution = {"name": "conv", "channels": [2]}
    cases = [
        ({"backbone": convolution}, photo, as_image(photo, "float64")[:, None]),
        ({"backbone": transformer}, ids, ids.astype(np.int64)),
        (None, ids, ids.astype(float)),
        (module, ids, ids.astype(np.int64)),
    ]
    for model, x, expected in cases:
        rows = read(tmp_path, arrays_data(tmp_path, x, {"y": y}), [classes("y", 2)], model)
        same(rows.x, rows.of(expected))


@both_precisions
@pytest.mark.parametrize("chosen", [True, ["image", "numbers"], ["numbers"]])
def test_arrays_are_standardized_by_channel_or_column(tmp_path, chosen, precision):
    random = np.random.default_rng(20)
    image = (random.integers(0, 256, (20, 5, 4, 3)) // [1, 3, 9]).astype(np.uint8)
    numbers = random.integers(-9, 9, (20, 4)).astype(np.int32) * [1, 10, 100, 0]
    inputs = {"image": image, "ids": random.integers(0, 9, (20, 2)), "numbers": numbers}
    y = random.normal(9, 2, (20, 1))
    data = arrays_data(tmp_path, inputs, {"y": y}, kind=KINDS, standardize=chosen)
    model = script(tmp_path, Three())
    rows = read(tmp_path, data, [real("y", standardize=True)], model, precision=precision)
    image = image.transpose(0, 3, 1, 2)
    if chosen is True or "image" in chosen:
        close(rows.inputs["image"], rows.of(scaled(image / 255, (0, 2, 3))))
    else:
        same(rows.inputs["image"], rows.of(as_image(image, precision)))
    if chosen is True:
        same(rows.inputs["numbers"], rows.of(numbers.astype(precision)))
    else:
        close(rows.inputs["numbers"], rows.of(scaled(numbers, 0)))
    same(rows.inputs["ids"], rows.of(inputs["ids"]))
    check_labels(rows, "y", rows.of(scaled(y, 0)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_channel_of_one_value_is_standardized_to_nothing(tmp_path, dtype):
    x = np.random.default_rng(21).normal(size=(21, 3, 7, 9)).astype(dtype)
    x[:, 1] = 0.1
    x[:, 2] += 1e4
    data = arrays_data(tmp_path, x, {"y": np.arange(21.0)}, kind="image", standardize=True)
    rows = read(tmp_path, data, [real("y")])
    close(rows.x, rows.of(scaled(x, (0, 2, 3))), 1e-9)
    assert not rows.x[:, 1].any()


@pytest.mark.parametrize("dtype", ["int32", "int64", "float64"])
def test_a_large_mean_costs_an_array_no_digits(tmp_path, dtype):
    x = (10**8 + np.arange(15)).astype(dtype)
    more = {"kind": "numbers", "standardize": ["x"]}
    data = arrays_data(tmp_path, x[:, None], {"stage": np.arange(15) % 3}, **more)
    rows = read(tmp_path, data, [STAGE], precision="float32")
    close(rows.x, rows.of(scaled(np.arange(15.0)[:, None], 0)))


@pytest.mark.parametrize("dtype", ["int32", "int64", "float64"])
def test_a_large_mean_costs_labels_in_arrays_no_digits(tmp_path, dtype):
    days = (10**8 + np.arange(15)).astype(dtype)
    data = arrays_data(tmp_path, np.arange(15.0)[:, None], {"days": days})
    rows = read(tmp_path, data, [DAYS], precision="float32")
    check_labels(rows, "days", rows.of(scaled(np.arange(15.0)[:, None], 0)))


def test_a_share_held_out_of_arrays_is_no_part_of_training_or_its_statistics(tmp_path):
    random = np.random.default_rng(22)
    x, days = random.normal(5, 2, (40, 3)), random.normal(7, 3, 40)
    x[:, 0] = np.arange(40)
    data = arrays_data(tmp_path, x, {"days": days}, validation=0.25, kind="numbers")
    seen, _, held = record(tmp_path, data, DAYS, (3, 10, 3), 10, batch=10)
    assert sorted([*seen[..., 0].flatten(), *held[:, 0]]) == list(range(40))
    chosen = read(tmp_path, data, [DAYS], MODULE, batch=10, shuffle=False).x[:, 0].astype(int)
    assert sorted(chosen) == sorted(seen[..., 0].flatten())
    data["standardize"] = ["x"]
    rows = read(tmp_path, data, [DAYS], MODULE, batch=10)
    close(rows.x, rows.of(scaled(x[chosen], 0)))
    check_labels(rows, "days", rows.of(scaled(days[chosen], 0)[:, None]))


@both_precisions
def test_labels_in_arrays_are_missing_where_they_are_what_is_ignored(tmp_path, precision):
    random = np.random.default_rng(23)
    stage = random.choice([-1, 0, 1, 2], 15).astype(np.int8)
    days = np.where(random.random(15) < 0.3, np.nan, random.normal(50, 9, 15))
    several = np.where(random.random((15, 2)) < 0.3, np.nan, random.normal(1, 3, (15, 2)))
    findings = random.integers(0, 2, (15, 3)) > 0
    labels = {"stage": stage, "days": days, "findings": findings}
    labels["several"] = np.nan_to_num(several, nan=-9)
    ignore = {"stage": -1, "days": np.nan, "several": -9}
    data = arrays_data(tmp_path, random.normal(size=(15, 3)), labels, ignore=ignore)
    several_of = real("several", channels=2, standardize=True)
    tasks = [STAGE, DAYS, several_of, binary("findings", channels=3)]
    rows = read(tmp_path, data, tasks, precision=precision)
    check_labels(rows, "stage", rows.of(stage.astype(int)), rows.of(stage >= 0))
    for task, values in {"days": days[:, None], "several": several}.items():
        expected = rows.of(StandardScaler().fit_transform(values))
        check_labels(rows, task, expected, ~np.isnan(expected))
    check_labels(rows, "findings", rows.of(findings * 1.0))


@pytest.mark.parametrize("last", [False, True])
def test_labels_of_pixels_in_arrays(tmp_path, last):
    maps = Maps()
    move = lambda array: np.moveaxis(array, 1, -1) if last else array
    depth = np.where(maps.depth == 0, np.nan, maps.depth).astype(np.float32)
    labels = {
        "segmentation": np.asfortranarray(maps.segmentation.astype(np.uint8)),
        "mask": maps.mask > 0,
        "depth": move(depth[:, None]),
        "flat": maps.depth,
        "normals": move(maps.normals),
    }
    images = maps.images.transpose(0, 3, 1, 2)
    more = {"ignore": maps.IGNORE | {"depth": np.nan}, "kind": "image"}
    data = arrays_data(tmp_path, maps.images if last else images, labels, **more)
    model = script(tmp_path, Positions(maps.WIDTHS))
    rows = read(tmp_path, data, maps.TASKS, model, precision="float32")
    same(rows.x, rows.of(as_image(images, "float32")))
    maps.check(rows)


def test_labels_of_tokens_in_arrays(tmp_path):
    random = np.random.default_rng(24)
    ids, tags = whole("i1", (15, 6)), random.integers(-1, 4, (15, 6))
    score = np.where(random.random((15, 6)) < 0.3, np.nan, random.normal(size=(15, 6)))
    flags = random.integers(0, 2, (15, 2, 6)) > 0
    labels = {"tags": tags, "score": score, "flags": flags}
    data = arrays_data(tmp_path, ids, labels, ignore={"tags": -1, "score": np.nan}, kind="ids")
    tasks = [classes("tags", 4), real("score"), binary("flags", channels=2)]
    model = script(tmp_path, Positions({"tags": 4, "score": 1, "flags": 2}))
    rows = read(tmp_path, data, tasks, model)
    same(rows.x, rows.of(ids.astype(np.int64)))
    check_labels(rows, "tags", rows.of(tags), rows.of(tags >= 0))
    check_labels(rows, "score", rows.of(score[:, None]), rows.of(~np.isnan(score[:, None])))
    check_labels(rows, "flags", rows.of(flags * 1.0))


# ---- multi_mnist


def family(folder, seed):
    """Training images and labels of a folder of MNIST's four files."""
    folder.mkdir()
    random = np.random.default_rng(seed)
    for part in ["t10k", "train"]:
        images = random.integers(0, 256, (20, 28, 28)) * (random.random((20, 28, 28)) < 0.3)
        labels = random.integers(0, 10, 20)
        write_idx(folder / f"{part}-images-idx3-ubyte", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)
    return images.astype(np.uint8), labels


def composed(left, right):
    """Two images in the corners of 36 x 36 black pixels, the lighter pixel of both."""
    canvas = np.zeros((2, 36, 36), np.uint8)
    canvas[0, :28, :28], canvas[1, 8:, 8:] = left, right
    return canvas.max(0)


@pytest.mark.parametrize("size", [36, 28])
@pytest.mark.parametrize("right", ["left", "right"])
def test_two_digits_in_one_are_the_lighter_pixels_of_both(tmp_path, right, size):
    folders = {name: family(tmp_path / name, len(name)) for name in ["left", "right"]}
    (lefts, left_labels), (rights, right_labels) = folders["left"], folders[right]
    data = {"name": "multi_mnist", "left": "left", "right": right, "size": size}
    data |= {"train": 30, "validation": 10, "test": 5}
    tasks = [classes("first", 10, target="left"), classes("right", 10)]
    rows = read(tmp_path, data, tasks, batch=10)
    pairs = list(itertools.product(range(20), range(20)))
    pictures = np.stack([composed(lefts[a], rights[b]) for a, b in pairs])
    if size != 36:
        pictures = torch.from_numpy(pictures[:, None]).double()
        pictures = interpolate(pictures, size=(size, size), mode="bilinear")
        pictures = pictures.round()[:, 0].numpy()
    found, used = levels(rows)[:, 0], []
    for at, picture in enumerate(found):
        # Of a new size, a number in the middle of two bytes may go either way.
        near = abs(pictures - picture).max((1, 2)) <= (0 if size == 36 else 1)
        assert near.sum() == 1
        a, b = pairs[near.argmax()]
        used.append((a, b))
        assert rows.labels["first"][at] == left_labels[a]
        assert rows.labels["right"][at] == right_labels[b]
    # Three quarters of 20 images train, each twice on either side.
    for side in zip(*used):
        assert sorted(np.bincount(side, minlength=20)) == [0] * 5 + [2] * 15
    rows = read(tmp_path, {**data, "standardize": True}, tasks, batch=10)
    close(rows.x[:, 0], scaled(found / 255, (0, 1, 2)))


# ---- Images changed at random

AUGMENT = {"crop": 2, "flip": True}


def changes(shape, crop=0, flip=False, scale=(1,)):
    """All that may happen to `[…, H, W]`: (factor, top, left, down, right, mirrored)."""
    height, width = shape[-2:]
    moves = list(itertools.product(range(2 * crop + 1), range(2 * crop + 1), {False, flip}))
    for factor in scale:
        tops = range(height - int(height / factor) + 1)
        lefts = range(width - int(width / factor) + 1)
        places = itertools.product(tops, lefts)
        yield from ((factor, *place, *move) for place, move in itertools.product(places, moves))


def changed(array, change, crop=0, fill=0, mode="nearest"):
    """An array `[…, H, W]` changed as by LibMTL's RandomScaleCrop, then torchvision's RandomCrop.

    A part that begins at (top, left) is enlarged to the whole by a factor; that is padded, cut from
    (down, right) on, and mirrored or not.
    """
    factor, top, left, down, right, mirrored = change
    height, width = array.shape[-2:]
    if factor != 1:
        part = array[..., top : top + int(height / factor), left : left + int(width / factor)]
        part = torch.from_numpy(part.astype(float)).reshape(1, -1, *part.shape[-2:])
        corners = True if mode == "bilinear" else None
        part = interpolate(part, (height, width), mode=mode, align_corners=corners)
        array = part.numpy().reshape(array.shape)
    around = [(0, 0)] * (array.ndim - 2) + [(crop, crop)] * 2
    array = np.pad(array, around, constant_values=fill)
    array = array[..., down : down + height, right : right + width]
    return array[..., ::-1] if mirrored else array


def find_change(found, raw, fill=0.0, **augment):
    """The only change of a raw image that gives what was found."""
    crop, tolerance = augment.get("crop", 0), 10 * TOLERANCE[found.dtype]
    off = lambda change: abs(changed(raw, change, crop, fill, "bilinear") - found).max()
    all_near = [change for change in changes(raw.shape, **augment) if off(change) < tolerance]
    assert len(all_near) == 1, f"{len(all_near)} changes of the raw image give it"
    return all_near[0]


def find_changes(found, raw, fill=0.0, **augment):
    """As `find_change`, row by row: no change is missing that should come now and then."""
    all_found = [find_change(x, of, fill, **augment) for x, of in zip(found, raw)]
    factors, _, _, downs, rights, mirrored = map(set, zip(*all_found))
    moves = set(range(2 * augment.get("crop", 0) + 1))
    assert factors == set(augment.get("scale", [1])) and downs | rights == moves
    assert mirrored == {False, augment.get("flip", False)}
    return all_found


@both_precisions
@pytest.mark.parametrize("standardize", [False, True])
def test_digits_are_cropped_and_mirrored(tmp_path, standardize, precision):
    images, labels = digits(30)
    more = {"augment": AUGMENT, "standardize": standardize}
    data = idx_data(tmp_path, images, {"digit": labels}, **more)
    rows = read(tmp_path, data, [DIGIT], precision=precision, batch=10)
    raw = images / 255
    mean, deviation = (raw.mean(), raw.std()) if standardize else (0, 1)
    raw, black = (raw - mean) / deviation, -mean / deviation
    find_changes(rows.x, rows.of(raw[:, None]), black, **AUGMENT)
    check_labels(rows, "digit", rows.of(labels))


AUGMENTATIONS = {
    "moved": AUGMENT,
    "enlarged": {"scale": [1, 1.2, 1.5]},
    "all of it": {"crop": 1, "flip": True, "scale": [1, 1.5]},
}


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
@pytest.mark.parametrize(
    "source, precision", [("images", "float32"), ("arrays", "float64"), ("planes", "float32")]
)
def test_labels_of_pixels_move_with_their_image(tmp_path, augmentation, source, precision):
    maps, augment = Maps(30, 8, 9), AUGMENTATIONS[augmentation]
    images = maps.images.transpose(0, 3, 1, 2)
    more = {"augment": {**augment, "normals": ["normals"], "depths": ["depth"]}}
    if source == "images":
        data = maps.data(tmp_path, **more)
    else:
        labels = {task: getattr(maps, task, maps.depth) for task in maps.WIDTHS}
        images = images[:, :1] if source == "planes" else images
        x = images[:, 0] if source == "planes" else images
        data = arrays_data(tmp_path, x, labels, ignore=maps.IGNORE, kind="image", **more)
    model = script(tmp_path, Positions(maps.WIDTHS))
    rows = read(tmp_path, data, maps.TASKS, model, precision=precision, batch=10)
    found = find_changes(rows.x, rows.of(images / 255), **augment)
    for at, change in enumerate(found):
        move = lambda values, fill: changed(values, change, augment.get("crop", 0), fill)
        maps.check(rows.one(at), move, nearer=change[0], mirrored=change[-1])


MOVEMENTS = {
    # A second input, its kind, what is said of it, and how it changes.
    "plane": ((7, 6), "f8", "numbers", None, "nearest"),
    "image": ((2, 7, 6), "f8", "image", None, "bilinear"),
    "bools": ((2, 7, 6), "?", "image", None, "nearest"),
    "ids": ((7, 6), "i8", "ids", None, "nearest"),
    "plane, said": ((7, 6), "f8", "numbers", "bilinear", "bilinear"),
    "image, said": ((2, 7, 6), "f8", "image", "nearest", "nearest"),
    "still": ((7, 6), "f8", "numbers", "still", None),
}


@pytest.mark.parametrize("movement", MOVEMENTS)
def test_inputs_of_one_row_change_alike(tmp_path, movement):
    shape, dtype, kind, said, mode = MOVEMENTS[movement]
    photo, other = whole("u1", (30, 7, 6, 3)), whole(dtype, (30, *shape))
    numbers = np.random.default_rng(27).normal(size=(30, 4))
    inputs = {"image": photo, "ids": other, "numbers": numbers}
    changes = {"flip": True, "crop": 1, "scale": [1, 1.5]}
    augment = changes | ({"inputs": {"ids": said}} if said else {})
    kinds = KINDS | {"ids": kind}
    data = arrays_data(tmp_path, inputs, {"y": numbers[:, 0]}, kind=kinds, augment=augment)
    rows = read(tmp_path, data, [real("y")], script(tmp_path, Three()), batch=10)
    same(rows.inputs["numbers"], rows.of(numbers))
    raw = rows.of(photo.transpose(0, 3, 1, 2) / 255)
    found = find_changes(rows.inputs["image"], raw, **changes)
    expected = rows.of(other)
    if mode:
        expected = np.stack([changed(x, change, 1, 0, mode) for x, change in zip(expected, found)])
    close(rows.inputs["ids"].astype(float), expected)


# ---- Data without files

SYNTHETIC = {"name": "synthetic", "features": 4, "train": 30}
SCENES = {"name": "scenes", "size": [16, 12], "train": 15, "validation": 0, "test": 0}


def test_synthetic_rows_are_a_function_of_the_seed(tmp_path):
    tasks = [classes("a", 3), real("b"), binary("c")]
    first, again, other = (read(tmp_path, SYNTHETIC, tasks, seed=seed) for seed in (3, 3, 4))
    same(first.x, again.x)
    assert first.x.shape == (15, 4) and (first.x != other.x).any()
    for task in "abc":
        same(first.labels[task], again.labels[task])
        assert (first.labels[task] != other.labels[task]).any()


@both_precisions
def test_scenes_are_a_function_of_the_seed_with_labels_for_every_pixel(tmp_path, precision):
    widths = {"segmentation": 11, "depth": 1, "normals": 3}
    tasks = [classes("segmentation", 11), real("depth", "l1")]
    tasks.append(real("normals", "cosine", channels=3))
    model, more = script(tmp_path, Positions(widths)), {"precision": precision}
    first, again, other = (read(tmp_path, SCENES, tasks, model, seed=n, **more) for n in (3, 3, 4))
    same(first.x, again.x)
    assert first.x.shape == (15, 3, 16, 12) and (first.x != other.x).any()
    assert 0 <= first.x.min() and first.x.max() <= 1
    for task in widths:
        same(first.labels[task], again.labels[task])
        assert (first.labels[task] != other.labels[task]).any()
    classes_, depth, normals = (first.labels[task] for task in widths)
    assert classes_.shape == (15, 16, 12) and {*np.unique(classes_)} <= {*range(11)}
    assert depth.shape == (15, 1, 16, 12) and depth.min() >= 1
    assert normals.shape == (15, 3, 16, 12) and normals[:, 2].max() < 0
    close(np.linalg.norm(normals, axis=1), np.ones((15, 16, 12), precision), 1e-6)
