// Control flow as part of the graph: both branches and the loop run without JavaScript and export to ONNX.
import * as fb from 'flambeau';
import { nn, type Tensor } from 'flambeau';

class Policy extends nn.Module {
  fc = new nn.Linear(4, 4);
  forward(x: Tensor, n: number): Tensor {
    let h = x;
    for (let i = 0; i < n; i++) h = fb.tanh(this.fc(h));
    if (h.sum().item() > 0) return h;
    else return h.neg();
  }
}

fb.manualSeed(0);
const policy = new Policy().eval();
const x = fb.rand(2, 4);
const asWritten = fb.noGrad(() => [2, 5].map((n) => policy.forward(x, n)));
const scripted = fb.jit.script(policy);
const inGraph = fb.noGrad(() => [2, 5].map((n) => scripted(x, n)));
await scripted.ready();
const compiled = fb.noGrad(() => [2, 5].map((n) => scripted(x, n)));
const equal = [inGraph, compiled].every((list) => list.every((t, i) => t.allclose(asWritten[i]!)));
console.log('as written, in the graph and compiled:', equal ? 'equal' : 'different');
const text = scripted.graph.toString();
console.log('nodes of control flow:', text.match(/\b(loop|if)\(/g)?.join(' '));

const file = process.argv[2] ?? 'policy.onnx';
fb.onnx.export(scripted, [x, 3], file, { inputNames: ['x', 'n'] });
const loaded = fb.onnx.load(file);
const again = fb.noGrad(() => loaded.forward({ x, n: fb.tensor(5, { dtype: 'int64' }) })) as Tensor;
console.log('from ONNX, five rounds:', again.allclose(asWritten[1]!) ? 'equal' : 'different');
