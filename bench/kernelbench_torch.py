"""PyTorch's side of bench:kernelbench: builds KernelBench's cases from cases.json and times them on request.

    . torch_env.sh && /usr/bin/python3 kernelbench_torch.py CASES_JSON --threads 1 --min-time 0.1

Reads one request a line: {"load": id} builds a case, eager and traced + frozen; {"time": "eager" | "jit"} measures the one
loaded. Answers one JSON line each. The forward pass is generated as source, so that PyTorch pays for no interpreter of ours.
"""
import argparse, json, sys, time
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F  # noqa: F401 (used by the generated forward)

DTYPES = {"f32": torch.float32, "f64": torch.float64, "i32": torch.int32, "i64": torch.int64, "u8": torch.uint8, "bool": torch.bool}


def uniforms(name, count):
    h = 0x811C9DC5
    for byte in name.encode():
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    x = np.uint32(h) + np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1)
    x = (x ^ (x >> 16)) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * np.uint32(0xC2B2AE35)
    return ((x ^ (x >> 16)) >> 8).astype(np.float64) / 2**24


def generate(stream, d):
    fill, shape = d["fill"], d["shape"]
    dtype = DTYPES[d.get("dtype", "f32")]
    kind = fill["kind"]
    if kind == "const":
        return torch.full(shape, fill["value"], dtype=dtype)
    if kind == "tril_ones":
        return torch.ones(shape, dtype=dtype).tril()
    u = uniforms(stream, int(np.prod(shape, dtype=np.int64)))
    if kind == "uniform":
        u = fill["lo"] + (fill["hi"] - fill["lo"]) * u
    elif kind == "randint":
        u = fill["lo"] + np.floor((fill["hi"] - fill["lo"]) * u)
    elif kind == "bool":
        u = u < 0.5
    else:
        raise ValueError(f"unknown fill '{kind}'")
    return torch.from_numpy(u).to(dtype).reshape(shape)


def number(v):
    return f"float('{v}')" if isinstance(v, str) else repr(v)


def index(entries):
    return ", ".join("None" if e == "new" else str(e) for e in entries)


