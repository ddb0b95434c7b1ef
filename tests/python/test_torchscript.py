"""What a training hands back, taken up by real PyTorch: model.pt, exported weights, checkpoints.

Run with pytest in an environment that has torch, numpy and safetensors; POLYTASK names the binary.
"""

import hashlib
import json
import os
import pathlib
import struct
import subprocess

import numpy as np
import pytest
import safetensors.torch
import torch

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "document"


class MultiTaskModel(torch.nn.Module):
    """The document's model."""

    def __init__(self):
        super().__init__()
        self.shared_layers = torch.nn.Sequential(
            torch.nn.Linear(10, 20), torch.nn.ReLU(), torch.nn.Linear(20, 20), torch.nn.ReLU()
        )
        self.task1_layer = torch.nn.Linear(20, 2)
        self.task2_layer = torch.nn.Linear(20, 2)

    def forward(self, x):
        z = self.shared_layers(x)
        return self.task1_layer(z), self.task2_layer(z)


EXPERIMENT = """\
data: {name: synthetic, train: 640, validation: 160, test: 160}
tasks:
  - {name: task1, loss: {name: cross_entropy, classes: 2}, metrics: [accuracy]}
  - {name: task2, loss: {name: cross_entropy, classes: 2}, metrics: [accuracy]}
model: {backbone: {name: mlp, hidden: [20, 20]MORE}}
optimizer: {name: adam, learning_rate: 1e-2}
train: {epochs: 3}
"""


