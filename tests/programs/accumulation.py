"""Gradients of small batches added up are the gradient of the big batch."""

import torch
from torch import nn


def main(compile):
    torch.manual_seed(19)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    x, y = torch.randn(32, 6), torch.randint(0, 3, (32,))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)

    @compile
    def big(x, y):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        return loss

    @compile
    def small(x, y):
        optimizer.zero_grad()
        total = 0.0
        for part, labels in zip(x.chunk(4), y.chunk(4)):
            loss = loss_fn(model(part), labels) / 4
            loss.backward()
            total = total + loss.detach()
        return total

    @compile
    def add(x, y):
        loss = loss_fn(model(x), y) / 4
        loss.backward()
        return loss

    losses, apart = [], []
    for _ in range(20):
        losses.append(big(x, y).item())
        whole = [p.grad.clone() for p in model.parameters()]
        small(x, y)
        apart.append(max((p.grad - g).abs().max().item() for p, g in zip(model.parameters(), whole)))
        optimizer.zero_grad()
        for i in range(4):
            add(x[8 * i : 8 * i + 8], y[8 * i : 8 * i + 8])
        apart.append(max((p.grad - g).abs().max().item() for p, g in zip(model.parameters(), whole)))
        optimizer.step()
    return {"losses": losses, "results": {"equal": max(apart) < 1e-6}}
