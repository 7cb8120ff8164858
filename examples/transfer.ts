// Transfer learning: a ResNet whose last layer is made anew and trained, the rest kept as it is.
//   npx tsx examples/transfer.ts [weights.pth] [steps]
// Without weights the network starts from random values, which shows the program and nothing else.
import * as fb from 'flambeau';
import { data, nn, optim, vision } from 'flambeau';
const T = vision.transforms;

fb.manualSeed(0);
const [weights = '', steps = '4'] = process.argv.slice(2);
const net = vision.models.resnet18(weights === '' ? null : weights);
net.requiresGrad_(false);
net.fc = new nn.Linear(512, 2); // new layers learn
console.log(fb.summary(net, [1, 3, 64, 64], { depth: 1 }));

const transform = new T.Compose([new T.Resize(64), new T.ToTensor(), new T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]); // prettier-ignore
const pictures = new vision.datasets.FakeData(64, [3, 64, 64], 2, { transform });
const loader = new data.DataLoader(pictures, { batchSize: 8, shuffle: true });
const learning = net.parameters().filter((p) => p.requiresGrad);
const opt = new optim.SGD(learning, { lr: 0.01, momentum: 0.9 });
const criterion = new nn.CrossEntropyLoss();
let step = 0;
for (const [x, t] of loader) {
  if (step++ === Number(steps)) break;
  const loss = criterion(net(x), t);
  opt.zeroGrad();
  loss.backward();
  opt.step();
  console.log(`step ${step}: loss ${loss.item().toFixed(4)}`);
}
// What an inner layer sees.
const extract = vision.models.featureExtraction.createFeatureExtractor(net.eval(), { layer3: 'features' });
console.log('features:', fb.noGrad(() => extract(fb.randn(1, 3, 64, 64)))['features']!.shape);
