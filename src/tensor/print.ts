// How tensors print: PyTorch's rules (torch/_tensor_str.py, 1.13) for widths, scientific notation, summaries and suffixes.
import type { DType } from './dtype.js';

export interface PrintOptions {
  /** Digits after the point. */
  precision: number;
  /** More elements than this are summarised. */
  threshold: number;
  /** Elements shown at each end of a summarised dimension. */
  edgeItems: number;
  /** Characters in a line. */
  lineWidth: number;
  /** true or false forces scientific notation on or off; null decides by the values. */
  sciMode: boolean | null;
}

const DEFAULTS: Readonly<PrintOptions> = { precision: 4, threshold: 1000, edgeItems: 3, lineWidth: 80, sciMode: null };
const PROFILES: Readonly<Record<string, Readonly<PrintOptions>>> = {
  default: DEFAULTS,
  short: { ...DEFAULTS, precision: 2, edgeItems: 2 },
  full: { ...DEFAULTS, threshold: Infinity },
};
let options: PrintOptions = { ...DEFAULTS };

/** Changes how tensors print; a profile ('default', 'short', 'full') is applied first. */
export function setPrintOptions(o: Partial<PrintOptions> & { profile?: 'default' | 'short' | 'full' }): void {
  const { profile, ...rest } = o;
  options = { ...(profile === undefined ? options : PROFILES[profile]!), ...rest };
}
export const getPrintOptions = (): Readonly<PrintOptions> => options;

/** What printing needs to know about a tensor. Values are row-major. */
export interface Printable {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly floating: boolean;
  readonly values: ArrayLike<number | bigint>;
  /** Dtype that needs no suffix besides int64 and bool. */
  readonly defaultDtype: DType;
  readonly gradFn: string | null;
  readonly requiresGrad: boolean;
}

/** Python's '{:.Nf}': rounds exact halves to even, where Number.toFixed rounds them up. */
export function fixed(x: number, digits: number): string {
  if (!Number.isFinite(x)) return nonFinite(x);
  const sign = x < 0 || Object.is(x, -0) ? '-' : '';
  const a = Math.abs(x);
  let s = a < 1e21 ? a.toFixed(digits) : BigInt(a).toString() + (digits > 0 ? `.${'0'.repeat(digits)}` : '');
  // 100 decimals show the binary value exactly when it is a half of the last digit (such values have few bits).
  if (a < 1e21 && digits < 60) {
    const exact = a.toFixed(Math.min(100, digits + 40));
    const tail = exact.slice(s.length + (digits === 0 ? 1 : 0));
    if (/^50*$/.test(tail) && a.toFixed(100).slice(exact.length).replace(/0/g, '') === '') {
      const down = exact.slice(0, digits === 0 ? exact.indexOf('.') : exact.indexOf('.') + 1 + digits);
      if (Number(down.at(-1)) % 2 === 0) s = down;
    }
  }
  return sign + s;
}

/** Python's '{:.Ne}': two exponent digits at least. */
export function scientific(x: number, digits: number): string {
  if (!Number.isFinite(x)) return nonFinite(x);
  const sign = x < 0 || Object.is(x, -0) ? '-' : '';
  let [mantissa, exponent] = Math.abs(x).toExponential(digits).split('e') as [string, string];
  const exact = Math.abs(x)
    .toExponential(Math.min(100, digits + 40))
    .split('e')[0]!;
  if (/^50*$/.test(exact.slice(digits + 2)) && Number(exact[digits === 0 ? 0 : digits + 1]) % 2 === 0) {
    // Only a true half: one whose decimal expansion ends here.
    mantissa = exact.slice(0, digits === 0 ? 1 : digits + 2);
    exponent = Math.abs(x).toExponential(60).split('e')[1]!;
  }
  const e = Number(exponent);
  return `${sign}${mantissa}e${e < 0 ? '-' : '+'}${String(Math.abs(e)).padStart(2, '0')}`;
}

