"""Optuna's samplers on hyperq's surfaces, and both side by side.

    pip install optuna==5.0.0 cmaes==0.13.1 scipy
    python benches/optuna/samplers.py run optuna.csv --seeds 10                       # synthetic functions, 100 trials
    python benches/optuna/samplers.py run optuna-svm.csv --seeds 3 --tables path/to/svm   # tables, 60 trials
    hyperq compare --surface branin ... --strategy tpe ... --trials 100 --seeds 10 --out hyperq-synthetic
    python benches/optuna/samplers.py compare optuna.csv hyperq-synthetic/trials.csv

`run` writes a line a study: surface, sampler, seed and the regret that is left at the end. On a table the objective is that of
the nearest row with the same active parameters in the unit cube of hyperq, and the regret is normalized by the table's range.
`compare` tests each surface with a two-sided Mann-Whitney test (Holm's correction over the surfaces of a pair), and bootstraps
the interval of the difference of means: of log10 regrets, on tables of regrets.
"""

import argparse
import collections
import csv
import json
import math
import multiprocessing
import pathlib
import time

import numpy as np
import optuna
from optuna.samplers import CmaEsSampler, RandomSampler, TPESampler
from scipy.stats import mannwhitneyu

SAMPLERS = {
    "random": lambda seed: RandomSampler(seed=seed),
    "tpe": lambda seed: TPESampler(multivariate=False, seed=seed),
    "tpe-multivariate": lambda seed: TPESampler(multivariate=True, seed=seed),
    "cma-es": lambda seed: CmaEsSampler(seed=seed, warn_independent_sampling=False),
}


# ---- Synthetic functions: name -> bounds, function, minimum ---------------------------------------------


def branin(x):
    square = x[1] - 5.1 / (4 * math.pi**2) * x[0] ** 2 + 5 / math.pi * x[0] - 6
    return square**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x[0]) + 10


