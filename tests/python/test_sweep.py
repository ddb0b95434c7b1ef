"""A sweep as TensorBoard's own hyper-parameter pages see it, and its tests as SciPy computes them.

Run with pytest in an environment that has tensorboard, numpy and scipy; POLYTASK names the binary.
"""

import csv
import io
import itertools
import json
import os
import subprocess

import numpy as np
import pytest
from scipy import stats
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups
from test_studies import holm, paired

EXPERIMENT = """\
data: {name: synthetic, train: 640, validation: 160, test: 160, correlation: 0.3}
tasks:
  - {name: task1, loss: {name: cross_entropy, classes: 2}, metrics: [accuracy]}
  - {name: task2, loss: {name: cross_entropy, classes: 2}, metrics: [accuracy]}
model:
  backbone: {name: mlp, hidden: [20, 20]}
optimizer: {name: adam, learning_rate: 1e-2}
train: {epochs: 3, batch_size: 64}
"""
# One arm looks at the gradients, the others do not.
SWEEP = """\
experiment: small.yaml
compare: {method: [sum, famo]}
arms:
  - {name: looks, set: {method: pcgrad, record.gradients: 5}}
  - {name: apart, set: {model.architecture: single}}
tune: {optimizer.learning_rate: [0.003, 0.03]}
baseline: single
seeds: 6
"""
ARMS = {
    "sum": ("sum", "hard_sharing"),
    "famo": ("famo", "hard_sharing"),
    "looks": ("pcgrad", "hard_sharing"),
    "apart": ("sum", "single"),
    "single": ("sum", "single"),
}
RATES = [0.003, 0.03]
SEEDS = range(6)
TASKS = ["task1", "task2"]


def polytask(*arguments):
    binary = os.environ.get("POLYTASK")
    assert binary, "set POLYTASK to the path of the binary, such as target/release/polytask"
    done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """The folder of a finished sweep."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "small.yaml").write_text(EXPERIMENT)
    (folder / "sweep.yaml").write_text(SWEEP)
    out = folder / "runs"
    polytask("sweep", folder / "sweep.yaml", "--out", out, "--quiet")
    return out


@pytest.fixture(scope="module")
def summaries(sweep):
    """The summaries of all runs by group and seed."""
    read = [json.loads(path.read_text()) for path in sweep.rglob("summary.json")]
    return {(summary["group"], summary["seed"]): summary for summary in read}


@pytest.fixture(scope="module")
def backend(sweep):
    """What TensorBoard's pages ask: a context over the folder, as the server makes it."""
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(sweep))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(sweep))
    return backend_context.Context(base_plugin.TBContext(logdir=str(sweep), data_provider=provider))


@pytest.fixture(scope="module")
def experiment(backend):
    request = api_pb2.GetExperimentRequest(experiment_name="")
    return get_experiment.Handler(RequestContext(), backend, "", request).run()


@pytest.fixture(scope="module")
def groups(backend, experiment):
    """The session groups by name, their metrics averaged over the sessions."""
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=1000,
        aggregation_type=api_pb2.AGGREGATION_AVG,
        allowed_statuses=[api_pb2.STATUS_SUCCESS],
        col_params=[api_pb2.ColParams(hparam=info.name) for info in experiment.hparam_infos],
    )
    response = list_session_groups.Handler(RequestContext(), backend, "", request).run()
    assert response.total_size == len(response.session_groups)
    # A group is called by its experiment too, so that several sweeps can be shown at once.
    assert all(group.name.startswith("sweep/") for group in response.session_groups)
    return {group.name.removeprefix("sweep/"): group for group in response.session_groups}


def group_name(arm, rate):
    return f"{arm}__learning_rate={rate}"


def test_each_trial_of_each_arm_is_a_group_and_each_seed_a_session(groups, summaries):
    assert set(groups) == {group_name(arm, rate) for arm in ARMS for rate in RATES}
    assert set(summaries) == {(group, seed) for group in groups for seed in SEEDS}
    for name, group in groups.items():
        # A session is called by its folder.
        assert [session.name for session in group.sessions] == [f"{name}/seed{seed}" for seed in SEEDS]
        assert all(session.end_time_secs >= session.start_time_secs > 0 for session in group.sessions)


def test_columns_tell_method_architecture_and_learning_rate(groups, experiment):
    columns = {info.name for info in experiment.hparam_infos}
    assert {"architecture", "method", "method_args", "optimizer", "learning_rate", "batch_size"} <= columns
    for arm, (method, architecture) in ARMS.items():
        for rate in RATES:
            shown = groups[group_name(arm, rate)].hparams
            assert set(shown) == columns
            assert shown["method"].string_value == method
            assert shown["architecture"].string_value == architecture
            assert shown["learning_rate"].number_value == rate