def polytask(*arguments):
    done = subprocess.run([os.environ["POLYTASK"], *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("torchscript")
    yaml = folder / "experiment.yaml"
    yaml.write_text(EXPERIMENT.replace("MORE", ""))
    polytask("train", yaml, "--out", folder / "run", "--quiet")
    return folder / "run"


def test_the_model_returns_the_tuple_of_the_class_with_the_same_weights(run):
    model = torch.jit.load(run / "model.pt")
    twin = MultiTaskModel()
    assert list(model.state_dict()) == list(twin.state_dict())
    twin.load_state_dict(model.state_dict(), strict=True)
    x = torch.randn(7, 10)
    outputs = model(x)
    assert isinstance(outputs, tuple) and len(outputs) == 2
    for found, expected in zip(outputs, twin(x)):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_the_model_trains_freezes_and_carries_its_metadata(run):
    extra = {"polytask.json": ""}
    model = torch.jit.load(run / "model.pt", _extra_files=extra)
    metadata = json.loads(extra["polytask.json"])
    assert [task["name"] for task in metadata["tasks"]] == ["task1", "task2"]
    assert "optimizer" in metadata["config"]
    assert not model.training
    frozen = torch.jit.freeze(model)
    x = torch.randn(5, 10)
    torch.testing.assert_close(frozen(x), model(x))
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    sum(output.square().mean() for output in model(x)).backward()
    optimizer.step()
    assert model.training


def test_dropout_draws_in_training_and_not_in_evaluation(tmp_path):
    yaml = tmp_path / "dropout.yaml"
    yaml.write_text(EXPERIMENT.replace("MORE", ", dropout: 0.5"))
    polytask("train", yaml, "--out", tmp_path / "run", "--quiet")
    model = torch.jit.load(tmp_path / "run" / "model.pt")
    x = torch.randn(64, 10)
    torch.testing.assert_close(model(x), model(x), rtol=0, atol=0)
    model.train()
    assert not torch.equal(model(x)[0], model(x)[0])


def test_best_weights_and_exports_load_into_the_class(run, tmp_path):
    reference = torch.jit.load(run / "model.pt").state_dict()
    polytask("export", run, "-o", tmp_path / "w.pt", "--format", "state-dict")
    polytask("export", run, "-o", tmp_path / "w.safetensors", "--format", "safetensors")
    loaded = [
        torch.load(tmp_path / "w.pt", weights_only=True),
        safetensors.torch.load_file(tmp_path / "w.safetensors"),
        safetensors.torch.load_file(run / "checkpoints" / "best.safetensors"),
    ]
    for weights in loaded:
        MultiTaskModel().load_state_dict(weights, strict=True)
        assert all(torch.equal(weights[name], reference[name]) for name in reference)


def test_the_last_checkpoint_holds_adam_s_moments_by_parameter_name(run):
    last = safetensors.torch.load_file(run / "checkpoints" / "last.safetensors")
    for name, parameter in MultiTaskModel().state_dict().items():
        for moment in ["exp_avg", "exp_avg_sq"]:
            assert last[f"optimizer.{moment}.{name}"].shape == parameter.shape


class Named(torch.nn.Module):
    """Outputs in a dictionary, BatchNorm and dropout inside: what a researcher's own module may be."""

    def __init__(self):
        super().__init__()
        self.trunk = torch.nn.Sequential(
            torch.nn.Linear(10, 16), torch.nn.BatchNorm1d(16), torch.nn.ReLU(), torch.nn.Dropout(0.3)
        )
        self.first = torch.nn.Linear(16, 2)
        self.second = torch.nn.Linear(16, 2)

    def forward(self, x):
        z = self.trunk(x)
        return {"task2": self.second(z), "task1": self.first(z)}


def test_a_module_of_one_s_own_fine_tunes_resumes_and_comes_back(tmp_path):
    torch.manual_seed(0)
    torch.jit.script(Named()).save(tmp_path / "named.pt")
    yaml = tmp_path / "tune.yaml"
    yaml.write_text(
        EXPERIMENT.replace("{backbone: {name: mlp, hidden: [20, 20]MORE}}", "{torchscript: named.pt}")
        + "checkpoint: {every: 7 steps}\n"
    )
    polytask("train", yaml, "--out", tmp_path / "whole", "--quiet")
    polytask("train", yaml, "--out", tmp_path / "parts", "--quiet", "--set", "train.steps=17")
    polytask("train", yaml, "--out", tmp_path / "parts", "--quiet", "--resume")
    whole, parts = (torch.jit.load(tmp_path / name / "model.pt") for name in ["whole", "parts"])
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, parts.state_dict()[name]), name
    assert whole.state_dict()["trunk.1.num_batches_tracked"] > 0
    outputs = whole(torch.randn(3, 10))
    assert set(outputs) == {"task1", "task2"}

    rows = tmp_path / "rows.csv"
    x = np.random.default_rng(0).normal(size=(9, 10)).astype("float32")
    rows.write_text("\n".join([",".join(f"x{i}" for i in range(10)), *[",".join(map(repr, map(float, row))) for row in x]]))
    polytask("predict", tmp_path / "whole" / "model.pt", rows, "-o", tmp_path / "out.csv")
    table = np.genfromtxt(tmp_path / "out.csv", delimiter=",", names=True)
    expected = whole(torch.from_numpy(x))["task1"].detach().numpy()
    np.testing.assert_allclose(np.stack([table["task1_0"], table["task1_1"]], 1), expected, atol=1e-6)


class Odd(torch.nn.Module):
    """Tied weights, a frozen one, one that is not contiguous: PyTorch's parameters() knows each once."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(10, 10)
        self.again = torch.nn.Linear(10, 10)
        self.again.weight = self.first.weight
        self.still = torch.nn.Linear(10, 10)
        self.still.weight.requires_grad_(False)
        self.turned = torch.nn.Parameter(torch.randn(4, 10).t() * 0.3)

    def forward(self, x):
        z = torch.tanh(self.again(torch.tanh(self.first(x))))
        y = torch.tanh(self.still(z)) @ self.turned
        return y[:, :2], y[:, 2:]


def test_tied_frozen_and_turned_parameters_train_as_in_pytorch(tmp_path):
    torch.manual_seed(0)
    model = Odd().double()
    torch.jit.script(model).save(tmp_path / "odd.pt")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 10)), rng.integers(0, 2, size=(64, 2))
    header = [*[f"x{i}" for i in range(10)], "task1", "task2"]
    lines = [",".join([*map(repr, map(float, row)), *map(str, label)]) for row, label in zip(x, y)]
    (tmp_path / "rows.csv").write_text("\n".join([",".join(header), *lines]))
    (tmp_path / "odd.yaml").write_text(
        """\
data: {name: csv, train: rows.csv, inputs: ["x*"], standardize: false}
tasks:
  - {name: task1, loss: {name: cross_entropy, classes: 2}}
  - {name: task2, loss: {name: cross_entropy, classes: 2}}
model: {torchscript: odd.pt}
precision: float64
optimizer: {name: sgd, learning_rate: 0.1}
train: {epochs: 2, batch_size: 16, shuffle: false, clip_norm: 0.3}
"""
    )
    polytask("train", tmp_path / "odd.yaml", "--out", tmp_path / "run", "--quiet")
    polytask("export", tmp_path / "run", "-o", tmp_path / "exported.pt")

    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        for start in range(0, 64, 16):
            outputs = model(torch.from_numpy(x[start : start + 16]))
            labels = torch.from_numpy(y[start : start + 16])
            loss = sum(torch.nn.functional.cross_entropy(outputs[t], labels[:, t]) for t in range(2))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.3)
            optimizer.step()
    for file in [tmp_path / "run" / "model.pt", tmp_path / "exported.pt"]:
        found = torch.jit.load(file).state_dict()
        for name, tensor in model.state_dict().items():
            torch.testing.assert_close(found[name], tensor, rtol=1e-9, atol=1e-12, msg=name)


class Short(torch.nn.Module):
    def forward(self, x):
        return x.sum(), x[:, :2]


def test_an_output_without_a_row_per_input_row_is_refused(tmp_path):
    torch.jit.script(Short()).save(tmp_path / "short.pt")
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3,4\n")
    command = [os.environ["POLYTASK"], "predict", tmp_path / "short.pt", tmp_path / "rows.csv", "-o", tmp_path / "out.csv"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == 1 and "output0 has shape [] for 2 rows" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rows.csv", "short.pt"]


def test_a_bare_module_with_a_dictionary_names_its_predictions(tmp_path):
    torch.manual_seed(0)
    module = torch.jit.script(Named().eval())
    module.save(tmp_path / "named.pt")
    (tmp_path / "rows.csv").write_text(",".join("abcdefghij") + "\n" + ",".join("1234567890") + "\n")
    polytask("predict", tmp_path / "named.pt", tmp_path / "rows.csv", "-o", tmp_path / "out.csv")
    header, row = (tmp_path / "out.csv").read_text().split()
    assert header == "task2_0,task2_1,task2,task1_0,task1_1,task1"
    expected = module(torch.tensor([[1.0, 2, 3, 4, 5, 6, 7, 8, 9, 0]]))
    assert abs(float(row.split(",")[3]) - float(expected["task1"][0, 0])) < 1e-6


def test_safetensors_and_state_dicts_of_pytorch_start_a_run(tmp_path):
    torch.manual_seed(0)
    model = MultiTaskModel()
    optimizer = torch.optim.Adam(model.parameters())
    sum(output.sum() for output in model(torch.randn(4, 10))).backward()
    optimizer.step()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, tmp_path / "checkpoint.pt")
    torch.save(model.state_dict(), tmp_path / "plain.pt")
    safetensors.torch.save_file(model.state_dict(), tmp_path / "plain.safetensors")
    firsts = []
    for name in ["checkpoint.pt", "plain.pt", "plain.safetensors"]:
        yaml = tmp_path / "start.yaml"
        yaml.write_text(EXPERIMENT.replace("MORE}}", "}, initial: %s}" % name))
        out = tmp_path / f"run-{name}"
        polytask("train", yaml, "--out", out, "--quiet")
        firsts.append((out / "metrics.jsonl").read_text())
        assert "exp_avg" in polytask("inspect", tmp_path / "checkpoint.pt")
    assert firsts[0] == firsts[1] == firsts[2]


class Moody(torch.nn.Module):
    """Running statistics and draws before what the tasks share ends, one input after the other."""

    def __init__(self):
        super().__init__()
        self.trunk = torch.nn.Sequential(
            torch.nn.Linear(3, 6),
            torch.nn.BatchNorm1d(6),
            torch.nn.Dropout(0.4),
            torch.nn.Linear(6, 5),
            torch.nn.Tanh(),
            torch.nn.BatchNorm1d(5, momentum=0.3),
        )
        self.one = torch.nn.Linear(5, 2)
        self.two = torch.nn.Linear(5, 2)

    def forward(self, x):
        z = self.trunk(x)
        return {"one": self.one(z), "two": self.two(z)}

    def shared(self):
        return list(self.trunk.parameters())


def chacha8(key):
    """The first 64 bits of ChaCha8's stream, as rand_chacha gives them."""

    def turn(word, bits):
        return ((word << bits) | (word >> (32 - bits))) & 0xFFFFFFFF

    start = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key), 0, 0, 0, 0]
    words = list(start)
    columns = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
    diagonals = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
    for _ in range(4):
        for a, b, c, d in columns + diagonals:
            for bits, (to, by, turned) in zip((16, 12, 8, 7), 2 * [(a, b, d), (c, d, b)]):
                words[to] = (words[to] + words[by]) & 0xFFFFFFFF
                words[turned] = turn(words[turned] ^ words[to], bits)
    low, high = ((word + first) & 0xFFFFFFFF for word, first in list(zip(words, start))[:2])
    return low | high << 32


