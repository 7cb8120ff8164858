// The functions of bench:script; bench/script_torch.py has the same ones.
import * as fb from '../src/index.js';
import { nn, type Tensor } from '../src/index.js';

/** Numbers that both sides make. */
function fill(shape: readonly number[], scale = 1, phase = 0): Tensor {
  const n = shape.reduce((p, s) => p * s, 1);
  return fb
    .arange(n, { dtype: 'float64' })
    .mul(0.7)
    .add(phase)
    .sin()
    .mul(scale)
    .to('float32')
    .view([...shape]);
}
function linear(i: number, o: number): nn.Linear {
  const l = new nn.Linear(i, o);
  fb.noGrad(() => {
    l.weight.copy_(fill([o, i], i ** -0.5));
    l.bias!.copy_(fill([o], 0.1, 1));
  });
  return l;
}

class Rnn extends nn.Module {
  fc: nn.Linear;
  constructor(d: number) {
    super();
    this.fc = linear(d, d);
  }
  forward(x: Tensor, n: number): Tensor {
    let h = x;
    for (let i = 0; i < n; i++) h = fb.tanh(this.fc(h).add(x));
    return h;
  }
}
class Lstm extends nn.Module {
  gates: nn.Linear;
  constructor(d: number) {
    super();
    this.gates = linear(2 * d, 4 * d);
  }
  forward(x: Tensor, n: number): Tensor {
    let [h, c] = [fb.zerosLike(x), fb.zerosLike(x)];
    for (let k = 0; k < n; k++) {
      const [i, f, g, o] = this.gates(fb.cat([x, h], 1)).chunk(4, 1) as [Tensor, Tensor, Tensor, Tensor];
      c = c.mul(f.sigmoid()).add(i.sigmoid().mul(g.tanh()));
      h = o.sigmoid().mul(c.tanh());
    }
    return h;
  }
}
class Policy extends nn.Module {
  fc: nn.Linear;
  constructor(d: number) {
    super();
    this.fc = linear(d, d);
  }
  forward(x: Tensor, n: number): Tensor {
    let h = x;
    for (let i = 0; i < n; i++) {
      if (h.abs().max().item() > 1.5) h = h.mul(0.5);
      else h = fb.tanh(this.fc(h)).add(h);
    }
    return h;
  }
}
const power = (a: Tensor, eps: number): Tensor => {
  let v = fb.ones(a.size(0));
  let [last, now] = [0.5, 1.5];
  while (Math.abs(now - last) > eps) {
    last = now;
    const w = a.mv(v);
    now = w.norm().item();
    v = w.div(now);
  }
  return v.mul(now);
};
const sqrt = (x: Tensor, n: number): Tensor => {
  let y = x;
  for (let i = 0; i < n; i++) y = y.add(x.div(y)).mul(0.5);
  return y;
};
const collatz = (x: Tensor, n: number): Tensor => {
  let k = 0;
  while (n !== 1) {
    if (n % 2 === 0) n = Math.floor(n / 2);
    else n = 3 * n + 1;
    k++;
  }
  return x.add(k);
};

type Call = (...args: never[]) => Tensor;
export interface ScriptCase {
  readonly f: (Call | nn.Module) & fb.jit.Scripted;
  readonly args: readonly unknown[];
}
const scripted = (f: Call | nn.Module, ...args: unknown[]): ScriptCase => ({
  f: fb.jit.script(f as Call) as never,
  args,
});

export const SCRIPT_CASES: Readonly<Record<string, () => ScriptCase>> = {
  rnn_16x32_20: () => scripted(new Rnn(32).eval(), fill([16, 32]), 20),
  rnn_64x256_20: () => scripted(new Rnn(256).eval(), fill([64, 256]), 20),
  lstm_8x64_20: () => scripted(new Lstm(64).eval(), fill([8, 64]), 20),
  policy_16x64_20: () => scripted(new Policy(64).eval(), fill([16, 64]), 20),
  power_64: () => {
    const a = fill([64, 64]);
    return scripted(power, a.add(a.t()).mul(0.5), 1e-3);
  },
  sqrt_100k_10: () => scripted(sqrt, fill([100_000]).abs().add(1), 10),
  collatz_27: () => scripted(collatz, fill([4]), 27),
};
