"""A denoising diffusion model of small pictures: a U-Net that knows the time, averaged weights, and sampling."""

import copy
import math
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import einsum, nn

STEPS = 20
BETAS = torch.linspace(1e-4, 0.2, STEPS)
KEPT = torch.cumprod(1.0 - BETAS, dim=0)
KEPT_BEFORE = F.pad(KEPT[:-1], (1, 0), value=1.0)
VARIANCE = BETAS * (1.0 - KEPT_BEFORE) / (1.0 - KEPT)


def take(values, t, like):
    return values.gather(-1, t).reshape(len(t), *((1,) * (like.dim() - 1)))


class TimeEmbedding(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, 2 * width))

    def forward(self, t):
        half = self.width // 2
        rates = torch.exp(torch.arange(half, device=t.device) * (-math.log(10000) / (half - 1)))
        angles = t[:, None] * rates[None, :]
        return self.layers(torch.cat((angles.sin(), angles.cos()), dim=-1))


class Block(nn.Module):
    def __init__(self, inside, outside, *, time_width, groups=4):
        super().__init__()
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(time_width, 2 * outside))
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.norm1 = nn.GroupNorm(groups, outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, outside)
        self.skip = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x, time):
        scale, shift = self.time(time)[:, :, None, None].chunk(2, dim=1)
        h = F.silu(self.norm1(self.conv1(x)) * (scale + 1) + shift)
        return F.silu(self.norm2(self.conv2(h))) + self.skip(x)


class Attention(nn.Module):
    def __init__(self, width, heads=2, head_width=8):
        super().__init__()
        self.heads, self.scale = heads, head_width**-0.5
        self.norm = nn.GroupNorm(1, width)
        self.qkv = nn.Conv2d(width, 3 * heads * head_width, 1, bias=False)
        self.out = nn.Conv2d(heads * head_width, width, 1)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = map(lambda t: t.reshape(b, self.heads, -1, h * w), self.qkv(self.norm(x)).chunk(3, dim=1))
        scores = einsum("b h d i, b h d j -> b h i j", q * self.scale, k)
        weights = (scores - scores.amax(dim=-1, keepdim=True).detach()).softmax(dim=-1)
        mixed = einsum("b h i j, b h d j -> b h i d", weights, v)
        return x + self.out(mixed.permute(0, 1, 3, 2).reshape(b, -1, h, w))


class UNet(nn.Module):
    def __init__(self, width=8, multiples=(1, 2)):
        super().__init__()
        widths = [width, *(width * m for m in multiples)]
        block = partial(Block, time_width=2 * width)
        self.time = TimeEmbedding(width)
        self.start = nn.Conv2d(1, width, 1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for small, large in zip(widths[:-1], widths[1:]):
            smaller = nn.Conv2d(small, large, 4, 2, 1)
            self.down.append(nn.ModuleList([block(small, small), Attention(small), smaller]))
            larger = nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(large, small, 3, padding=1))
            self.up.insert(0, nn.ModuleList([larger, block(2 * small, small)]))
        self.middle = block(widths[-1], widths[-1])
        self.end = nn.Conv2d(width, 1, 1)

    def forward(self, x, t):
        time, x, seen = self.time(t), self.start(x), []
        for block, attention, smaller in self.down:
            x = attention(block(x, time))
            seen.append(x)
            x = smaller(x)
        x = self.middle(x, time)
        for larger, block in self.up:
            x = block(torch.cat((larger(x), seen.pop()), dim=1), time)
        return self.end(x)


@torch.no_grad()
def denoise(model, x, t, last):
    beta, kept = take(BETAS, t, x), take(KEPT, t, x)
    mean = (x - beta * model(x, t) / (1 - kept).sqrt()) / (1 - beta).sqrt()
    return mean if last else mean + take(VARIANCE, t, x).sqrt() * torch.randn_like(x)


def main(compile):
    torch.manual_seed(37)
    generator = np.random.RandomState(37)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images = np.full((32, 1, 8, 8), -1.0, dtype=np.float32)
    for i in range(len(images)):
        images[i, 0, i % 5 : i % 5 + 3, i % 4 : i % 4 + 4] = 1.0
    model = UNet().to(device)
    average = copy.deepcopy(model).eval().requires_grad_(False)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

    @compile
    def step(x, t):
        noise = torch.randn_like(x)
        noisy = take(KEPT, t, x).sqrt() * x + (1 - take(KEPT, t, x)).sqrt() * noise
        loss = F.smooth_l1_loss(model(noisy, t), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    sample = compile(partial(denoise, average))
    losses = []
    for _ in range(25):
        batch = torch.from_numpy(images[generator.permutation(32)[:16]]).to(device)
        losses.append(step(batch, torch.randint(0, STEPS, (len(batch),), device=device).long()).item())
        for mean, weight in zip(average.parameters(), model.parameters()):
            mean.data = mean.data * 0.8 + 0.2 * weight.data
    x, seen = torch.randn(2, 1, 8, 8), []
    for i in reversed(range(STEPS)):
        x = sample(x, torch.full((2,), i, dtype=torch.long), i == 0)
        seen.append(float(x.abs().mean().cpu().numpy()))
    return {"losses": losses, "results": {"seen": seen}}
