// Modules: calling, registration, state dicts, modes, hooks, printing.
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
const F = nn.functional;

class Net extends nn.Module {
  hidden = new nn.Linear(1, 20);
  bn = new nn.BatchNorm1d(20);
  predict = new nn.Linear(20, 1);
  override forward(x: Tensor): Tensor {
    return this.predict(F.relu(this.bn(this.hidden(x))));
  }
}

describe('calling', () => {
  test('instances are functions and instances of their class', () => {
    const net = new Net();
    expect(net(fb.ones(4, 1)).shape).toEqual([4, 1]);
    expect(net.call(fb.ones(4, 1)).shape).toEqual([4, 1]);
    expect([net instanceof Net, net instanceof nn.Module, typeof net]).toEqual([true, true, 'function']);
  });
  test('fields named like properties of functions work', () => {
    class Named extends nn.Module {
      name = 'mine';
      length = 3;
      constructor() {
        super();
        this.name += '!';
      }
      override forward(x: Tensor): Tensor {
        return x;
      }
    }
    const m = new Named();
    expect([m.name, m.length]).toEqual(['mine!', 3]);
  });
  test('a module without forward says so', () => {
    expect(() => new nn.Module()()).toThrow('Module [Module] is missing the required "forward" function');
  });
  test('hooks see and replace inputs and outputs', () => {
    const m = new nn.Linear(2, 2);
    const calls: string[] = [];
    const pre = m.registerForwardPreHook((_m, [x]) => (calls.push('pre'), [(x as Tensor).mul(0)]));
    const post = m.registerForwardHook((_m, _in, out) => (calls.push('post'), (out as Tensor).add(1)));
    expect(m(fb.ones(1, 2)).allclose(m.bias!.detach().add(1).unsqueeze(0))).toBe(true);
    pre.remove();
    post.remove();
    m(fb.ones(1, 2));
    expect(calls).toEqual(['pre', 'post']);
  });
});

describe('registration', () => {
  test('names, in order: own parameters, then children', () => {
    const net = new Net();
    expect(net.namedParameters().map(([n]) => n)).toEqual([
      'hidden.weight',
      'hidden.bias',
      'bn.weight',
      'bn.bias',
      'predict.weight',
      'predict.bias',
    ]);
    expect(Object.keys(net.stateDict())).toEqual([
      'hidden.weight',
      'hidden.bias',
      'bn.weight',
      'bn.bias',
      'bn.running_mean',
      'bn.running_var',
      'bn.num_batches_tracked',
      'predict.weight',
      'predict.bias',
    ]);
    expect(net.namedModules().map(([n]) => n)).toEqual(['', 'hidden', 'bn', 'predict']);
    expect(net.namedBuffers().map(([n]) => n)).toEqual(['bn.running_mean', 'bn.running_var', 'bn.num_batches_tracked']);
    expect(net.getSubmodule('bn')).toBe(net.bn);
    expect(net.getParameter('hidden.bias')).toBe(net.hidden.bias);
  });
  test('shared parameters count once', () => {
    class Tied extends nn.Module {
      a = new nn.Linear(2, 2);
      b = new nn.Linear(2, 2);
      constructor() {
        super();
        this.b.weight = this.a.weight;
      }
    }
    expect(new Tied().parameters().length).toBe(3);
    expect(Object.keys(new Tied().stateDict()).length).toBe(4);
  });
  test('buffers and errors', () => {
    const m = new nn.Identity();
    m.registerBuffer('a', fb.ones(2));
    m.registerBuffer('b', fb.ones(2), { persistent: false });
    expect([m.buffers().length, Object.keys(m.stateDict())]).toEqual([2, ['a']]);
    expect(() => m.registerBuffer('x.y', null)).toThrow(`buffer name can't contain "."`);
    expect(() => m.registerBuffer('forward', null)).toThrow("attribute 'forward' already exists");
  });
});

