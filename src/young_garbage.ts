// Tensors whose last reference is gone hold their memory until V8 notices. V8 sees small objects and is in no hurry, while every op takes
// fresh memory, which the system clears first and no cache holds. So the addon asks for a collection of young objects (a tenth of a
// millisecond) whenever much has been allocated since the last one (native/node/env.cc).
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: { readonly type: 'minor' }) => void;
let collect: Collect | null | undefined;

/** The function that `node --expose-gc` makes global, without making it global; null where V8 does not give it. */
function find(): Collect | null {
  const exposed = 'gc' in globalThis;
  try {
    setFlagsFromString('--expose-gc');
    const made: unknown = runInNewContext('typeof gc === "function" ? gc : null');
    if (!exposed) setFlagsFromString('--no-expose-gc');
    return made as Collect | null;
  } catch {
    return null;
  }
}

/** Collects what died young. */
export function collectYoung(): void {
  if (collect === undefined) collect = find();
  collect?.({ type: 'minor' });
}