def test_a_groups_metrics_are_the_means_over_its_seeds(groups, summaries, experiment):
    tags = {info.name.tag for info in experiment.metric_infos}
    assert tags >= {f"validation/{task}/{metric}" for task in TASKS for metric in ("loss", "accuracy")}
    for name, group in groups.items():
        shown = {value.name.tag: value.value for value in group.metric_values}
        assert set(shown) == tags
        for tag, value in shown.items():
            split, task, metric = tag.split("/")
            section = {"validation": "final", "test": "best"}[split]
            values = [np.float32(summaries[name, seed][section][split][task][metric]) for seed in SEEDS]
            # TensorBoard averages in float64 what it keeps in float32.
            np.testing.assert_allclose(value, np.mean(values, dtype=np.float64), rtol=1e-7, err_msg=f"{name} {tag}")


def test_all_runs_share_one_layout_and_all_columns(sweep):
    layouts, columns = set(), set()
    runs = sorted(path.parent for path in sweep.rglob("events.out.tfevents.*"))
    assert len(runs) == len(ARMS) * len(RATES) * len(SEEDS)
    for run in runs:
        events = EventAccumulator(str(run), size_guidance={"tensors": 0, "scalars": 1}).Reload()
        (config,) = events.Tensors("custom_scalars__config__")
        layouts.add(config.tensor_proto.string_val[0])
        columns.add(events.PluginTagToContent("hparams")["_hparams_/experiment"])
    assert len(layouts) == 1
    # TensorBoard reads the columns of one run for all.
    assert len(columns) == 1


@pytest.fixture(scope="module")
def tidy(sweep):
    """The lines of `polytask compare --format csv` by arm, task and metric."""
    lines = list(csv.DictReader(io.StringIO(polytask("compare", sweep, "--format", "csv"))))
    return {(line["arm"], line["task"], line["metric"]): line for line in lines}


def test_the_means_of_compare_are_those_of_the_chosen_trials(tidy, summaries):
    for arm in ARMS:
        def loss(rate):
            return np.mean([summaries[group_name(arm, rate), seed]["select"]["value"] for seed in SEEDS])

        chosen = min(RATES, key=loss)
        for task in TASKS:
            line = tidy[arm, task, "accuracy"]
            assert line["trial"] == f"learning_rate={chosen}"
            assert (line["split"], line["finished"], line["failed"]) == ("test", "6", "0")
            values = [summaries[group_name(arm, chosen), seed]["best"]["test"][task]["accuracy"] for seed in SEEDS]
            np.testing.assert_allclose(float(line["mean"]), np.mean(values), rtol=1e-12)
            np.testing.assert_allclose(float(line["standard_error"]), stats.sem(values), rtol=1e-9, atol=1e-15)


def test_the_tests_of_compare_are_those_of_scipy(tidy, summaries):
    tested = 0
    for task in TASKS:
        def values(arm):
            group = f"{arm}__{tidy[arm, task, 'accuracy']['trial']}"
            return np.array([summaries[group, seed]["best"]["test"][task]["accuracy"] for seed in SEEDS])

        others = [arm for arm in ARMS if arm != "sum"]
        for arm in others:
            line = tidy[arm, task, "accuracy"]
            assert line["reference"] == "sum"
            np.testing.assert_allclose(float(line["difference"]), np.mean(values(arm) - values("sum")), rtol=1e-9, atol=1e-15)
            differences = values(arm) - values("sum")
            np.testing.assert_allclose(float(line["t_p"]), stats.ttest_rel(values(arm), values("sum")).pvalue, rtol=1e-9)
            assert float(line["p"]) >= float(line["t_p"]), "the steps of an accuracy add to the variance"
            # 0.8 - 0.7 and 0.6 - 0.5 are a tie.
            p = stats.wilcoxon(differences.round(12)).pvalue
            np.testing.assert_allclose(float(line["wilcoxon_p"]), p, rtol=1e-9)
            tested += 1
        # Holm is over all pairs of arms, of tests that know the steps of an accuracy.
        tests = {(a, b): paired(values(a), values(b), by_rank=False)["p"] for a, b in itertools.combinations(ARMS, 2)}
        adjusted = {frozenset(pair): p for pair, p in holm(tests).items()}
        for arm in others:
            p = float(tidy[arm, task, "accuracy"]["p_holm"])
            np.testing.assert_allclose(p, adjusted[frozenset((arm, "sum"))], rtol=1e-9)
    assert tested == 8
