"""The race's orchestrator: every contender of a work trains in turns, and one table in Markdown says how fast.

A worker is started with its work and contender as arguments, prints `ready` when set up and warm, and answers each line
STEPS with a line SECONDS LAST_LOSS, the tasks' summed loss on its last batch. Only one of them runs at a time, all on the same core; the others wait for a line. A
loss that is finite and below chance proves that a contender really trained. Started by scripts/bench.
"""

import argparse
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXPERIMENT = ROOT / "experiments" / "document.yaml"
# A race is won by at least this many times the contender's speed; below 1, Polytask may be that much slower.
REQUIRED = {
    ("train", "torch_dataloader"): 100,
    ("train", "jax_scan"): 6,
    ("train", "kernels"): 0.5,
    ("forty_mgda", "torchjd"): 15,
    ("forty_mgda", "jax_jacrev"): 4,
    ("forty_nash_mtl", "torchjd"): 15,
    ("forty_nash_mtl", "jax_jacrev"): 4,
    ("large_sum", "torch_sliced"): 1,
    ("large_upgrad", "torchjd"): 4,
    ("process", "torch_sliced"): 12,
    ("process", "jax_scan"): 10,
    ("lenet", "torch_sliced"): 1,
    ("census_epoch", "torch_dataloader"): 1,
    ("multi_mnist_epoch", "torch_dataloader"): 1,
    ("census_memory", "torch_dataloader"): 1,
    ("multi_mnist_memory", "torch_dataloader"): 1,
}
# MKL inside PyTorch leaves half of an AMD core unused.
REQUIRED_ON_AMD = {("large_sum", "torch_sliced"): 2}
MEMORY_LIMIT_MIB = 200
# A model that knows nothing has a loss of `chance` and more; one that trained is below this share of it.
TRAINED = 0.995
# The document's training without what the peers do not do: no evaluation before the end, no early stop.
TRAIN_ALONE = ["stop=null", "evaluate.every=1000000 steps", "record.every=100"]
TRAIN_EVALUATED = ["stop=null", "record.every=100"]
PROCESS_STEPS = 1000
# Works on real data: the experiment, and what is set so that nothing but training is measured.
EPOCHS = {
    "census": ("census_experts", ["data.validation=null", "data.test=null", "stop=null"], 2 * math.log(2)),
    "multi_mnist": ("multi_mnist", ["data.validation=0", "data.test=0", "train.batch_size=256"], 2 * math.log(10)),
}
EPOCHS_PER_TURN = 2


class Failed(Exception):
    """A contender that did not start, broke off or did not train; the text says why."""


@dataclass(frozen=True)
class Setting:
    """What the command line chose."""

    polytask: str | None
    worker: str | None
    threads: int
    rounds: int
    seconds: float

    def python(self, work: str, contender: str, *more: str) -> list[str]:
        """The command of a Python contender."""
        return [sys.executable, str(HERE / "worker.py"), work, contender, *more]

    def train(self, folder: str, steps: int, *settings: str) -> list[str]:
        """The command of a whole training by Polytask, its run written to `folder`."""
        chosen = [f"threads={self.threads}", "train.epochs=1000000", f"train.steps={steps}", *settings]
        sets = [argument for setting in chosen for argument in ("--set", setting)]
        return [self.polytask, "train", str(EXPERIMENT), "--out", folder, "--quiet", *sets]


@dataclass(frozen=True)
class Work:
    """What is raced: who takes part, and the steps that a turn is a multiple of."""

    contenders: list[str]
    problem: str
    granule: int = 1
    unit: str = "µs"


WORKS = {
    "document": Work(
        ["polytask", "autograd", "kernels", "plain_tch"]
        + ["torch_dataloader", "torch_sliced", "torch_compiled", "jax_jit", "jax_scan"],
        "document",
        granule=100,
    ),
    "train": Work(
        ["polytask", "polytask_evaluating", "kernels", "torch_dataloader", "jax_scan"], "document", granule=100
    ),
    "forty_mgda": Work(["polytask", "torchjd", "jax_jacrev", "jax_vjp"], "forty_mgda"),
    "forty_nash_mtl": Work(["polytask", "torchjd", "jax_jacrev", "jax_vjp"], "forty_nash_mtl"),
    "large_sum": Work(["polytask", "torch_sliced"], "large_sum"),
    "large_upgrad": Work(["polytask", "torchjd"], "large_upgrad"),
    "lenet": Work(["polytask", "torch_sliced"], "lenet"),
    "process": Work(["polytask", "torch_sliced", "jax_scan"], "document", unit="ms a run"),
    "memory": Work(["polytask", "torch_sliced", "jax_scan"], "document", unit="MiB"),
    "census_epoch": Work(["polytask", "torch_dataloader"], "census", unit="s an epoch"),
    "census_memory": Work(["polytask", "torch_dataloader"], "census", unit="MiB"),
    "multi_mnist_epoch": Work(["polytask", "torch_dataloader"], "multi_mnist", unit="s an epoch"),
    "multi_mnist_memory": Work(["polytask", "torch_dataloader"], "multi_mnist", unit="MiB"),
}
# Those that Polytask's own worker or binary runs.
OURS = {"polytask", "polytask_evaluating", "autograd", "kernels", "plain_tch"}
# In table units: from seconds, or from MiB.
SCALE = {"µs": 1e6, "ms a run": 1e3, "s an epoch": 1.0, "MiB": 1.0}


