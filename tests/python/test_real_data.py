"""The small experiments on real data: fetched by hash, trained as they are, held to what they reached before.

Run with pytest; POLYTASK names the binary.
"""

import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("name", "least"),
    # What the experiments' head comments say, less some five standard deviations over the seeds.
    [("adult", {"over_50k": 0.84, "never_married": 0.86}), ("yeast", {"class1": 0.76, "class4": 0.76})],
)
def test_a_small_real_experiment_learns(name, least, tmp_path):
    subprocess.run([ROOT / "scripts" / "data", name], check=True)
    experiment = ROOT / "experiments" / f"{name}.yaml"
    command = [os.environ["POLYTASK"], "train", experiment, "--out", tmp_path / "run", "--quiet", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    test = json.loads(done.stdout)["best"]["test"]
    for task, auc in least.items():
        assert test[task]["auc"] > auc, f"{task}: {test[task]}"
