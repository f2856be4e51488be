"""Prints as JSON all that Optuna sees of a study: study_read.py STORAGE STUDY

STORAGE is a journal file or the URL of a database.
"""

import json
import sys

import optuna
from optuna.distributions import distribution_to_json
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend


def main() -> None:
    place, name = sys.argv[1:]
    storage = place if "://" in place else JournalStorage(JournalFileBackend(place))
    study = optuna.load_study(study_name=name, storage=storage)
    trials = [
        {
            "number": trial.number,
            "state": trial.state.name,
            "values": trial.values,
            "params": trial.params,
            "distributions": {
                name: json.loads(distribution_to_json(distribution))
                for name, distribution in trial.distributions.items()
            },
            "intermediate_values": trial.intermediate_values,
            "user_attrs": trial.user_attrs,
            "fixed_params": trial.system_attrs.get("fixed_params"),
        }
        for trial in study.get_trials(deepcopy=False)
    ]
    directions = [direction.name for direction in study.directions]
    json.dump({"directions": directions, "trials": trials}, sys.stdout, sort_keys=True)
    print()


if __name__ == "__main__":
    main()
