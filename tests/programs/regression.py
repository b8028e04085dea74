"""A network 1 -> 10 -> 1 fitted to noisy points with MSELoss and SGD, 1,000 steps."""

import torch
from torch import nn, optim


def main(compile):
    torch.manual_seed(1)
    x = torch.linspace(-1, 1, 64).unsqueeze(1)
    y = x.pow(2) + 0.1 * torch.randn(64, 1)
    model = nn.Sequential(nn.Linear(1, 10), nn.Tanh(), nn.Linear(10, 1))
    loss_fn = nn.MSELoss()
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @compile
    def step(x, y):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(x, y).item() for _ in range(1000)]
    with torch.no_grad():
        middle = model(torch.zeros(1, 1)).item()
    return {"losses": losses[::10], "results": {"middle": middle}}
