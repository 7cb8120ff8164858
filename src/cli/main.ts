#!/usr/bin/env node
// `npx flambeau COMMAND`. Lists only the commands that exist.
import { build } from './build.js';
import { cacheClear } from './cache.js';
import { info } from './info.js';

interface Command {
  readonly usage: string;
  readonly help: string;
  /** Its arguments may be those of a script: no --help for this program among them, unless it comes first. */
  readonly script?: true;
  run(args: readonly string[]): void | Promise<void>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  info: { usage: 'info', help: 'version, instruction set, libraries, threads, compiler, cache', run: info },
  build: {
    usage: 'build MODEL.fbg --out DIR [--name N] [--embed] [--march A] [--no-build]',
    help: 'C++ sources, a C library and a Node addon that need nothing else',
    run: build,
  },
  run: {
    usage: 'run MODEL [--input NAME=FILE]... [--size NAME=N]... [--seed N] [--compile] [--out FILE]',
    help: 'one run of an .onnx or .fbg model; inputs that are not given are random',
    run: async (args) => (await import('./run.js')).run(args),
  },
  bench: {
    usage: 'bench MODEL [--input NAME=FILE]... [--size NAME=N]... [--threads N] [--time SECONDS] [--json]',
    help: 'time of one run of an .onnx or .fbg model: op by op, compiled, and in onnxruntime where that is installed',
    run: async (args) => (await import('./bench.js')).bench(args),
  },
  view: {
    usage: 'view MODEL [--out FILE.html]',
    help: 'an .onnx or .fbg model as one HTML page',
    run: async (args) => (await import('./view.js')).view(args),
  },
  explain: {
    usage: 'explain [--html FILE] [--json] SCRIPT [ARGUMENTS]...',
    script: true,
    help: 'runs a script (.ts or .js) and tells what fb.compile made of its functions: kernels, costs, reasons',
    run: async (args) => (await import('./explain.js')).explain(args),
  },
  cache: { usage: 'cache clear', help: 'remove the built kernels of fb.compile', run: cacheClear },
};

function usage(): string {
  const lines = Object.values(COMMANDS).map((c) => `  flambeau ${c.usage}\n      ${c.help}`);
  return `usage:\n${lines.join('\n')}\n`;
}

async function main(argv: readonly string[]): Promise<void> {
  // Options behind the command's name are the command's own.
  const [name, ...rest] = argv;
  if (name === '--version' || name === '-v') return COMMANDS['info']!.run(['--version']);
  const own = name !== undefined && Object.hasOwn(COMMANDS, name) && COMMANDS[name]!.script && rest[0] !== '--help';
  if (name === undefined || name === '--help' || name === '-h' || (rest.includes('--help') && !own)) {
    process.stdout.write(usage());
    return;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new Error(`unknown command '${name}'`);
  await command.run(rest);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`flambeau: ${error instanceof Error ? error.message : String(error)}\n${usage()}`);
  process.exitCode = 2;
}
