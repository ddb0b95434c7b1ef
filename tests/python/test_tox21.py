"""Twelve assays of the same molecules, a sixth of the labels missing: losses, gradients and AUC are PyTorch's and
scikit-learn's, and every model of a sweep is measured again, from the sweep's own YAML, to the last digit.

Run with pytest in an environment that has torch, numpy and scikit-learn; POLYTASK names the binary.
"""

import csv
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

ASSAYS = ["NR-AR", "NR-AR-LBD", "NR-AhR", "NR-Aromatase", "NR-ER", "NR-ER-LBD", "NR-PPAR-gamma", "SR-ARE", "SR-ATAD5", "SR-HSE",
          "SR-MMP", "SR-p53"]
FEATURES, ROWS, MISSING = 40, 900, 0.17
RATE = 0.1


def name(assay):
    return assay.lower().replace("-", "_")


def polytask(*arguments):
    done = subprocess.run([os.environ["POLYTASK"], *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Fingerprints of bits, labels that follow them, rare positives, NaN where a label is missing."""
    folder = tmp_path_factory.mktemp("tox21")
    draw = np.random.default_rng(21)
    bits = (draw.random((ROWS, FEATURES)) < 0.3).astype(float)
    scores = bits @ draw.normal(size=(FEATURES, len(ASSAYS))) + draw.normal(size=(ROWS, len(ASSAYS)))
    labels = (scores > np.quantile(scores, 0.85, axis=0)).astype(float)
    labels[draw.random(labels.shape) < MISSING] = np.nan
    for file, rows in [("all.csv", slice(0, ROWS)), ("train.csv", slice(0, 600)), ("validation.csv", slice(600, ROWS))]:
        with open(folder / file, "w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow([f"bit{at}" for at in range(FEATURES)] + ASSAYS)
            for row, cells in zip(bits[rows], labels[rows]):
                writer.writerow([int(bit) for bit in row] + ["" if np.isnan(cell) else int(cell) for cell in cells])
    return folder, torch.tensor(bits), torch.tensor(labels)


def experiment(source, more):
    tasks = "\n".join(
        f"  - {{name: {name(assay)}, target: {assay}, loss: {{name: binary_cross_entropy}}, metrics: [auc]}}" for assay in ASSAYS
    )
    return f"""data: {{name: csv, {source}, standardize: false}}
tasks:
{tasks}
model: {{backbone: {{name: mlp, hidden: [24, 16]}}}}
{more}
"""


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.shared_layers = torch.nn.Sequential(
            torch.nn.Linear(FEATURES, 24), torch.nn.ReLU(), torch.nn.Linear(24, 16), torch.nn.ReLU()
        )
        for assay in ASSAYS:
            self.add_module(f"{name(assay)}_layer", torch.nn.Linear(16, 1))

    def forward(self, x):
        z = self.shared_layers(x)
        return torch.cat([getattr(self, f"{name(assay)}_layer")(z) for assay in ASSAYS], 1)


def masked_means(outputs, labels):
    """Per task the mean of the loss over its own labelled rows."""
    known = ~labels.isnan()
    cells = torch.nn.functional.binary_cross_entropy_with_logits(outputs, labels.nan_to_num(), reduction="none")
    return (cells * known).sum(0) / known.sum(0)


def test_losses_gradients_and_auc_are_those_of_pytorch_and_scikit_learn(data):
    folder, x, labels = data
    torch.manual_seed(3)
    model = Model().double()
    start = {key: value.clone() for key, value in model.state_dict().items()}
    torch.save(start, folder / "start.pt")
    yaml = folder / "one.yaml"
    yaml.write_text(experiment(
        "train: train.csv, validation: validation.csv",
        f"precision: float64\noptimizer: {{name: sgd, learning_rate: {RATE}}}\n"
        "train: {steps: 1, batch_size: 600}\nrecord: {every: 1, gradients: 1}",
    ))
    run = folder / "one"
    polytask("train", yaml, "--out", run, "--quiet", "--set", f"model.initial={folder / 'start.pt'}")

    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    told = lambda metric: [
        next(line["value"] for line in records if line["step"] == 0 and line["split"] == "train"
             and line["task"] == name(assay) and line["metric"] == metric)
        for assay in ASSAYS
    ]
    losses = masked_means(model(x[:600]), labels[:600])
    np.testing.assert_allclose(told("loss"), losses.detach(), rtol=1e-12)
    shared = list(model.shared_layers.parameters())
    norms = [
        torch.cat([part.reshape(-1) for part in torch.autograd.grad(loss, shared, retain_graph=True)]).norm().item()
        for loss in losses
    ]
    np.testing.assert_allclose(told("gradient_norm"), norms, rtol=1e-10)

    losses.sum().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= RATE * parameter.grad
    polytask("export", run, "-o", folder / "moved.pt", "--format", "state-dict", "--checkpoint", "last")
    moved = torch.load(folder / "moved.pt", weights_only=True)
    for key, value in model.state_dict().items():
        np.testing.assert_allclose(moved[key], value, rtol=0, atol=1e-13, err_msg=key)

    measured = json.loads((run / "summary.json").read_text())["final"]["validation"]
    outputs, held = model(x[600:]).detach(), labels[600:]
    for at, assay in enumerate(ASSAYS):
        known = ~held[:, at].isnan()
        expected = roc_auc_score(held[known, at], outputs[known, at])
        assert measured[name(assay)]["auc"] == pytest.approx(expected, abs=1e-12), assay
        assert measured[name(assay)]["loss"] == pytest.approx(masked_means(outputs, held)[at].item(), rel=1e-12), assay


def test_every_model_of_a_sweep_is_measured_again_to_the_last_digits_of_single_precision(data):
    folder, _, _ = data
    yaml, sweep = folder / "tox.yaml", folder / "sweep.yaml"
    yaml.write_text(experiment(
        "file: all.csv, fractions: {train: 0.7, validation: 0.15, test: 0.15}",
        "optimizer: {name: adam, learning_rate: 3e-3}\ntrain: {epochs: 6, batch_size: 64}",
    ))
    sweep.write_text("experiment: tox.yaml\ncompare: {method: [sum, pcgrad]}\nseeds: [0, 1, 2]\n")
    polytask("sweep", sweep, "--out", folder / "sweep", "--quiet")
    prints = set()
    for summary in sorted(pathlib.Path(folder / "sweep").glob("*/seed*/summary.json")):
        told = json.loads(summary.read_text())
        found = json.loads(polytask("evaluate", summary.parent, yaml, "--json"))
        assert set(found) == set(told["best"]), summary
        # A run measures by the engine that trains it, evaluate by TorchScript: on some processors a row's loss differs.
        for split, tasks in found.items():
            for task, metrics in tasks.items():
                expected = pytest.approx(told["best"][split][task], rel=1e-6)
                assert metrics == expected, (summary, split, task)
        prints.add((told["seed"], told["data"]["fingerprint"]["value"]))
    assert len(prints) == 3, "one split per seed, the same for both methods"
