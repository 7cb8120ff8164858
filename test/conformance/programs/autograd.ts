// autograd.json: backward with `gradient`, third derivatives, names of grad_fn, Jacobian and Hessian.
import type { Tensor } from '../../../src/index.js';
import { expectClose, expectEqual, expectTensor, fb, values, type Check, type Recorded } from './common.js';

const GRADIENT = 'x*2 gradient=';

export function autogradPrograms(file: Readonly<Record<string, unknown>>, check: Check): void {
  for (const [key, want] of Object.entries(file)) {
    check(key, () => {
      if (key.startsWith(GRADIENT)) {
        const x = fb.tensor([1, 2, 3], { dtype: 'float32', requiresGrad: true });
        x.mul(2).backward(fb.tensor(JSON.parse(key.slice(GRADIENT.length)) as number[], { dtype: 'float32' }));
        expectClose(values(x.grad!), want as number[], 1e-6);
      } else if (key === 'd^n a^3 at 2') {
        expectClose(derivatives(), want as number[], 1e-6);
      } else if (key === 'grad_fn') {
        expectEqual(names(), want);
      } else if (key === 'jacobian of x^2*sum') {
        const at = fb.tensor([1, 2, 3], { dtype: 'float32' });
        expectTensor(
          fb.autograd.functional.jacobian((x: Tensor) => x.pow(2).mul(x.sum()), at) as Tensor,
          want as Recorded,
          1e-6,
        );
      } else if (key === 'hessian of sum(x^3)') {
        const at = fb.tensor([1, 2, 3], { dtype: 'float32' });
        expectTensor(
          fb.autograd.functional.hessian((x: Tensor) => x.pow(3).sum(), at) as Tensor,
          want as Recorded,
          1e-6,
        );
      } else {
        throw new Error('this runner does not know that entry');
      }
    });
  }
}

function derivatives(): number[] {
  const a = fb.tensor(2, { dtype: 'float32', requiresGrad: true });
  let f = a.pow(3);
  return [1, 2, 3].map(() => {
    f = fb.autograd.grad(f, a, { createGraph: true })[0]!;
    return f.item();
  });
}

function names(): (string | undefined)[] {
  const x = fb.tensor([1, 2, 3], { dtype: 'float32', requiresGrad: true });
  return [x.mul(2), x.exp(), x.sum(), x.relu(), x.view(3, 1), x.dot(x)].map((t) => t.gradFn?.name);
}
