"""Optuna on the journals that `cargo bench --bench storage` made: opening, appending, asking and telling.

    python3 -m venv venv && venv/bin/pip install optuna
    cargo bench --bench storage
    venv/bin/python benches/optuna/storage.py target/tmp/storage-bench
"""

import pathlib
import shutil
import statistics
import sys
import tempfile
import time

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.ERROR)


def median(repeats, run):
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def load(path):
    storage = JournalStorage(JournalFileBackend(str(path)))
    sampler = optuna.samplers.RandomSampler(seed=0)
    return optuna.load_study(study_name="hyperq", storage=storage, sampler=sampler)


def append(study):
    storage, study_id = study._storage, study._study_id
    trial = storage.create_new_trial(study_id)
    storage.set_trial_state_values(trial, TrialState.COMPLETE, [0.5])


def ask_and_tell(study):
    trial = study.ask()
    trial.suggest_float("learning_rate", 1e-5, 1.0, log=True)
    trial.suggest_float("momentum", 0.0, 0.99)
    trial.suggest_int("layers", 1, 8)
    trial.suggest_int("width", 8, 1024, log=True)
    trial.suggest_categorical("optimizer", ["adam", "sgd"])
    study.tell(trial, 0.5)


def main():
    directory = pathlib.Path(sys.argv[1])
    for trials in [100, 1_000, 10_000]:
        path = directory / f"{trials}.log"
        print(f"open/{trials}: {median(5, lambda: load(path).trials) * 1e3:.2f} ms")
        for name, call in [("append", append), ("ask-and-tell", ask_and_tell)]:
            with tempfile.TemporaryDirectory(dir=directory) as place:
                copy = pathlib.Path(place) / "journal.log"
                shutil.copy(path, copy)
                study = load(copy)
                print(f"{name}/{trials}: {median(20, lambda: call(study)) * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
