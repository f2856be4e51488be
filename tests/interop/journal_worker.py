"""A worker that runs N trials of a study, which it creates where it is missing:
journal_worker.py FILE STUDY N"""

import sys

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 0.0, 1.0)
    depth = trial.suggest_int("depth", 1, 8)
    trial.suggest_categorical("kernel", ["rbf", "linear"])
    trial.set_user_attr("worker", "python")
    trial.report(x, 0)
    return x * depth


def main() -> None:
    file, name, count = sys.argv[1:]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name=name,
        storage=JournalStorage(JournalFileBackend(file)),
        sampler=RandomSampler(),
        load_if_exists=True,
    )
    study.optimize(objective, n_trials=int(count))


if __name__ == "__main__":
    main()