describe('state', () => {
  test('state dicts share memory and load by copy', () => {
    const [a, b] = [new Net(), new Net()];
    expect(b.loadStateDict(a.stateDict())).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect(a.hidden.weight.equal(b.hidden.weight)).toBe(true);
    a.stateDict()['hidden.weight']!.fill_(0);
    expect(a.hidden.weight.sum().item()).toBe(0);
    expect(b.hidden.weight.abs().sum().item()).toBeGreaterThan(0);
  });
  test("strict errors have PyTorch's words", () => {
    const m = new nn.Linear(2, 3);
    expect(() => m.loadStateDict({ weight: fb.zeros(3, 1), extra: fb.zeros(1) })).toThrow(
      'Error(s) in loading state_dict for Linear:\n\tMissing key(s) in state_dict: "bias". \n\tUnexpected key(s) in state_dict: "extra". ' +
        '\n\tsize mismatch for weight: copying a param with shape torch.Size([3, 1]) from checkpoint, the shape in current model is torch.Size([3, 2]).',
    );
    expect(m.loadStateDict({ bias: fb.zeros(3) }, { strict: false })).toEqual({
      missingKeys: ['weight'],
      unexpectedKeys: [],
    });
  });
  test('train, eval, apply, zeroGrad, requiresGrad_', () => {
    const net = new Net();
    net.eval();
    expect([net.training, net.bn.training]).toEqual([false, false]);
    expect(net.train().bn.training).toBe(true);
    const seen: string[] = [];
    net.apply((m) => seen.push(m.constructor.name));
    expect(seen).toEqual(['Linear', 'BatchNorm1d', 'Linear', 'Net']);
    net(fb.rand(3, 1)).sum().backward();
    expect(net.predict.bias!.grad!.item()).toBe(3);
    net.zeroGrad(false);
    expect(net.predict.bias!.grad!.item()).toBe(0);
    net.zeroGrad();
    expect(net.predict.bias!.grad).toBe(null);
    net.requiresGrad_(false);
    expect(net(fb.rand(3, 1)).requiresGrad).toBe(false);
  });
  test('to converts floating tensors and keeps the parameter objects', () => {
    const net = new Net();
    const weight = net.hidden.weight;
    net.double();
    expect(net.hidden.weight).toBe(weight);
    expect([weight.dtype, weight.requiresGrad, net.bn.runningMean!.dtype, net.bn.numBatchesTracked!.dtype]).toEqual([
      'float64',
      true,
      'float64',
      'int64',
    ]);
    expect(net(fb.rand(3, 1, { dtype: 'float64' })).dtype).toBe('float64');
  });
});

describe('containers', () => {
  test('Sequential', () => {
    const m = new nn.Sequential(new nn.Linear(2, 3), new nn.ReLU());
    expect([m.length, m.at(-1) instanceof nn.ReLU, Object.keys(m.stateDict())]).toEqual([
      2,
      true,
      ['0.weight', '0.bias'],
    ]);
    expect(m(fb.ones(1, 2)).shape).toEqual([1, 3]);
    expect(Object.keys(new nn.Sequential({ fc: new nn.Linear(1, 1) }).stateDict())).toEqual(['fc.weight', 'fc.bias']);
    expect(() => new nn.Sequential(3 as never)).toThrow();
  });
  test('ModuleList and ModuleDict', () => {
    const list = new nn.ModuleList<nn.Module>([new nn.Linear(1, 1)]).append(new nn.ReLU());
    expect([list.length, [...list].length, list.namedParameters().map(([n]) => n)]).toEqual([
      2,
      2,
      ['0.weight', '0.bias'],
    ]);
    const dict = new nn.ModuleDict({ a: new nn.Linear(1, 1) });
    expect([dict.keys(), dict.has('b'), dict.get('a').parameters().length]).toEqual([['a'], false, 2]);
    expect(() => dict.get('b')).toThrow("ModuleDict has no module 'b'");
  });
});

test('prints as PyTorch does', () => {
  expect(inspect(new Net())).toBe(
    [
      'Net(',
      '  (hidden): Linear(in_features=1, out_features=20, bias=True)',
      '  (bn): BatchNorm1d(20, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)',
      '  (predict): Linear(in_features=20, out_features=1, bias=True)',
      ')',
    ].join('\n'),
  );
  const text = (m: nn.Module): string => String(m);
  expect(text(new nn.Conv2d(3, 5, 3))).toBe('Conv2d(3, 5, kernel_size=(3, 3), stride=(1, 1))');
  expect(text(new nn.Conv2d(4, 8, [3, 1], { stride: 2, padding: [1, 0], groups: 2, bias: false }))).toBe(
    'Conv2d(4, 8, kernel_size=(3, 1), stride=(2, 2), padding=(1, 0), groups=2, bias=False)',
  );
  expect(text(new nn.Conv1d(1, 2, 3))).toBe('Conv1d(1, 2, kernel_size=(3,), stride=(1,))');
  expect(text(new nn.MaxPool2d(2))).toBe('MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)');
  expect(text(new nn.Dropout(0.2))).toBe('Dropout(p=0.2, inplace=False)');
  expect(text(new nn.LayerNorm(8))).toBe('LayerNorm((8,), eps=1e-05, elementwise_affine=True)');
  expect(text(new nn.Sequential(new nn.ReLU(), new nn.Softmax(1)))).toBe(
    'Sequential(\n  (0): ReLU()\n  (1): Softmax(dim=1)\n)',
  );
  expect(String(new nn.Parameter(fb.ones(1)))).toBe('Parameter containing:\ntensor([1.], requires_grad=True)');
});
