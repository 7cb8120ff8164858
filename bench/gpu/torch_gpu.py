"""PyTorch's side on the same GPU: eager and torch.compile, times from CUDA events. One JSON line per case.

The cases are those of bench/cases.ts, by the same names and shapes.
  python3 torch_gpu.py [EARLIER]     cases that EARLIER (such lines) holds already are printed from there and not run again
Each case in float32 throughout; cases of TF32 once more as NAME:tf32 with TF32 for products and convolutions. PyTorch's default is between
the two: TF32 for convolutions only.
"""
import json, re, statistics, sys
import torch, torch.nn as nn, torch.nn.functional as F

torch.manual_seed(0)
torch.set_default_device("cuda")
cases = {}


def case(name):
    return lambda f: cases.__setitem__(name, f)


def fn(name, f, *shapes):
    def make(compiled):
        args = [torch.randn(s) for s in shapes]
        g = torch.compile(f) if compiled else f

        def run():
            with torch.no_grad():
                return g(*args)

        return run

    cases[name] = make


for tag, n in (("1m", 1024), ("16m", 4096)):
    s = (n, n)
    fn(f"copy_{tag}", lambda x: x.clone(), s)
    fn(f"chain_{tag}", lambda x: torch.tanh(x * 0.5 + 1) * F.relu(x), s)
    fn(f"gelu_{tag}", lambda x: F.gelu(x), s)
    fn(f"swiglu_{tag}", lambda x, y: F.silu(x) * y, s, s)
    fn(f"sum_{tag}", lambda x: x.sum(), s)
    fn(f"softmax_{tag}", lambda x: F.softmax(x, -1), s)
    fn(f"layer_norm_{tag}", lambda x: F.layer_norm(x, x.shape[-1:]), s)
    fn(f"rms_norm_{tag}", lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6), s)
    fn(f"transpose_add_{tag}", lambda x: x.t() + x, s)
    fn(f"var_dim0_{tag}", lambda x: x.var(0), s)
fn("linear_gelu", lambda x, w, b: F.gelu(F.linear(x, w, b)), (512, 768), (3072, 768), (3072,))
fn("bmm_32x128", lambda a, b: torch.bmm(a, b), (32, 128, 128), (32, 128, 128))
fn("conv3x3_64", lambda x, w: F.relu(F.conv2d(x, w, padding=1)), (8, 64, 56, 56), (64, 64, 3, 3))
fn("conv1x1_256", lambda x, w: F.relu(F.conv2d(x, w)), (4, 256, 28, 28), (64, 256, 1, 1))
fn("depthwise3x3", lambda x, w: F.conv2d(x, w, padding=1, groups=128), (4, 128, 56, 56), (128, 1, 3, 3))
fn("max_pool2d", lambda x: F.max_pool2d(x, 2), (16, 64, 56, 56))
fn("matmul_1024", lambda a, b: a @ b, (1024, 1024), (1024, 1024))
fn("matmul_2048", lambda a, b: a @ b, (2048, 2048), (2048, 2048))
fn("attention_b4h8t256", lambda q, k, v: (q @ k.transpose(-2, -1) * 64**-0.5).softmax(-1) @ v, *[(4, 8, 256, 64)] * 3)