def expression(op, a, attrs):
    """The Python expression of one op; `a` are its operands as source."""
    n = op["op"]
    get = lambda name, none=None: attrs.get(name, none)
    dim = lambda: get("dim")
    one = lambda v: v[0] if isinstance(v, list) and len(v) == 1 else v
    if n in ("relu", "sigmoid", "tanh", "exp", "log", "sqrt", "rsqrt", "abs", "neg", "square", "reciprocal", "erf"):
        return f"torch.{n}({a[0]})"
    if n in ("silu", "mish", "selu", "softsign", "hardswish", "hardsigmoid", "logsigmoid", "relu6"):
        return f"F.{n}({a[0]})"
    infix = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
    if n in infix:
        return f"({a[0]} {infix[n]} {a[1]})"
    if n in ("minimum", "maximum"):
        if isinstance(op["in"][1], (int, float)):
            return f"torch.clamp({a[0]}, {'max' if n == 'minimum' else 'min'}={a[1]})"
        return f"torch.{n}({a[0]}, {a[1]})"
    if n == "linear":
        return f"F.linear({', '.join(a)})"
    if n in ("matmul", "bmm"):
        return f"torch.{n}({a[0]}, {a[1]})"
    if n == "einsum":
        return f"torch.einsum({get('equation')!r}, {', '.join(a)})"
    if n.startswith("conv"):
        extra = f", output_padding={get('output_padding')}" if get("output_padding") is not None else ""
        bias = a[2] if len(a) > 2 else "None"
        return (f"F.{n}({a[0]}, {a[1]}, {bias}, stride={get('stride', 1)}, padding={get('padding', 0)}, "
                f"dilation={get('dilation', 1)}, groups={get('groups', 1)}{extra})")
    if n == "batch_norm":
        return f"F.batch_norm({a[0]}, {a[3]}, {a[4]}, {a[1]}, {a[2]}, False, {get('momentum', 0.1)}, {get('eps', 1e-5)})"
    affine = lambda: f"{a[1] if len(a) > 1 else None}, {a[2] if len(a) > 2 else None}"
    if n == "group_norm":
        return f"F.group_norm({a[0]}, {get('num_groups')}, {affine()}, {get('eps', 1e-5)})"
    if n == "layer_norm":
        return f"F.layer_norm({a[0]}, {get('normalized_shape')}, {affine()}, {get('eps', 1e-5)})"
    if n == "instance_norm":
        weights = f", weight={a[1]}, bias={a[2]}" if len(a) > 2 else ""
        return f"F.instance_norm({a[0]}{weights}, eps={get('eps', 1e-5)})"
    if n.startswith("max_pool"):
        return f"F.{n}({a[0]}, {get('kernel_size')}, {get('stride', get('kernel_size'))}, {get('padding', 0)}, {get('dilation', 1)}, {get('ceil_mode', False)})"
    if n.startswith("avg_pool"):
        return f"F.{n}({a[0]}, {get('kernel_size')}, {get('stride', get('kernel_size'))}, {get('padding', 0)}, {get('ceil_mode', False)}, {get('count_include_pad', True)})"
    if n.startswith("adaptive_avg_pool"):
        return f"F.{n}({a[0]}, {get('output_size')})"
    if n in ("softmax", "log_softmax"):
        return f"F.{n}({a[0]}, dim={one(dim())})"
    if n in ("argmax", "argmin"):
        return f"torch.{n}({a[0]}, dim={one(dim())}, keepdim={get('keepdim', False)})"
    reductions = {"reduce_max": "amax", "reduce_min": "amin", "sum": "sum", "mean": "mean", "logsumexp": "logsumexp"}
    if n in reductions:
        if dim() is None:
            return f"torch.{reductions[n]}({a[0]})"
        return f"torch.{reductions[n]}({a[0]}, dim={dim()}, keepdim={get('keepdim', False)})"
    if n == "norm":
        return f"torch.linalg.vector_norm({a[0]}, {get('p', 2)}, dim={dim()}, keepdim={get('keepdim', False)})"
    if n in ("cumsum", "cumprod"):
        return f"torch.{n}({a[0]}, dim={one(dim())})"
    if n == "gelu":
        return f"F.gelu({a[0]}, approximate={get('approximate', 'none')!r})"
    if n == "elu":
        return f"F.elu({a[0]}, {get('alpha', 1.0)})"
    if n == "leaky_relu":
        return f"F.leaky_relu({a[0]}, {get('negative_slope', 0.01)})"
    if n == "softplus":
        return f"F.softplus({a[0]}, {get('beta', 1)}, {get('threshold', 20)})"
    if n == "clamp":
        return f"torch.clamp({a[0]}, {get('min')}, {get('max')})"
    if n == "hardtanh":
        return f"F.hardtanh({a[0]}, {get('min_val', -1)}, {get('max_val', 1)})"
    if n == "dropout":
        return f"F.dropout({a[0]}, {get('p', 0.5)}, False)"
    if n == "not":
        return f"torch.logical_not({a[0]})"
    if n == "masked_fill":
        return f"{a[0]}.masked_fill({a[1]}, {number(get('value'))})"
    if n in ("tril", "triu"):
        return f"torch.{n}({a[0]}, {get('diagonal', 0)})"
    if n in ("cross_entropy", "mse_loss"):
        return f"F.{n}({a[0]}, {a[1]})"
    if n == "kl_div":
        return f"F.kl_div({a[0]}, {a[1]}, reduction={get('reduction', 'mean')!r})"
    if n == "smooth_l1_loss":
        return f"F.smooth_l1_loss({a[0]}, {a[1]}, beta={get('beta', 1.0)})"
    if n == "full":
        return f"torch.full({get('shape')}, {number(get('value'))}, dtype={DTYPES[get('dtype', 'f32')]})"
    if n == "index":
        return f"{a[0]}[{index(get('index'))}]"
    if n in ("cat", "stack"):
        return f"torch.{n}([{', '.join(a)}], dim={one(get('dim', 0))})"
    if n == "split":
        return f"torch.split({a[0]}, {get('size')}, dim={get('dim', 0)})"
    if n == "reshape":
        return f"{a[0]}.reshape({get('shape')})"
    if n == "flatten":
        return f"torch.flatten({a[0]}, {get('start_dim', 0)}, {get('end_dim', -1)})"
    if n == "permute":
        return f"{a[0]}.permute({get('dims')})"
    if n == "transpose":
        return f"{a[0]}.transpose({get('dim0')}, {get('dim1')})"
    if n == "expand":
        return f"{a[0]}.expand({get('shape', get('size'))})"
    if n == "squeeze":
        return f"{a[0]}.squeeze({'' if dim() is None else one(dim())})"
    if n == "unsqueeze":
        return f"{a[0]}.unsqueeze({one(dim())})"
    if n == "contiguous":
        return f"{a[0]}.contiguous()"
    if n == "flip":
        return f"torch.flip({a[0]}, {get('dims', dim())})"
    if n == "roll":
        return f"torch.roll({a[0]}, {get('shifts')}, {get('dims', dim())})"
    if n == "pad":
        return f"F.pad({a[0]}, {get('pad')}, 'constant', {get('value', 0.0)})"
    if n == "multihead_attention":
        q, k, v, w, b, ow, ob = a
        return (f"F.multi_head_attention_forward({q}, {k}, {v}, {q}.size(-1), {get('num_heads')}, {w}, {b}, None, None, False, "
                f"0.0, {ow}, {ob}, training=False, need_weights=False)[0]")
    raise ValueError(f"unknown op '{n}'")