@dataclass
class Entrant:
    """A contender at the start: `turn` measures it once more, `stop` ends it."""

    name: str
    turn: Callable[[], tuple[float, float]] | None = None
    stop: Callable[[], None] = lambda: None
    values: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    error: str | None = None


def last_line(file: tempfile.SpooledTemporaryFile) -> str:
    """The last line of what a process said on stderr."""
    file.seek(0)
    lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no message")


class Worker:
    """A process that trains on demand, by the line protocol."""

    def __init__(self, command: list[str], granule: int, seconds: float) -> None:
        self.errors = tempfile.TemporaryFile()
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(command, text=True, bufsize=1, **pipes)
        if self.read() != "ready":
            self.stop()
            raise Failed("the worker did not say ready")
        # The better of two trials tells how many steps fill a turn.
        cost = min(self.ask(granule)[0] for _ in range(2))
        self.steps = granule * max(1 if granule > 1 else 2, round(seconds / cost))

    def read(self) -> str:
        """The worker's next line."""
        line = self.process.stdout.readline()
        if not line:
            self.stop()
            raise Failed(last_line(self.errors))
        return line.strip()

    def ask(self, steps: int) -> tuple[float, float]:
        """Seconds and last loss of that many steps."""
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        seconds, loss = self.read().split()
        return float(seconds), float(loss)

    def turn(self) -> tuple[float, float]:
        """Seconds per step, and the loss."""
        seconds, loss = self.ask(self.steps)
        return seconds / self.steps, loss

    def stop(self) -> None:
        """Lets the worker leave, and waits for it."""
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def whole(command: list[str]) -> tuple[float, float, str]:
    """Runs a process from start to exit: seconds, peak resident MiB, standard output."""
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        if process.returncode:
            raise Failed(last_line(errors))
        return seconds, usage.ru_maxrss / 1024, output


def trained(setting: Setting, steps: int, *settings: str) -> tuple[float, float, float]:
    """One `polytask train` into a folder that is thrown away: seconds, peak MiB, mean loss of its last epoch."""
    with tempfile.TemporaryDirectory() as folder:
        seconds, peak, _ = whole(setting.train(folder, steps, *settings))
        summary = json.loads((pathlib.Path(folder) / "summary.json").read_text())
        if summary["steps"] != steps:
            raise Failed(f"ended after {summary['steps']} of {steps} steps: {summary['ended']}")
        return seconds, peak, summary["final"]["train"]["total"]["loss_mean"]


def training(setting: Setting, settings: list[str]) -> Callable[[], tuple[float, float]]:
    """Turns of `polytask train` itself: what 10 N steps more cost, without start and end.

    They are longer than a worker's, since the scatter of two starts is in each.
    """

    def difference(steps: int) -> tuple[float, float]:
        short, _, _ = trained(setting, steps, *settings)
        long, _, loss = trained(setting, 11 * steps, *settings)
        return (long - short) / (10 * steps), loss

    # Twice, as the start's own scatter hides a short difference.
    steps = 200
    for _ in range(2):
        cost = max(difference(steps)[0], 1e-6)
        steps = 100 * max(1, round(3 * setting.seconds / cost / 1000))
    return lambda: difference(steps)


def script(setting: Setting, name: str, value: int) -> Callable[[], tuple[float, float]]:
    """Turns of a whole process, of which one value is read: 0 for its seconds, 1 for its peak MiB."""
    if name == "polytask":

        def turn() -> tuple[float, float]:
            measured = trained(setting, PROCESS_STEPS)
            return measured[value], measured[2]
    else:
        command = setting.python("document", name, "--steps", str(PROCESS_STEPS))

        def turn() -> tuple[float, float]:
            measured = whole(command)
            return measured[value], float(measured[2].split()[1])

    return turn


