// random_streams.json: after one manualSeed(seed), a list of random calls, each written as a small expression.
import { nn, type Tensor } from '../../../src/index.js';
import { expectClose, expectTensor, expectUlp, fb, values, type Check, type Recorded } from './common.js';

type Value = number | boolean | string | Tensor | nn.Module | readonly Value[];

const shape = (args: readonly Value[]): number[] =>
  Array.isArray(args[0]) ? (args[0] as number[]) : (args.filter((a) => typeof a === 'number') as number[]);
const options = (args: readonly Value[]): { dtype?: 'float64' } =>
  args.includes('float64') ? { dtype: 'float64' } : {};
const F = nn.functional;

const FUNCTIONS: Readonly<Record<string, (...args: never[]) => Value>> = {
  rand: (...a: Value[]) => fb.rand(shape(a), options(a)),
  randn: (...a: Value[]) => fb.randn(shape(a), options(a)),
  randint: (low: number, high: number, size: number[]) => fb.randint(low, high, size),
  randperm: (n: number) => fb.randperm(n),
  normal: (mean: Tensor, std: number) => fb.normal(mean, std),
  bernoulli: (p: Tensor) => fb.bernoulli(p),
  multinomial: (p: number[], n: number, replacement: boolean) => fb.multinomial(fb.tensor(p), n, { replacement }),
  dropout: (x: Tensor, p: number) => F.dropout(x, p, true),
  zeros: (n: number) => fb.zeros(n),
  ones: (n: number) => fb.ones(n),
  full: (size: number[], value: number) => fb.full(size, value),
  empty: (...a: Value[]) => fb.empty(shape(a)),
  linear: (i: number, o: number) => new nn.Linear(i, o),
  conv2d: (i: number, o: number, k: number) => new nn.Conv2d(i, o, k),
  embedding: (n: number, d: number) => new nn.Embedding(n, d),
  kaiming_normal: (...a: Value[]) => nn.init.kaimingNormal_(fb.empty(shape(a))),
  xavier_uniform: (...a: Value[]) => nn.init.xavierUniform_(fb.empty(shape(a))),
  orthogonal: (...a: Value[]) => nn.init.orthogonal_(fb.empty(shape(a))),
  trunc_normal: (...a: Value[]) => nn.init.truncNormal_(fb.empty(shape(a))),
};

/** Evaluates `name(args).name(args).name`; arguments are numbers, booleans, names of dtypes, lists and calls. */
function evaluate(text: string): Value {
  const tokens = text.match(/-?\d+(?:\.\d+)?|\w+|[()[\],.]/g) ?? [];
  let at = 0;
  const list = (end: string): Value[] => {
    const items: Value[] = [];
    while (tokens[at] !== end) {
      items.push(value());
      if (tokens[at] === ',') at++;
    }
    at++;
    return items;
  };
  const value = (): Value => {
    const token = tokens[at++]!;
    if (token === '[') return list(']');
    if (/^-?\d/.test(token)) return Number(token);
    if (token === 'true' || token === 'false') return token === 'true';
    if (tokens[at] !== '(') return token;
    at++;
    const make = Object.hasOwn(FUNCTIONS, token) ? FUNCTIONS[token] : undefined;
    if (!make) throw new Error(`unknown function '${token}' in '${text}'`);
    let result = make(...(list(')') as never[]));
    while (tokens[at] === '.') {
      const name = tokens[at + 1]!;
      at += 2;
      const member = (result as unknown as Record<string, unknown>)[name];
      if (tokens[at] === '(') {
        at++;
        if (typeof member !== 'function') throw new Error(`no method '${name}' for '${text}'`);
        result = (member as (...a: unknown[]) => Value).apply(result, list(')'));
      } else {
        result = member as Value;
      }
    }
    return result;
  };
  return value();
}

/** Where a logarithm, a sine or a decomposition is involved, the last bits depend on the mathematics library. */
const TRANSCENDENTAL = /randn|normal|exponential|orthogonal|embedding/;

export function randomStreams(file: { seed: number; calls: { call: string; out: Recorded }[] }, check: Check): void {
  fb.manualSeed(file.seed);
  for (const { call, out } of file.calls) {
    check(call, () => {
      const got = evaluate(call) as Tensor;
      if (out.dtype === 'int64') expectTensor(got, out, 0);
      else if (TRANSCENDENTAL.test(call)) {
        expectClose(values(got), out.data, 1e-6, 1e-7);
        expectTensor(got, out, 1e-6, 1e-7);
      } else expectUlp(got, out, 1);
    });
  }
}
