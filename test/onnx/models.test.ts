// Whole models through onnxruntime, at every operator set, with a batch that stays dynamic.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
import { OPSETS } from '../../src/onnx/versions.js';
import { checkModel } from '../conformance/exported.js';
import { decode, opTypes } from './graphs.js';
const F = nn.functional;

class LeNet extends nn.Module {
  conv1 = new nn.Conv2d(1, 6, 5);
  conv2 = new nn.Conv2d(6, 16, 5);
  fc1 = new nn.Linear(256, 120);
  fc2 = new nn.Linear(120, 10);
  forward(x: Tensor): Tensor {
    x = F.maxPool2d(F.relu(this.conv1(x)), 2);
    x = F.maxPool2d(F.relu(this.conv2(x)), 2);
    return F.logSoftmax(this.fc2(F.relu(this.fc1(x.flatten(1)))), 1);
  }
}

class BasicBlock extends nn.Module {
  conv1: nn.Conv2d;
  bn1: nn.BatchNorm2d;
  conv2: nn.Conv2d;
  bn2: nn.BatchNorm2d;
  down: nn.Conv2d | null;
  constructor(from: number, to: number, stride: number) {
    super();
    this.conv1 = new nn.Conv2d(from, to, 3, { stride, padding: 1, bias: false });
    this.bn1 = new nn.BatchNorm2d(to);
    this.conv2 = new nn.Conv2d(to, to, 3, { padding: 1, bias: false });
    this.bn2 = new nn.BatchNorm2d(to);
    this.down = from === to && stride === 1 ? null : new nn.Conv2d(from, to, 1, { stride, bias: false });
  }
  forward(x: Tensor): Tensor {
    const y = this.bn2(this.conv2(F.relu(this.bn1(this.conv1(x)))));
    return F.relu(y.add(this.down ? this.down(x) : x));
  }
}

/** ResNet-18's plan with few channels. */
class SmallResNet extends nn.Module {
  stem = new nn.Conv2d(3, 4, 7, { stride: 2, padding: 3, bias: false });
  bn = new nn.BatchNorm2d(4);
  layers = new nn.Sequential(
    ...[
      [4, 4, 1],
      [4, 4, 1],
      [4, 8, 2],
      [8, 8, 1],
      [8, 12, 2],
      [12, 12, 1],
      [12, 16, 2],
      [16, 16, 1],
    ].map(([a, b, s]) => new BasicBlock(a!, b!, s!)),
  );
  fc = new nn.Linear(16, 10);
  forward(x: Tensor): Tensor {
    x = F.maxPool2d(F.relu(this.bn(this.stem(x))), 3, { stride: 2, padding: 1 });
    return this.fc(F.adaptiveAvgPool2d(this.layers(x), 1).flatten(1));
  }
}

/** MobileNetV3's block: expansion, depthwise convolution, squeeze and excitation, projection. */
class MobileBlock extends nn.Module {
  expand = new nn.Conv2d(4, 12, 1);
  depth = new nn.Conv2d(12, 12, 3, { padding: 1, groups: 12 });
  squeeze = new nn.Conv2d(12, 3, 1);
  excite = new nn.Conv2d(3, 12, 1);
  project = new nn.Conv2d(12, 4, 1);
  forward(x: Tensor): Tensor {
    const y = F.hardswish(this.depth(F.hardswish(this.expand(x))));
    const scale = F.hardsigmoid(this.excite(F.relu(this.squeeze(F.adaptiveAvgPool2d(y, 1)))));
    return x.add(this.project(y.mul(scale)));
  }
}

class Attention extends nn.Module {
  qkv = new nn.Linear(8, 24);
  out = new nn.Linear(8, 8);
  forward(x: Tensor): Tensor {
    const [n, t] = x.shape as [number, number];
    const [q, k, v] = this.qkv(x).reshape([n, t, 3, 2, 4]).permute(2, 0, 3, 1, 4).unbind(0) as [Tensor, Tensor, Tensor];
    const y = F.scaledDotProductAttention(q, k, v, { isCausal: true });
    return this.out(y.transpose(1, 2).reshape([n, t, 8]));
  }
}

class Upscale extends nn.Module {
  up = new nn.ConvTranspose2d(3, 4, 4, { stride: 2, padding: 1 });
  norm = new nn.GroupNorm(2, 4);
  forward(x: Tensor): Tensor {
    return F.interpolate(F.leakyRelu(this.norm(this.up(x)), 0.2), { scaleFactor: 2, mode: 'bilinear' });
  }
}

class Tagger extends nn.Module {
  embed = new nn.Embedding(11, 6);
  rnn: nn.LSTM | nn.GRU;
  head = new nn.Linear(10, 4);
  constructor(kind: 'lstm' | 'gru') {
    super();
    const options = { batchFirst: true, bidirectional: true };
    this.rnn = kind === 'lstm' ? new nn.LSTM(6, 5, options) : new nn.GRU(6, 5, options);
  }
  forward(x: Tensor): Tensor {
    const [y] = (this.rnn as nn.GRU)(this.embed(x));
    return this.head(y);
  }
}

