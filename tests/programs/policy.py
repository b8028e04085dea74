"""Proximal policy optimisation: a Gaussian policy that learns to steer points to the origin."""

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from torch.distributions.normal import Normal
from torch.utils.data.sampler import BatchSampler, SubsetRandomSampler


class Envs:
    def __init__(self, n):
        self.n = n
        self.rng = np.random.default_rng(0)

    def observation(self):
        return np.concatenate([self.x, self.v], 1)

    def reset(self):
        self.x, self.v = self.rng.normal(size=(self.n, 2)), np.zeros((self.n, 2))
        self.t = np.zeros(self.n)
        return self.observation()

    def step(self, action):
        self.v = 0.9 * self.v + 0.1 * np.clip(action, -1, 1)
        self.x = self.x + self.v
        self.t += 1
        reward = -np.square(self.x).sum(1)
        done = self.t >= 12
        for i in np.where(done)[0]:
            self.x[i], self.v[i], self.t[i] = self.rng.normal(size=2), 0, 0
        return self.observation(), reward, done, {}


def layer_init(layer, std=np.sqrt(2), bias_const=0.0):
    torch.nn.init.orthogonal_(layer.weight, std)
    torch.nn.init.constant_(layer.bias, bias_const)
    return layer


class Agent(nn.Module):
    def __init__(self, obs, act):
        super().__init__()
        self.critic = nn.Sequential(
            layer_init(nn.Linear(obs, 32)),
            nn.Tanh(),
            layer_init(nn.Linear(32, 32)),
            nn.Tanh(),
            layer_init(nn.Linear(32, 1), 1.0),
        )
        self.actor_mean = nn.Sequential(
            layer_init(nn.Linear(obs, 32)), nn.Tanh(), layer_init(nn.Linear(32, act), std=0.01)
        )
        self.actor_logstd = nn.Parameter(torch.zeros(1, act))

    def get_value(self, x):
        return self.critic(x)

    def get_action_and_value(self, x, action=None):
        action_mean = self.actor_mean(x)
        probs = Normal(action_mean, torch.exp(self.actor_logstd.expand_as(action_mean)))
        if action is None:
            action = probs.sample()
        return action, probs.log_prob(action).sum(1), probs.entropy().sum(1), self.critic(x)


def main(compile, N=8, T=16):
    torch.manual_seed(1)
    np.random.seed(1)
    torch.backends.cudnn.deterministic = True
    device = torch.device("cpu")
    envs, agent = Envs(N), Agent(4, 2).to(device)
    optimizer = optim.Adam(agent.parameters(), lr=1e-2, eps=1e-5)
    obs, actions = torch.zeros(T, N, 4).to(device), torch.zeros(T, N, 2).to(device)
    logprobs, rewards, dones, values = (torch.zeros((T, N)).to(device) for _ in range(4))
    policy = compile(agent.get_action_and_value)

    @compile
    def advantages_of(rewards, values, dones, next_value, next_done, gamma=0.99, lam=0.95):
        advantages = torch.zeros_like(rewards).to(device)
        lastgaelam = 0
        for t in reversed(range(T)):
            if t == T - 1:
                nextnonterminal, nextvalues = 1.0 - next_done, next_value
            else:
                nextnonterminal, nextvalues = 1.0 - dones[t + 1], values[t + 1]
            delta = rewards[t] + gamma * nextvalues * nextnonterminal - values[t]
            advantages[t] = lastgaelam = delta + gamma * lam * nextnonterminal * lastgaelam
        return advantages, advantages + values

    @compile
    def update(b_obs, b_actions, b_logprobs, b_advantages, b_returns, b_values):
        _, newlogprob, entropy, newvalue = agent.get_action_and_value(b_obs, b_actions)
        logratio = newlogprob - b_logprobs
        ratio = logratio.exp()
        with torch.no_grad():
            approx_kl = ((ratio - 1) - logratio).mean()
            clipfrac = ((ratio - 1.0).abs() > 0.2).float().mean()
        normal = (b_advantages - b_advantages.mean()) / (b_advantages.std() + 1e-8)
        pg_loss = torch.max(-normal * ratio, -normal * torch.clamp(ratio, 1 - 0.2, 1 + 0.2)).mean()
        newvalue = newvalue.view(-1)
        v_clipped = b_values + torch.clamp(newvalue - b_values, -0.2, 0.2)
        v_loss = 0.5 * torch.max((newvalue - b_returns) ** 2, (v_clipped - b_returns) ** 2).mean()
        loss = pg_loss - 0.01 * entropy.mean() + v_loss * 0.5
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
        optimizer.step()
        return loss, pg_loss, v_loss, approx_kl, clipfrac

    next_obs, next_done = torch.Tensor(envs.reset()).to(device), torch.zeros(N).to(device)
    logged, explained = [], []
    for iteration in range(1, 7):
        optimizer.param_groups[0]["lr"] = (1.0 - (iteration - 1.0) / 6) * 1e-2
        for step in range(T):
            obs[step], dones[step] = next_obs, next_done
            with torch.no_grad():
                action, logprob, _, value = policy(next_obs)
                values[step] = value.flatten()
            actions[step], logprobs[step] = action, logprob
            next_obs, reward, done, _ = envs.step(action.cpu().numpy())
            rewards[step] = torch.tensor(reward).to(device).view(-1)
            next_obs, next_done = torch.Tensor(next_obs).to(device), torch.Tensor(done).to(device)
        with torch.no_grad():
            next_value = agent.get_value(next_obs).reshape(1, -1)
            advantages, returns = advantages_of(rewards, values, dones, next_value, next_done)
        batch = [t.reshape(N * T, *t.shape[2:]) for t in (obs, actions, logprobs, advantages, returns, values)]
        for _ in range(2):
            for indices in BatchSampler(SubsetRandomSampler(range(N * T)), 32, drop_last=True):
                out = update(*[t[indices] for t in batch])
        y_pred, y_true = values.reshape(-1).cpu().numpy(), returns.reshape(-1).cpu().numpy()
        explained.append(float(1 - np.var(y_true - y_pred) / np.var(y_true)))
        logged.append([o.item() for o in out] + [rewards.mean().item()])
    return {"results": {"logged": logged, "explained": explained}}
