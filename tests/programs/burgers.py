"""A network that obeys a differential equation: derivatives of outputs by inputs, Adam, then L-BFGS with a closure."""

import math

import numpy as np
import torch
import torch.nn as nn


class Network(torch.nn.Module):
    def __init__(self, sizes):
        super(Network, self).__init__()
        layers = []
        for a, b in zip(sizes[:-1], sizes[1:]):
            layers.extend([nn.Linear(a, b), nn.Tanh()])
        self.layers = nn.Sequential(*layers[:-1])
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight.data)
                nn.init.zeros_(module.bias.data)

    def forward(self, x, t):
        return self.layers(torch.cat([x, t], dim=1))


class Burgers:
    """u_t + a u u_x = nu u_xx on [-1, 1] with a unknown, from a wave at t = 0."""

    def __init__(self, compile):
        rng = np.random.RandomState(1234)
        x = np.linspace(-1, 1, 20)[:, None]
        inside = rng.uniform(size=(60, 2)) * [2.0, 1.0] - [1.0, 0.0]
        # Made double first: what is trained on is no leaf.
        self.x = torch.tensor(x, requires_grad=True).float()
        self.t = torch.zeros_like(self.x)
        self.u = torch.from_numpy(-np.sin(math.pi * x)).float()
        self.x_f = torch.tensor(inside[:, 0:1], requires_grad=True).float()
        self.t_f = torch.tensor(inside[:, 1:2], requires_grad=True).float()
        self.net = Network([2, 16, 16, 1])
        self.speed = nn.Parameter(torch.tensor([0.5]))
        self.net.register_parameter("speed", self.speed)
        self.adam = torch.optim.Adam(self.net.parameters(), lr=5e-3)
        self.lbfgs = torch.optim.LBFGS(self.net.parameters(), max_iter=8, line_search_fn="strong_wolfe")
        self.adam_step = compile(self._adam_step)
        self.closure = compile(self._closure)
        self.evaluations = 0

    def residual(self, x, t):
        u = self.net(x, t)
        ones = torch.ones_like(u)
        u_t = torch.autograd.grad(u, t, grad_outputs=ones, retain_graph=True, create_graph=True)[0]
        u_x = torch.autograd.grad(u, x, grad_outputs=ones, retain_graph=True, create_graph=True)[0]
        u_xx = torch.autograd.grad(u_x, x, grad_outputs=ones, retain_graph=True, create_graph=True)[0]
        return u_t + self.speed * u * u_x - (0.01 / math.pi) * u_xx

    def loss(self):
        start = torch.mean((self.u - self.net(self.x, self.t)) ** 2)
        return start + torch.mean(self.residual(self.x_f, self.t_f) ** 2)

    def _adam_step(self):
        self.adam.zero_grad()
        loss = self.loss()
        loss.backward()
        self.adam.step()
        return loss.detach()

    def _closure(self):
        self.lbfgs.zero_grad()
        loss = self.loss()
        loss.backward()
        return loss

    def counted(self):
        self.evaluations += 1
        return self.closure()


def main(compile):
    torch.manual_seed(1234)
    model = Burgers(compile)
    losses = [model.adam_step().item() for _ in range(40)]
    before = losses[-1]
    model.lbfgs.step(model.counted)
    after = model.loss().item()
    model.net.eval()
    u = model.net(torch.tensor([[0.5]]), torch.tensor([[0.0]])).detach().cpu().numpy()
    return {
        "losses": losses,
        "results": {"speed": model.speed.item() > 0.4, "searched": after < before, "evaluated": model.evaluations > 8},
        "shape": u.shape,
    }
