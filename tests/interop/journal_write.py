"""Writes two studies with all that Optuna can put into a journal: journal_write.py FILE STUDY

The second study, STUDY-2, has two objectives."""

import math
import sys

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from optuna.trial import create_trial

TRIALS = 24


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -1.0, 1.0)
    rate = trial.suggest_float("rate", 1e-5, 0.1, log=True)
    trial.suggest_float("momentum", 0.0, 0.9, step=0.1)
    trial.suggest_int("depth", 1, 8)
    trial.suggest_int("width", 16, 256, step=16)
    trial.suggest_int("batch", 1, 1024, log=True)
    trial.suggest_categorical("mixed", ["rbf", None, 3, 2.5, True, "é\"\\\n"])
    trial.suggest_float("constant", 0.5, 0.5)
    kernel = trial.suggest_categorical("kernel", ["rbf", "linear"])
    if kernel == "rbf":
        trial.suggest_float("gamma", 1e-4, 1e3, log=True)
    trial.set_user_attr("nested", {"list": [1, 2.5, None, "é"], "number": trial.number})
    trial.set_user_attr("nan", "NaN and -Infinity in a text")
    for step in range(3):
        trial.report(math.nan if step == 1 else x + step, step)
    if trial.number % 6 == 1:
        raise ValueError("this one fails")
    if trial.number % 6 == 2:
        raise optuna.TrialPruned()
    if trial.number % 6 == 3:
        return math.nan
    if trial.number % 6 == 4:
        return math.inf
    return x * x + math.log10(rate)


def main() -> None:
    file, name = sys.argv[1:]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = JournalStorage(JournalFileBackend(file))
    study = optuna.create_study(
        study_name=name, storage=storage, sampler=RandomSampler(seed=0), direction="maximize"
    )
    study.set_user_attr("about", {"of": name})
    study.set_metric_names(["accuracy"])
    study.enqueue_trial({"x": 0.25, "kernel": "linear"}, user_attrs={"enqueued": True})
    study.optimize(objective, n_trials=TRIALS, catch=ValueError)
    study.add_trial(
        create_trial(
            value=3.0,
            params={"x": 0.125, "depth": 4, "kernel": "rbf"},
            distributions={
                "x": FloatDistribution(-1.0, 1.0),
                "depth": IntDistribution(1, 8),
                "kernel": CategoricalDistribution(["rbf", "linear"]),
            },
            intermediate_values={1: 2.0, 10: math.inf},
            user_attrs={"added": True},
        )
    )
    study.add_trial(create_trial(state=TrialState.FAIL))
    study.enqueue_trial({"x": -0.5, "depth": 2})

    second = optuna.create_study(
        study_name=f"{name}-2",
        storage=storage,
        sampler=RandomSampler(seed=1),
        directions=["minimize", "maximize"],
    )

    def objectives(trial: optuna.Trial) -> tuple[float, float]:
        x = trial.suggest_float("x", 0.0, 5.0)
        return x * x, (x - 2.0) ** 2

    second.optimize(objectives, n_trials=5)
    running = second.ask()
    running.suggest_float("x", 0.0, 5.0)


if __name__ == "__main__":
    main()
