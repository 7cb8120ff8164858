// `flambeau explain SCRIPT`: runs a user's script as it is and reports on every function that fb.compile made in it.
import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { bytesText, costText, limitsText, type Explanation } from '../runtime/explain.js';
import { observeCompile, type Explained } from '../runtime/observe.js';
import { explainHtml } from '../viz/explain_html.js';

interface Options {
  readonly script: string;
  readonly html: string | undefined;
  readonly json: boolean;
}

/**
 * The report comes when the script has nothing left to do, or when it ends the process itself: then without the programs that were
 * still being built. What the script prints goes to standard output before it; with --json, to standard error.
 */
export async function explain(args: readonly string[]): Promise<void> {
  const { script, html, json, rest } = parse(args);
  const options = { script, html, json };
  const seen: Explained[] = [];
  observeCompile({ compiled: (f) => void seen.push(f) });
  const restore = json ? moveOutput() : () => undefined;
  let reported = false;
  const report = (): void => {
    if (reported) return;
    reported = true;
    restore();
    observeCompile(undefined);
    write(seen, options);
  };
  process.once('exit', report);
  process.once('beforeExit', () => void finish(seen, report));
  process.argv = [process.argv[0]!, resolve(script), ...rest];
  try {
    await loadScript(script);
  } catch (e) {
    process.stderr.write(`flambeau: the script ended with an error: ${e instanceof Error ? (e.stack ?? e.message) : String(e)}\n`); // prettier-ignore
    process.exitCode = 1;
  }
}

function parse(args: readonly string[]): Options & { readonly rest: string[] } {
  // What follows the script is the script's own.
  const at = args.findIndex((a, i) => !a.startsWith('-') && args[i - 1] !== '--html');
  const { values } = parseArgs({
    args: args.slice(0, at < 0 ? args.length : at),
    options: { html: { type: 'string' }, json: { type: 'boolean', default: false } },
  });
  const script = at < 0 ? undefined : args[at];
  if (script === undefined) throw new Error('explain: expected a script (.ts or .js)');
  if (!existsSync(script)) throw new Error(`explain: no such file: ${script}`);
  return { script, html: values.html, json: values.json, rest: args.slice(at + 1) };
}

/** Imports the script; TypeScript through tsx, the script's own or this package's. */
async function loadScript(script: string): Promise<void> {
  const path = resolve(script);
  if (/\.[cm]?tsx?$/.test(path)) await import(findTsx(path));
  await import(pathToFileURL(path).href);
}

/** What `node --import` takes. */
function findTsx(script: string): string {
  for (const from of [script, import.meta.url]) {
    try {
      return pathToFileURL(createRequire(from).resolve('tsx')).href;
    } catch {
      // The next place.
    }
  }
  throw new Error('explain: TypeScript scripts need tsx (npm install --save-dev tsx), or compile the script first');
}

/** What the script prints goes to standard error until the returned function is called. */
function moveOutput(): () => void {
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = process.stderr.write.bind(process.stderr);
  return () => void (process.stdout.write = write);
}

/** The script has nothing left to do: programs that are still being built are part of the report. */
async function finish(seen: readonly Explained[], report: () => void): Promise<void> {
  await Promise.all(seen.map((f) => f.ready().catch(() => false)));
  report();
}

function write(seen: readonly Explained[], { script, html, json }: Options): void {
  // A function that was never called has nothing to tell.
  const reports = seen.map((f) => f.explain({ limits: true })).filter((e) => e.calls.compiled + e.calls.eager > 0);
  const limits = reports[0]?.limits ?? null;
  if (json) process.stdout.write(`${JSON.stringify({ script: basename(script), functions: reports }, null, 1)}\n`);
  else process.stdout.write(text(reports, limits === null ? '' : limitsText(limits)));
  if (html === undefined) return;
  const cost = (p: Explanation['graphs'][number]['programs'][number], k: number): string =>
    costText(p.parts[k]!, p.kernelTimes?.[k] ?? null, limits);
  const texts = { cost, bytes: bytesText, limits: limits === null ? '' : limitsText(limits) };
  writeFileSync(html, explainHtml(`flambeau explain ${basename(script)}`, reports, texts));
  if (!json) process.stdout.write(`${html}: ${reports.length} functions\n`);
}

function text(reports: readonly Explanation[], limits: string): string {
  if (reports.length === 0) return 'no compiled function was called\n';
  return `${[`this machine: ${limits}`, ...reports.map(String)].join('\n')}\n`;
}