def seed_of(step, portion, seed=0):
    """What libtorch's generator is seeded with for a portion of a step: random.rs says how."""
    return chacha8(hashlib.sha256(struct.pack("<3Q", seed, step, portion) + b"module").digest())


def write_rows(path, rows, labels, seed):
    """Inputs `x0 x1 x2` and a column per task of `labels`, some of it empty; as tensors too, -1 for no label."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(rows, 3)), rng.integers(0, 2, size=(rows, len(labels)))
    y[rng.random(size=y.shape) < 0.3] = -1
    cells = [[*map(repr, map(float, a)), *("" if label < 0 else str(label) for label in b)] for a, b in zip(x, y)]
    path.write_text("\n".join([",".join(["x0", "x1", "x2", *labels]), *map(",".join, cells)]))
    return torch.from_numpy(x), torch.from_numpy(y)


ACCUMULATED = """\
data: {name: csv, inputs: ["x*"], standardize: false, train: %s}
tasks:
  - {name: one, loss: {name: cross_entropy, classes: 2}}
  - {name: two, loss: {name: cross_entropy, classes: 2}}
model: {torchscript: moody.pt}
method: {name: %s}
precision: float64
optimizer: {name: sgd, learning_rate: 0.5}
train: {epochs: 2, batch_size: 8, accumulate: %d, shuffle: false}
record: {every: 1, tensorboard: false}
"""


class Loop:
    """The loop that a researcher would write: micro-batches in training mode, `N_t` over all of them, one SGD step."""

    def __init__(self, model, groups):
        # Per group of rows its inputs, labels and the tasks that read it.
        self.model, self.groups, self.step = model, groups, 0

    def portion(self, at):
        """The rows of each group that portion `at` of an epoch reads; a shorter group starts anew."""
        for x, y, tasks in self.groups:
            start = 8 * (at % -(-len(x) // 8))
            yield x[start : start + 8], y[start : start + 8], tasks

    def losses(self, portions, first=0):
        """Per portion the two losses; a portion's share of the mean over all rows that `portions` hold."""
        counts = {task: 0 for task in ("one", "two")}
        for at in portions:
            for _, y, tasks in self.portion(at):
                for column, task in enumerate(tasks):
                    counts[task] += int((y[:, column] >= 0).sum())
        for number, at in enumerate(portions, start=first):
            torch.manual_seed(seed_of(self.step, number))
            losses = {task: torch.zeros((), dtype=torch.float64) for task in counts}
            for x, y, tasks in self.portion(at):
                outputs = self.model(x)
                for column, task in enumerate(tasks):
                    total = torch.nn.functional.cross_entropy(
                        outputs[task], y[:, column], ignore_index=-1, reduction="sum"
                    )
                    losses[task] = losses[task] + total / counts[task]
            yield losses["one"], losses["two"]

    def sum(self, portions):
        self.model.zero_grad()
        for one, two in self.losses(portions):
            (one + two).backward()
        self.apply()

    def jacobian(self, portions, first=0):
        """Per task the gradients of all parameters, summed over the portions."""
        parameters = list(self.model.parameters())
        rows = [[torch.zeros_like(p) for p in parameters] for _ in range(2)]
        for losses in self.losses(portions, first):
            for row, loss in zip(rows, losses):
                found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
                for sum_, gradient in zip(row, found):
                    sum_ += 0 if gradient is None else gradient
        return rows

    def flat(self, row):
        """The shared parameters' part of a row, flat."""
        return torch.cat([row[at].reshape(-1) for at in range(len(self.model.shared()))])

    def weighted(self, rows, weights):
        """Shared parameters follow the weights, each head its own loss."""
        count = len(self.model.shared())
        for at, parameter in enumerate(self.model.parameters()):
            one, two = rows[0][at], rows[1][at]
            parameter.grad = weights[0] * one + weights[1] * two if at < count else one + two
        self.apply()

    def apply(self):
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter -= 0.5 * parameter.grad
        self.step += 1


