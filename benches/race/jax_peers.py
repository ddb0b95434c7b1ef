"""JAX as its users write it: everything of a step under one jit, or a whole epoch under one scan."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from problem import Problem, Run, rows

# A tree of arrays.
Tree = Any
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


def linear(key: jax.Array, inputs: int, outputs: int) -> dict[str, jax.Array]:
    """A layer with PyTorch's initial range."""
    keys = jax.random.split(key)
    bound = inputs**-0.5
    weight = jax.random.uniform(keys[0], (inputs, outputs), minval=-bound, maxval=bound)
    return {"weight": weight, "bias": jax.random.uniform(keys[1], (outputs,), minval=-bound, maxval=bound)}


def initial(problem: Problem) -> Tree:
    """Trunk and heads, the heads stacked along the tasks: weight [T, H, C], bias [T, C]."""
    widths = [problem.features, *problem.hidden]
    *trunk, heads = jax.random.split(jax.random.key(0), len(widths))
    head = jax.vmap(lambda key: linear(key, widths[-1], problem.classes))
    return {
        "trunk": [linear(*layer) for layer in zip(trunk, widths, widths[1:])],
        "heads": head(jax.random.split(heads, problem.tasks)),
    }


def features(trunk: Tree, x: jax.Array) -> jax.Array:
    """The shared representation, [B, H]."""
    for layer in trunk:
        x = jax.nn.relu(x @ layer["weight"] + layer["bias"])
    return x


def head_loss(head: Tree, z: jax.Array, labels: jax.Array) -> jax.Array:
    """One task's mean cross-entropy on z [B, H] with labels [B]."""
    logits = z @ head["weight"] + head["bias"]
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean()


def losses(trunk: Tree, heads: Tree, x: jax.Array, labels: jax.Array) -> jax.Array:
    """Every task's loss, [T], on x [B, F] with labels [T, B]."""
    return jax.vmap(head_loss, in_axes=(0, None, 0))(heads, features(trunk, x), labels)


def adam(problem: Problem, state: Tree, gradients: Tree) -> Tree:
    """One step of Adam on (parameters, first moments, second moments, count)."""
    parameters, first, second, count = state
    count = count + 1
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, first, gradients)
    second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, second, gradients)
    rate = problem.learning_rate / (1 - BETA1**count)
    scale = jax.lax.rsqrt(1 - BETA2**count)
    parameters = jax.tree.map(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v) * scale + EPS), parameters, first, second
    )
    return parameters, first, second, count


def start(problem: Problem) -> Tree:
    """Adam's state before the first step."""
    parameters = initial(problem)
    first, second = (jax.tree.map(jnp.zeros_like, parameters) for _ in range(2))
    return parameters, first, second, jnp.zeros((), jnp.float32)


def summed_gradients(parameters: Tree, x: jax.Array, labels: jax.Array) -> tuple[jax.Array, Tree]:
    """Summed loss and its gradient."""

    def total(parameters: Tree) -> jax.Array:
        return losses(parameters["trunk"], parameters["heads"], x, labels).sum()

    return jax.value_and_grad(total)(parameters)


def summed_step(problem: Problem, state: Tree, x: jax.Array, labels: jax.Array) -> tuple[Tree, jax.Array]:
    """One step by the sum of the losses: the new state and the loss."""
    loss, gradients = summed_gradients(state[0], x, labels)
    return adam(problem, state, gradients), loss


def weighted(gramian: jax.Array) -> jax.Array:
    """Fixed weights in place of a solver; they read the Gramian, so that it is not optimized away."""
    tasks = len(gramian)
    return jnp.full(tasks, 1 / tasks) + 1e-30 * gramian.sum(axis=1)


def aggregated(jacobian: Tree) -> Tree:
    """Jacobian with a first axis of tasks, its Gramian, weights, and the weighted sum of its rows."""
    flat = [leaf.reshape(len(leaf), -1) for leaf in jax.tree.leaves(jacobian)]  # [T, P]
    weights = weighted(sum(leaf @ leaf.T for leaf in flat))  # [T]
    return jax.tree.map(lambda leaf: jnp.tensordot(weights, leaf, 1), jacobian)


