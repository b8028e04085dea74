"""One data set, two loaders: SubsetRandomSampler parts training from validation."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.sampler import SubsetRandomSampler


def main(compile):
    torch.manual_seed(23)
    digits = load_digits()
    dataset = TensorDataset(
        torch.from_numpy((digits.data / 16).astype(np.float32)), torch.from_numpy(digits.target).long()
    )
    indices = np.random.RandomState(0).permutation(len(dataset))
    train_loader = DataLoader(dataset, batch_size=64, sampler=SubsetRandomSampler(indices[360:]), drop_last=True)
    valid_loader = DataLoader(dataset, batch_size=64, sampler=SubsetRandomSampler(indices[:360]))
    model = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 10))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3)
    criterion = nn.NLLLoss()

    @compile
    def step(x, y):
        optimizer.zero_grad()
        loss = criterion(torch.log_softmax(model(x), dim=1), y)
        loss.backward()
        optimizer.step()
        return loss

    losses = []
    for _ in range(3):
        model.train()
        losses += [step(x, y).item() for x, y in train_loader]
    model.eval()
    seen, correct = 0, 0
    for x, y in valid_loader:
        with torch.no_grad():
            correct += int((model(x).argmax(dim=1) == y).sum())
        seen += len(y)
    return {"losses": losses, "results": {"seen": seen, "good": correct / seen > 0.85}}
