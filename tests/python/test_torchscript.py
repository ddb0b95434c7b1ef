"""What a training hands back, taken up by real PyTorch: model.pt, exported weights, checkpoints.

Run with pytest in an environment that has torch, numpy and safetensors; POLYTASK names the binary.
"""

import json
import os
import pathlib
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
