// Saving and loading: state dicts in safetensors and PyTorch's own files, NumPy arrays.   npx tsx examples/save-load.ts [folder]
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import * as fb from 'flambeau';
import { nn, type Tensor } from 'flambeau';

const out = process.argv[2] ?? 'out';
mkdirSync(out, { recursive: true });
fb.manualSeed(0);
const make = (): nn.Sequential => new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 2));
const net = make();
const x = fb.randn(3, 4);

for (const name of ['net.safetensors', 'net.pt']) {
  fb.save(net.stateDict(), join(out, name)); // the format by extension; .pt is read by PyTorch too
  const copy = make();
  copy.loadStateDict(fb.load(join(out, name)) as Record<string, Tensor>);
  console.log(name, 'gives the same outputs:', copy(x).equal(net(x)));
}
fb.save(x, join(out, 'array.npy'));
console.log('array.npy:', (fb.load(join(out, 'array.npy')) as Tensor).shape);
fb.save({ x, y: x.mul(2) }, join(out, 'arrays.npz'));
console.log('arrays.npz:', Object.keys(fb.load(join(out, 'arrays.npz')) as Record<string, Tensor>));
