// four_optimizers.json: section 3 of the API document, on four networks at once.
import { data, nn, optim } from '../../../src/index.js';
import { expectClose, expectUlp, fb, Net, values, type Check, type Recorded } from './common.js';

interface File {
  readonly seed: number;
  readonly lr: number;
  readonly batch: number;
  readonly epochs: number;
  readonly yHead: readonly number[];
  readonly init: Readonly<Record<string, Readonly<Record<string, Recorded>>>>;
  readonly losses: Readonly<Record<string, readonly number[]>>;
}
const NAMES = ['SGD', 'Momentum', 'RMSprop', 'Adam'] as const;

export function fourOptimizers(file: File, check: Check): void {
  fb.manualSeed(file.seed);
  const x = fb.linspace(-1, 1, 1000).unsqueeze(1);
  const y = x.pow(2).add(fb.normal(fb.zeros(x.shape)).mul(0.1));
  check('yHead', () => expectClose(values(y).slice(0, 8), file.yHead, 1e-6));
  const loader = new data.DataLoader(new data.TensorDataset(x, y), { batchSize: file.batch, shuffle: true });
  const nets = NAMES.map(() => new Net());
  NAMES.forEach((name, i) => {
    check(`init of ${name}`, () => {
      const state = nets[i]!.stateDict();
      for (const [key, want] of Object.entries(file.init[name]!)) expectUlp(state[key]!, want, 1);
    });
  });
  const optimizers = [
    new optim.SGD(nets[0]!.parameters(), { lr: file.lr }),
    new optim.SGD(nets[1]!.parameters(), { lr: file.lr, momentum: 0.8 }),
    new optim.RMSprop(nets[2]!.parameters(), { lr: file.lr, alpha: 0.9 }),
    new optim.Adam(nets[3]!.parameters(), { lr: file.lr, betas: [0.9, 0.99] }),
  ];
  const criterion = new nn.MSELoss();
  const history: number[][] = [[], [], [], []];
  for (let epoch = 0; epoch < file.epochs; epoch++) {
    for (const [bx, by] of loader) {
      nets.forEach((net, i) => {
        const loss = criterion(net(bx!), by!);
        optimizers[i]!.zeroGrad();
        loss.backward();
        optimizers[i]!.step();
        history[i]!.push(loss.item());
      });
    }
  }
  NAMES.forEach((name, i) => check(`losses of ${name}`, () => expectClose(history[i]!, file.losses[name]!, 1e-4)));
}
