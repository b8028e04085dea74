"""A trainer class: batches and outputs as dicts and data classes, accumulation, an average of the weights, checkpoints,
and an optimiser, a schedule and derivatives of the user's own."""

import copy
import io
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import Optional, Tuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


@dataclass
class Output:
    loss: Optional[Tensor] = None
    logits: Tensor = None
    hidden: Optional[Tuple[Tensor, ...]] = None


class ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.neg() * ctx.alpha, None


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return input.sign()

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[input.abs() > 1] = 0
        return grad_input


class Momentum(Optimizer):
    def __init__(self, params, lr=0.1, momentum=0.9):
        if lr < 0.0:
            raise ValueError("Invalid learning rate: {}".format(lr))
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["momentum_buffer"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                buffer = state["momentum_buffer"]
                buffer.mul_(group["momentum"]).add_(p.grad)
                p.add_(buffer, alpha=-group["lr"])
        return loss


class Warmup(LRScheduler):
    def __init__(self, optimizer, warmup, last_epoch=-1):
        self.warmup = warmup
        super(Warmup, self).__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base * min(1.0, (self.last_epoch + 1) / self.warmup) for base in self.base_lrs]


class Average:
    def __init__(self, model, decay=0.9):
        self.model = copy.deepcopy(model).eval()
        self.decay = decay
        for p in self.model.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, model):
        current = model.state_dict()
        for key, value in self.model.state_dict().items():
            if value.dtype.is_floating_point:
                value *= self.decay
                value += (1.0 - self.decay) * current[key].detach()


class Model(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        first = nn.Linear(width, 16, bias=False)
        self.feature = nn.Sequential(OrderedDict([("fc", first), ("bn", nn.BatchNorm1d(16)), ("relu", nn.ReLU(True))]))
        self.classes = nn.Sequential()
        self.classes.add_module("fc", nn.Linear(16, 3))
        self.classes.add_module("softmax", nn.LogSoftmax(dim=1))
        self.domain = nn.Sequential(nn.Linear(16, 2), nn.LogSoftmax(dim=1))
        self.code = nn.Linear(16, 4)

    def forward(self, x, alpha=0.1, labels=None, return_dict=True, output_hidden=False):
        feature = self.feature(x).view(-1, 16)
        reversed_ = ReverseGradient.apply(feature, alpha)
        logits, domain = self.classes(feature), self.domain(reversed_)
        self.bits = Sign.apply(self.code(feature))
        loss = None
        if labels is not None:
            loss = F.nll_loss(logits, labels) + 0.1 * F.nll_loss(domain, torch.zeros_like(labels))
            loss += 0.05 * (self.bits.mean(0) ** 2).sum()
        if not return_dict:
            return tuple(v for v in (loss, logits) if v is not None)
        return Output(loss=loss, logits=logits, hidden=(feature, reversed_) if output_hidden else None)


class Trainer:
    def __init__(self, model, optimizer, scheduler, device, compile, accumulate=1):
        self.model = model.to(device)
        self.optimizer, self.scheduler, self.device, self.accumulate = optimizer, scheduler, device, accumulate
        self.average = Average(model)
        self.history = defaultdict(list)
        self.best = float("inf")
        self.global_step = 0
        self.forward_backward = compile(self._forward_backward)
        self.apply = compile(self._apply)
        self.evaluate = compile(self._evaluate)

    def _forward_backward(self, batch, alpha: float = 0.1):
        out = self.model(batch["x"], alpha=alpha, labels=batch["y"], output_hidden=True)
        loss = out.loss / self.accumulate
        loss.backward()
        correct = (out.logits.argmax(dim=-1) == batch["y"]).sum()
        return {"loss": loss.detach() * self.accumulate, "correct": correct, "norm": out.hidden[0].norm()}

    def _apply(self):
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    @torch.no_grad()
    def _evaluate(self, batch):
        loss, logits = self.model(batch["x"], labels=batch["y"], return_dict=False)
        return {"loss": loss, "accuracy": (logits.argmax(1) == batch["y"]).float().mean()}

    def fit(self, loader, held_out, epochs):
        for _ in range(epochs):
            self.model.train()
            for i, batch in enumerate(loader):
                batch = {k: v.to(self.device, non_blocking=True) for k, v in batch.items()}
                metrics = self.forward_backward(batch, alpha=0.1)
                if (i + 1) % self.accumulate == 0:
                    self.history["norm"].append(self.apply().item())
                    self.scheduler.step()
                    self.average.update(self.model)
                self.global_step += 1
                self.history["loss"].append(metrics["loss"].item())
            self.model.eval()
            out = self.evaluate(held_out)
            self.history["held_out"].append(out["loss"].item())
            if out["loss"] < self.best:
                self.best = out["loss"].item()
                self.save()

    def save(self):
        self.file = io.BytesIO()
        parts = {"model": self.model, "optimizer": self.optimizer, "scheduler": self.scheduler}
        torch.save({"step": self.global_step, **{k: v.state_dict() for k, v in parts.items()}}, self.file)

    def load(self):
        self.file.seek(0)
        checkpoint = torch.load(self.file, map_location=self.device)
        self.model.load_state_dict(checkpoint["model"], strict=True)
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        self.scheduler.load_state_dict(checkpoint["scheduler"])
        return checkpoint["step"]


class Points(torch.utils.data.Dataset):
    def __init__(self, n, seed=0):
        generator = torch.Generator()
        generator.manual_seed(seed)
        self.x = torch.randn(n, 8, generator=generator)
        self.y = (self.x[:, 0] + self.x[:, 1] > 0).long() + (self.x[:, 2] > 0.5).long()

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return {"x": self.x[i], "y": self.y[i]}


def main(compile):
    torch.manual_seed(3)
    device = torch.device("cpu")
    model = Model()
    rest = [p for n, p in model.named_parameters() if not n.startswith("feature")]
    optimizer = Momentum([{"params": model.feature.parameters(), "lr": 0.1}, {"params": rest}], lr=0.05)
    trainer = Trainer(model, optimizer, Warmup(optimizer, 6), device, compile, accumulate=2)
    loader = torch.utils.data.DataLoader(Points(96), batch_size=16, shuffle=True)
    held_out = next(iter(torch.utils.data.DataLoader(Points(32, 1), batch_size=32)))
    trainer.fit(loader, held_out, 8)
    step = trainer.load()
    history = dict(trainer.history)
    averaged = trainer.average.model(held_out["x"], labels=held_out["y"])
    return {
        "losses": history.pop("loss"),
        "results": {**history, "step": step, "rate": trainer.scheduler.get_last_lr(), "averaged": averaged.loss.item()},
        "bits": model.bits.abs().sum().item(),
    }
