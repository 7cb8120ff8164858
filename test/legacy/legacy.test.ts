// legacy.nn and legacy.optim: gradients layer by layer equal autograd's, and every optimizer finds the minimum.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { legacy, nn, type Tensor } from '../../src/index.js';
const L = legacy.nn;

const close = (a: Tensor, b: Tensor): void => expect(a.sub(b).abs().max().item()).toBeLessThan(1e-5);

describe('modules', () => {
  test('a network by hand has the gradients of autograd', () => {
    fb.manualSeed(0);
    const net = new L.Sequential();
    net
      .add(new L.SpatialConvolution(1, 2, 3, 3))
      .add(new L.ReLU())
      .add(new L.SpatialMaxPooling(2, 2));
    net
      .add(new L.View(-1, 2 * 2 * 2))
      .add(new L.Linear(8, 3))
      .add(new L.LogSoftMax());
    const criterion = new L.ClassNLLCriterion();
    const [x, target] = [fb.randn(4, 1, 6, 6), fb.tensor([0, 2, 1, 1], { dtype: 'int64' })];
    net.zeroGradParameters();
    const output = net.forward(x) as Tensor;
    const loss = criterion.forward(output, target);
    const gradInput = net.backward(x, criterion.backward(output, target)) as Tensor;

    fb.manualSeed(0);
    const modern = new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.ReLU(), new nn.MaxPool2d(2), new nn.Flatten(), new nn.Linear(8, 3), new nn.LogSoftmax(1)); // prettier-ignore
    const watched = x.clone().requiresGrad_();
    const expected = nn.functional.nllLoss(modern(watched), target);
    expected.backward();
    expect(loss).toBeCloseTo(expected.item(), 5);
    close(gradInput, watched.grad!);
    const [params, grads] = net.parameters();
    modern.parameters().forEach((p, i) => {
      close(params[i]!, p.detach());
      close(grads[i]!, p.grad!);
    });
    // A second backward adds; updateParameters takes a step.
    net.backward(x, criterion.backward(output, target));
    close(grads[0]!, modern.parameters()[0]!.grad!.mul(2));
    const before = params[0]!.clone();
    net.updateParameters(0.5);
    close(params[0]!, before.sub(grads[0]!.mul(0.5)));
  });
  test('tables: concat, parallel, join, sum, product', () => {
    const double = new L.CAddTable();
    const net = new L.Sequential(new L.ConcatTable(new L.Identity(), new L.Tanh()), new L.CMulTable());
    const x = fb.tensor([[0.5, -1]]);
    close(net.forward(x) as Tensor, x.mul(x.tanh()));
    const g = net.backward(x, fb.ones(1, 2)) as Tensor;
    close(g, x.tanh().add(x.mul(x.tanh().square().neg().add(1))));
    close(double.forward([x, x]) as Tensor, x.mul(2));
    expect((new L.Concat(1, new L.Identity(), new L.ReLU()).forward(x) as Tensor).tolist()).toEqual([
      [0.5, -1, 0.5, 0],
    ]);
    const parallel = new L.Sequential(new L.ParallelTable(new L.ReLU(), new L.Identity()), new L.JoinTable(1));
    expect((parallel.forward([x, x]) as Tensor).tolist()).toEqual([[0.5, 0, 0.5, -1]]);
    expect((parallel.backward([x, x], fb.ones(1, 4)) as Tensor[]).map((t) => t.tolist())).toEqual([[[1, 0]], [[1, 1]]]);
    expect(() => new L.CAddTable().forward(x)).toThrow(/expected a table/);
  });
  test('training mode, lists, state', () => {
    const net = new L.Sequential(new L.Linear(2, 2), new L.Dropout(0.9), new L.BatchNormalization(2));
    net.evaluate();
    expect(net.listModules().map((m) => m.train)).toEqual([false, false, false, false]);
    const x = fb.ones(3, 2);
    close(net.forward(x) as Tensor, net.forward(x) as Tensor);
    net.training();
    expect(net.findModules(L.Linear)).toEqual([[net.get(0)], [net]]);
    net.clearState();
    expect([net.output, net.get(0).output]).toEqual([null, null]);
    expect(String(net)).toContain('(0): nn.Linear');
  });
  test('flat parameters are shared with the layers', () => {
    const net = new L.Sequential(new L.Linear(2, 3), new L.Linear(3, 1));
    const [w, dw] = net.flattenParameters();
    expect([w.shape, dw.shape]).toEqual([[13], [13]]);
    w.fill_(1);
    close(net.forward(fb.ones(1, 2)) as Tensor, fb.tensor([[10]]));
    net.backward(fb.ones(1, 2), fb.ones(1, 1));
    expect(dw.abs().sum().item()).toBeGreaterThan(0);
  });
  test('criterions', () => {
    const [x, y] = [fb.tensor([0.25, 0.5]), fb.tensor([0, 1])];
    expect(new L.MSECriterion().forward(x, y)).toBeCloseTo((0.0625 + 0.25) / 2);
    expect(new L.MSECriterion(false).backward(x, y).tolist()).toEqual([0.5, -1]);
    expect(new L.BCECriterion().forward(x, y)).toBeCloseTo(-(Math.log(0.75) + Math.log(0.5)) / 2, 5);
    expect(new L.SmoothL1Criterion().forward(x, y)).toBeCloseTo((0.03125 + 0.125) / 2, 5);
    expect(new L.CrossEntropyCriterion().forward(fb.tensor([0, 0]), fb.tensor([1]))).toBeCloseTo(Math.log(2), 5);
  });
});

describe('optim', () => {
  /** (x0 - 1)^2 + 4 (x1 + 2)^2 */
  const opfunc = (x: Tensor): [number, Tensor] => {
    const [a, b] = x.tolist() as [number, number];
    return [(a - 1) ** 2 + 4 * (b + 2) ** 2, fb.tensor([2 * (a - 1), 8 * (b + 2)])];
  };
  test.each([
    ['sgd', { learningRate: 0.05 }, 200],
    ['sgd', { learningRate: 0.02, momentum: 0.9, dampening: 0 }, 300],
    ['nag', { learningRate: 0.02 }, 300],
    ['adam', { learningRate: 0.05 }, 1000],
    ['adamax', { learningRate: 0.05 }, 1000],
    ['adagrad', { learningRate: 0.5 }, 1000],
    ['adadelta', { eps: 1e-2 }, 1000],
    ['rmsprop', { learningRate: 0.005 }, 1500],
    ['rprop', {}, 200],
    ['asgd', { eta0: 0.05, t0: 100 }, 500],
    ['cg', {}, 3],
    ['lbfgs', {}, 2],
    ['lbfgs', { lineSearch: true }, 2],
  ] as const)('%s %o finds the minimum', (name, settings, steps) => {
    const x = fb.zeros(2);
    const config = { ...settings };
    for (let i = 0; i < steps; i++) legacy.optim[name](opfunc, x, config);
    expect(opfunc(x)[0]).toBeLessThan(1e-2);
  });
  test('a step of sgd is learningRate times the gradient; momentum starts with the gradient', () => {
    const x = fb.tensor([3, 0]);
    const [same, [f]] = legacy.optim.sgd(opfunc, x, { learningRate: 0.1, momentum: 0.9 });
    expect([same === x, f]).toEqual([true, 20]);
    close(x, fb.tensor([3 - 0.4, -1.6]));
  });
});