def expect_equal(run, model):
    found = torch.jit.load(run / "model.pt").state_dict()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-9, atol=1e-12, msg=f"{name}: {found[name]} {tensor}")


def moody(folder):
    torch.manual_seed(0)
    model = Moody().double()
    torch.jit.script(model).save(folder / "moody.pt")
    return model.train()


@pytest.mark.parametrize("own_inputs", [False, True])
@pytest.mark.parametrize("method", ["sum", "upgrad"])
def test_accumulated_steps_move_weights_and_statistics_as_a_loop_in_pytorch(tmp_path, own_inputs, method):
    model = moody(tmp_path)
    if own_inputs:
        files = "{one: one.csv, two: two.csv}"
        groups = [
            (*write_rows(tmp_path / "one.csv", 21, ["one"], 1), ["one"]),
            (*write_rows(tmp_path / "two.csv", 52, ["two"], 2), ["two"]),
        ]
    else:
        files = "rows.csv"
        groups = [(*write_rows(tmp_path / "rows.csv", 52, ["one", "two"], 1), ["one", "two"])]
    (tmp_path / "a.yaml").write_text(ACCUMULATED % (files, method, 3))
    polytask("train", tmp_path / "a.yaml", "--out", tmp_path / "run", "--quiet")

    loop = Loop(model, groups)
    for _ in range(2):
        for start in (0, 3, 6):  # 7 portions of 8 rows, the last of 4: its step stands alone
            portions = range(start, min(start + 3, 7))
            if method == "sum":
                loop.sum(portions)
            else:
                rows = loop.jacobian(portions)
                loop.weighted(rows, upgrad_of_two(*map(loop.flat, rows)))
    assert model.trunk[1].num_batches_tracked == 14 * len(groups)
    expect_equal(tmp_path / "run", model)


