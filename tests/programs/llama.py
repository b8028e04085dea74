"""A decoder with rotary positions, grouped heads and a cache of keys and values, which samples from the likeliest."""

import torch
import torch.nn as nn
import torch.nn.functional as F


def rotations(width, length, theta=10000.0):
    frequencies = 1.0 / (theta ** (torch.arange(0, width, 2)[: (width // 2)].float() / width))
    angles = torch.outer(torch.arange(length, device=frequencies.device), frequencies).float()
    return torch.cos(angles), torch.sin(angles)


def rotated(x, cos, sin):
    even, odd = x.float().reshape(*x.shape[:-1], -1, 2).unbind(-1)
    cos, sin = cos.view(1, 1, *cos.shape), sin.view(1, 1, *sin.shape)
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1).flatten(3).type_as(x)


def repeat_kv(x, times):
    b, heads, length, width = x.shape
    if times == 1:
        return x
    return x[:, :, None, :, :].expand(b, heads, times, length, width).reshape(b, heads * times, length, width)


class RMSNorm(nn.Module):
    def __init__(self, dim: int, eps: float = 1e-6):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)).type_as(x) * self.weight


class Attention(nn.Module):
    def __init__(self, dim, heads, kv_heads, length, batch):
        super().__init__()
        self.heads, self.kv_heads, self.width = heads, kv_heads, dim // heads
        self.wq = nn.Linear(dim, heads * self.width, bias=False)
        self.wk = nn.Linear(dim, kv_heads * self.width, bias=False)
        self.wv = nn.Linear(dim, kv_heads * self.width, bias=False)
        self.wo = nn.Linear(heads * self.width, dim, bias=False)
        self.register_buffer("cache_k", torch.zeros(batch, kv_heads, length, self.width), persistent=False)
        self.register_buffer("cache_v", torch.zeros(batch, kv_heads, length, self.width), persistent=False)

    def forward(self, x, cos, sin, mask, start=None):
        B, T, _ = x.shape
        q, k, v = self.wq(x), self.wk(x), self.wv(x)
        q = q.view(B, T, self.heads, self.width).transpose(1, 2)
        k = k.view(B, T, self.kv_heads, self.width).transpose(1, 2)
        v = v.view(B, T, self.kv_heads, self.width).transpose(1, 2)
        q, k = rotated(q, cos, sin), rotated(k, cos, sin)
        if start is not None:
            self.cache_k[:B, :, start : start + T] = k
            self.cache_v[:B, :, start : start + T] = v
            k, v = self.cache_k[:B, :, : start + T], self.cache_v[:B, :, : start + T]
        k, v = repeat_kv(k, self.heads // self.kv_heads), repeat_kv(v, self.heads // self.kv_heads)
        scores = torch.matmul(q, k.transpose(2, 3)) / self.width**0.5
        if mask is not None:
            scores = scores + mask
        out = torch.matmul(F.softmax(scores.float(), dim=-1).type_as(q), v)
        return self.wo(out.transpose(1, 2).contiguous().view(B, T, -1))


class FeedForward(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.w1 = nn.Linear(dim, hidden, bias=False)
        self.w2 = nn.Linear(hidden, dim, bias=False)
        self.w3 = nn.Linear(dim, hidden, bias=False)

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class Llama(nn.Module):
    def __init__(self, vocabulary=16, dim=32, layers=2, heads=4, kv_heads=2, length=24):
        super().__init__()
        self.tok_embeddings = nn.Embedding(vocabulary, dim)
        self.layers = nn.ModuleList()
        for _ in range(layers):
            parts = {"attention": Attention(dim, heads, kv_heads, length, 4), "feed_forward": FeedForward(dim, 64)}
            norms = {"attention_norm": RMSNorm(dim), "ffn_norm": RMSNorm(dim)}
            self.layers.append(nn.ModuleDict({**parts, **norms}))
        self.norm = RMSNorm(dim)
        self.output = nn.Linear(dim, vocabulary, bias=False)
        self.output.weight = self.tok_embeddings.weight
        cos, sin = rotations(dim // heads, length)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, tokens, start=None):
        T = tokens.size(1)
        first = start or 0
        h = self.tok_embeddings(tokens)
        cos, sin = self.cos[first : first + T], self.sin[first : first + T]
        mask = None
        if T > 1:
            mask = torch.triu(torch.full((T, T), float("-inf"), device=tokens.device), diagonal=1)
            mask = torch.hstack([torch.zeros((T, first), device=tokens.device), mask]).type_as(h)
        for layer in self.layers:
            h = h + layer["attention"](layer["attention_norm"](h), cos, sin, mask, start)
            h = h + layer["feed_forward"](layer["ffn_norm"](h))
        return self.output(self.norm(h)).float()


def sample_top_p(probs, p):
    probs_sort, probs_idx = torch.sort(probs, dim=-1, descending=True)
    probs_sum = torch.cumsum(probs_sort, dim=-1)
    probs_sort[probs_sum - probs_sort > p] = 0.0
    probs_sort.div_(probs_sort.sum(dim=-1, keepdim=True))
    return torch.gather(probs_idx, -1, torch.multinomial(probs_sort, num_samples=1))


def main(compile):
    torch.manual_seed(1)
    model = Llama()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, betas=(0.9, 0.95), weight_decay=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=60, pct_start=0.2)

    @compile
    def train(x, y):
        logits = model(x)
        loss = F.cross_entropy(logits.reshape(-1, logits.size(-1)), y.reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    @compile
    @torch.no_grad()
    def forward(tokens, start):
        return model(tokens, start)

    @compile
    @torch.inference_mode()
    def pick(logits):
        return sample_top_p(torch.softmax(logits[:, -1] / 0.8, dim=-1), 0.9)

    losses = []
    for _ in range(60):
        sequence = (torch.randint(0, 16, (8, 1)) + torch.randint(1, 4, (8, 1)) * torch.arange(13)) % 16
        losses.append(train(sequence[:, :-1], sequence[:, 1:]).item())
        scheduler.step()
    model.eval()
    tokens = torch.full((2, 8), -1, dtype=torch.long)
    for row, prompt in enumerate([[0, 2, 4, 6, 8], [1, 4, 7, 10, 13]]):
        tokens[row, : len(prompt)] = torch.tensor(prompt, dtype=torch.long)
    before = 0
    for now in range(5, 8):
        logits = forward(tokens[:, before:now], before)
        tokens[:, now] = pick(logits).reshape(-1)
        before = now
    apart = (model(tokens[:, :7])[:, -1] - logits[:, -1]).abs().max().item()
    return {"losses": losses, "results": {"tokens": tokens.tolist(), "cached": apart < 1e-4}}
