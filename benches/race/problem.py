"""The works of the race, alike for every peer: which rows, which model, trained how."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Trains the given number of steps and returns the tasks' summed loss on the last batch.
Run = Callable[[int], float]


@dataclass(frozen=True)
class Problem:
    """Rows, model and training of a work; Adam and one cross-entropy per task in all of them."""

    tasks: int
    features: int = 10
    hidden: tuple[int, ...] = (20, 20)
    classes: int = 2
    rows: int = 6400
    batch: int = 64
    learning_rate: float = 1e-3
    # How the tasks' gradients by the shared parameters become one.
    method: str = "sum"
    # LeNet on [1, 28, 28] in place of a perceptron on `features`.
    images: bool = False

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in one pass over the rows."""
        return self.rows // self.batch

    @property
    def chance(self) -> float:
        """The summed loss of a model that knows nothing: where training starts."""
        return self.tasks * math.log(self.classes)


LARGE = {"features": 784, "hidden": (512, 512, 256), "batch": 256}
PROBLEMS = {
    "document": Problem(tasks=2),
    "forty_mgda": Problem(tasks=40, hidden=(64, 64), method="mgda"),
    "forty_nash_mtl": Problem(tasks=40, hidden=(64, 64), method="nash_mtl"),
    "large_sum": Problem(tasks=8, **LARGE),
    "large_upgrad": Problem(tasks=40, method="upgrad", **LARGE),
    "lenet": Problem(tasks=2, features=784, classes=10, batch=256, images=True),
}


def rows(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Features, [N, F] or [N, 1, 28, 28], and labels, [T, N], that the problem's model can learn."""
    return pictures(problem) if problem.images else taught(problem)


def taught(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Normal features, labelled by linear teachers that have half of their direction in common.

    A tenth of the labels are drawn anew, so that no long race ends in vanishing gradients.
    """
    random = np.random.default_rng(0)
    x = random.standard_normal((problem.rows, problem.features), dtype=np.float32)
    common = random.standard_normal((1, problem.features, problem.classes))
    teachers = common + random.standard_normal((problem.tasks, problem.features, problem.classes))
    labels = np.argmax(x @ teachers, axis=2)
    noise = random.integers(problem.classes, size=labels.shape)
    return x, np.where(random.random(labels.shape) < 0.1, noise, labels)


def pictures(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Each picture is the sum of one template per task, chosen by that task's label, in noise."""
    random = np.random.default_rng(0)
    labels = random.integers(problem.classes, size=(problem.tasks, problem.rows))
    templates = random.standard_normal((problem.tasks, problem.classes, 1, 28, 28), dtype=np.float32)
    x = random.standard_normal((problem.rows, 1, 28, 28), dtype=np.float32)
    for task, label in zip(templates, labels):
        x += task[label]
    return x, labels
