"""A small network fitted to sin with Adam and a learning rate that falls."""

import math

import torch
from torch import nn


def main(compile):
    torch.manual_seed(3)
    x = torch.linspace(-math.pi, math.pi, 200).reshape(-1, 1)
    y = torch.sin(x)
    model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=50, gamma=0.5)

    @compile
    def step(x, y):
        loss = ((model(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    losses = []
    for _ in range(150):
        losses.append(step(x, y).item())
        scheduler.step()
    return {"losses": losses, "results": {"rate": scheduler.get_last_lr()}}
