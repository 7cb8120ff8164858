// What the reference programs share: the recorded tensors, comparisons, and the two networks.
import * as fb from '../../../src/index.js';
import { nn, type Tensor } from '../../../src/index.js';
const F = nn.functional;

export interface Recorded {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly data: readonly number[];
}
/** Runs one check; what it throws becomes a failure `program/id`. */
export type Check = (id: string, run: () => void) => void;
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each program knows the form of its own file
export type Program = (data: any, check: Check) => void;

export const values = (t: Tensor): number[] =>
  Array.from(t.detach().toTypedArray() as ArrayLike<number | bigint>, Number);

/** `rtol` 0: equal. */
export function expectClose(got: readonly number[], want: readonly number[], rtol: number, atol = 0): void {
  if (got.length !== want.length) throw new Error(`expected ${want.length} numbers, got ${got.length}`);
  const bad = want.findIndex((w, i) => !(Math.abs(got[i]! - w) <= atol + rtol * Math.abs(w)));
  if (bad >= 0) throw new Error(`number ${bad} is ${got[bad]}, expected ${want[bad]} (rtol ${rtol}, atol ${atol})`);
}

export function expectTensor(got: Tensor, want: Recorded, rtol: number, atol = 0): void {
  if (got.dtype !== want.dtype) throw new Error(`expected dtype ${want.dtype}, got ${got.dtype}`);
  if (String(got.shape) !== String(want.shape)) throw new Error(`expected shape [${want.shape}], got [${got.shape}]`);
  expectClose(values(got), want.data, rtol, atol);
}

/** At most `n` representable numbers apart. */
export function expectUlp(got: Tensor, want: Recorded, n: number): void {
  if (got.dtype !== want.dtype) throw new Error(`expected dtype ${want.dtype}, got ${got.dtype}`);
  if (String(got.shape) !== String(want.shape)) throw new Error(`expected shape [${want.shape}], got [${got.shape}]`);
  const bits = want.dtype === 'float64' ? 52 : 23;
  values(got).forEach((g, i) => {
    const w = want.data[i]!;
    const ulp = 2 ** (Math.floor(Math.log2(Math.max(Math.abs(w), 2 ** -126))) - bits);
    if (!(Math.abs(g - w) <= n * ulp)) throw new Error(`number ${i} is ${g}, expected ${w} (${n} ulp)`);
  });
}

export const expectEqual = (got: unknown, want: unknown): void => {
  if (JSON.stringify(got) !== JSON.stringify(want))
    throw new Error(`expected ${JSON.stringify(want)}, got ${JSON.stringify(got)}`);
};

/** The network of the four-optimizer comparison. */
export class Net extends nn.Module {
  hidden = new nn.Linear(1, 20);
  predict = new nn.Linear(20, 1);
  forward(x: Tensor): Tensor {
    return this.predict(F.relu(this.hidden(x)));
  }
}

/** The introduction's LeNet for 32x32 images. */
export class LeNet extends nn.Module {
  conv1 = new nn.Conv2d(1, 6, 5);
  conv2 = new nn.Conv2d(6, 16, 5);
  fc1 = new nn.Linear(16 * 5 * 5, 120);
  fc2 = new nn.Linear(120, 84);
  fc3 = new nn.Linear(84, 10);
  forward(x: Tensor): Tensor {
    x = F.maxPool2d(F.relu(this.conv1(x)), [2, 2]);
    x = F.maxPool2d(F.relu(this.conv2(x)), [2, 2]);
    x = x.view(x.size(0), -1);
    x = F.relu(this.fc1(x));
    x = F.relu(this.fc2(x));
    return this.fc3(x);
  }
}

export { fb };
