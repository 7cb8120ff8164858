// SGD, momentum, RMSprop and Adam on one regression: the comparison of the introduction, with a plot of the losses.
//   npx tsx examples/four-optimizers.ts [epochs] [plot.svg]
import * as fb from 'flambeau';
import { nn, optim, data, type Tensor } from 'flambeau';
const F = nn.functional;

fb.manualSeed(1);
const LR = 0.01,
  BATCH_SIZE = 32,
  EPOCH = Number(process.argv[2] ?? 12);
const x = fb.linspace(-1, 1, 1000).unsqueeze(1);
const y = x.pow(2).add(fb.normal(fb.zeros(x.shape)).mul(0.1));
const loader = new data.DataLoader(new data.TensorDataset(x, y), { batchSize: BATCH_SIZE, shuffle: true });

class Net extends nn.Module {
  hidden = new nn.Linear(1, 20); // plain fields register themselves, in order
  predict = new nn.Linear(20, 1);
  override forward(x: Tensor) {
    return this.predict(F.relu(this.hidden(x)));
  }
}
const nets = [new Net(), new Net(), new Net(), new Net()] as const;
const optimizers = [
  new optim.SGD(nets[0].parameters(), { lr: LR }),
  new optim.SGD(nets[1].parameters(), { lr: LR, momentum: 0.8 }),
  new optim.RMSprop(nets[2].parameters(), { lr: LR, alpha: 0.9 }),
  new optim.Adam(nets[3].parameters(), { lr: LR, betas: [0.9, 0.99] }),
];
const criterion = new nn.MSELoss();
const history: number[][] = [[], [], [], []];
for (let epoch = 0; epoch < EPOCH; epoch++) {
  for (const [bx, by] of loader) {
    // sync when numWorkers is 0; `for await` always works
    nets.forEach((net, i) => {
      const loss = criterion(net(bx), by); // modules and losses are callable
      optimizers[i]!.zeroGrad();
      loss.backward();
      optimizers[i]!.step();
      history[i]!.push(loss.item());
    });
  }
}
const labels = ['SGD', 'Momentum', 'RMSprop', 'Adam'];
labels.forEach((name, i) =>
  console.log(name.padEnd(9), 'first', history[i]![0]!.toFixed(4), 'last', history[i]!.at(-1)!.toFixed(4)),
);
const file = process.argv[3] ?? 'out/losses.svg';
fb.viz.plot(history, { labels, x: 'step', y: 'loss' }).save(file);
console.log(`losses: ${file}`);