def upgrad_of_two(first, second):
    """Each gradient without its component against the other, mean of both: as weights of the two."""
    product = first @ second
    if product >= 0:
        return 0.5, 0.5
    return 0.5 - 0.5 * product / (first @ first), 0.5 - 0.5 * product / (second @ second)


def test_a_method_of_three_batches_accumulates_each_of_them(tmp_path):
    model = moody(tmp_path)
    groups = [(*write_rows(tmp_path / "rows.csv", 100, ["one", "two"], 3), ["one", "two"])]
    (tmp_path / "a.yaml").write_text(ACCUMULATED % ("rows.csv", "modo, gamma: 5", 2))
    polytask("train", tmp_path / "a.yaml", "--out", tmp_path / "run", "--quiet")

    loop, weights = Loop(model, groups), np.array([0.5, 0.5])
    for _ in range(2):
        for start in (0, 6):  # of 13 portions, 12 make two steps of three batches of two
            jacobians = [loop.jacobian(range(at, at + 2), at - start) for at in (start, start + 2, start + 4)]
            left, right = (torch.stack([loop.flat(row) for row in rows]) for rows in jacobians[:2])
            moved = weights - 5 * ((left @ right.T).numpy() @ weights + 0.1 * weights)
            first = np.clip((moved[0] - moved[1] + 1) / 2, 0, 1)
            weights = np.array([first, 1 - first])
            loop.weighted(jacobians[2], weights)
    assert 0 < weights[0] < 1 and abs(weights[0] - 0.5) > 1e-3
    assert model.trunk[1].num_batches_tracked == 24
    expect_equal(tmp_path / "run", model)


def test_tied_and_frozen_parameters_are_balanced_as_in_pytorch(tmp_path):
    torch.manual_seed(0)
    model = Odd().double()
    torch.jit.script(model).save(tmp_path / "odd.pt")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 10)), rng.integers(0, 2, size=(32, 2))
    header = [*[f"x{i}" for i in range(10)], "task1", "task2"]
    lines = [",".join([*map(repr, map(float, row)), *map(str, label)]) for row, label in zip(x, y)]
    (tmp_path / "rows.csv").write_text("\n".join([",".join(header), *lines]))
    (tmp_path / "odd.yaml").write_text(
        """\
data: {name: csv, train: rows.csv, inputs: ["x*"], standardize: false}
tasks:
  - {name: task1, loss: {name: cross_entropy, classes: 2}}
  - {name: task2, loss: {name: cross_entropy, classes: 2}}
model: {torchscript: odd.pt}
method: {name: mgda}
precision: float64
optimizer: {name: sgd, learning_rate: 0.5}
train: {epochs: 3, batch_size: 16, shuffle: false}
"""
    )
    polytask("train", tmp_path / "odd.yaml", "--out", tmp_path / "run", "--quiet")
    learned = [p for p in model.parameters() if p.requires_grad]
    for _ in range(3):
        for start in (0, 16):
            outputs = model(torch.from_numpy(x[start : start + 16]))
            labels = torch.from_numpy(y[start : start + 16])
            rows = []
            for task, output in enumerate(outputs):
                loss = torch.nn.functional.cross_entropy(output, labels[:, task])
                found = torch.autograd.grad(loss, learned, retain_graph=True)
                rows.append(torch.cat([gradient.reshape(-1) for gradient in found]))
            # Of two gradients, the shortest convex combination in closed form.
            apart = rows[0] - rows[1]
            first = float(torch.clamp(-(apart @ rows[1]) / (apart @ apart), 0, 1))
            step = first * rows[0] + (1 - first) * rows[1]
            with torch.no_grad():
                for parameter, piece in zip(learned, step.split([p.numel() for p in learned])):
                    parameter -= 0.5 * piece.view_as(parameter)
    found = torch.jit.load(tmp_path / "run" / "model.pt").state_dict()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-8, atol=1e-11, msg=name)