def real(setting: Setting, name: str, contender: str, memory: bool) -> Callable[[], tuple[float, float]]:
    """Turns of a whole process that trains real rows for some epochs: its own seconds per epoch, or its peak MiB."""
    experiment, sets, _ = EPOCHS[name]

    def ours() -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as folder:
            chosen = [f"threads={setting.threads}", f"train.epochs={EPOCHS_PER_TURN}", *sets]
            command = [setting.polytask, "train", str(ROOT / "experiments" / f"{experiment}.yaml"), "--out", folder]
            command += ["--quiet", *(argument for set_ in chosen for argument in ("--set", set_))]
            _, peak, _ = whole(command)
            summary = json.loads((pathlib.Path(folder) / "summary.json").read_text())
        loss = summary["final"]["train"]["total"]["loss_mean"]
        return peak if memory else summary["cost"]["seconds"] / EPOCHS_PER_TURN, loss

    def theirs() -> tuple[float, float]:
        command = [sys.executable, str(HERE / "epoch_peers.py"), f"{name}_epoch", str(EPOCHS_PER_TURN)]
        _, peak, output = whole(command)
        seconds, loss = map(float, output.split())
        return peak if memory else seconds, loss

    return ours if contender == "polytask" else theirs


def start(setting: Setting, name: str, contender: str) -> Entrant:
    """Brings a contender of a work to the line."""
    work = WORKS[name]
    entrant = Entrant(contender)
    try:
        if work.problem in EPOCHS:
            entrant.turn = real(setting, work.problem, contender, memory=name.endswith("memory"))
        elif name in ("process", "memory"):
            entrant.turn = script(setting, contender, value=int(name == "memory"))
        elif name == "train" and contender.startswith("polytask"):
            alone = contender == "polytask"
            entrant.turn = training(setting, TRAIN_ALONE if alone else TRAIN_EVALUATED)
        else:
            ours = [setting.worker, work.problem, contender]
            command = ours if contender in OURS else setting.python(work.problem, contender)
            worker = Worker(command, work.granule, setting.seconds)
            entrant.turn, entrant.stop = worker.turn, worker.stop
    except (Failed, OSError, ValueError) as error:
        entrant.error = str(error)
    return entrant


def race(setting: Setting, name: str) -> list[Entrant]:
    """Rounds of one work, each in a shuffled order; whoever fails drops out."""
    from problem import PROBLEMS

    present = [c for c in WORKS[name].contenders if setting.worker or c not in OURS]
    entrants = [start(setting, name, contender) for contender in present]
    shuffle = random.Random(0).shuffle
    for _ in range(rounds(setting, name)):
        order = [entrant for entrant in entrants if not entrant.error]
        shuffle(order)
        for entrant in order:
            try:
                value, loss = entrant.turn()
                entrant.values.append(value)
                entrant.losses.append(loss)
            except (Failed, OSError, ValueError) as error:
                entrant.error = str(error)
    for entrant in entrants:
        if not entrant.error:
            entrant.stop()
            problem = WORKS[name].problem
            chance = EPOCHS[problem][2] if problem in EPOCHS else PROBLEMS[problem].chance
            entrant.error = untrained(entrant.losses, chance)
    return entrants


def rounds(setting: Setting, name: str) -> int:
    """How often each contender has its turn: less often where a turn is long."""
    if name.endswith("_memory"):
        return 1
    return min(setting.rounds, 5) if name == "memory" or name.endswith("_epoch") else setting.rounds


