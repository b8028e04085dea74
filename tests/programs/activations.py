"""What flows between layers, collected by forward hooks and plotted."""

import os
import tempfile

import matplotlib
import torch
from torch import nn

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main(compile):
    torch.manual_seed(29)
    model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
    activations = {}

    def remember(name):
        def hook(module, inputs, output):
            activations[name] = output.detach()

        return hook

    handles = [layer.register_forward_hook(remember(str(i))) for i, layer in enumerate(model)]
    x, y = torch.randn(128, 8), torch.randint(0, 2, (128,))
    model(x)
    figure, axes = plt.subplots(1, len(activations))
    for axis, (name, values) in zip(axes, activations.items()):
        axis.hist(values.flatten().numpy(), bins=20)
        axis.set_title(name)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "activations.png")
        figure.savefig(path)
        size = os.path.getsize(path)
    plt.close(figure)
    means = {name: values.mean().item() for name, values in activations.items()}
    for handle in handles:
        handle.remove()
    activations.clear()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    @compile
    def step(x, y):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(x, y).item() for _ in range(30)]
    return {"losses": losses, "results": {"plotted": size > 1000, "means": means, "removed": not activations}}