HARTMANN = {
    3: (
        [[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]],
        [[0.3689, 0.1170, 0.2673], [0.4699, 0.4387, 0.7470], [0.1091, 0.8732, 0.5547], [0.0381, 0.5743, 0.8828]],
    ),
    6: (
        [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]],
        [
            [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
            [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
            [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
            [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
        ],
    ),
}


def hartmann(x):
    a, p = (np.array(part) for part in HARTMANN[len(x)])
    return float(-np.dot([1.0, 1.2, 3.0, 3.2], np.exp(-np.sum(a * (np.array(x) - p) ** 2, axis=1))))


def ackley(x):
    x = np.array(x)
    return float(
        -20 * np.exp(-0.2 * np.sqrt(np.mean(x**2))) - np.exp(np.mean(np.cos(2 * np.pi * x))) + 20 + np.e
    )


def rosenbrock(x):
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))


def rastrigin(x):
    return sum(v * v - 10 * math.cos(2 * math.pi * v) + 10 for v in x)


def levy(x):
    w = [1 + (v - 1) / 4 for v in x]
    middle = sum((v - 1) ** 2 * (1 + 10 * math.sin(math.pi * v + 1) ** 2) for v in w[:-1])
    last = (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
    return math.sin(math.pi * w[0]) ** 2 + middle + last


def styblinski_tang(x):
    return sum(v**4 - 16 * v**2 + 5 * v for v in x) / 2


FUNCTIONS = {
    "branin": ([(-5, 10), (0, 15)], branin, 10 / (8 * math.pi)),
    "hartmann-3": ([(0, 1)] * 3, hartmann, -3.8627797873326625),
    "hartmann-6": ([(0, 1)] * 6, hartmann, -3.3223680114155148),
    "ackley-5": ([(-32.768, 32.768)] * 5, ackley, 0.0),
    "rosenbrock-4": ([(-5, 10)] * 4, rosenbrock, 0.0),
    "rastrigin-5": ([(-5.12, 5.12)] * 5, rastrigin, 0.0),
    "levy-4": ([(-10, 10)] * 4, levy, 0.0),
    "styblinski-tang-4": ([(-5, 5)] * 4, styblinski_tang, 4 * -39.16616570377142),
}


def synthetic(name, sampler, seed):
    bounds, function, minimum = FUNCTIONS[name]
    study = optuna.create_study(sampler=SAMPLERS[sampler](seed))
    study.optimize(
        lambda trial: function([trial.suggest_float(f"x{i}", low, high) for i, (low, high) in enumerate(bounds)]),
        n_trials=100,
    )
    return max(study.best_value - minimum, 0.0)


# ---- Tables --------------------------------------------------------------------------------------------


class Table:
    """A task of a directory of tables."""

    def __init__(self, directory, task):
        document = json.loads((directory / "space.json").read_text())
        self.parameters = document["parameters"]
        objective = document["objective"]
        self.sign = 1.0 if objective.get("direction", "minimize") == "minimize" else -1.0
        with open(directory / "tasks" / f"{task}.csv") as file:
            lines = list(csv.DictReader(file))
        self.rows = [self.read(line) for line in lines]
        self.values = [float(line[objective["name"]]) for line in lines]

    def read(self, line):
        types = {"categorical": str, "float": float, "int": lambda text: int(float(text))}
        return {p["name"]: types[p["type"]](line[p["name"]]) for p in self.parameters if line[p["name"]] != ""}

    @staticmethod
    def unit(parameter, value):
        low, high, log = parameter["low"], parameter["high"], parameter.get("log", False)
        if parameter["type"] == "int" and log:
            low, high = low - 0.5, high + 0.5
        if log:
            return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
        if parameter["type"] == "int":
            step = parameter.get("step", 1)
            return ((value - low) / step + 0.5) / ((high - low) // step + 1)
        return (value - low) / (high - low)

    def distance(self, a, b):
        total = 0.0
        for parameter in self.parameters:
            name = parameter["name"]
            if name not in a or a[name] == b[name]:
                continue
            if parameter["type"] == "categorical":
                total += len(self.parameters) + 1
            else:
                total += (self.unit(parameter, a[name]) - self.unit(parameter, b[name])) ** 2
        return total

    def suggest(self, trial):
        values = {}
        for p in self.parameters:
            if not all(values.get(parent) in choices for parent, choices in p.get("condition", {}).items()):
                continue
            if p["type"] == "categorical":
                values[p["name"]] = trial.suggest_categorical(p["name"], p["choices"])
            elif p["type"] == "float":
                values[p["name"]] = trial.suggest_float(p["name"], p["low"], p["high"], log=p.get("log", False))
            else:
                values[p["name"]] = trial.suggest_int(p["name"], p["low"], p["high"], log=p.get("log", False))
        return values

    def objective(self, trial):
        values = self.suggest(trial)
        rows = [i for i, row in enumerate(self.rows) if row.keys() == values.keys()]
        return self.values[min(rows, key=lambda i: self.distance(values, self.rows[i]))]


def table(directory, task, sampler, seed):
    surface = Table(directory, task)
    direction = "minimize" if surface.sign > 0 else "maximize"
    study = optuna.create_study(sampler=SAMPLERS[sampler](seed), direction=direction)
    study.optimize(surface.objective, n_trials=60)
    losses = [surface.sign * value for value in surface.values]
    return (surface.sign * study.best_value - min(losses)) / (max(losses) - min(losses))


# ---- Running and comparing ------------------------------------------------------------------------------


def work(job):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    directory, surface, sampler, seed = job
    begun = time.process_time()
    if directory is None:
        regret = synthetic(surface, sampler, seed)
    else:
        regret = table(directory, surface, sampler, seed)
    return surface, sampler, seed, regret, time.process_time() - begun


def run(out, seeds, directory, jobs):
    if directory is None:
        surfaces = list(FUNCTIONS)
    else:
        surfaces = sorted(path.stem for path in (directory / "tasks").glob("*.csv"))
    tasks = [(directory, s, sampler, seed) for s in surfaces for sampler in SAMPLERS for seed in range(seeds)]
    seconds = collections.Counter()
    with open(out, "w", newline="") as file, multiprocessing.Pool(jobs) as pool:
        writer = csv.writer(file)
        writer.writerow(["surface", "sampler", "seed", "regret"])
        for surface, sampler, seed, regret, took in pool.imap(work, tasks):
            writer.writerow([surface, sampler, seed, f"{regret:.6g}"])
            seconds[sampler] += took
    trials = len(surfaces) * seeds * (100 if directory is None else 60)
    for sampler, total in seconds.items():
        print(f"{sampler}: {1e3 * total / trials:.2f} ms a trial")


def read_optuna(path):
    with open(path) as file:
        lines = list(csv.DictReader(file))
    regrets = collections.defaultdict(list)
    for line in lines:
        regrets[line["sampler"], line["surface"]].append(float(line["regret"]))
    return regrets


def read_hyperq(path, measure):
    """The last regret of every run of trials.csv."""
    last = {}
    with open(path) as file:
        for line in csv.DictReader(file):
            key = line["strategy"], line["surface"].split("/")[-1], line["seed"]
            trial = int(line["trial"])
            if key not in last or trial > last[key][0]:
                last[key] = trial, float(line[measure])
    regrets = collections.defaultdict(list)
    for (strategy, surface, _), (_, regret) in last.items():
        regrets[strategy, surface].append(regret)
    return regrets


def holm(p_values):
    order = np.argsort(p_values)
    adjusted, most = np.empty(len(order)), 0.0
    for rank, index in enumerate(order):
        most = max(most, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = most
    return adjusted


def compare(optuna_path, hyperq_path, measure):
    theirs, ours = read_optuna(optuna_path), read_hyperq(hyperq_path, measure)
    logarithmic = measure == "regret"
    scale = (lambda x: np.log10(np.maximum(x, 1e-12))) if logarithmic else np.asarray
    print("| strategy | Optuna | hyperq | difference (95 %) | least p | least p after Holm |")
    print("|---|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    for sampler in SAMPLERS:
        surfaces = [s for (name, s) in theirs if name == sampler and (name, s) in ours]
        if not surfaces:
            continue
        pairs = [(scale(theirs[sampler, s]), scale(ours[sampler, s])) for s in surfaces]
        p_values = [mannwhitneyu(a, b, alternative="two-sided").pvalue if set(a) | set(b) != set(a) & set(b) or len(set(a)) > 1 else 1.0 for a, b in pairs]
        p_values = [1.0 if math.isnan(p) else p for p in p_values]
        mean = lambda parts: np.mean([np.mean(part) for part in parts])
        resampled = [
            mean([rng.choice(b, len(b)) for _, b in pairs]) - mean([rng.choice(a, len(a)) for a, _ in pairs])
            for _ in range(2000)
        ]
        low, high = np.quantile(resampled, [0.025, 0.975])
        a, b = mean([a for a, _ in pairs]), mean([b for _, b in pairs])
        digits = 2 if logarithmic else 4
        print(
            f"| `{sampler}` | {a:.{digits}f} | {b:.{digits}f} | {b - a:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f}) "
            f"| {min(p_values):.3f} | {min(holm(p_values)):.2f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run")
    runner.add_argument("out")
    runner.add_argument("--seeds", type=int, default=10)
    runner.add_argument("--tables", type=pathlib.Path)
    runner.add_argument("--jobs", type=int, default=1)
    comparer = commands.add_parser("compare")
    comparer.add_argument("optuna")
    comparer.add_argument("hyperq")
    comparer.add_argument("--measure", default="regret")
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(arguments.out, arguments.seeds, arguments.tables, arguments.jobs)
    else:
        compare(arguments.optuna, arguments.hyperq, arguments.measure)


if __name__ == "__main__":
    main()
