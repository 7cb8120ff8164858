// Random numbers of transforms: drawn one by one from the default generator, in torchvision's order, so that a seed gives
// torchvision's crops, angles and factors.
import { native } from '../native.js';
import { dtypeCode } from '../tensor/dtype.js';
import { randperm } from '../tensor/create.js';

const one = (dtype: 'float32' | 'int64'): object => native.ops.empty([1], dtypeCode(dtype));

/** What `torch.empty(1).uniform_(a, b).item()` draws. */
export function uniform(a: number, b: number): number {
  const h = one('float32');
  native.ops.uniform_(h, a, b, null);
  return (native.toTypedArray(h) as Float32Array)[0]!;
}
/** What `torch.rand(1).item()` draws. */
export const rand = (): number => uniform(0, 1);
/** Whether `torch.rand(1) < p`: the comparison is in float32. */
export const happens = (p: number): boolean => rand() < Math.fround(p);
/** What `torch.randint(low, high, (1,)).item()` draws: low <= n < high. */
export function randint(low: number, high: number): number {
  const h = one('int64');
  native.ops.randint_(h, low, high, null);
  return Number((native.toTypedArray(h) as BigInt64Array)[0]);
}
/** A random order of 0 .. n-1. */
export const permutation = (n: number): number[] => Array.from(randperm(n).toTypedArray() as BigInt64Array, Number);

/** Python's round: halves go to the even neighbour. */
export function pyRound(x: number): number {
  const r = Math.round(x);
  return Math.abs(x - Math.trunc(x)) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}
/** exp(log(x)) as torchvision draws aspect ratios: uniform in the logarithm, float32 on the way. */
export function logUniform(ratio: readonly [number, number]): number {
  const f = Math.fround;
  return f(Math.exp(uniform(f(Math.log(f(ratio[0]))), f(Math.log(f(ratio[1]))))));
}
