// The networks of the benchmark cases; the same as on PyTorch's side.
import * as fb from '../src/index.js';
import { nn, type Tensor } from '../src/index.js';
const F = nn.functional;

export class LeNet extends nn.Module {
  conv1 = new nn.Conv2d(1, 6, 5);
  conv2 = new nn.Conv2d(6, 16, 5);
  fc1 = new nn.Linear(256, 120);
  fc2 = new nn.Linear(120, 84);
  fc3 = new nn.Linear(84, 10);
  forward(x: Tensor): Tensor {
    x = F.maxPool2d(F.relu(this.conv1(x)), 2);
    x = F.maxPool2d(F.relu(this.conv2(x)), 2);
    x = x.view(x.size(0), -1);
    return this.fc3(F.relu(this.fc2(F.relu(this.fc1(x)))));
  }
}

export class BasicBlock extends nn.Module {
  c1: nn.Conv2d;
  b1: nn.BatchNorm2d;
  c2: nn.Conv2d;
  b2: nn.BatchNorm2d;
  constructor(c: number) {
    super();
    this.c1 = new nn.Conv2d(c, c, 3, { padding: 1, bias: false });
    this.b1 = new nn.BatchNorm2d(c);
    this.c2 = new nn.Conv2d(c, c, 3, { padding: 1, bias: false });
    this.b2 = new nn.BatchNorm2d(c);
  }
  forward(x: Tensor): Tensor {
    return F.relu(this.b2(this.c2(F.relu(this.b1(this.c1(x))))).add(x));
  }
}

/** Transformer block with the norms first, causal. */
export class Block extends nn.Module {
  n1: nn.LayerNorm;
  n2: nn.LayerNorm;
  qkv: nn.Linear;
  proj: nn.Linear;
  up: nn.Linear;
  down: nn.Linear;
  constructor(
    readonly d: number,
    readonly heads: number,
  ) {
    super();
    this.n1 = new nn.LayerNorm(d);
    this.n2 = new nn.LayerNorm(d);
    this.qkv = new nn.Linear(d, 3 * d);
    this.proj = new nn.Linear(d, d);
    this.up = new nn.Linear(d, 4 * d);
    this.down = new nn.Linear(4 * d, d);
  }
  forward(x: Tensor): Tensor {
    const [b, t, d] = x.shape as [number, number, number];
    const each = d / this.heads;
    const [q, k, v] = this.qkv(this.n1(x)).view(b, t, 3, this.heads, each).permute(2, 0, 3, 1, 4).unbind(0) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const later = fb.ones([t, t], { dtype: 'bool' }).triu(1);
    const a = q
      .matmul(k.transpose(-2, -1))
      .mul(each ** -0.5)
      .maskedFill(later, -Infinity)
      .softmax(-1)
      .matmul(v);
    x = x.add(this.proj(a.transpose(1, 2).reshape(b, t, d)));
    return x.add(this.down(F.gelu(this.up(this.n2(x)), { approximate: 'tanh' })));
  }
}
