"""Runs benches/update and update.py by turns on one core and writes docs/src/performance.md's table.

    pip install torch
    python benches/pytorch/compare.py [--rounds 5] [--core 0]

Every time is the shortest of all rounds.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "src" / "performance.md"
NAMES = {"ensemble": "six critics, one step", "candidates": "six critics, values", "lstm": "recurrent Q-network"}
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def build():
    """The path of the compiled benchmark."""
    command = ["cargo", "bench", "--bench", "update", "--no-run", "--message-format=json"]
    out = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in out.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "update":
            return message["executable"]
    sys.exit("cargo built no benchmark `update`")


def run(command, core):
    def pin():
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {core})

    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, preexec_fn=pin).stdout
    return json.loads(out.splitlines()[-1])


def processor():
    try:
        for line in open("/proc/cpuinfo"):
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def table(ours, peer):
    """One row an update; what has no counterpart yet is left out."""
    rows = [
        "| update | hidden / batch | hyperq | PyTorch | candle | products alone | "
        "PyTorch / hyperq | candle / hyperq | hyperq / products |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    order = [name for name in peer if name in ours and len(ours[name]) == 3]
    for name in order:
        algorithm, hidden, batch = name.split("/")
        fast, candle, floor = ours[name]
        slow = peer[name]
        shown = NAMES.get(algorithm, algorithm.upper())
        rows.append(
            f"| {shown} | {hidden} / {batch} | {fast:.1f} µs | {slow:.0f} µs | {candle:.0f} µs | "
            f"{floor:.1f} µs | {slow / fast:.1f} | {candle / fast:.1f} | {fast / floor:.2f} |"
        )
    return rows


def shortest(best, found):
    for name, times in found.items():
        if isinstance(times, list):
            best[name] = [min(pair) for pair in zip(best.get(name, times), times)]
        elif isinstance(times, float):
            best[name] = min(best.get(name, times), times)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, default=0)
    options = parser.parse_args()
    benchmark = build()
    ours, peer, torch = {}, {}, ""
    for number in range(options.rounds):
        ours = shortest(ours, run([benchmark, "--times"], options.core))
        found = run([sys.executable, str(HERE / "update.py")], options.core)
        torch = found.pop("torch")
        peer = shortest(peer, found)
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    lines = [BEGIN, ""]
    lines += [f"{processor()}, one core; PyTorch {torch}; the shortest of {options.rounds} rounds.", ""]
    lines += table(ours, peer)
    act, network = ours["act/64/1"][0], ours["act-network/64/1"][0]
    lines += [
        "",
        f"One action of TD3 with two hidden layers of 64: {act:.2f} µs, of which the network takes {network:.2f} µs.",
        "",
        END,
    ]
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(before + "\n".join(lines) + after, encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
