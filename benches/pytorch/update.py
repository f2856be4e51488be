"""Times updates of DQN, DDPG, TD3 and SAC in eager PyTorch on one core, as CleanRL's scripts write them, an
ensemble of critics as batched matrices, and the recurrent Q-network of Hyp-RL with PyTorch's own LSTM.

    python update.py            # a line of JSON: {"dqn/64/64": microseconds, ...}

One algorithm a function: networks as in `Network`, one Adam for the critics together and one for the
actor, targets that follow parameter by parameter. The batch lies ready; drawing it is not timed.
"""

import json
import time

import torch
import torch.nn.functional as F
from torch import nn

STATES, ACTIONS = 16, 8
DISCOUNT, TAU, LEARNING_RATE = 0.99, 0.005, 3e-4
MEMBERS, FEATURES = 6, 10
STEPS, STEP_INPUTS, META, CONFIGURATIONS, BEHIND, CLIP = 20, 20, 16, 2916, 128, 10.0
# Hidden width, batch.
SIZES = [(64, 64), (64, 256), (256, 64), (256, 256)]
ENSEMBLE_SIZES = [(64, 32), (64, 100), (128, 32), (128, 100)]
CANDIDATES = [(64, 2000), (128, 2000)]
LSTM_SIZES = [(32, 32)]
# Short turns, so that some go undisturbed.
ROUNDS, SECONDS = 40, 0.005


class Network(nn.Module):
    """Two hidden layers with ReLU."""

    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.first = nn.Linear(inputs, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, outputs)

    def forward(self, *parts):
        h = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        h = F.relu(self.first(h))
        h = F.relu(self.second(h))
        return self.last(h)


def copy_of(network, *widths):
    copy = Network(*widths)
    copy.load_state_dict(network.state_dict())
    return copy


def adam(*networks):
    parameters = [parameter for network in networks for parameter in network.parameters()]
    return torch.optim.Adam(parameters, lr=LEARNING_RATE)


