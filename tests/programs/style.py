"""A picture in the style of another (Gatys et al. 2015): layers that keep their loss, and L-BFGS on the pixels."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim


def gram(features):
    b, c, h, w = features.size()
    flat = features.view(b * c, h * w)
    return torch.mm(flat, flat.t()).div(b * c * h * w)


class Normalize(nn.Module):
    def __init__(self, mean, std):
        super(Normalize, self).__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, x):
        return (x - self.mean) / self.std


class Watch(nn.Module):
    """Lets its input through, and remembers how far it is from a goal."""

    def __init__(self, goal, of=lambda x: x):
        super(Watch, self).__init__()
        self.of = of
        self.goal = of(goal).detach()
        self.loss = None

    def forward(self, x):
        self.loss = F.mse_loss(self.of(x), self.goal)
        return x


def watched(cnn, content, style, content_at=("conv2",), style_at=("conv1", "conv2", "conv3")):
    """The network up to the last layer that is watched; and the watching layers."""
    net = nn.Sequential(Normalize([0.5, 0.45, 0.4], [0.25, 0.22, 0.2]))
    contents, styles, count = [], [], 0
    for layer in cnn.children():
        if isinstance(layer, nn.Conv2d):
            count += 1
            name = "conv{}".format(count)
        elif isinstance(layer, nn.ReLU):
            name, layer = "relu{}".format(count), nn.ReLU(inplace=False)
        else:
            name = "pool{}".format(count)
        net.add_module(name, layer)
        if name in content_at:
            contents.append(Watch(net(content)))
            net.add_module("content{}".format(count), contents[-1])
        if name in style_at:
            styles.append(Watch(net(style), gram))
            net.add_module("style{}".format(count), styles[-1])
    last = max(i for i in range(len(net)) if isinstance(net[i], Watch))
    return net[: last + 1], contents, styles


def main(compile):
    torch.manual_seed(41)
    cnn = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2, 2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(inplace=True),
    ).eval()
    content, style = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    net, contents, styles = watched(cnn, content, style)
    net.eval()
    net.requires_grad_(False)
    image = content.clone().requires_grad_(True)
    optimizer = optim.LBFGS([image], lr=0.5)

    @compile
    def evaluate():
        optimizer.zero_grad()
        net(image)
        style_loss, content_loss = 0, 0
        for layer in styles:
            style_loss += layer.loss
        for layer in contents:
            content_loss += layer.loss
        loss = 1000 * style_loss + content_loss
        loss.backward()
        return loss

    losses, kept = [], []

    def closure():
        with torch.no_grad():
            image.clamp_(0, 1)
        loss = evaluate()
        losses.append(loss.item())
        kept.append(sum(layer.loss.item() for layer in styles))
        return loss

    while len(losses) < 15:
        optimizer.step(closure)
    with torch.no_grad():
        image.clamp_(0, 1)
    names = [name for name, _ in net.named_children()]
    return {"losses": losses[:15], "results": {"styles": kept[:15], "names": names}}
