"""A vision transformer that keeps its attention maps teaches an MLP-Mixer; accumulation, warm-up, early stopping."""

import math
from functools import partial
from types import SimpleNamespace

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset, random_split


class Patches(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        b, c, h, w = x.shape
        x = x.reshape(b, c, h // self.size, self.size, w // self.size, self.size)
        return x.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


class Attention(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, width)
        self.map = None

    def forward(self, x):
        b, n, width = x.shape
        q, k, v = (t.view(b, n, self.heads, -1).permute(0, 2, 1, 3) for t in self.qkv(self.norm(x)).chunk(3, dim=-1))
        weights = (torch.einsum("bhid,bhjd->bhij", q, k) * self.scale).softmax(dim=-1)
        self.map = weights.detach()
        mixed = torch.einsum("bhij,bhjd->bhid", self.dropout(weights), v)
        return self.out(mixed.transpose(1, 2).reshape(b, n, width))


def feed_forward(width, hidden, dropout=0.0, dense=nn.Linear):
    return nn.Sequential(dense(width, hidden), nn.GELU(), nn.Dropout(dropout), dense(hidden, width))


class Residual(nn.Module):
    def __init__(self, width, fn):
        super().__init__()
        self.norm, self.fn = nn.LayerNorm(width), fn

    def forward(self, x):
        return self.fn(self.norm(x)) + x


class ViT(nn.Module):
    def __init__(self, *, image, patch, classes, width=16, depth=2, heads=2, dropout=0.1):
        super().__init__()
        self.embed = nn.Sequential(Patches(patch), nn.Linear(3 * patch**2, width))
        self.positions = nn.Parameter(torch.randn(1, (image // patch) ** 2 + 1, width))
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.layers = nn.ModuleList([])
        for _ in range(depth):
            feed = Residual(width, feed_forward(width, 2 * width, dropout))
            self.layers.append(nn.ModuleList([Attention(width, heads, dropout), feed]))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))

    def forward(self, x):
        x = self.embed(x)
        x = torch.cat((self.token.expand(x.size(0), -1, -1), x), dim=1)
        x += self.positions[:, : x.size(1)]
        for attention, feed in self.layers:
            x = feed(attention(x) + x)
        return self.head(x[:, 0])


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(1)


def mixer(*, image, patch, classes, width=16, depth=2):
    along = partial(nn.Conv1d, kernel_size=1)
    count = (image // patch) ** 2
    blocks = [
        nn.Sequential(
            Residual(width, feed_forward(count, 2 * count, dense=along)), Residual(width, feed_forward(width, 8))
        )
        for _ in range(depth)
    ]
    ends = [nn.LayerNorm(width), Mean(), nn.Linear(width, classes)]
    return nn.Sequential(Patches(patch), nn.Linear(3 * patch**2, width), *blocks, *ends)


class EarlyStopping:
    def __init__(self, patience):
        self.patience, self.waited, self.best, self.state = patience, 0, math.inf, {}

    def __call__(self, loss, model):
        if loss < self.best:
            self.best, self.waited = loss, 0
            self.state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        else:
            self.waited += 1
        return self.waited >= self.patience


def warm_up(optimizer, warm, total):
    def rate(step):
        if step < warm:
            return (step + 1) / warm
        return max(0.0, 0.5 * (1.0 + math.cos(math.pi * (step - warm) / (total - warm))))

    return LambdaLR(optimizer, rate)


def main(compile):
    torch.manual_seed(43)
    labels = torch.randint(0, 4, (80,))
    images = torch.randn(80, 3, 8, 8) * 0.5
    for image, label in zip(images, labels.tolist()):
        row, column = divmod(label, 2)
        image[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 1.0
    parts = random_split(TensorDataset(images, labels), [64, 16], generator=torch.Generator().manual_seed(0))
    loader = DataLoader(parts[0], batch_size=16, shuffle=True, drop_last=True)
    held_out = next(iter(DataLoader(parts[1], batch_size=16)))
    teacher = ViT(image=8, patch=4, classes=4)
    student = mixer(image=8, patch=4, classes=4)
    optimizer = torch.optim.AdamW(teacher.parameters(), lr=1e-2, weight_decay=0.05)
    scheduler = warm_up(optimizer, 4, 40)

    @compile
    def accumulate(x, y):
        loss = F.cross_entropy(teacher(x), y) / 2
        loss.backward()
        return loss.detach()

    @compile
    def update():
        torch.nn.utils.clip_grad_norm_(teacher.parameters(), max_norm=1.0)
        optimizer.step()
        optimizer.zero_grad()

    @compile
    @torch.no_grad()
    def evaluate(model, x, y):
        out = model(x)
        return F.cross_entropy(out, y), (out.argmax(-1) == y).float().mean()

    losses, held, stop = [], [], EarlyStopping(patience=3)
    for _ in range(6):
        teacher.train()
        running = 0.0
        for i, (x, y) in enumerate(loader):
            running += 2 * accumulate(x, y).item()
            if (i + 1) % 2 == 0:
                update()
                scheduler.step()
        losses.append(running / len(loader))
        teacher.eval()
        held.append([value.item() for value in evaluate(teacher, *held_out)])
        if stop(held[-1][0], teacher):
            break
    maps = [attention.map.cpu().numpy().mean(axis=(0, 2)).tolist() for attention, _ in teacher.layers]
    teacher.load_state_dict(stop.state)
    for p in teacher.parameters():
        p.requires_grad = False
    options = SimpleNamespace(share=0.9, temperature=4.0)
    student_optimizer = torch.optim.SGD(student.parameters(), lr=0.1, momentum=0.9)

    @compile
    def distill(x, y):
        student_optimizer.zero_grad()
        with torch.no_grad():
            goal = F.softmax(teacher(x) / options.temperature, dim=1)
        out = student(x)
        soft = nn.KLDivLoss(reduction="batchmean")(F.log_softmax(out / options.temperature, dim=1), goal)
        loss = options.share * options.temperature**2 * soft + (1.0 - options.share) * F.cross_entropy(out, y)
        loss.backward()
        student_optimizer.step()
        return loss

    taught = [distill(x, y).item() for _ in range(4) for x, y in loader]
    return {
        "losses": losses,
        "results": {"held": held, "maps": maps, "taught": taught, "rate": scheduler.get_last_lr()},
    }