const mlp = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Linear(6, 16),
    new nn.BatchNorm1d(16),
    new nn.SiLU(),
    new nn.Dropout(0.1),
    new nn.Linear(16, 16),
    new nn.LayerNorm(16),
    new nn.GELU(),
    new nn.Linear(16, 3),
    new nn.Softmax(1),
  );
const images = (c: number, size: number) => (n: number) => fb.randn(n, c, size, size);
const tokens = (n: number): Tensor => fb.randint(0, 11, [n, 7]);

type Model = [name: string, make: () => nn.Module, input: (n: number) => Tensor];
const models: Model[] = [
  ['LeNet', () => new LeNet(), images(1, 28)],
  ['MLP', mlp, (n) => fb.randn(n, 6)],
  ['ResNet-18, small', () => new SmallResNet(), images(3, 32)],
  ['MobileNetV3 block', () => new MobileBlock(), images(4, 9)],
  [
    'TransformerEncoderLayer',
    () => new nn.TransformerEncoderLayer(8, 2, { dimFeedforward: 16, batchFirst: true, dropout: 0.1 }),
    (n) => fb.randn(n, 5, 8),
  ],
  ['causal attention', () => new Attention(), (n) => fb.randn(n, 5, 8)],
  ['ConvTranspose2d, GroupNorm, interpolate', () => new Upscale(), images(3, 5)],
  ['embedding and bidirectional LSTM', () => new Tagger('lstm'), tokens],
  ['embedding and bidirectional GRU', () => new Tagger('gru'), tokens],
];

const callable = (m: nn.Module): ((x: Tensor) => Tensor) => m as unknown as (x: Tensor) => Tensor;

describe.each(models)('%s', (_, make, input) => {
  test.each(OPSETS.map((o) => [o]))('opset %i', async (opsetVersion) => {
    fb.manualSeed(7);
    const model = make();
    const bytes = fb.onnx.export(callable(model), [input(2)], null, {
      inputNames: ['x'],
      outputNames: ['y'],
      dynamicAxes: { x: { 0: 'batch' } },
      opsetVersion,
    });
    expect(Number(decode(bytes).opsetImport[0]!.version)).toBe(opsetVersion);
    model.eval();
    for (const n of [1, 2, 5]) {
      const x = input(n);
      const want = fb.noGrad(() => callable(model)(x));
      expect(await checkModel(bytes, ['x'], [x], ['y'], [want], 5)).toBe('onnxruntime');
    }
  });
});

describe('recurrent layers are one node each', () => {
  const exported = (net: nn.Module, options = {}): Uint8Array =>
    fb.onnx.export((x: Tensor) => (net as nn.GRU)(x)[0], [fb.randn(5, 2, 3)], null, {
      dynamicAxes: { input: { 0: 'time', 1: 'batch' } },
      ...options,
    });

  test('LSTM, GRU and RNN over a time axis that stays dynamic', async () => {
    const cases: [string, nn.Module][] = [
      ['LSTM', new nn.LSTM(3, 4, { numLayers: 2 })],
      ['GRU', new nn.GRU(3, 4, { numLayers: 2, bidirectional: true })],
      ['RNN', new nn.RNN(3, 4, { numLayers: 2, nonlinearity: 'relu', bias: false })],
    ];
    for (const [op, net] of cases) {
      const bytes = exported(net);
      expect(opTypes(bytes).filter((o) => o === op)).toHaveLength(2);
      for (const [t, n] of [
        [1, 1],
        [9, 3],
      ] as const) {
        const x = fb.randn(t, n, 3);
        const want = fb.noGrad(() => (net as nn.GRU)(x)[0]);
        expect(await checkModel(bytes, ['input'], [x], ['output'], [want])).toBe('onnxruntime');
      }
    }
  });

  test('states given and taken; the weights keep their names', async () => {
    class Stateful extends nn.Module {
      rnn = new nn.LSTM(3, 4);
      forward(x: Tensor, h: Tensor, c: Tensor): Tensor[] {
        const [y, [hn, cn]] = this.rnn(x, [h, c]);
        return [y, hn, cn];
      }
    }
    const model = new Stateful();
    const args = (): Tensor[] => [fb.randn(5, 2, 3), fb.randn(1, 2, 4), fb.randn(1, 2, 4)];
    const inputNames = ['x', 'h', 'c'];
    const outputNames = ['y', 'hn', 'cn'];
    const bytes = fb.onnx.export(model, args(), null, { inputNames, outputNames });
    const names = decode(bytes).graph!.initializer.map((t) => t.name);
    expect(names).toEqual(expect.arrayContaining(Object.keys(model.stateDict())));
    const xs = args() as [Tensor, Tensor, Tensor];
    const want = fb.noGrad(() => model.forward(...xs));
    expect(await checkModel(bytes, inputNames, xs, outputNames, want)).toBe('onnxruntime');
  });

  test('what ONNX has no node for is unrolled: projections', async () => {
    const net = new nn.LSTM(3, 4, { projSize: 2 });
    const bytes = exported(net, { dynamicAxes: {} });
    expect(opTypes(bytes)).not.toContain('LSTM');
    const x = fb.randn(5, 2, 3);
    await checkModel(bytes, ['input'], [x], ['output'], [fb.noGrad(() => net(x)[0])]);
    expect(() => exported(net)).toThrow(/does not keep its dynamic axes \('time', 'batch'\)/);
  });
});
