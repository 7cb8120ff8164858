// Where the conformance data lie: FLAMBEAU_CONFORMANCE, else `shared/conformance` beside the checkout. Tests that need
// the data are skipped, visibly, where there are none.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const root = process.env.FLAMBEAU_CONFORMANCE ?? fileURLToPath(new URL('../../shared/conformance', import.meta.url));

export function conformanceDir(part: string): string | null {
  const dir = join(root, part);
  return existsSync(dir) ? dir : null;
}
