#!/usr/bin/env python3
"""Trains a small network to tell two interleaved spirals apart, and prints its error per epoch.

Plain Python 3, no packages. The points are drawn from a fixed seed: only the settings differ.
"""

import argparse
import json
import math
import random

POINTS = 120  # of each spiral, for training and again for validation
NOISE = 0.05


def spirals(generator):
    """Points of two interleaved spirals of one turn: inputs in [-1, 1]^2, targets 0 and 1."""
    points = []
    for target in (0, 1):
        for _ in range(POINTS):
            turn = math.sqrt(generator.uniform(0.02, 1.0))
            angle = 2.0 * math.pi * turn + math.pi * target
            x = turn * math.cos(angle) + generator.gauss(0.0, NOISE)
            y = turn * math.sin(angle) + generator.gauss(0.0, NOISE)
            points.append((x, y, target))
    generator.shuffle(points)
    return points


# The function, and its derivative as a function of its value. Below zero a leaky ReLU has a slope.
ACTIVATIONS = {
    "tanh": (lambda a, slope: math.tanh(a), lambda h, slope: 1.0 - h * h),
    "relu": (lambda a, slope: max(a, 0.0), lambda h, slope: float(h > 0.0)),
    "leaky-relu": (
        lambda a, slope: a if a > 0.0 else slope * a,
        lambda h, slope: 1.0 if h > 0.0 else slope,
    ),
}


class Network:
    """One hidden layer and a logistic output, trained by gradient descent with momentum."""

    def __init__(self, options, generator):
        self.options = options
        self.function, self.derivative = ACTIVATIONS[options.activation]
        # A hidden unit has two weights, a bias and the weight of its output. The last row is the
        # bias of the network's output.
        widths = (2.0, 2.0, 1.0, 1.0 / math.sqrt(options.hidden))
        self.units = [
            [generator.gauss(0.0, width) for width in widths] for _ in range(options.hidden)
        ] + [[0.0]]
        self.velocity = [[0.0] * len(unit) for unit in self.units]

    def forward(self, x, y):
        slope = self.options.slope
        hidden = [self.function(a * x + b * y + c, slope) for a, b, c, _ in self.units[:-1]]
        logit = self.units[-1][0] + sum(unit[3] * h for unit, h in zip(self.units, hidden))
        return hidden, 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, logit))))

    def step(self, batch):
        gradient = [[0.0] * len(unit) for unit in self.units]
        slope = self.options.slope
        for x, y, target in batch:
            hidden, probability = self.forward(x, y)
            error = (probability - target) / len(batch)
            gradient[-1][0] += error
            for unit, row, h in zip(self.units, gradient, hidden):
                back = error * unit[3] * self.derivative(h, slope)
                row[0] += back * x
                row[1] += back * y
                row[2] += back
                row[3] += error * h
        for unit, speed, row in zip(self.units, self.velocity, gradient):
            for i, partial in enumerate(row):
                speed[i] = self.options.momentum * speed[i] - self.options.learning_rate * partial
                unit[i] += speed[i]

    def loss(self, points):
        """The mean cross-entropy, in nats."""
        total = 0.0
        for x, y, target in points:
            probability = self.forward(x, y)[1]
            total -= math.log(max(probability if target else 1.0 - probability, 1e-12))
        return total / len(points)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--momentum", type=float, default=0.0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--hidden", type=int, default=8)
    parser.add_argument("--activation", choices=ACTIVATIONS, default="tanh")
    parser.add_argument("--slope", type=float, default=0.01, help="of leaky-relu below zero")
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()

    generator = random.Random(1)
    training, validation = spirals(generator), spirals(generator)
    network = Network(options, generator)
    for epoch in range(1, options.epochs + 1):
        generator.shuffle(training)
        for start in range(0, len(training), options.batch):
            network.step(training[start:start + options.batch])
        # Without flush=True a pipe would hold the lines back, and nothing could be pruned.
        print(json.dumps({"score": network.loss(validation), "step": epoch}), flush=True)
    print(json.dumps({"score": network.loss(validation), "training": network.loss(training)}))


if __name__ == "__main__":
    main()
