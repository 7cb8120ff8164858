// The networks of the benchmark cases; the same as on PyTorch's side.
import { nn, type Tensor } from '../src/index.js';
const F = nn.functional;

export class LeNet extends nn.Module {
  conv1 = new nn.Conv2d(1, 6, 5);
  conv2 = new nn.Conv2d(6, 16, 5);
  fc1 = new nn.Linear(256, 120);
  fc2 = new nn.Linear(120, 84);
  fc3 = new nn.Linear(84, 10);
  forward(x: Tensor): Tensor {
    x = F.maxPool2d(F.relu(this.conv1(x)), 2);
    x = F.maxPool2d(F.relu(this.conv2(x)), 2);
    x = x.view(x.size(0), -1);
    return this.fc3(F.relu(this.fc2(F.relu(this.fc1(x)))));
  }
}

export class BasicBlock extends nn.Module {
  c1: nn.Conv2d;
  b1: nn.BatchNorm2d;
  c2: nn.Conv2d;
  b2: nn.BatchNorm2d;
  constructor(c: number) {
    super();
    this.c1 = new nn.Conv2d(c, c, 3, { padding: 1, bias: false });
    this.b1 = new nn.BatchNorm2d(c);
    this.c2 = new nn.Conv2d(c, c, 3, { padding: 1, bias: false });
    this.b2 = new nn.BatchNorm2d(c);
  }
  forward(x: Tensor): Tensor {
    return F.relu(this.b2(this.c2(F.relu(this.b1(this.c1(x))))).add(x));
  }
}