class Case(nn.Module):
    def __init__(self, case):
        super().__init__()
        size = case["sizes"]["bench"]
        self.names, lines = {}, []
        recurrent = {}
        for i, op in enumerate(size["ops"]):
            attrs = op.get("attrs") or {}
            if op["op"] in ("gru", "lstm", "rnn"):
                names = [r[2:] for r in op["in"] if isinstance(r, str) and r.startswith("p:")]
                by = {p["name"]: p for p in size["params"]}
                first = next(n for n in names if n.endswith("weight_ih_l0"))
                hidden = next(n for n in names if n.endswith("weight_hh_l0"))
                layer = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}[op["op"]](
                    by[first]["shape"][1], by[hidden]["shape"][1], num_layers=attrs.get("num_layers", 1),
                    bias=any("bias_ih_l0" in n for n in names), batch_first=attrs.get("batch_first", False),
                    bidirectional=attrs.get("bidirectional", False))
                self.add_module(f"layer{i}", layer)
                for n in names:
                    recurrent[n] = getattr(layer, n.split(".")[-1])
        for k, p in enumerate(size["params"]):
            value = generate(f"{case['id']}/{p['name']}", p)
            if p["name"] in recurrent:
                with torch.no_grad():
                    recurrent[p["name"]].copy_(value)
            elif p["kind"] == "param":
                self.register_parameter(f"p{k}", nn.Parameter(value))
            else:
                self.register_buffer(f"p{k}", value)
            self.names[p["name"]] = f"self.p{k}"
        source = lambda r: "None" if r is None else self.names[r[2:]] if isinstance(r, str) and r.startswith("p:") else str(r)
        for i, op in enumerate(size["ops"]):
            a = [source(r) for r in (x for y in op["in"] for x in (y if isinstance(y, list) else [y]))]
            out = op["out"] if isinstance(op["out"], str) else ", ".join(op["out"])
            if op["op"] in ("gru", "lstm", "rnn"):
                states = [source(r) for r in op["in"][1:] if r is not None and not (isinstance(r, str) and r.startswith("p:"))]
                hx = "" if not states else f", {states[0]}" if len(states) == 1 else f", ({', '.join(states)})"
                right = f"self.layer{i}({a[0]}{hx})"
                if op["op"] == "lstm" and not isinstance(op["out"], str) and len(op["out"]) == 3:
                    out = f"{op['out'][0]}, ({op['out'][1]}, {op['out'][2]})"
            else:
                right = expression(op, a, op.get("attrs") or {})
            lines.append(f"    {out} = {right}")
        inputs = ", ".join(d["name"] for d in size["inputs"])
        results = ", ".join(source(o["ref"]) for o in size["outputs"])
        text = "\n".join([f"def forward(self, {inputs}):", *lines, f"    return {results}"])
        scope = {"torch": torch, "F": F}
        exec(compile(text, case["id"], "exec"), scope)
        self.forward = scope["forward"].__get__(self)


def samples(y, expect):
    """The elements of the outputs that cases.json gives values for."""
    ys = y if isinstance(y, tuple) else (y,)
    return [[float(t.detach().reshape(-1)[i]) for i, _ in e["samples"]] for t, e in zip(ys, expect)]


def measure(f, min_time, repeats=3):
    for _ in range(2):
        f()
    k = 1
    while True:
        s = time.perf_counter()
        for _ in range(k):
            f()
        t = time.perf_counter() - s
        if t >= min_time / repeats:
            break
        k = max(2 * k, int(k * min_time / repeats / max(t, 1e-9)))
    reps = [t / k]
    for _ in range(repeats - 1):
        s = time.perf_counter()
        for _ in range(k):
            f()
        reps.append((time.perf_counter() - s) / k)
    return sorted(reps)[len(reps) // 2] * 1e6


def main():
    p = argparse.ArgumentParser()
    p.add_argument("cases")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--min-time", type=float, default=0.1)
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    cases = {c["id"]: c for c in json.load(open(args.cases))["cases"]}
    forms = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer = {}
        try:
            with torch.no_grad():
                if "load" in request:
                    forms = {}
                    case = cases[request["load"]]
                    size = case["sizes"]["bench"]
                    xs = tuple(generate(f"{case['id']}/input.{i}", d) for i, d in enumerate(size["inputs"]))
                    module = Case(case).eval()
                    traced = torch.jit.freeze(torch.jit.trace(module, xs, check_trace=False))
                    forms = {"eager": lambda: module(*xs), "jit": lambda: traced(*xs)}
                    answer = {"samples": samples(module(*xs), size["expect"]), "torch": torch.__version__}
                else:
                    answer = {"us": measure(forms[request["time"]], args.min_time)}
        except Exception as error:  # the driver reports it beside the case
            answer = {"error": f"{type(error).__name__}: {error}".split("\n")[0]}
        print(json.dumps(answer), flush=True)


main()
