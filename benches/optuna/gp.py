"""Optuna's GPSampler on hyperq's test functions and tables, and hyperq's own runs held against it.

    python3 -m venv venv && venv/bin/pip install optuna scipy torch
    venv/bin/python benches/optuna/gp.py run --seeds 8 --trials 100 --out optuna.csv
    cargo run --release -- compare --strategy gp --strategy gp-ucb --trials 100 --seeds 8 --out results ...
    venv/bin/python benches/optuna/gp.py compare optuna.csv results/trials.csv

`run` takes the eight functions below, or with `--table DIR` the tasks of a directory of tables; each run's trials
are appended as they come, so that it can be stopped and started again. On a table conditional parameters are always
suggested, since the sampler draws at random what not every trial has, and the nearest row is what is evaluated.

`compare` prints, for every function, the mean log10 of the simple regret (for tables the mean normalized regret) and
the two-sided Mann-Whitney test of the runs at the last trial.
"""

import argparse
import collections
import csv
import json
import math
import pathlib
import statistics
import time

A3 = [[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]]
P3 = [[0.3689, 0.1170, 0.2673], [0.4699, 0.4387, 0.7470], [0.1091, 0.8732, 0.5547], [0.0381, 0.5743, 0.8828]]
A6 = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
P6 = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
]


def branin(x):
    square = (x[1] - 5.1 / (4 * math.pi**2) * x[0] ** 2 + 5 / math.pi * x[0] - 6) ** 2
    return square + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x[0]) + 10


def hartmann(a, p):
    def value(x):
        wells = zip([1.0, 1.2, 3.0, 3.2], a, p)
        return -sum(s * math.exp(-sum(w * (u - c) ** 2 for w, u, c in zip(row, x, place))) for s, row, place in wells)

    return value


def ackley(x):
    radius = math.sqrt(sum(u * u for u in x) / len(x))
    waves = sum(math.cos(2 * math.pi * u) for u in x) / len(x)
    return -20 * math.exp(-0.2 * radius) - math.exp(waves) + 20 + math.e


def rosenbrock(x):
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))


def rastrigin(x):
    return sum(u * u - 10 * math.cos(2 * math.pi * u) + 10 for u in x)


def levy(x):
    w = [1 + (u - 1) / 4 for u in x]
    middle = sum((u - 1) ** 2 * (1 + 10 * math.sin(math.pi * u + 1) ** 2) for u in w[:-1])
    last = (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
    return math.sin(math.pi * w[0]) ** 2 + middle + last


def styblinski_tang(x):
    return sum(u**4 - 16 * u**2 + 5 * u for u in x) / 2


FUNCTIONS = {
    "branin": (branin, [(-5, 10), (0, 15)], 10 / (8 * math.pi)),
    "hartmann-3": (hartmann(A3, P3), [(0, 1)] * 3, -3.8627797873326625),
    "hartmann-6": (hartmann(A6, P6), [(0, 1)] * 6, -3.3223680114155148),
    "ackley-5": (ackley, [(-32.768, 32.768)] * 5, 0.0),
    "rosenbrock-4": (rosenbrock, [(-5, 10)] * 4, 0.0),
    "rastrigin-5": (rastrigin, [(-5.12, 5.12)] * 5, 0.0),
    "levy-4": (levy, [(-10, 10)] * 4, 0.0),
    "styblinski-tang-4": (styblinski_tang, [(-5, 5)] * 4, -39.16616570377141 * 4),
}


class Function:
    def __init__(self, name):
        self.value, self.bounds, self.optimum = FUNCTIONS[name]

    def __call__(self, trial):
        return self.value([trial.suggest_float(f"x{i}", *bounds) for i, bounds in enumerate(self.bounds)])

    def regret(self, best):
        return best - self.optimum, math.nan


class Table:
    """A task's rows; the value of a configuration is that of the nearest row with the same choices."""

    def __init__(self, directory, task):
        self.space = json.loads((directory / "space.json").read_text())
        with open(directory / "tasks" / f"{task}.csv", newline="") as file:
            self.rows = list(csv.DictReader(file))
        self.sign = -1 if self.space["objective"]["direction"] == "maximize" else 1
        name = self.space["objective"]["name"]
        self.values = [self.sign * float(row[name]) for row in self.rows]

    def place(self, parameter, value):
        low, high = parameter["low"], parameter["high"]
        if parameter.get("log"):
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low)

    def __call__(self, trial):
        chosen = {}
        for parameter in self.space["parameters"]:
            name = parameter["name"]
            if parameter["type"] == "categorical":
                chosen[name] = trial.suggest_categorical(name, parameter["choices"])
            else:
                suggest = trial.suggest_int if parameter["type"] == "int" else trial.suggest_float
                chosen[name] = suggest(name, parameter["low"], parameter["high"], log=parameter.get("log", False))

        def distance(row):
            total = 0.0
            for parameter in self.space["parameters"]:
                text, value = row[parameter["name"]], chosen[parameter["name"]]
                if parameter["type"] == "categorical":
                    total += math.inf if text != str(value) else 0.0
                elif text:
                    total += (self.place(parameter, float(text)) - self.place(parameter, value)) ** 2
            return total

        return self.values[min(range(len(self.rows)), key=lambda i: distance(self.rows[i]))]

    def regret(self, best):
        least, most = min(self.values), max(self.values)
        return best - least, (best - least) / (most - least)


