"""What Polytask does on a card, checked against the CPU; called by scripts/gpu.

    check.py DEVICE TABLE.md      POLYTASK names the binary

Needs the standard library alone; with PyTorch, model.pt is read on the card too. Exits with 1 if a check failed.
"""

import json
import math
import os
import pathlib
import platform
import re
import struct
import subprocess
import sys
import tempfile
import time

DEVICE, TABLE = sys.argv[1], pathlib.Path(sys.argv[2])
POLYTASK = os.environ["POLYTASK"]
DOCUMENT = """data: {name: synthetic, train: 6400, validation: 1600, test: 1600}
tasks:
  - {name: task1, loss: {name: cross_entropy, classes: 2}, metrics: [accuracy]}
  - {name: task2, loss: {name: cross_entropy, classes: 2}, metrics: [accuracy]}
model: {backbone: {name: mlp, hidden: HIDDEN}}
engine: autograd
optimizer: {name: adam, learning_rate: 1.0e-3}
train: {steps: STEPS, batch_size: BATCH}
record: {every: 1, tensorboard: false}
"""
METHODS = ["sum", "uw", "famo", "mgda", "pcgrad", "cagrad", "nash_mtl", "aligned_mtl", "upgrad", "db_mtl"]
results = []


def experiment(folder, hidden="[20, 20]", steps=60, batch=64, more=""):
    path = folder / f"e{len(list(folder.iterdir()))}.yaml"
    text = DOCUMENT.replace("HIDDEN", hidden).replace("STEPS", str(steps)).replace("BATCH", str(batch))
    path.write_text(text + more)
    return path


def polytask(*arguments, check=True):
    done = subprocess.run([POLYTASK, *map(str, arguments)], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"{arguments}: {done.stderr.strip()}")
    return done


def train(yaml, out, device, *more):
    polytask("train", yaml, "--out", out, "--quiet", "--device", device, *more)
    return json.loads((out / "summary.json").read_text())


def losses(run):
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [line["value"] for line in lines if line["split"] == "train" and line["metric"] == "loss"]


