"""One Python contender: `worker.py WORK CONTENDER` answers each line STEPS with a line SECONDS LAST_LOSS.

With `--steps N` it trains N steps without warming up and leaves: the whole life of a script.
"""

import argparse
import importlib
import sys
import time

from problem import PROBLEMS, Problem, Run

WARM_UP_SECONDS = 1.0


def warm_up(run: Run, problem: Problem) -> None:
    """Trains whole epochs, or single steps where an epoch is long, until all is compiled and allocated."""
    steps = problem.steps_per_epoch if problem.batch <= 64 and problem.method == "sum" else 1
    start = time.monotonic()
    run(steps)
    while time.monotonic() - start < WARM_UP_SECONDS:
        run(steps)


def answer(run: Run, steps: int) -> None:
    """Trains and tells how long it took and where the loss stands."""
    start = time.perf_counter()
    loss = run(steps)
    print(f"{time.perf_counter() - start:.9f} {loss:.6f}", flush=True)


def main() -> None:
    """Sets the contender up and serves until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=PROBLEMS)
    parser.add_argument("contender")
    parser.add_argument("--steps", type=int)
    options = parser.parse_args()
    library = options.contender.split("_")[0]
    peers = importlib.import_module(f"{library}_peers")
    problem = PROBLEMS[options.work]
    run = peers.CONTENDERS[options.contender](problem)
    if options.steps:
        return answer(run, options.steps)
    warm_up(run, problem)
    print("ready", flush=True)
    for line in sys.stdin:
        answer(run, int(line))


if __name__ == "__main__":
    main()
