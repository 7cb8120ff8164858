// recurrent.json: recurrent networks, attention and a transformer layer, each over inputs of three lengths: initial state, outputs,
// and the gradient norms of the sum of all outputs.
import { nn, type Tensor } from '../../../src/index.js';
import { expectClose, expectEqual, expectTensor, fb, type Check, type Recorded } from './common.js';

interface Run {
  readonly input: Recorded;
  readonly outputs: readonly Recorded[];
  readonly gradNorms: Readonly<Record<string, number>>;
}
interface Net {
  readonly stateDict: Readonly<Record<string, Recorded>>;
  readonly runs: readonly Run[];
}
type Nested = Tensor | null | readonly Nested[];

const NETS: Readonly<Record<string, () => { net: nn.Module; call: (x: Tensor) => Nested }>> = {
  RNN: () => {
    const net = new nn.RNN(3, 4, 2);
    return { net, call: (x) => net(x) };
  },
  LSTM: () => {
    const net = new nn.LSTM(3, 4, 2, { bidirectional: true });
    return { net, call: (x) => net(x) };
  },
  GRU: () => {
    const net = new nn.GRU(3, 4, { batchFirst: true });
    return { net, call: (x) => net(x) };
  },
  LSTMCell: () => {
    const net = new nn.LSTMCell(3, 4);
    return { net, call: (x) => net(x) };
  },
  MultiheadAttention: () => {
    const net = new nn.MultiheadAttention(8, 2, { batchFirst: true });
    return { net, call: (x) => net(x, x, x) };
  },
  TransformerEncoderLayer: () => {
    const net = new nn.TransformerEncoderLayer(8, 2, 16, { dropout: 0, batchFirst: true });
    return { net, call: (x) => net(x) };
  },
};

const flat = (x: Nested): Tensor[] => (x === null ? [] : x instanceof fb.Tensor ? [x] : x.flatMap(flat));
const decode = (r: Recorded): Tensor => fb.tensor([...r.data], { dtype: 'float32' }).reshape([...r.shape]);

export function recurrent(file: { seed: number; nets: Readonly<Record<string, Net>> }, check: Check): void {
  // All networks are made first, one after the other, right after the seed.
  fb.manualSeed(file.seed);
  const made = Object.keys(file.nets).map((name) => (Object.hasOwn(NETS, name) ? NETS[name]!() : null));
  for (const [at, [name, { stateDict, runs }]] of Object.entries(file.nets).entries()) {
    const { net, call } = made[at] ?? {};
    if (!net || !call) {
      check(name, () => {
        throw new Error('this runner does not know that network');
      });
      continue;
    }
    check(`${name} starts with PyTorch's weights`, () => {
      const own = net.stateDict();
      expectEqual(Object.keys(own), Object.keys(stateDict));
      for (const [k, want] of Object.entries(stateDict)) expectTensor(own[k]!, want, 1e-6, 1e-7);
    });
    net.loadStateDict(Object.fromEntries(Object.entries(stateDict).map(([k, v]) => [k, decode(v)])));
    runs.forEach(({ input, outputs, gradNorms }, i) => {
      check(`${name}[${i}]`, () => {
        net.zeroGrad();
        const got = flat(call(decode(input)));
        if (got.length !== outputs.length) throw new Error(`expected ${outputs.length} outputs, got ${got.length}`);
        got.forEach((t, k) => expectTensor(t, outputs[k]!, 1e-5, 1e-6));
        fb.stack(
          got.map((t) => t.sum()),
          0,
        )
          .sum()
          .backward();
        const norms = Object.fromEntries(net.namedParameters().map(([k, p]) => [k, p.grad?.norm().item() ?? 0]));
        const names = Object.keys(gradNorms);
        expectClose(
          names.map((k) => norms[k]!),
          names.map((k) => gradNorms[k]!),
          1e-5,
          1e-5,
        );
      });
    });
  }
}