def tensors(run):
    """Every tensor of the last checkpoint by name: its bytes; without the wall times."""
    data = (run / "checkpoints/last.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    cut = lambda entry: data[8 + size + entry["data_offsets"][0] : 8 + size + entry["data_offsets"][1]]
    return {name: cut(entry) for name, entry in header.items() if name != "__metadata__" and not name.endswith("seconds")}


def check(name):
    """Runs a check and notes what it tells, or why it failed."""

    def run(function):
        start = time.time()
        with tempfile.TemporaryDirectory() as folder:
            try:
                told, good = function(pathlib.Path(folder)), True
            except Exception as error:  # whatever went wrong belongs into the table
                told, good = f"FAILED: {error}", False
        results.append((name, told, good))
        print(f"{'ok    ' if good else 'FAILED'}  {name}: {told}  ({time.time() - start:.1f} s)", flush=True)

    return run


def furthest(a, b):
    """The largest relative difference between two lists of losses."""
    assert len(a) == len(b) and a, (len(a), len(b))
    return max(abs(x - y) / max(abs(x), 1e-6) for x, y in zip(a, b))


@check("the document's model, 60 steps: losses beside the CPU's")
def _(folder):
    yaml = experiment(folder)
    train(yaml, folder / "cpu", "cpu"), train(yaml, folder / "card", DEVICE)
    apart = furthest(losses(folder / "cpu"), losses(folder / "card"))
    assert apart < 1e-3, f"relative difference {apart:.1e}"
    return f"largest relative difference {apart:.1e}"


@check("ten methods, 20 steps each: losses beside the CPU's")
def _(folder):
    worst = {}
    for method in METHODS:
        yaml = experiment(folder, steps=20, more=f"method: {{name: {method}}}\n")
        train(yaml, folder / f"{method}-cpu", "cpu"), train(yaml, folder / f"{method}-card", DEVICE)
        worst[method] = furthest(losses(folder / f"{method}-cpu"), losses(folder / f"{method}-card"))
    assert max(worst.values()) < 1e-2, worst
    return ", ".join(f"{method} {apart:.0e}" for method, apart in worst.items())


@check("resuming equals an undisturbed run bit for bit")
def _(folder):
    yaml = experiment(folder, steps=40, more="method: {name: famo}\n")
    train(yaml, folder / "whole", DEVICE)
    train(yaml, folder / "parts", DEVICE, "--set", "train.steps=17")
    train(yaml, folder / "parts", DEVICE, "--resume")
    whole, parts = tensors(folder / "whole"), tensors(folder / "parts")
    assert whole.keys() == parts.keys() and all(whole[name] == parts[name] for name in whole)
    assert losses(folder / "whole") == losses(folder / "parts")
    return f"{len(whole)} tensors"


@check("model.pt is measured on the card as in training, and read by PyTorch there")
def _(folder):
    yaml = experiment(folder)
    summary = train(yaml, folder / "run", DEVICE)
    found = json.loads(polytask("evaluate", folder / "run", yaml, "--device", DEVICE, "--json").stdout)
    loss, expected = found["test"]["task1"]["loss"], summary["best"]["test"]["task1"]["loss"]
    assert math.isclose(loss, expected, rel_tol=1e-5), (loss, expected)
    try:
        import torch
    except ImportError:
        return f"test loss {loss:.6f}; no PyTorch here"
    module = torch.jit.load(str(folder / "run/model.pt"), map_location=DEVICE)
    x = torch.randn(32, 10)
    here, there = torch.jit.load(str(folder / "run/model.pt"))(x), module(x.to(DEVICE))
    apart = max((a - b.cpu()).abs().max().item() for a, b in zip(here, there))
    assert apart < 1e-4, apart
    return f"test loss {loss:.6f}; outputs on the card and the CPU differ by {apart:.0e}"


@check("a sweep with two workers on one device")
def _(folder):
    yaml = experiment(folder, steps=20)
    sweep = folder / "sweep.yaml"
    sweep.write_text(f"experiment: {yaml}\ncompare: {{method: [sum, pcgrad]}}\nseeds: 3\n")
    done = polytask("sweep", sweep, "--out", folder / "sweep", "--quiet", "--device", DEVICE, "--jobs", 2)
    assert "6 of 6 runs finished" in done.stdout, done.stdout
    return done.stdout.splitlines()[0]


@check("out of memory is an error that says so")
def _(folder):
    # On a card it is the activations that do not fit: a model that large would not fit into the host's memory either.
    hidden, rows = ("[1000000, 1000000]", 64) if DEVICE == "cpu" else ("[65536]", 1_000_000)
    yaml = experiment(folder, hidden, 1, rows).rename(folder / "large.yaml")
    yaml.write_text(yaml.read_text().replace("train: 6400", f"train: {max(rows, 6400)}"))
    done = polytask("train", yaml, "--out", folder / "run", "--quiet", "--device", DEVICE, check=False)
    assert done.returncode == 1, f"exit code {done.returncode}: {done.stderr[-300:]}"
    assert done.stderr.startswith("error: ") and "panicked" not in done.stderr, done.stderr[:300]
    return done.stderr.splitlines()[0][:160]


@check("steps per second")
def _(folder):
    told = []
    for hidden, batch, steps in [("[20, 20]", 64, 1500), ("[2048, 2048]", 4096, 8)]:
        yaml = experiment(folder, hidden, steps, batch, "evaluate: {every: 100000 steps}\n")
        rates = {}
        for device in dict.fromkeys(["cpu", DEVICE]):
            record = ["--set", "record.every=1000000", "--set", "data.train=16384"]
            rates[device] = train(yaml, folder / f"{hidden}-{device}", device, *record)["cost"]["steps_per_second"]
        told.append(f"{hidden}, batch {batch}: " + ", ".join(f"{device} {rate:.0f}" for device, rate in rates.items()))
    return "; ".join(told)


def card():
    if DEVICE == "cpu":
        return f"rehearsal on a CPU, {platform.machine()}"
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    found = subprocess.run(query, capture_output=True, text=True)
    return found.stdout.strip() or DEVICE


version = polytask("--version").stdout.strip()
rows = "\n".join(f"| {name} | {re.sub('[|]', '/', told)} |" for name, told, _ in results)
TABLE.write_text(f"# On a card\n\n{card()}; {version}; `scripts/gpu`.\n\n| check | seen |\n|---|---|\n{rows}\n")
print(TABLE.read_text())
sys.exit(0 if all(good for *_, good in results) else 1)
