// Containers with the API of lists and dicts, buffers as fields, lazy modules.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';

describe('lists', () => {
  test('Sequential: insert, pop, slice renumber as PyTorch does', () => {
    const net = new nn.Sequential(new nn.Linear(1, 2), new nn.Linear(2, 3));
    net.insert(1, new nn.ReLU());
    expect(String(net)).toBe(
      'Sequential(\n  (0): Linear(in_features=1, out_features=2, bias=True)\n  (1): ReLU()\n  (2): Linear(in_features=2, out_features=3, bias=True)\n)',
    );
    expect(
      net
        .slice(1)
        .namedParameters()
        .map(([n]) => n),
    ).toEqual(['2.weight', '2.bias']);
    expect(net.pop(1)).toBeInstanceOf(nn.ReLU);
    expect(net.namedParameters().map(([n]) => n)).toEqual(['0.weight', '0.bias', '1.weight', '1.bias']);
    expect(() => net.at(5)).toThrow('index 5 is out of range');
    expect(() => net.append(3 as never)).toThrow('is not a Module');
  });
  test('ModuleList: the same layer twice is called twice and listed once', () => {
    const layer = new nn.Linear(1, 1);
    const list = new nn.ModuleList([layer, layer]);
    expect([list.length, list.parameters().length, Object.keys(list.stateDict()).length]).toEqual([2, 2, 4]);
    let x = fb.ones(1, 1);
    for (const l of list) x = l(x);
    expect(x.shape).toEqual([1, 1]);
  });
  test('ParameterList and ParameterDict hold parameters and print them', () => {
    const list = new nn.ParameterList([fb.ones(2)]).append(new nn.Parameter(fb.ones(1, 3)));
    expect(String(list)).toBe(
      'ParameterList(\n    (0): Parameter containing: [torch.float32 of size 2]\n    (1): Parameter containing: [torch.float32 of size 1x3]\n)',
    );
    expect(list.pop(0).shape).toEqual([2]);
    expect(list.namedParameters().map(([n]) => n)).toEqual(['0']);
    const dict = new nn.ParameterDict({ a: fb.ones(1), b: fb.ones(2) });
    expect([dict.keys(), dict.pop('a').shape, dict.has('a'), dict.length]).toEqual([['a', 'b'], [1], false, 1]);
    expect(() => dict.get('a')).toThrow("no parameter 'a'");
  });
  test('ModuleDict: update, items, delete', () => {
    const dict = new nn.ModuleDict<nn.Module>({ a: new nn.ReLU() }).update([['b', new nn.Tanh()]]);
    expect(dict.items().map(([k, m]) => `${k} ${m.constructor.name}`)).toEqual(['a ReLU', 'b Tanh']);
    dict.clear();
    expect([...dict]).toEqual([]);
  });
});

test('a Buffer field is state and not a parameter', () => {
  class Net extends nn.Module {
    mean = new nn.Buffer(fb.ones(2));
    scratch = new nn.Buffer(fb.ones(2), false);
    w = new nn.Parameter(fb.ones(2));
  }
  const net = new Net();
  expect([Object.keys(net.stateDict()), net.buffers().length, net.getBuffer('scratch').shape]).toEqual([
    ['w', 'mean'],
    2,
    [2],
  ]);
  expect(net.double().mean).toBeInstanceOf(nn.Buffer);
});

describe('lazy modules', () => {
  test('the first call sets the sizes and the class; a seed gives the weights of the ordinary module', () => {
    const net = new nn.Sequential(
      new nn.LazyConv2d(4, 3),
      new nn.LazyBatchNorm2d(),
      new nn.Flatten(),
      new nn.LazyLinear(2),
    );
    expect(String(net.at(3))).toBe('LazyLinear(in_features=0, out_features=2, bias=True)');
    expect(() => net.at(3).parameters()[0]!.shape).toThrow("Can't access the shape of an uninitialized parameter");
    fb.manualSeed(3);
    net(fb.rand(2, 1, 5, 5));
    expect([...net].map((m) => m.constructor.name)).toEqual(['Conv2d', 'BatchNorm2d', 'Flatten', 'Linear']);
    expect((net.at(3) as nn.Linear).inFeatures).toBe(36);
    const lazy = new nn.LazyLinear(2);
    fb.manualSeed(5);
    lazy(fb.ones(1, 3));
    fb.manualSeed(5);
    expect(lazy.weight.equal(new nn.Linear(3, 2).weight)).toBe(true);
  });
  test('a state dict fills a lazy module, and the call keeps it', () => {
    const lazy = new nn.LazyLinear(2);
    lazy.double().loadStateDict(new nn.Linear(3, 2).double().stateDict());
    const before = lazy.weight.detach().clone();
    lazy(fb.ones(1, 3, { dtype: 'float64' }));
    expect([lazy.weight.equal(before), lazy.inFeatures, lazy.constructor === nn.Linear]).toEqual([true, 3, true]);
  });
});

test('skipInit draws no numbers', () => {
  const state = fb.getRngState();
  const m = nn.utils.skipInit(nn.Linear, 3, 4);
  expect([m.weight.shape, fb.getRngState()]).toEqual([[4, 3], state]);
});

test('functionalCall uses other tensors and restores the module', () => {
  const net = new nn.Sequential(new nn.Linear(2, 2), new nn.Linear(2, 1));
  const state = Object.fromEntries(net.namedParameters().map(([n, p]) => [n, p.detach().mul(0).requiresGrad_()]));
  const before = net.parameters();
  const out = nn.utils.stateless.functionalCall(net, state, fb.ones(1, 2)) as Tensor;
  out.sum().backward();
  expect([out.item(), state['1.bias']!.grad!.item(), net.parameters().every((p, i) => p === before[i])]).toEqual([
    0,
    1,
    true,
  ]);
  expect(() => nn.utils.stateless.functionalCall(net, { x: fb.ones(1) }, [])).toThrow('Unexpected key(s): x');
});
