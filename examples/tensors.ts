// Tensors, random numbers, indexing, and arrays that share memory.   npx tsx examples/tensors.ts
import * as fb from 'flambeau';

fb.manualSeed(1);
const a = fb.rand(3, 2); // shape as arguments or as one array
const b = fb.tensor(
  [
    [1, 2],
    [3, 4],
  ],
  { dtype: 'float64', requiresGrad: true },
);
console.log(a.shape, a.dtype, a.device, a.stride(), a.numel());
console.log(fb.zeros(2, 3), fb.ones([2, 3]), fb.eye(4));
console.log(fb.randn(5, 5, { requiresGrad: true }));
console.log(fb.linspace(-1, 1, 1000).unsqueeze(1).shape);

const nd = a.numpy(); // an ndarray (the npm package) that SHARES memory with `a`
const c = fb.fromNumpy(nd); // and back, no copy
nd.set(0, 0, 0.5);
console.log(a.index(0, 0).item(), c.index(0, 0).item()); // both 0.5
console.log(a.tolist());
console.log(a); // prints like PyTorch
console.log(b);

console.log(a.index(0, fb.slice(0, 2))); // a[0, 0:2]
console.log(a.index('...', null).shape); // a[..., None]
a.indexPut_([a.gt(0.5)], 0); // a[a > 0.5] = 0
console.log(a);
console.log(fb.FloatTensor([1, 2]), fb.LongTensor([1, 2])); // the legacy constructors