class Block(nn.Module):
    def __init__(s, d, h):
        super().__init__()
        s.h, s.n1, s.n2 = h, nn.LayerNorm(d), nn.LayerNorm(d)
        s.qkv, s.proj, s.up, s.down = nn.Linear(d, 3 * d), nn.Linear(d, d), nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(s, x):
        b, t, d = x.shape
        q, k, v = s.qkv(s.n1(x)).view(b, t, 3, s.h, d // s.h).permute(2, 0, 3, 1, 4)
        a = (q @ k.transpose(-2, -1)) * (d // s.h) ** -0.5
        a = a.masked_fill(torch.ones(t, t, dtype=torch.bool).triu(1), float("-inf")).softmax(-1) @ v
        x = x + s.proj(a.transpose(1, 2).reshape(b, t, d))
        return x + s.down(F.gelu(s.up(s.n2(x)), approximate="tanh"))


class BasicBlock(nn.Module):
    def __init__(s, c):
        super().__init__()
        s.c1, s.c2 = nn.Conv2d(c, c, 3, padding=1, bias=False), nn.Conv2d(c, c, 3, padding=1, bias=False)
        s.b1, s.b2 = nn.BatchNorm2d(c), nn.BatchNorm2d(c)

    def forward(s, x):
        return F.relu(s.b2(s.c2(F.relu(s.b1(s.c1(x))))) + x)


class LeNet(nn.Module):
    def __init__(s):
        super().__init__()
        s.conv1, s.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        s.fc1, s.fc2, s.fc3 = nn.Linear(256, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(s, x):
        x = F.max_pool2d(F.relu(s.conv1(x)), 2)
        x = F.max_pool2d(F.relu(s.conv2(x)), 2).flatten(1)
        return s.fc3(F.relu(s.fc2(F.relu(s.fc1(x)))))


def trainer(compiled, net, loss, opt):
    forward = torch.compile(loss) if compiled else loss

    def step():
        opt.zero_grad()
        l = forward()
        l.backward()
        opt.step()
        return l

    return step


@case("transformer_block_step")
def _(compiled):
    net, x = Block(256, 4), torch.randn(8, 64, 256)
    return trainer(compiled, net, lambda: net(x).pow(2).mean(), torch.optim.AdamW(net.parameters(), fused=True))


@case("resnet_block_step")
def _(compiled):
    net, x = BasicBlock(64), torch.randn(8, 64, 28, 28)
    opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    return trainer(compiled, net, lambda: net(x).pow(2).mean(), opt)


@case("lenet_step_b64")
def _(compiled):
    net, x, y = LeNet(), torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,))
    return trainer(compiled, net, lambda: F.cross_entropy(net(x), y), torch.optim.Adam(net.parameters(), fused=True))


@case("lenet_infer_b1")
def _(compiled):
    net, x = LeNet().eval(), torch.randn(1, 1, 28, 28)
    f = torch.compile(net) if compiled else net

    def run():
        with torch.no_grad():
            return f(x)

    return run


@case("mlp_step_b32")
def _(compiled):
    net = nn.Sequential(nn.Linear(1, 20), nn.ReLU(), nn.Linear(20, 1))
    x, y = torch.randn(32, 1), torch.randn(32, 1)
    return trainer(compiled, net, lambda: F.mse_loss(net(x), y), torch.optim.SGD(net.parameters(), lr=0.01))


@case("lstm_infer")
def _(compiled):
    net, x = nn.LSTM(128, 256, batch_first=True), torch.randn(16, 32, 128)

    def run():
        with torch.no_grad():
            return net(x)

    return run


@case("adam_step_10m")
def _(compiled):
    ps = [torch.randn(1000, 1000, requires_grad=True) for _ in range(10)]
    for p in ps:
        p.grad = torch.randn_like(p)
    # `fused` is PyTorch's fastest Adam on a GPU.
    opt = torch.optim.Adam(ps, fused=True)
    return opt.step


@case("cross_entropy_fwd_bwd")
def _(compiled):
    x, y = torch.randn(256, 32000, requires_grad=True), torch.randint(0, 32000, (256,))
    loss = torch.compile(F.cross_entropy) if compiled else F.cross_entropy

    def run():
        x.grad = None
        l = loss(x, y)
        l.backward()
        return l

    return run


def median_us(run):
    def sample(reps):
        a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        a.record()
        for _ in range(reps):
            run()
        b.record()
        b.synchronize()
        return a.elapsed_time(b) * 1000 / reps

    sample(3)
    reps = int(min(400, max(3, 2000 / max(sample(3), 0.5))))
    return statistics.median(sample(reps) for _ in range(15))


def graph_us(run):
    """The same as one CUDA graph: device time without launches from Python."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return median_us(graph.replay)


print(json.dumps({"torch": torch.__version__, "device": torch.cuda.get_device_name()}), flush=True)
earlier = {}
if len(sys.argv) > 1:
    with open(sys.argv[1]) as f:
        earlier = {r["case"]: r for r in map(json.loads, filter(str.strip, f)) if "case" in r}
for row in earlier.values():
    print(json.dumps(row), flush=True)
TF32_CASES = re.compile(r"(conv|matmul_|linear_gelu|bmm|resnet|lenet_infer|lstm|transformer)")
runs = [(name, make, False) for name, make in cases.items()]
runs += [(name + ":tf32", make, True) for name, make in cases.items() if TF32_CASES.match(name)]
for name, make, tf32 in runs:
    if name in earlier:
        continue
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch._dynamo.reset()
    row = {"case": name}
    for mode in ("eager", "compile"):
        try:
            run = make(mode == "compile")
            row[mode + "_us"] = round(median_us(run), 3)
            try:
                row[mode + "_graph_us"] = round(graph_us(run), 3)
            except Exception as e:  # some cases cannot be captured (a backward that allocates new gradients, say)
                row[mode + "_graph_problem"] = str(e).split("\n")[0][:120]
                torch.cuda.synchronize()
        except Exception as e:
            row[mode + "_problem"] = str(e).split("\n")[0][:120]
    print(json.dumps(row), flush=True)
