"""One epoch of real data in PyTorch: `epoch_peers.py WORK EPOCHS` trains and prints SECONDS_PER_EPOCH LAST_LOSS.

The same rows, model, batch and optimizer as the experiment of Polytask that the work is named for. The rows lie in tensors,
and a DataLoader draws whole batches by index, the fastest form of it on one core: neither rows nor workers in between.
"""

import argparse
import csv
import gzip
import os
import pathlib
import time

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

DATA = pathlib.Path(__file__).resolve().parent.parent.parent / "data"
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
torch.set_num_interop_threads(1)
NUMERIC = [
    "age", "wage_per_hour", "capital_gains", "capital_losses", "dividends_from_stocks",
    "num_persons_worked_for_employer", "weeks_worked_in_year",
]  # fmt: skip
NO_INPUT = {
    "income", "income_over_50k", "marital_stat", "never_married", "education", "college", "instance_weight",
}  # fmt: skip


class Rows(Dataset):
    """Tensors of which a list of indices is one batch."""

    def __init__(self, x: Tensor, labels: list[Tensor]) -> None:
        self.x, self.labels = x, labels

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: list[int]) -> tuple[Tensor, list[Tensor]]:
        index = torch.as_tensor(index)
        return self.x[index], [label[index] for label in self.labels]


def census() -> Rows:
    """The training rows of Census-Income: seven numbers brought to mean 0 and deviation 1, categories one-hot."""
    with open(DATA / "census" / "train.csv", newline="") as file:
        reader = csv.reader(file)
        header = next(reader)
        columns = dict(zip(header, zip(*reader)))
    pieces = []
    for name in header:
        if name in NUMERIC:
            numbers = np.array(columns[name], dtype=np.float32)
            pieces.append(((numbers - numbers.mean()) / numbers.std())[:, None])
        elif name not in NO_INPUT:
            levels, index = np.unique(np.array(columns[name]), return_inverse=True)
            one_hot = np.zeros((len(index), len(levels)), dtype=np.float32)
            one_hot[np.arange(len(index)), index] = 1
            pieces.append(one_hot)
    labels = [np.array(columns[name], dtype=np.float32) for name in ("income_over_50k", "never_married")]
    return Rows(torch.from_numpy(np.concatenate(pieces, 1)), [torch.from_numpy(label) for label in labels])


def multi_mnist() -> Rows:
    """60,000 pairs of digits, one in the top left corner and one in the bottom right of 36 by 36 pixels."""

    def read(name: str, skip: int) -> np.ndarray:
        plain = DATA / "mnist" / name
        data = plain.read_bytes() if plain.exists() else gzip.decompress((DATA / "mnist" / f"{name}.gz").read_bytes())
        return np.frombuffer(data, np.uint8, offset=skip)

    images = read("train-images-idx3-ubyte", 16).reshape(-1, 28, 28)
    digits = torch.from_numpy(read("train-labels-idx1-ubyte", 8).astype(np.int64))
    random = np.random.default_rng(0)
    left, right = (random.permutation(len(images)) for _ in range(2))
    canvas = np.zeros((len(images), 1, 36, 36), np.uint8)
    canvas[:, 0, :28, :28] = images[left]
    canvas[:, 0, 8:, 8:] = np.maximum(canvas[:, 0, 8:, 8:], images[right])
    return Rows(torch.from_numpy(canvas), [digits[left], digits[right]])


class Mmoe(nn.Module):
    """Eight experts, a gate and a tower per task."""

    def __init__(self, features: int) -> None:
        super().__init__()
        layers = lambda: nn.Sequential(nn.Linear(features, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
        self.experts = nn.ModuleList(layers() for _ in range(8))
        self.gates = nn.ModuleList(nn.Linear(features, 8) for _ in range(2))
        self.towers = nn.ModuleList(nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1)) for _ in range(2))

    def forward(self, x: Tensor) -> list[Tensor]:
        experts = torch.stack([expert(x) for expert in self.experts], 1)  # [N, E, H]
        mixed = [torch.bmm(gate(x).softmax(1).unsqueeze(1), experts).squeeze(1) for gate in self.gates]
        return [tower(z).squeeze(1) for tower, z in zip(self.towers, mixed)]


class LeNet(nn.Module):
    """The LeNet of the Pareto-MTL paper on bytes, and a linear head per task."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 10, 9), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(10, 20, 5), nn.MaxPool2d(2), nn.ReLU(),
            nn.Flatten(), nn.Linear(500, 50), nn.ReLU(),
        )  # fmt: skip
        self.heads = nn.ModuleList(nn.Linear(50, 10) for _ in range(2))

    def forward(self, x: Tensor) -> list[Tensor]:
        z = self.trunk(x.float() / 255)
        return [head(z) for head in self.heads]


WORKS = {
    "census_epoch": (census, lambda rows: Mmoe(rows.x.shape[1]), binary_cross_entropy_with_logits, 1024),
    "multi_mnist_epoch": (multi_mnist, lambda rows: LeNet(), cross_entropy, 256),
}


def main() -> None:
    """Trains and tells."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("epochs", type=int)
    options = parser.parse_args()
    torch.manual_seed(0)
    load, build, loss_of, batch = WORKS[options.work]
    rows = load()
    model = build(rows)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    batches = DataLoader(rows, sampler=BatchSampler(RandomSampler(rows), batch, drop_last=False), batch_size=None)
    start = time.perf_counter()
    for _ in range(options.epochs):
        for x, labels in batches:
            loss = sum(loss_of(output, label) for output, label in zip(model(x), labels))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    print((time.perf_counter() - start) / options.epochs, loss.item())


if __name__ == "__main__":
    main()