const nonFinite = (x: number): string => (Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf');

interface Formatter {
  readonly width: number;
  format(x: number | bigint): string;
}

/** Chooses one notation and width for all the values that will be shown. */
function makeFormatter(values: readonly (number | bigint)[], p: Printable): Formatter {
  const { precision } = options;
  if (!p.floating) {
    const show = p.dtype === 'bool' ? (x: number | bigint) => (Number(x) !== 0 ? 'True' : 'False') : String;
    const width = values.reduce<number>((w, x) => Math.max(w, show(x).length), 1);
    return { width, format: (x) => show(x).padStart(width) };
  }
  let min = Infinity;
  let max = 0;
  let integral = true;
  const finite: number[] = [];
  for (const v of values as readonly number[]) {
    if (!Number.isFinite(v) || v === 0) continue;
    finite.push(v);
    const a = Math.abs(v);
    if (a < min) min = a;
    if (a > max) max = a;
    if (v !== Math.ceil(v)) integral = false;
  }
  let sci = false;
  let width = 1;
  if (finite.length > 0) {
    sci = max / min > 1000 || max > 1e8 || (!integral && min < 1e-4);
    for (const v of finite) {
      const length = sci
        ? scientific(v, precision).length
        : integral
          ? fixed(v, 0).length + 1
          : fixed(v, precision).length;
      if (length > width) width = length;
    }
  }
  if (options.sciMode !== null) sci = options.sciMode;
  const format = (value: number | bigint): string => {
    const x = Number(value);
    if (sci) return scientific(x, precision).padStart(width);
    if (integral) return (fixed(x, 0) + (Number.isFinite(x) ? '.' : '')).padStart(width);
    return fixed(x, precision).padStart(width);
  };
  return { width, format };
}

/** Which indices of a dimension are shown; null stands for the ellipsis. */
function shownIndices(size: number, summarize: boolean): (number | null)[] {
  const edge = options.edgeItems;
  if (!summarize || size <= 2 * edge) return Array.from({ length: size }, (_, i) => i);
  return [
    ...Array.from({ length: edge }, (_, i) => i),
    null,
    ...Array.from({ length: edge }, (_, i) => size - edge + i),
  ];
}

function body(p: Printable, indent: number): string {
  const summarize = p.values.length > options.threshold;
  const strides: number[] = [];
  let step = 1;
  for (let d = p.shape.length - 1; d >= 0; d--) {
    strides[d] = step;
    step *= p.shape[d]!;
  }
  const shown: (number | bigint)[] = [];
  const collect = (d: number, at: number): void => {
    if (d === p.shape.length) return void shown.push(p.values[at]!);
    for (const i of shownIndices(p.shape[d]!, summarize)) if (i !== null) collect(d + 1, at + i * strides[d]!);
  };
  collect(0, 0);
  const f = makeFormatter(shown, p);

  const layout = (d: number, at: number, left: number): string => {
    if (d === p.shape.length) return f.format(p.values[at]!);
    const size = p.shape[d]!;
    const indices = shownIndices(size, summarize);
    if (d === p.shape.length - 1) {
      const perLine = Math.max(1, Math.floor((options.lineWidth - left) / (f.width + 2)));
      const items = indices.map((i) => (i === null ? ' ...' : f.format(p.values[at + i]!)));
      const lines: string[] = [];
      for (let i = 0; i < items.length; i += perLine) lines.push(items.slice(i, i + perLine).join(', '));
      return `[${lines.join(`,\n${' '.repeat(left + 1)}`)}]`;
    }
    const slices = indices.map((i) => (i === null ? '...' : layout(d + 1, at + i * strides[d]!, left + 1)));
    return `[${slices.join(`,${'\n'.repeat(p.shape.length - d - 1)}${' '.repeat(left + 1)}`)}]`;
  };
  return layout(0, 0, indent);
}

/** PyTorch's tuple: '(3,)', '(2, 0)'. */
const tuple = (shape: readonly number[]): string => (shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`);

/** The text of a tensor: `tensor([1., 2.], dtype=torch.float64, requires_grad=True)`. */
export function tensorToString(p: Printable): string {
  const prefix = 'tensor(';
  const indent = prefix.length;
  const suffixes: string[] = [];
  let text: string;
  if (p.shape.includes(0)) {
    if (p.shape.length !== 1) suffixes.push(`size=${tuple(p.shape)}`);
    if (p.dtype !== p.defaultDtype) suffixes.push(`dtype=torch.${p.dtype}`);
    text = '[]';
  } else {
    if (p.dtype !== p.defaultDtype && p.dtype !== 'int64' && p.dtype !== 'bool')
      suffixes.push(`dtype=torch.${p.dtype}`);
    text = body(p, indent);
  }
  if (p.gradFn !== null) suffixes.push(`grad_fn=<${p.gradFn}>`);
  else if (p.requiresGrad) suffixes.push('requires_grad=True');

  let out = prefix + text;
  let lastLine = out.length - out.lastIndexOf('\n') + 1;
  for (const suffix of suffixes) {
    if (lastLine + suffix.length + 2 > options.lineWidth) {
      out += `,\n${' '.repeat(indent)}${suffix}`;
      lastLine = indent + suffix.length;
    } else {
      out += `, ${suffix}`;
      lastLine += suffix.length + 2;
    }
  }
  return `${out})`;
}

/** Python's spelling of a float: 1.0, 1e-05. */
export function pyFloat(x: number): string {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf';
  if (Number.isInteger(x) && Math.abs(x) < 1e16) return `${x}.0`;
  const a = Math.abs(x);
  const s = a < 1e-4 || a >= 1e16 ? x.toExponential() : String(x);
  return s.replace(/e([+-])(\d)$/, 'e$10$2');
}
