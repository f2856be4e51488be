"""Optuna's samplers on hyperq's surfaces, and both side by side.

    pip install optuna==5.0.0 cmaes==0.13.1 scipy
    python benches/optuna/samplers.py run optuna.csv --seeds 10
    python benches/optuna/samplers.py run optuna-svm.csv --seeds 3 --tables path/to/svm
    hyperq compare --surface branin ... --strategy tpe ... --trials 100 --seeds 10 --out synthetic
    python benches/optuna/samplers.py reduce synthetic/trials.csv hyperq.csv
    python benches/optuna/samplers.py compare optuna.csv hyperq.csv

`run` writes a line a study: the regret that is left after 100 trials of a synthetic function or 60 of a table. On a table the
objective is that of the nearest row with the same active parameters, as hyperq's surface has it, and the regret is a share of the
table's range. `compare` has three answers: the interval of the mean difference over surfaces (of log10 regret on functions, of regret
on tables) from a bootstrap of the runs of each, Wilcoxon's signed-rank test over the surfaces' mean differences, and the smallest
p value of the surfaces' own two-sided Mann-Whitney tests after Holm's correction.
"""

import argparse
import collections
import csv
import json
import math
import multiprocessing
import pathlib
import time
import zlib

import numpy as np
import optuna
from optuna.samplers import CmaEsSampler, RandomSampler, TPESampler
from scipy.stats import mannwhitneyu, wilcoxon

HEADER = ["surface", "sampler", "seed", "regret"]

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
    # A seed of its own for every study, so that surfaces do not share their first trials.
    state = zlib.crc32(f"{surface}/{sampler}/{seed}".encode())
    if directory is None:
        regret = synthetic(surface, sampler, state)
    else:
        regret = table(directory, surface, sampler, state)
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
        writer.writerow(HEADER)
        for surface, sampler, seed, regret, took in pool.imap(work, tasks):
            writer.writerow([surface, sampler, seed, f"{regret:.6g}"])
            seconds[sampler] += took
    trials = len(surfaces) * seeds * (100 if directory is None else 60)
    for sampler, total in seconds.items():
        print(f"{sampler}: {1e3 * total / trials:.2f} ms a trial")


def reduce(trials, out):
    """Keeps the last trial of every run of a trials.csv of `hyperq compare`."""
    last = {}
    with open(trials) as file:
        for line in csv.DictReader(file):
            key = line["surface"].split("/")[-1], line["strategy"], int(line["seed"])
            if key not in last or int(line["trial"]) > int(last[key]["trial"]):
                last[key] = line
    with open(out, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for (surface, strategy, seed), line in last.items():
            # Tables are compared by the regret as a share of their range, as `run` writes it.
            measure = "regret" if surface in FUNCTIONS else "normalized_regret"
            writer.writerow([surface, strategy, seed, f"{float(line[measure]):.6g}"])


def read(path):
    regrets = collections.defaultdict(list)
    with open(path) as file:
        for line in csv.DictReader(file):
            regrets[line["sampler"], line["surface"]].append(float(line["regret"]))
    return regrets


def holm(p_values):
    order = np.argsort(p_values)
    adjusted, most = np.empty(len(order)), 0.0
    for rank, index in enumerate(order):
        most = max(most, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = most
    return adjusted


def compare(optuna_path, hyperq_path):
    theirs, ours = read(optuna_path), read(hyperq_path)
    rng = np.random.default_rng(0)
    print("| strategy | Optuna | hyperq | difference (95 %) | p of the differences | least p of a surface, Holm |")
    print("|---|---|---|---|---|---|")
    for sampler in SAMPLERS:
        surfaces = [surface for name, surface in theirs if name == sampler and (name, surface) in ours]
        logarithmic = all(surface in FUNCTIONS for surface in surfaces)
        scale = (lambda x: np.log10(np.maximum(x, 1e-12))) if logarithmic else np.asarray
        pairs = [(scale(theirs[sampler, s]), scale(ours[sampler, s])) for s in surfaces]
        # Where every run of both ended alike there is nothing to test.
        alike = lambda a, b: len(set(a) | set(b)) == 1
        single = [1.0 if alike(a, b) else mannwhitneyu(a, b).pvalue for a, b in pairs]
        means = np.array([(np.mean(a), np.mean(b)) for a, b in pairs])
        overall = wilcoxon(means[:, 1] - means[:, 0]).pvalue
        draw = lambda part: rng.choice(part, (2000, len(part))).mean(axis=1)
        drawn = np.mean([draw(b) - draw(a) for a, b in pairs], axis=0)
        low, high = np.quantile(drawn, [0.025, 0.975])
        (a, b), digits = means.mean(axis=0), 2 if logarithmic else 4
        cells = [f"`{sampler}`", f"{a:.{digits}f}", f"{b:.{digits}f}"]
        cells.append(f"{b - a:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})")
        cells += [f"{overall:.2f}", f"{min(holm(single)):.2f}"]
        print(f"| {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run")
    runner.add_argument("out")
    runner.add_argument("--seeds", type=int, default=10)
    runner.add_argument("--tables", type=pathlib.Path)
    runner.add_argument("--jobs", type=int, default=1)
    reducer = commands.add_parser("reduce")
    reducer.add_argument("trials")
    reducer.add_argument("out")
    comparer = commands.add_parser("compare")
    comparer.add_argument("optuna")
    comparer.add_argument("hyperq")
    arguments = parser.parse_args()
    match arguments.command:
        case "run":
            run(arguments.out, arguments.seeds, arguments.tables, arguments.jobs)
        case "reduce":
            reduce(arguments.trials, arguments.out)
        case _:
            compare(arguments.optuna, arguments.hyperq)


if __name__ == "__main__":
    main()
