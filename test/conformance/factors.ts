// Comparing results that are not unique: factorisations, gradients through a function of them, gradients of inputs that count as
// symmetric or triangular. See opinfo/README.md, "What to compare".
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
import { compareNumbers, compareTensor, type Rules } from './compare.js';
import type { Decoder, Numbers, TensorValue } from './values.js';

/** Compares two tensors of this library. */
export function compareLike(got: Tensor, want: Tensor, rules: Rules, path: string): void {
  if (got.dtype !== want.dtype) throw new Error(`${path}: expected dtype ${want.dtype}, got ${got.dtype}`);
  if (String(got.shape) !== String(want.shape))
    throw new Error(`${path}: expected shape [${want.shape}], got [${got.shape}]`);
  compareNumbers(
    got.detach().toTypedArray() as Numbers,
    want.detach().toTypedArray() as Numbers,
    want.dtype,
    rules,
    path,
  );
}

type Factors = readonly Tensor[];
const last = (t: Tensor): number => t.shape.at(-1)!;
const columns = (t: Tensor, k: number): Tensor => t.narrow(-1, 0, k);
const rows = (t: Tensor, k: number): Tensor => t.narrow(-2, 0, k);
const mT = (t: Tensor): Tensor => t.transpose(-2, -1);

/** What is unique about each kind of factors, by name. */
const UNIQUE: Readonly<Record<string, (f: Factors, transposed: boolean) => Record<string, Tensor>>> = {
  svd: ([U, S, V], transposed) => {
    const k = last(S!);
    const [left, right] = [columns(U!, k), transposed ? mT(columns(V!, k)) : rows(V!, k)];
    return {
      S: S!,
      'abs(U)': left.abs(),
      'abs(Vh)': right.abs(),
      'U diag(S) Vh': left.mul(S!.unsqueeze(-2)).matmul(right),
    };
  },
  eigh: ([L, V]): Record<string, Tensor> => (V!.ndim < 2 ? { L: L! } : { L: L!, 'abs(V)': V!.abs() }),
  qr: ([Q, R]) => ({ 'abs(Q)': Q!.abs(), 'abs(R)': R!.abs(), 'Q @ R': Q!.matmul(R!) }),
  'qr-packed': ([a, tau]) => {
    const k = last(tau!);
    return { 'Q @ R': fb.linalg.householderProduct(columns(a!, k), tau!).matmul(rows(a!.triu(), k)) };
  },
  factorisation: ([LD, pivots]) => ({
    inverse: fb.linalg.ldlSolve(LD!, pivots!, fb.eye(last(LD!), { dtype: LD!.dtype })),
  }),
};

/** Compares what `kind` (the manifest's nonUnique) says of the results; the other results as they are. */
export function compareFactors(kind: string, output: unknown, want: unknown, decoder: Decoder, rules: Rules): void {
  const wants = ((want as { tuple?: unknown[] }).tuple ?? []) as TensorValue[];
  const gots = output as readonly Tensor[];
  if (!Array.isArray(gots) || gots.length !== wants.length)
    throw new Error(`output: expected ${wants.length} results, got ${String(output)}`);
  const recorded = wants.map((w) => decoder.tensor(w));
  wants.forEach((w, i) => compareTensor(gots[i]!, w, decoder, { ...rules, typeOnly: true }, `output[${i}]`));
  fb.noGrad(() => {
    // torch.svd gives V, torch.linalg.svd its transpose.
    const transposed = (want as { names?: string[] }).names?.[2] === 'V';
    const [a, b] = [UNIQUE[kind]!(gots, transposed), UNIQUE[kind]!(recorded, transposed)];
    for (const name of Object.keys(b)) compareLike(a[name]!, b[name]!, rules, name);
    // Columns beyond the k-th are any orthonormal completion.
    if (kind === 'svd')
      for (const t of [gots[0]!, gots[2]!].filter((m) => m.shape.at(-1) === m.shape.at(-2)))
        compareLike(t.matmul(mT(t)), fb.eye(last(t), { dtype: t.dtype }).expand(t.shape), looser(rules), 'orthonormal');
  });
}
/** Orthonormality holds to rounding, whatever the sample's own tolerance is. */
const looser = (rules: Rules): Rules => ({ ...rules, tolerance: { ...rules.tolerance, rtol: 1e-4, atol: 1e-4 } });

/** The tensors of `gradThrough`, 'S, abs(U[..., :k])', by the outputs' names. */
export function through(text: string, output: unknown): Tensor[] {
  const results = output as readonly Tensor[] & Readonly<Record<string, Tensor | undefined>>;
  const names: Record<string, Tensor | undefined> = {
    L: results.eigenvalues,
    V: results.eigenvectors ?? results.V,
    U: results.U,
    S: results.S,
    Vh: results.Vh,
  };
  const tokens = text.match(/\w+|\[[^\]]*\]|[(),@]/g) ?? [];
  let at = 0;
  const next = (): string => tokens[at++]!;
  const atom = (): Tensor => {
    const name = next();
    let value: Tensor;
    if (tokens[at] === '(') {
      next();
      const inner = product();
      next();
      value = name === 'abs' ? inner.abs() : mT(inner);
    } else {
      const found = names[name];
      if (!found) throw new Error(`gradThrough names the unknown output '${name}'`);
      value = found;
    }
    while (tokens[at]?.startsWith('[')) {
      const k = last(names.S!);
      value = next().endsWith(':k, :]') ? rows(value, k) : columns(value, k);
    }
    return value;
  };
  const product = (): Tensor => {
    let value = atom();
    while (tokens[at] === '@') {
      next();
      value = value.matmul(atom());
    }
    return value;
  };
  const out = [product()];
  while (tokens[at] === ',') {
    next();
    out.push(product());
  }
  return out;
}

export interface GradientView {
  readonly gradSymmetric?: unknown;
  readonly gradTriangular?: unknown;
}
/** What of the gradient of the input at `path` is defined, or null when all of it is. */
export function definedPart(s: GradientView, path: string): ((g: Tensor) => Tensor) | null {
  if (s.gradSymmetric === path) return (g) => g.add(mT(g));
  const triangle = s.gradTriangular as { path: string; upper: boolean } | undefined;
  if (triangle?.path === path) return (g) => (triangle.upper ? g.triu() : g.tril());
  return null;
}
