// Hooks of modules, state-dict hooks, copies.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';

describe('forward hooks', () => {
  test('run in order, prepended ones first, with the options apart when asked', () => {
    class Scale extends nn.Module {
      override forward(x: Tensor, o: { by?: number } = {}): Tensor {
        return x.mul(o.by ?? 1);
      }
    }
    const m = new Scale();
    const seen: string[] = [];
    m.registerForwardPreHook(() => void seen.push('second'));
    m.registerForwardPreHook(() => void seen.push('first'), { prepend: true });
    m.registerForwardPreHook((_m, inputs, o) => [inputs, { by: (o.by as number) * 2 }], { withKwargs: true });
    m.registerForwardHook(
      (_m, inputs, o, out) => void seen.push(`${inputs.length} ${String(o.by)} ${(out as Tensor).item()}`),
      {
        withKwargs: true,
      },
    );
    expect(m(fb.tensor(3), { by: 2 }).item()).toBe(12);
    expect(seen).toEqual(['first', 'second', '1 4 12']);
  });
  test('alwaysCall hooks hear of a forward that throws', () => {
    class Bad extends nn.Module {
      override forward(_x: Tensor): Tensor {
        throw new Error('no');
      }
    }
    const m = new Bad();
    const outputs: unknown[] = [];
    m.registerForwardHook((_m, _in, out) => void outputs.push(out), { alwaysCall: true });
    m.registerForwardHook(() => void outputs.push('not called'));
    expect(() => m(fb.ones(1))).toThrow('no');
    expect(outputs).toEqual([null]);
  });
  test('global hooks see every module until they are removed', () => {
    const names: string[] = [];
    const handle = nn.registerModuleForwardHook((m) => void names.push(m.constructor.name));
    const net = new nn.Sequential(new nn.Linear(2, 2), new nn.ReLU());
    net(fb.ones(1, 2));
    handle.remove();
    net(fb.ones(1, 2));
    expect(names).toEqual(['Linear', 'ReLU', 'Sequential']);
  });
});

describe('backward hooks', () => {
  test('see and replace the gradients of inputs and outputs', () => {
    const m = new nn.Linear(2, 3, { bias: false });
    const x = fb.ones(4, 2, { requiresGrad: true });
    const shapes: unknown[] = [];
    m.registerFullBackwardPreHook((_m, gradOutput) => [gradOutput[0]!.mul(2)]);
    const handle = m.registerFullBackwardHook((_m, gradInput, gradOutput) => {
      shapes.push(
        gradInput.map((g) => g?.shape),
        gradOutput.map((g) => g?.shape),
      );
      return [gradInput[0]!.mul(10)];
    });
    m(x).sum().backward();
    const plain = m.weight.detach().sum(0).mul(20);
    expect(x.grad!.index(0).allclose(plain)).toBe(true);
    expect(m.weight.grad!.eq(8).all().item()).toBe(true);
    expect(shapes).toEqual([[[4, 2]], [[4, 3]]]);
    handle.remove();
  });
  test('without a differentiable input the hook still hears of the outputs', () => {
    const m = new nn.Linear(2, 1);
    let heard = 0;
    m.registerFullBackwardHook((_m, gradInput, gradOutput) => void (heard = gradInput.length * 10 + gradOutput.length));
    m(fb.ones(1, 2)).sum().backward();
    expect(heard).toBe(1);
  });
});

describe('state', () => {
  test('state-dict hooks rename on the way out and in', () => {
    const m = new nn.Linear(1, 1);
    m.registerStateDictPostHook((_m, state) => {
      state.old = state.weight!;
      delete state.weight;
    });
    m.registerLoadStateDictPreHook((_m, state) => {
      state.weight = state.old!;
      delete state.old;
    });
    expect(Object.keys(m.stateDict())).toEqual(['bias', 'old']);
    expect(m.loadStateDict(m.stateDict())).toEqual({ missingKeys: [], unexpectedKeys: [] });
    m.registerLoadStateDictPostHook((_m, keys) => (keys.missingKeys.length = 0));
    expect(() => m.loadStateDict({ old: m.weight })).not.toThrow();
  });
  test('extra state travels; assign takes the tensors over', () => {
    class Counter extends nn.Module {
      n = 0;
      override getExtraState(): unknown {
        return this.n;
      }
      override setExtraState(n: unknown): void {
        this.n = n as number;
      }
    }
    const a = new Counter();
    a.n = 5;
    const b = new Counter();
    b.loadStateDict(a.stateDict());
    expect([b.n, Object.keys(a.stateDict())]).toEqual([5, ['_extra_state']]);
    const lin = new nn.Linear(2, 2);
    const state = lin.stateDict();
    const weight = fb.zeros(2, 2);
    lin.loadStateDict({ ...state, weight }, { assign: true });
    weight.fill_(3);
    expect(lin.weight.detach().eq(3).all().item()).toBe(true);
  });
  test('loading reports what is missing and unexpected, module by module', () => {
    const net = new nn.Sequential(new nn.Linear(1, 1), new nn.Linear(1, 1));
    expect(net.loadStateDict({ '0.weight': fb.ones(1, 1), '7.x': fb.ones(1) }, false)).toEqual({
      missingKeys: ['0.bias', '1.weight', '1.bias'],
      unexpectedKeys: ['7.x'],
    });
    expect(() => net.loadStateDict({})).toThrow(
      'Missing key(s) in state_dict: "0.weight", "0.bias", "1.weight", "1.bias"',
    );
  });
  test('a copy shares nothing, keeps class, buffers, hooks and ties', () => {
    const net = new nn.Sequential(new nn.Linear(2, 2), new nn.BatchNorm1d(2), new nn.Linear(2, 2));
    (net.at(2) as nn.Linear).weight = (net.at(0) as nn.Linear).weight;
    let calls = 0;
    net.registerForwardHook(() => void calls++);
    const copy = net.clone();
    expect(copy).toBeInstanceOf(nn.Sequential);
    expect((copy.at(2) as nn.Linear).weight === (copy.at(0) as nn.Linear).weight).toBe(true);
    expect((copy.at(0) as nn.Linear).weight === (net.at(0) as nn.Linear).weight).toBe(false);
    const x = fb.randn(3, 2);
    expect(copy.eval()(x).allclose(net.eval()(x))).toBe(true);
    (copy.at(0) as nn.Linear).weight.detach().fill_(0);
    expect(copy(x).allclose(net(x))).toBe(false);
    expect(calls).toBe(4);
  });
  test('converting keeps the parameter objects and converts gradients', () => {
    const m = new nn.BatchNorm1d(2);
    m(fb.randn(3, 2)).sum().backward();
    const { weight } = m;
    m.double();
    expect([m.weight === weight, m.weight!.dtype, m.weight!.grad!.dtype, m.running_mean!.dtype]).toEqual([
      true,
      'float64',
      'float64',
      'float64',
    ]);
    expect(m.num_batches_tracked!.dtype).toBe('int64');
    expect(() => m.to('int32')).toThrow('nn.Module.to only accepts floating point dtypes');
  });
});