def untrained(losses: list[float], chance: float) -> str | None:
    """Why these losses do not look like training, if they do not."""
    late = losses[len(losses) // 2 :]
    if not all(map(math.isfinite, losses)):
        return "its loss is not finite"
    if statistics.median(late) >= TRAINED * chance:
        return f"its loss stays at {statistics.median(late):.3f}, where chance is {chance:.3f}"
    return None


def ratio(entrant: Entrant, ours: Entrant | None) -> float | None:
    """How many times Polytask's time or memory: the median over rounds, each within its round."""
    if not ours or ours.error or entrant.error:
        return None
    return statistics.median(theirs / mine for theirs, mine in zip(entrant.values, ours.values))


def required(work: str, contender: str, cpu: str) -> float | None:
    """The ratio that Polytask has to reach on this machine."""
    key = (work, contender)
    return REQUIRED_ON_AMD.get(key, REQUIRED.get(key)) if "AMD" in cpu else REQUIRED.get(key)


def verdict(met: bool) -> str:
    """A requirement's outcome as the table says it."""
    return "met" if met else "**missed**"


def judged(work: str, entrant: Entrant, ours: Entrant | None, cpu: str) -> dict:
    """What the table and the JSON say of one contender."""
    unit = WORKS[work].unit
    row = {"work": work, "contender": entrant.name, "unit": unit, "error": entrant.error}
    row |= {"rounds": entrant.values, "losses": entrant.losses}
    row |= {"ratio": ratio(entrant, ours), "required": required(work, entrant.name, cpu), "met": None}
    row["median"] = statistics.median(entrant.values) if entrant.values else None
    if row["ratio"] and row["required"]:
        row["met"] = row["ratio"] >= row["required"]
    if work == "memory" and entrant.name == "polytask" and not entrant.error:
        row |= {"limit": MEMORY_LIMIT_MIB, "met": row["median"] < MEMORY_LIMIT_MIB}
    return row


def line(row: dict) -> str:
    """One line of the table."""
    unit = row["unit"]
    if row["error"]:
        cells = [f"failed: {row['error']}".replace("|", "/"), "–", "–"]
    else:
        value = row["median"] * SCALE[unit]
        value = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
        cells = [value if unit == "µs" else f"{value} {unit}"]
        cells += [f"{row['ratio']:.3g}" if row["ratio"] else "–", "–"]
    if row.get("limit"):
        cells[2] = f"under {row['limit']} MiB: {verdict(row['met'])}"
    elif row["required"]:
        cells[2] = f"≥ {row['required']:g}" + ("" if row["met"] is None else f": {verdict(row['met'])}")
    return f"| {row['work']} | {row['contender']} | {' | '.join(cells)} |"


def processor() -> str:
    """The processor's maker and model."""
    try:
        pairs = (line.split(":", 1) for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
        known = {key.strip(): value.strip() for key, value in reversed(list(pairs))}
        return known.get("model name") or known.get("CPU part") or platform.processor()
    except OSError:
        return platform.processor()


def machine(setting: Setting) -> dict:
    """Where and with what the race was run."""
    packages = {name: importlib.metadata.version(name) for name in ("torch", "jax", "torchjd", "numpy")}
    if setting.polytask:
        packages["polytask"] = whole([setting.polytask, "--version"])[2].split()[-1]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "threads": setting.threads,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": packages,
        "commit": commit.stdout.strip() or None,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def idle_ticks() -> dict[int, int]:
    """How long each core has idled."""
    cores = (line.split() for line in pathlib.Path("/proc/stat").read_text().splitlines() if line[:3] == "cpu")
    return {int(core[0][3:]): int(core[4]) for core in cores if core[0] != "cpu"}


def pin(threads: int) -> None:
    """Moves this process, and so all that it starts, to the idlest cores, where the system allows that."""
    if not hasattr(os, "sched_setaffinity"):
        return
    allowed = os.sched_getaffinity(0)
    before = idle_ticks()
    time.sleep(0.5)
    after = idle_ticks()
    idlest = sorted(allowed, key=lambda core: before.get(core, 0) - after.get(core, 0))
    os.sched_setaffinity(0, idlest[:threads])


def limit_threads(threads: int) -> None:
    """Tells every library that a contender may use how many threads there are."""
    for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "RAYON"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads)
    eigen = "true" if threads > 1 else "false"
    os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}"
    os.environ["JAX_PLATFORMS"] = "cpu"
    pin(threads)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Races Polytask against its peers.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--only", metavar="WORK", choices=WORKS, action="append", help="this work (may be repeated)")
    parser.add_argument("--threads", type=int, default=1, help="threads of every contender (default: 1)")
    parser.add_argument("--json", type=pathlib.Path, default=ROOT / "target" / "race.json", help="where rounds go")
    parser.add_argument("--peers-only", action="store_true", help="the peers alone, without Polytask")
    parser.add_argument("--polytask", help=argparse.SUPPRESS)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Races every work, prints each as it ends, and keeps all rounds; 1 if anybody failed."""
    chosen = options()
    rounds, seconds = (5, 0.1) if chosen.quick else (15, 0.3)
    setting = Setting(chosen.polytask, chosen.worker, chosen.threads, rounds, seconds)
    limit_threads(chosen.threads)
    result = {"machine": machine(setting), "races": []}
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    print("| work | contender | µs per step | ratio to Polytask | required |\n|---|---|--:|--:|---|", flush=True)
    for work in chosen.only or WORKS:
        entrants = race(setting, work)
        ours = next((entrant for entrant in entrants if entrant.name == "polytask"), None)
        rows = [judged(work, entrant, ours, result["machine"]["cpu"]) for entrant in entrants]
        result["races"] += rows
        # After each work, so that a later failure loses nothing.
        chosen.json.write_text(json.dumps(result, indent=1) + "\n")
        for row in rows:
            print(line(row), flush=True)
    return int(any(row["error"] for row in result["races"]))


if __name__ == "__main__":
    sys.exit(main())
