"""PyTorch's side of bench:script: the functions of bench/script_cases.ts under torch.jit.script (frozen where they have weights).

    . torch_env.sh && /usr/bin/python3 bench/script_torch.py --threads 1 --min-time 0.2 [--only REGEX]

One JSON line per case: `us`, the median over repeats of the mean time of one call, and `sum`, what the result adds up to for the inputs that
both sides make (see `fill`), so that the runner can tell that both computed the same.
"""
import argparse, json, re, statistics, time
import torch, torch.nn as nn
from torch import Tensor
from typing import Tuple

p = argparse.ArgumentParser()
p.add_argument("--threads", type=int, default=1); p.add_argument("--only", default="")
p.add_argument("--min-time", type=float, default=0.2); p.add_argument("--repeats", type=int, default=5)
args = p.parse_args()
torch.set_num_threads(args.threads)

def fill(shape, scale=1.0, phase=0.0):
    n = 1
    for s in shape: n *= s
    return ((torch.arange(n, dtype=torch.float64) * 0.7 + phase).sin() * scale).to(torch.float32).view(shape)
def linear(i, o):
    l = nn.Linear(i, o); l.weight.data = fill([o, i], i ** -0.5); l.bias.data = fill([o], 0.1, 1.0); return l

class Rnn(nn.Module):
    def __init__(s, d): super().__init__(); s.fc = linear(d, d)
    def forward(s, x: Tensor, n: int) -> Tensor:
        h = x
        for i in range(n): h = torch.tanh(s.fc(h) + x)
        return h
class Lstm(nn.Module):
    def __init__(s, d): super().__init__(); s.gates = linear(2 * d, 4 * d)
    def forward(s, x: Tensor, n: int) -> Tensor:
        h = torch.zeros_like(x); c = torch.zeros_like(x)
        for k in range(n):
            i, f, g, o = s.gates(torch.cat([x, h], 1)).chunk(4, 1)
            c = c * f.sigmoid() + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return h
class Policy(nn.Module):
    def __init__(s, d): super().__init__(); s.fc = linear(d, d)
    def forward(s, x: Tensor, n: int) -> Tensor:
        h = x
        for i in range(n):
            if bool(h.abs().max() > 1.5): h = h * 0.5
            else: h = torch.tanh(s.fc(h)) + h
        return h
def power(a: Tensor, eps: float) -> Tensor:      # the largest eigenvalue of a symmetric matrix
    v = torch.ones([a.size(0)]); last = 0.0; now = 1.0
    while abs(now - last) > eps:
        last = now; w = torch.mv(a, v); now = float(w.norm()); v = w / now
    return v * now
def sqrt(x: Tensor, n: int) -> Tensor:            # Newton's method, all elements at once
    y = x
    for i in range(n): y = (y + x / y) * 0.5
    return y
def collatz(x: Tensor, n: int) -> Tensor:         # numbers only
    k = 0
    while n != 1:
        if n % 2 == 0: n = n // 2
        else: n = 3 * n + 1
        k += 1
    return x + k

def module(m): return torch.jit.freeze(torch.jit.script(m.eval()))
sym = fill([64, 64]); sym = (sym + sym.t()) * 0.5
cases = {
    "rnn_16x32_20": lambda: (module(Rnn(32)), (fill([16, 32]), 20)),
    "rnn_64x256_20": lambda: (module(Rnn(256)), (fill([64, 256]), 20)),
    "lstm_8x64_20": lambda: (module(Lstm(64)), (fill([8, 64]), 20)),
    "policy_16x64_20": lambda: (module(Policy(64)), (fill([16, 64]), 20)),
    "power_64": lambda: (torch.jit.script(power), (sym, 1e-3)),
    "sqrt_100k_10": lambda: (torch.jit.script(sqrt), (fill([100000]).abs() + 1, 10)),
    "collatz_27": lambda: (torch.jit.script(collatz), (fill([4]), 27)),
}

def measure(run):
    for _ in range(10): run()                     # the profiling executor optimises after its first calls
    def t(k):
        s = time.perf_counter()
        for _ in range(k): run()
        return time.perf_counter() - s
    k = 1; d = t(k)
    while d < args.min_time: k = max(2 * k, int(k * args.min_time / max(d, 1e-9))); d = t(k)
    return statistics.median([d / k] + [t(k) / k for _ in range(args.repeats - 1)]) * 1e6

with torch.no_grad():
    for name, make in cases.items():
        if not re.search(args.only, name): continue
        f, xs = make()
        print(json.dumps({"case": name, "us": round(measure(lambda: f(*xs)), 3), "sum": float(f(*xs).double().sum()), "threads": args.threads, "torch": torch.__version__}), flush=True)
