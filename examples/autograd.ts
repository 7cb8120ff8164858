// Gradients: of vectors, of gradients, switched off, and of functions of one's own.   npx tsx examples/autograd.ts
import * as fb from 'flambeau';
import type { Tensor } from 'flambeau';

const x = fb.tensor([1, 2, 3], { requiresGrad: true });
const y = x.mul(2);
console.log(y.gradFn?.name); // MulBackward0
y.backward(fb.tensor([1, 0.1, 0.01]));
console.log(x.grad); // tensor([2.0000, 0.2000, 0.0200])
try {
  x.mul(2).backward();
} catch (e) {
  console.log((e as Error).message); // grad can be implicitly created only for scalar outputs
}

// Gradients of gradients: f = a^3 and its derivatives at 2.
const a = fb.tensor(2, { requiresGrad: true });
let f = a.pow(3);
for (let n = 1; n <= 3; n++) {
  [f] = fb.autograd.grad(f, [a], { createGraph: true }) as [Tensor];
  console.log(`derivative ${n}:`, f.item()); // 12, 12, 6
}

console.log(fb.noGrad(() => x.mul(2)).requiresGrad); // false
{
  using _ = fb.noGrad();
  console.log(x.mul(2).requiresGrad); // false
}

class Exp extends fb.autograd.Function {
  static override forward(ctx: fb.autograd.FunctionCtx, i: Tensor): Tensor {
    const result = i.exp();
    ctx.saveForBackward(result);
    return result;
  }
  static override backward(ctx: fb.autograd.FunctionCtx, g: Tensor): Tensor {
    const [result] = ctx.savedTensors as [Tensor];
    return g.mul(result);
  }
}
const z = fb.tensor([0, 1], { requiresGrad: true });
Exp.apply(z).sum().backward();
console.log(z.grad); // tensor([1.0000, 2.7183])

console.log(fb.autograd.functional.jacobian((v: Tensor) => v.pow(2).mul(v.sum()), fb.tensor([1, 2, 3])));
console.log(fb.autograd.functional.hessian((v: Tensor) => v.pow(3).sum(), fb.tensor([1, 2, 3])));
