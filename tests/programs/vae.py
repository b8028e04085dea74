"""A variational autoencoder of handwritten digits."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(64, 48)
        self.mean = nn.Linear(48, 8)
        self.log_variance = nn.Linear(48, 8)
        self.decode = nn.Sequential(nn.Linear(8, 48), nn.ReLU(), nn.Linear(48, 64), nn.Sigmoid())

    def reparameterize(self, mean, log_variance):
        std = torch.exp(0.5 * log_variance)
        return mean + torch.randn_like(std) * std

    def forward(self, x):
        hidden = F.relu(self.encode(x))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        return self.decode(self.reparameterize(mean, log_variance)), mean, log_variance


def loss_function(rebuilt, x, mean, log_variance):
    bce = F.binary_cross_entropy(rebuilt, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    return (bce + kld) / x.size(0)


def main(compile):
    torch.manual_seed(11)
    images = torch.tensor(load_digits().data, dtype=torch.float32) / 16
    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

    @compile
    def step(x):
        optimizer.zero_grad()
        rebuilt, mean, log_variance = model(x)
        loss = loss_function(rebuilt, x, mean, log_variance)
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(batch).item() for _ in range(4) for batch in images.split(128)[:-1]]
    with torch.no_grad():
        sample = model.decode(torch.randn(4, 8))
    return {
        "losses": losses,
        "results": {"shape": tuple(sample.shape), "inside": bool(((0 <= sample) & (sample <= 1)).all())},
    }
