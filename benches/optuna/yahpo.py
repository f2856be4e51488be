"""Optuna's TPE on surrogates of YAHPO Gym, evaluated by the Python package yahpo-gym.

    pip install optuna==5.0.0 yahpo-gym==1.0.2
    python benches/optuna/yahpo.py path/to/yahpo_data hyperq-results/summary.json --seeds 20 [--multivariate]

The surfaces and their ranges are those of a comparison by hyperq, from its summary.json. Prints for each the mean normalized
regret after 10, 20, 30, 50 and 100 trials with its standard error over seeds, and the mean over surfaces.
"""

import argparse
import json

import numpy as np
import optuna
import yahpo_gym.benchmarks.iaml
import yahpo_gym.benchmarks.rbv2
from ConfigSpace.hyperparameters import CategoricalHyperparameter, UniformFloatHyperparameter
from yahpo_gym.benchmark_set import BenchmarkSet
from yahpo_gym.local_config import local_config

TRIALS = [10, 20, 30, 50, 100]
FIDELITIES = {"rbv2_rpart": {"trainsize": 1.0, "repl": 10}, "iaml_glmnet": {"trainsize": 1.0}}
TARGETS = {"rbv2_rpart": "acc", "iaml_glmnet": "mmce"}


def suggest(trial, parameter):
    if isinstance(parameter, CategoricalHyperparameter):
        return trial.suggest_categorical(parameter.name, list(parameter.choices))
    is_float = isinstance(parameter, UniformFloatHyperparameter)
    number = trial.suggest_float if is_float else trial.suggest_int
    return number(parameter.name, parameter.lower, parameter.upper, log=parameter.log)


def regrets(surface, seed, multivariate):
    scenario, instance = surface["name"].rsplit("/", 1)[-1].split("#")
    benchmark = BenchmarkSet(scenario, check=False, multithread=False)
    benchmark.set_instance(instance)
    fixed = {"task_id": instance, **FIDELITIES[scenario]}
    parameters = benchmark.get_opt_space(seed=1).get_hyperparameters()
    free = [parameter for parameter in parameters if parameter.name not in fixed]

    def objective(trial):
        configuration = {parameter.name: suggest(trial, parameter) for parameter in free}
        return float(benchmark.objective_function({**configuration, **fixed})[0][TARGETS[scenario]])

    sampler = optuna.samplers.TPESampler(seed=1000 + seed, multivariate=multivariate)
    study = optuna.create_study(direction=surface["direction"], sampler=sampler)
    study.optimize(objective, n_trials=TRIALS[-1])
    values = np.array([trial.value for trial in study.trials])
    accumulate = np.maximum if surface["direction"] == "maximize" else np.minimum
    best, worst = surface["best"], surface["worst"]
    regret = np.clip((best - accumulate.accumulate(values)) / (best - worst), 0, 1)
    return [regret[trial - 1] for trial in TRIALS]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("summary")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--multivariate", action="store_true")
    options = parser.parse_args()
    local_config._config = {"data_path": options.data}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    means = []
    for surface in json.load(open(options.summary))["surfaces"]:
        runs = np.array([regrets(surface, seed, options.multivariate) for seed in range(options.seeds)])
        error = runs.std(0, ddof=1) / len(runs) ** 0.5
        means.append(runs.mean(0))
        print(surface["name"], runs.mean(0).round(4), error.round(4), flush=True)
    print("mean", np.mean(means, 0).round(4))


if __name__ == "__main__":
    main()
