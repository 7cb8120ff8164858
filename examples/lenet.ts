// The introduction's LeNet on random input: forward, MSE against 0..9, twenty steps of SGD.   npx tsx examples/lenet.ts
import * as fb from 'flambeau';
import { nn, optim, type Tensor } from 'flambeau';
const F = nn.functional;

fb.manualSeed(0);

export class Net extends nn.Module {
  // convolutions
  conv1 = new nn.Conv2d(1, 6, 5);
  conv2 = new nn.Conv2d(6, 16, 5);
  // fully connected
  fc1 = new nn.Linear(16 * 5 * 5, 120);
  fc2 = new nn.Linear(120, 84);
  fc3 = new nn.Linear(84, 10);

  override forward(x: Tensor) {
    // convolution -> ReLU -> pooling
    x = F.maxPool2d(F.relu(this.conv1(x)), [2, 2]);
    x = F.maxPool2d(F.relu(this.conv2(x)), [2, 2]);
    x = x.view(x.size(0), -1); // -1: what is left
    x = F.relu(this.fc1(x));
    x = F.relu(this.fc2(x));
    return this.fc3(x);
  }
}

const net = new Net();
console.log(net);
const input = fb.randn(1, 1, 32, 32);
const labels = fb.arange(10).view(1, 10).float();
const criterion = new nn.MSELoss();
const optimizer = new optim.SGD(net.parameters(), { lr: 0.01 });
for (let step = 0; step < 20; step++) {
  const out = net(input);
  const loss = criterion(out, labels);
  optimizer.zeroGrad(); // the same as net.zeroGrad()
  loss.backward();
  optimizer.step();
  console.log(`step ${step}: loss ${loss.item().toFixed(4)}`);
}
