"""Handwritten digits at 28 x 28, a DataLoader, cross entropy, and a model that is saved and loaded again."""

import os
import tempfile

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.layers = nn.Sequential(
            nn.Linear(28 * 28, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
        )

    def forward(self, x):
        return self.layers(self.flatten(x))


def data():
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    images = F.interpolate(images, size=(28, 28), mode="bilinear", align_corners=False)
    labels = torch.tensor(digits.target, dtype=torch.int64)
    held_out = torch.arange(len(labels)) % 7 == 0
    return TensorDataset(images[~held_out], labels[~held_out]), TensorDataset(images[held_out], labels[held_out])


def accuracy(model, loader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for images, labels in loader:
            correct += (model(images).argmax(1) == labels).type(torch.float).sum().item()
    return correct / len(loader.dataset)


def main(compile):
    torch.manual_seed(0)
    training, held_out = data()
    loader = DataLoader(training, batch_size=64, shuffle=True)
    test_loader = DataLoader(held_out, batch_size=128)
    model = Net()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

    @compile
    def step(images, labels):
        optimizer.zero_grad()
        loss = loss_fn(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    losses = []
    for _ in range(4):
        model.train()
        for images, labels in loader:
            losses.append(step(images, labels).item())
    reached = accuracy(model, test_loader)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.pth")
        torch.save(model.state_dict(), path)
        again = Net()
        again.load_state_dict(torch.load(path, weights_only=True))
    return {"losses": losses, "results": {"loaded": accuracy(again, test_loader) == reached, "good": reached > 0.85}}
