// What the conformance runners share: the command line, the list of known failures, the summary and the exit code.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

export interface Failure {
  readonly id: string;
  readonly reason: string;
}
/** `count` says how many cases one entry stands for (all samples of an operator); 1 where it is left out. */
export interface Skip extends Failure {
  readonly count?: number;
}

export interface Options {
  readonly data: string;
  readonly only: RegExp | null;
  readonly json: boolean;
  readonly compiled: boolean;
  /** Second derivatives instead of values (opinfo, tier 1 unless --only names operators). */
  readonly secondOrder: boolean;
  /** As an ONNX model of this opset, run in onnxruntime (opinfo: tier 1 unless --only names operators). */
  readonly onnx: boolean;
  readonly opset: number;
  readonly verbose: boolean;
  /** Of fb.compile: 'interpret', or one that a runner registers. */
  readonly backend: string | undefined;
}

/** Reads the command line. `name` is the runner's: its default data are `<shared>/conformance/<name>`. */
export function readOptions(name: string, argv = process.argv.slice(2)): Options {
  const { values } = parseArgs({
    args: argv,
    options: {
      data: { type: 'string' },
      only: { type: 'string' },
      json: { type: 'boolean', default: false },
      compiled: { type: 'boolean', default: false },
      'second-order': { type: 'boolean', default: false },
      onnx: { type: 'boolean', default: false },
      opset: { type: 'string', default: '17' },
      verbose: { type: 'boolean', default: false },
      backend: { type: 'string' },
    },
  });
  const shared =
    process.env.FLAMBEAU_CONFORMANCE ?? fileURLToPath(new URL('../../../shared/conformance', import.meta.url));
  const data = values.data ?? join(shared, name);
  if (!existsSync(data)) throw new Error(`conformance:${name}: no directory '${data}' (give one with --data DIR)`);
  return {
    data,
    only: values.only === undefined ? null : new RegExp(values.only),
    json: values.json,
    compiled: values.compiled,
    secondOrder: values['second-order'],
    onnx: values.onnx,
    opset: Number(values.opset),
    verbose: values.verbose,
    backend: values.backend,
  };
}

/** Collects outcomes; `finish` prints the summary line and sets the exit code. */
export class Report {
  private passed = 0;
  private readonly failed: Failure[] = [];
  private readonly skipped: Skip[] = [];
  private readonly extra: Record<string, unknown> = {};
  private readonly known: ReturnType<typeof readKnown>;

  constructor(
    private readonly name: string,
    private readonly options: Options,
  ) {
    // Compiled results have the known failures of eager ones: they are compared with the same data.
    this.known = readKnown(name + (options.secondOrder ? '-second-order' : options.onnx ? '-export' : ''));
  }

  pass(): void {
    this.passed++;
  }
  fail(id: string, reason: string): void {
    this.failed.push({ id, reason });
    const known = this.knownReason({ id, reason });
    if (!this.options.json || known === null) {
      process.stderr.write(
        `${known === null ? 'FAILED' : 'known failure'} ${id}: ${reason}${known ? ` [${known}]` : ''}\n`,
      );
    }
  }
  skip(id: string, reason: string, count = 1): void {
    this.skipped.push({ id, reason, ...(count === 1 ? {} : { count }) });
  }
  note(key: string, value: unknown): void {
    this.extra[key] = value;
  }

  finish(): void {
    const unexpected = this.failed.filter((f) => this.knownReason(f) === null);
    const skipped = this.skipped.reduce((n, s) => n + (s.count ?? 1), 0);
    const total = this.passed + this.failed.length + skipped;
    if (!this.options.json) {
      const known = this.failed.length - unexpected.length;
      process.stdout.write(
        `conformance:${this.name}: ${this.passed} passed, ${unexpected.length} failed, ${known} known failures, ${skipped} skipped, ${total} in all\n`,
      );
    }
    const summary = {
      total,
      passed: this.passed,
      unexpected: unexpected.length,
      failed: this.failed,
      skipped: this.skipped,
      ...this.extra,
    };
    process.stdout.write(`${JSON.stringify(summary)}\n`);
    process.exitCode = unexpected.length > 0 ? 1 : 0;
  }

  private knownReason({ id, reason }: Failure): string | null {
    return this.known.find((k) => k.id.test(id) && k.says.test(reason))?.reason ?? null;
  }
}

/** A known failure: which case (a regular expression on its id), what it says, and why it is accepted for now. */
interface Known {
  readonly id: string;
  readonly says: string;
  readonly reason: string;
}

/** The committed list. By message, not by sample, so that it serves other data of the same format. */
function readKnown(name: string): { id: RegExp; says: RegExp; reason: string }[] {
  const path = fileURLToPath(new URL(`known/${name}.json`, import.meta.url));
  if (!existsSync(path)) return [];
  return (JSON.parse(readFileSync(path, 'utf8')) as Known[]).map(({ id, says, reason }) => {
    if (typeof reason !== 'string' || reason.length < 10) throw new Error(`${path}: '${id}' needs a reason`);
    return { id: new RegExp(`^(?:${id})$`), says: new RegExp(says), reason };
  });
}

/** A message for a thrown value. */
export const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
