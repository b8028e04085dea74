"""Two networks against each other: points on a circle."""

import math

import torch
from torch import nn


def main(compile):
    torch.manual_seed(7)
    generator = nn.Sequential(nn.Linear(4, 32), nn.LeakyReLU(0.2), nn.Linear(32, 2))
    discriminator = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    g_optimizer = torch.optim.Adam(generator.parameters(), lr=4e-3, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=4e-3, betas=(0.5, 0.999))
    criterion = nn.BCEWithLogitsLoss()

    @compile
    def d_step(real, noise):
        d_optimizer.zero_grad()
        fake = generator(noise).detach()
        ones, zeros = torch.ones(real.size(0), 1), torch.zeros(real.size(0), 1)
        loss = criterion(discriminator(real), ones) + criterion(discriminator(fake), zeros)
        loss.backward()
        d_optimizer.step()
        return loss

    @compile
    def g_step(noise):
        g_optimizer.zero_grad()
        loss = criterion(discriminator(generator(noise)), torch.ones(noise.size(0), 1))
        loss.backward()
        g_optimizer.step()
        return loss

    losses, d_losses, g_losses = [], [], []
    for _ in range(150):
        angle = 2 * math.pi * torch.rand(64, 1)
        real = torch.cat([torch.cos(angle), torch.sin(angle)], dim=1)
        d_losses.append(d_step(real, torch.randn(64, 4)).item())
        g_losses.append(g_step(torch.randn(64, 4)).item())
        with torch.no_grad():
            radius = generator(torch.randn(64, 4)).norm(dim=1).mean()
        losses.append((radius - 1).abs().item())
    return {"losses": losses, "results": {"d_losses": d_losses[::10], "g_losses": g_losses[::10]}}
