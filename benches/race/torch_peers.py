"""PyTorch as its users write it: a DataLoader, slices of shuffled tensors, or a compiled loss."""

import os
from collections.abc import Iterator
from itertools import islice

import torch
from problem import Problem, Run, rows
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
torch.set_num_interop_threads(1)


def perceptron(widths: list[int]) -> nn.Sequential:
    """Linear layers with a ReLU after each."""
    pairs = zip(widths, widths[1:])
    return nn.Sequential(*(layer for i, o in pairs for layer in (nn.Linear(i, o), nn.ReLU())))


def lenet() -> nn.Sequential:
    """LeNet-5 with ReLU and max pooling up to its 84 features, on [B, 1, 28, 28]."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), *perceptron([400, 120, 84]),
    )  # fmt: skip


class MultiTaskModel(nn.Module):
    """A shared trunk and one linear head per task."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.trunk = lenet() if problem.images else perceptron([problem.features, *problem.hidden])
        width = 84 if problem.images else problem.hidden[-1]
        self.heads = nn.ModuleList(nn.Linear(width, problem.classes) for _ in range(problem.tasks))

    def forward(self, x: Tensor) -> list[Tensor]:
        """One [B, C] per task."""
        z = self.trunk(x)  # [B, H]
        return [head(z) for head in self.heads]


def summed_loss(model: MultiTaskModel, x: Tensor, labels: list[Tensor]) -> Tensor:
    """The tasks' mean losses on the batch, summed."""
    return sum(cross_entropy(logits, label) for logits, label in zip(model(x), labels))


def tensors(problem: Problem) -> tuple[Tensor, Tensor]:
    """The problem's rows as tensors, after the seed is set."""
    torch.manual_seed(0)
    x, labels = rows(problem)
    return torch.from_numpy(x), torch.from_numpy(labels)


def loaded(problem: Problem) -> Iterator[list[Tensor]]:
    """Batches of a shuffling DataLoader, epoch after epoch."""
    x, labels = tensors(problem)
    loader = DataLoader(TensorDataset(x, *labels), batch_size=problem.batch, shuffle=True)
    while True:
        yield from loader


def sliced(problem: Problem) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """Batches as views of rows that one index shuffles per epoch."""
    x, labels = tensors(problem)
    while True:
        order = torch.randperm(problem.rows)
        batches = x[order].split(problem.batch)
        yield from zip(batches, zip(*(label[order].split(problem.batch) for label in labels)))


def dataloader_run(problem: Problem) -> Run:
    """The loop of the tutorials."""
    batches = loaded(problem)
    model = MultiTaskModel(problem)
    optimizer = torch.optim.Adam(model.parameters(), lr=problem.learning_rate)

    def run(steps: int) -> float:
        for x, *labels in islice(batches, steps):
            optimizer.zero_grad()
            loss = summed_loss(model, x, labels)
            loss.backward()
            optimizer.step()
        return loss.item()

    return run


def sliced_run(problem: Problem, compiled: bool = False) -> Run:
    """The loop of someone who measured: no collation by rows, one fused Adam."""
    batches = sliced(problem)
    model = MultiTaskModel(problem)
    optimizer = torch.optim.Adam(model.parameters(), lr=problem.learning_rate, fused=True)
    loss_of = torch.compile(summed_loss) if compiled else summed_loss

    def run(steps: int) -> float:
        for x, labels in islice(batches, steps):
            loss = loss_of(model, x, labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        return loss.item()

    return run


def compiled_run(problem: Problem) -> Run:
    """The same with model and losses compiled into one graph."""
    return sliced_run(problem, compiled=True)


CONTENDERS = {
    "torch_dataloader": dataloader_run,
    "torch_sliced": sliced_run,
    "torch_compiled": compiled_run,
}
