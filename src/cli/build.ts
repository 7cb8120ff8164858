// `flambeau build model.fbg --out DIR`.
import { parseArgs } from 'node:util';
import { buildDeployment } from '../deploy/build.js';

export function build(args: readonly string[]): void {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      out: { type: 'string' },
      name: { type: 'string' },
      march: { type: 'string' },
      embed: { type: 'boolean', default: false },
      'no-build': { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  const [file, ...rest] = positionals;
  if (file === undefined || rest.length > 0 || values.out === undefined)
    throw new Error('build: expected a graph file and --out DIR');
  const done = buildDeployment(file, {
    out: values.out,
    embed: values.embed,
    build: !values['no-build'],
    ...(values.name === undefined ? {} : { name: values.name }),
    ...(values.march === undefined ? {} : { march: values.march }),
  });
  process.stdout.write(
    done.built.length > 0
      ? `${done.built.map((n) => `${done.out}/dist/${n}`).join('\n')}\n`
      : `${done.out}: sources of ${done.id}, not built\n`,
  );
}
