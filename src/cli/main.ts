#!/usr/bin/env node
// `npx flambeau COMMAND`. Lists only the commands that exist.
import { parseArgs } from 'node:util';
import { cacheClear } from './cache.js';
import { info } from './info.js';

interface Command {
  readonly usage: string;
  readonly help: string;
  run(args: readonly string[]): void;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  info: { usage: 'info', help: 'version, instruction set, libraries, threads, compiler, cache', run: info },
  cache: { usage: 'cache clear', help: 'remove the built kernels of fb.compile', run: cacheClear },
};

function usage(): string {
  const lines = Object.values(COMMANDS).map((c) => `  flambeau ${c.usage.padEnd(14)} ${c.help}`);
  return `usage:\n${lines.join('\n')}\n`;
}

function main(argv: readonly string[]): void {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      version: { type: 'boolean', short: 'v', default: false },
    },
    allowPositionals: true,
  });
  const [name, ...rest] = positionals;
  if (values.version) return COMMANDS['info']!.run(['--version']);
  if (name === undefined || values.help) {
    process.stdout.write(usage());
    return;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new Error(`unknown command '${name}'`);
  command.run(rest);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`flambeau: ${error instanceof Error ? error.message : String(error)}\n${usage()}`);
  process.exitCode = 2;
}
