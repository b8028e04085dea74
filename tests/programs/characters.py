"""An LSTM that learns a text letter by letter and writes some of its own."""

import torch
import torch.nn as nn
import torch.nn.functional as F

TEXT = (
    "the quick brown fox jumps over the lazy dog and runs into the dark wood where the old owl lives. "
    "the owl asks the fox who it is and the fox says that it is only a fox that jumps over dogs. "
) * 4


class CharModel(nn.Module):
    def __init__(self, letters, hidden=64):
        super().__init__()
        self.embed = nn.Embedding(letters, 24)
        self.lstm = nn.LSTM(24, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, letters)

    def forward(self, x, state=None):
        out, state = self.lstm(self.embed(x), state)
        return self.head(out), state


def main(compile):
    torch.manual_seed(5)
    letters = sorted(set(TEXT))
    index = {letter: i for i, letter in enumerate(letters)}
    codes = torch.tensor([index[letter] for letter in TEXT])
    model = CharModel(len(letters))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

    @compile
    def step(x, y):
        optimizer.zero_grad()
        logits, _ = model(x)
        loss = F.cross_entropy(logits.reshape(-1, len(letters)), y.reshape(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    losses = []
    for _ in range(60):
        starts = torch.randint(0, len(codes) - 33, (16,))
        chunk = torch.stack([codes[s : s + 33] for s in starts.tolist()])
        losses.append(step(chunk[:, :-1], chunk[:, 1:]).item())

    model.eval()
    written, state = [index["t"]], None
    with torch.no_grad():
        for _ in range(40):
            logits, state = model(torch.tensor([[written[-1]]]), state)
            odds = F.softmax(logits[0, -1] / 0.5, dim=-1)
            written.append(torch.multinomial(odds, 1).item())
    text = "".join(letters[i] for i in written)
    return {"losses": losses, "results": {"length": len(text), "letters": set(text) <= set(letters)}}