def run(arguments):
    import optuna
    import torch

    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if arguments.table:
        directory = arguments.table
        tasks = arguments.only or sorted(path.stem for path in (directory / "tasks").glob("*.csv"))
        surfaces = {f"{directory.name}#{task}": Table(directory, task) for task in tasks}
    else:
        surfaces = {name: Function(name) for name in arguments.only or FUNCTIONS}
    header = ["surface", "strategy", "seed", "trial", "score", "best_score", "regret", "normalized_regret", "ask_micros"]
    done = set()
    if arguments.out.exists():
        with open(arguments.out, newline="") as file:
            done = {(row["surface"], int(row["seed"])) for row in csv.DictReader(file)}
    else:
        arguments.out.write_text(",".join(header) + "\n")
    for seed in range(arguments.seeds):
        for name, surface in surfaces.items():
            if (name, seed) in done:
                continue
            study = optuna.create_study(sampler=optuna.samplers.GPSampler(seed=seed))
            rows, best = [], math.inf
            for number in range(1, arguments.trials + 1):
                begun = time.perf_counter()
                trial = study.ask()
                value = surface(trial)
                micros = round(1e6 * (time.perf_counter() - begun))
                study.tell(trial, value)
                best = min(best, value)
                rows.append([name, "optuna-gp", seed, number, value, best, *surface.regret(best), micros])
            with open(arguments.out, "a", newline="") as file:
                csv.writer(file).writerows(rows)
            print(name, seed, rows[-1][6], flush=True)


def compare(arguments):
    from scipy.stats import mannwhitneyu

    regrets, normalized, times = (collections.defaultdict(dict) for _ in range(3))
    for path in arguments.files:
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                # Names of tables are directories; only the task tells them apart.
                surface = row["surface"].rsplit("#", 1)[-1].rsplit("/", 1)[-1]
                key = surface, row["strategy"], int(row["seed"])
                trial = int(row["trial"])
                regrets[key][trial] = float(row["regret"])
                normalized[key][trial] = float(row["normalized_regret"] or "nan")
                times[key][trial] = float(row["ask_micros"]) / 1000
    surfaces = sorted({key[0] for key in regrets}, key=lambda name: list(FUNCTIONS).index(name) if name in FUNCTIONS else 0)
    strategies = sorted({key[1] for key in regrets}, key=lambda name: (name == "optuna-gp", name))
    shared = [s for s in surfaces if all(any(k[:2] == (s, t) for k in regrets) for t in strategies)]
    table = not all(surface in FUNCTIONS for surface in shared)
    last = min(max(curve) for curve in regrets.values())

    def values(surface, strategy, trial):
        keys = [key for key in regrets if key[:2] == (surface, strategy)]
        if table:
            return [normalized[key][trial] for key in keys]
        return [math.log10(max(regrets[key][trial], 1e-12)) for key in keys]

    def median_time(strategy, trial):
        return statistics.median(t[trial] for key, t in times.items() if key[1] == strategy)

    digits = 4 if table else 2
    marks = [trial for trial in (10, 20, 30, 50, 60, 100) if trial <= last]
    print("| strategy | " + " | ".join(f"@{mark}" for mark in marks) + f" | error @{last} | ms @50 | ms @{last} |")
    print("|" + "---|" * (len(marks) + 4))
    for strategy in strategies:
        means = [statistics.mean(statistics.mean(values(s, strategy, m)) for s in shared) for m in marks]
        errors = [statistics.variance(v) / len(v) for s in shared if len(v := values(s, strategy, last)) > 1]
        error = math.sqrt(sum(errors)) / max(len(errors), 1)
        cells = [f"{mean:.{digits}f}" for mean in means] + [f"{error:.{digits}f}"]
        cells += [f"{median_time(strategy, min(50, last)):.1f}", f"{median_time(strategy, last):.1f}"]
        print(f"| `{strategy}` | " + " | ".join(cells) + " |")
    print()
    print("| surface | " + " | ".join(f"`{s}`" for s in strategies) + " | "
          + " | ".join(f"p of `{s}`" for s in strategies if s != "optuna-gp") + " |")
    print("|" + "---|" * (2 * len(strategies)))
    for surface in shared:
        at = {strategy: values(surface, strategy, last) for strategy in strategies}
        cells = []
        for strategy in strategies:
            spread = statistics.stdev(at[strategy]) if len(at[strategy]) > 1 else math.nan
            cells.append(f"{statistics.mean(at[strategy]):.{digits}f} ± {spread:.{digits}f}")
        for strategy in strategies[:-1]:
            cells.append(f"{mannwhitneyu(at[strategy], at['optuna-gp'], method='auto').pvalue:.3f}")
        print(f"| {surface} | " + " | ".join(cells) + " |")


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
commands = parser.add_subparsers(required=True)
running = commands.add_parser("run")
running.add_argument("--table", type=pathlib.Path)
running.add_argument("--only", nargs="*")
running.add_argument("--seeds", type=int, default=8)
running.add_argument("--trials", type=int, default=100)
running.add_argument("--out", type=pathlib.Path, required=True)
running.set_defaults(go=run)
comparing = commands.add_parser("compare")
comparing.add_argument("files", nargs="+", type=pathlib.Path)
comparing.set_defaults(go=compare)
arguments = parser.parse_args()
arguments.go(arguments)