def descend(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def follow(target, online):
    for slow, fast in zip(target.parameters(), online.parameters()):
        slow.data.copy_(TAU * fast.data + (1 - TAU) * slow.data)


class Batch:
    def __init__(self, rows):
        self.states = torch.rand(rows, STATES) * 2 - 1
        self.next_states = torch.rand(rows, STATES) * 2 - 1
        self.actions = torch.rand(rows, ACTIONS) * 2 - 1
        self.choices = torch.randint(ACTIONS, (rows, 1))
        self.rewards = torch.rand(rows)
        self.dones = torch.zeros(rows)


def dqn(hidden, batch):
    """The target network is copied every 500 updates, which is too rare to be timed."""
    widths = (STATES, hidden, ACTIONS)
    online = Network(*widths)
    target = copy_of(online, *widths)
    optimizer = adam(online)

    def update():
        with torch.no_grad():
            best, _ = target(batch.next_states).max(dim=1)
            goal = batch.rewards + DISCOUNT * best * (1 - batch.dones)
        values = online(batch.states).gather(1, batch.choices).squeeze()
        descend(optimizer, F.mse_loss(goal, values))

    return update


def deterministic(hidden, batch, critics, delay, smoothing):
    """DDPG: one critic, no delay, no smoothing; TD3: two critics, an actor every second update."""
    actor_widths, critic_widths = (STATES, hidden, ACTIONS), (STATES + ACTIONS, hidden, 1)
    actor = Network(*actor_widths)
    actor_target = copy_of(actor, *actor_widths)
    online = [Network(*critic_widths) for _ in range(critics)]
    targets = [copy_of(critic, *critic_widths) for critic in online]
    actor_adam, critic_adam = adam(actor), adam(*online)
    updates = 0

    def update():
        nonlocal updates
        updates += 1
        with torch.no_grad():
            actions = torch.tanh(actor_target(batch.next_states))
            if smoothing:
                noise = (torch.randn_like(actions) * 0.2).clamp(-0.5, 0.5)
                actions = (actions + noise).clamp(-1, 1)
            nexts = [target(batch.next_states, actions) for target in targets]
            smallest = nexts[0] if critics == 1 else torch.min(*nexts)
            goal = batch.rewards + (1 - batch.dones) * DISCOUNT * smallest.view(-1)
        losses = [F.mse_loss(critic(batch.states, batch.actions).view(-1), goal) for critic in online]
        descend(critic_adam, sum(losses[1:], losses[0]))
        if updates % delay == 0:
            descend(actor_adam, -online[0](batch.states, torch.tanh(actor(batch.states))).mean())
            follow(actor_target, actor)
            for target, critic in zip(targets, online):
                follow(target, critic)

    return update


def ddpg(hidden, batch):
    return deterministic(hidden, batch, critics=1, delay=1, smoothing=False)


def td3(hidden, batch):
    return deterministic(hidden, batch, critics=2, delay=2, smoothing=True)


def sac(hidden, batch):
    """With a learned temperature; actor and targets move in every update, as in the paper."""
    critic_widths = (STATES + ACTIONS, hidden, 1)
    actor = Network(STATES, hidden, 2 * ACTIONS)
    online = [Network(*critic_widths) for _ in range(2)]
    targets = [copy_of(critic, *critic_widths) for critic in online]
    actor_adam, critic_adam = adam(actor), adam(*online)
    log_alpha = torch.zeros(1, requires_grad=True)
    alpha_adam = torch.optim.Adam([log_alpha], lr=LEARNING_RATE)

    def draw(states):
        mean, log_std = actor(states).chunk(2, dim=1)
        normal = torch.distributions.Normal(mean, log_std.clamp(-20, 2).exp())
        raw = normal.rsample()
        actions = torch.tanh(raw)
        log_prob = normal.log_prob(raw) - torch.log(1 - actions.pow(2) + 1e-6)
        return actions, log_prob.sum(1, keepdim=True)

    def update():
        alpha = log_alpha.exp().item()
        with torch.no_grad():
            actions, log_prob = draw(batch.next_states)
            smallest = torch.min(*[target(batch.next_states, actions) for target in targets])
            value = (smallest - alpha * log_prob).view(-1)
            goal = batch.rewards + (1 - batch.dones) * DISCOUNT * value
        losses = [F.mse_loss(critic(batch.states, batch.actions).view(-1), goal) for critic in online]
        descend(critic_adam, losses[0] + losses[1])
        actions, log_prob = draw(batch.states)
        smallest = torch.min(*[critic(batch.states, actions) for critic in online])
        descend(actor_adam, (alpha * log_prob - smallest).mean())
        descend(alpha_adam, (-log_alpha.exp() * (log_prob.detach() - ACTIONS)).mean())
        for target, critic in zip(targets, online):
            follow(target, critic)

    return update


class Critics(nn.Module):
    """Critics with tanh, side by side in three batched products."""

    def __init__(self, hidden):
        super().__init__()
        widths = [FEATURES, hidden, hidden, 1]
        self.weights = nn.ParameterList(
            torch.randn(MEMBERS, inputs, outputs) / inputs**0.5 for inputs, outputs in zip(widths, widths[1:])
        )
        self.biases = nn.ParameterList(torch.zeros(MEMBERS, 1, outputs) for outputs in widths[1:])

    def forward(self, x):
        h = x.expand(MEMBERS, -1, -1)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            h = torch.baddbmm(bias, h, weight)
            if layer < 2:
                h = torch.tanh(h)
        return h.squeeze(2)


def ensemble(hidden, rows):
    """One step of regression; every member sees its own 80 % of the rows."""
    critics = Critics(hidden)
    optimizer = adam(critics)
    x, targets = torch.rand(rows, FEATURES) * 2 - 1, torch.rand(rows) * 2 - 1
    seen = (torch.rand(MEMBERS, rows) > 0.2).float()

    def update():
        loss = (seen * (critics(x) - targets) ** 2).mean() * MEMBERS
        descend(optimizer, loss)

    return update


def candidates(hidden, rows):
    """Mean and spread of the values of all rows."""
    critics = Critics(hidden)
    x = torch.rand(rows, FEATURES) * 2 - 1

    def values():
        with torch.no_grad():
            q = critics(x)
            return q.mean(0), q.std(0)

    return values


class Recurrent(nn.Module):
    """`nn.LSTM`, whose steps on the CPU are one call, then a layer with tanh and an output an action."""

    def __init__(self, cells):
        super().__init__()
        self.start = nn.Linear(META, cells, bias=False)
        self.lstm = nn.LSTM(STEP_INPUTS, cells)
        self.hidden = nn.Linear(cells, BEHIND)
        self.last = nn.Linear(BEHIND, CONFIGURATIONS)

    def forward(self, meta, x):
        h = self.start(meta).unsqueeze(0)
        _, (h, _) = self.lstm(x, (h, torch.zeros_like(h)))
        return self.last(torch.tanh(self.hidden(h.squeeze(0))))


def lstm(cells, rows):
    """The update of DQN with histories of full length, steps first as the LSTM wants them; the gradient is clipped."""
    online, target = Recurrent(cells), Recurrent(cells)
    target.load_state_dict(online.state_dict())
    optimizer = adam(online)
    meta = torch.rand(rows, META) * 2 - 1
    states = torch.rand(STEPS, rows, STEP_INPUTS) * 2 - 1
    nexts = torch.rand(STEPS + 1, rows, STEP_INPUTS) * 2 - 1
    choices = torch.randint(CONFIGURATIONS, (rows, 1))
    rewards, dones = torch.rand(rows), torch.zeros(rows)

    def update():
        with torch.no_grad():
            best, _ = target(meta, nexts).max(dim=1)
            goal = rewards + DISCOUNT * best * (1 - dones)
        values = online(meta, states).gather(1, choices).squeeze()
        optimizer.zero_grad()
        F.mse_loss(goal, values).backward()
        nn.utils.clip_grad_norm_(online.parameters(), CLIP)
        optimizer.step()

    return update


def shortest(update):
    """The shortest time of one call in microseconds, over rounds of many calls."""
    for _ in range(20):
        update()
    start = time.perf_counter()
    for _ in range(10):
        update()
    calls = max(2, 2 * int(SECONDS / 2 / (time.perf_counter() - start) * 10))
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(calls):
            update()
        best = min(best, (time.perf_counter() - start) / calls)
    return 1e6 * best


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    times = {"torch": torch.__version__}
    for make in (dqn, ddpg, td3, sac):
        for hidden, rows in SIZES:
            times[f"{make.__name__}/{hidden}/{rows}"] = shortest(make(hidden, Batch(rows)))
    for make, sizes in ((ensemble, ENSEMBLE_SIZES), (candidates, CANDIDATES), (lstm, LSTM_SIZES)):
        for hidden, rows in sizes:
            times[f"{make.__name__}/{hidden}/{rows}"] = shortest(make(hidden, rows))
    print(json.dumps(times))


if __name__ == "__main__":
    main()
