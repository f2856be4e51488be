"""Prints as JSON what Optuna sees of a study in a database: database_read.py DATABASE_URL STUDY"""

import json
import sys

import optuna


def main() -> None:
    url, name = sys.argv[1:]
    study = optuna.load_study(study_name=name, storage=url)
    trials = [
        {
            "number": trial.number,
            "state": trial.state.name,
            "values": trial.values,
            "params": trial.params,
            "intermediate_values": trial.intermediate_values,
            "user_attrs": trial.user_attrs,
        }
        for trial in study.get_trials(deepcopy=False)
    ]
    json.dump(trials, sys.stdout, sort_keys=True)


if __name__ == "__main__":
    main()