def jacrev_step(problem: Problem, state: Tree, x: jax.Array, labels: jax.Array) -> tuple[Tree, jax.Array]:
    """One step by each task's gradient, asked of `jacrev`."""
    trunk, heads = state[0]["trunk"], state[0]["heads"]

    def twice(trunk: Tree) -> tuple[jax.Array, jax.Array]:
        values = losses(trunk, heads, x, labels)
        return values, values

    jacobian, values = jax.jacrev(twice, has_aux=True)(trunk)
    own = jax.grad(lambda heads: losses(trunk, heads, x, labels).sum())(heads)
    return adam(problem, state, {"trunk": aggregated(jacobian), "heads": own}), values.sum()


def pulled_step(problem: Problem, state: Tree, x: jax.Array, labels: jax.Array) -> tuple[Tree, jax.Array]:
    """The same by someone who knows that a head sees one task: a pull-back of each head's cotangent."""
    trunk, heads = state[0]["trunk"], state[0]["heads"]
    z, pull = jax.vjp(lambda trunk: features(trunk, x), trunk)
    head_gradients = jax.vmap(jax.value_and_grad(head_loss, argnums=(0, 1)), in_axes=(0, None, 0))
    values, (own, cotangents) = head_gradients(heads, z, labels)  # cotangents: [T, B, H]
    (jacobian,) = jax.vmap(pull)(cotangents)
    return adam(problem, state, {"trunk": aggregated(jacobian), "heads": own}), values.sum()


def orders(problem: Problem) -> Iterator[np.ndarray]:
    """Shuffled row numbers of epoch after epoch, each [steps, B]."""
    random = np.random.default_rng(1)
    while True:
        yield random.permutation(problem.rows).astype(np.int32).reshape(-1, problem.batch)


def sliced(problem: Problem) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches, x [B, F] and labels [T, B], as views of rows that one index shuffles per epoch."""
    x, labels = rows(problem)
    labels = labels.astype(np.int32)
    for order in orders(problem):
        shuffled = x[order], labels[:, order].swapaxes(0, 1)
        yield from zip(*shuffled)


def jit_run(problem: Problem, one_step: Callable = summed_step) -> Run:
    """A Python loop over one jitted step."""
    batches = sliced(problem)
    step = jax.jit(partial(one_step, problem), donate_argnums=0)
    state = start(problem)

    def run(steps: int) -> float:
        nonlocal state
        for x, labels in islice(batches, steps):
            state, loss = step(state, x, labels)
        return float(jax.block_until_ready((state, loss))[1])

    return run


def jacrev_run(problem: Problem) -> Run:
    """The jitted loop with every task's own gradient by the trunk."""
    return jit_run(problem, jacrev_step)


def pulled_run(problem: Problem) -> Run:
    """The jitted loop with cotangents pulled back from the representation."""
    return jit_run(problem, pulled_step)


def scan_run(problem: Problem) -> Run:
    """Whole epochs under one scan, shuffled by one gather each."""
    x, labels = rows(problem)
    data, labels = jnp.asarray(x), jnp.asarray(labels, jnp.int32)
    epochs = orders(problem)

    def epoch(state: Tree, data: jax.Array, labels: jax.Array, order: jax.Array) -> tuple[Tree, jax.Array]:
        batches = data[order], labels[:, order].swapaxes(0, 1)  # [S, B, F], [S, T, B]
        state, values = jax.lax.scan(lambda state, batch: summed_step(problem, state, *batch), state, batches)
        return state, values[-1]

    train = jax.jit(epoch, donate_argnums=0)
    state = start(problem)

    def run(steps: int) -> float:
        nonlocal state
        whole, rest = divmod(steps, problem.steps_per_epoch)
        if rest:
            raise ValueError(f"{steps} steps are not whole epochs of {problem.steps_per_epoch}")
        for order in islice(epochs, whole):
            state, loss = train(state, data, labels, order)
        return float(jax.block_until_ready((state, loss))[1])

    return run


CONTENDERS = {"jax_jit": jit_run, "jax_scan": scan_run, "jax_jacrev": jacrev_run, "jax_vjp": pulled_run}
