// Dicts in plain pickles, which are no checkpoints: what Python programs, those of Python 2 too, wrote data sets with. They are
// read by the restricted machine of unpickler.ts: nothing of the file is run.
import { openSource, type FileLike } from './bytes.js';
import { failer } from './errors.js';
import { finish, PyDict } from './pickle.js';
import { Globals } from './pickle_globals.js';
import { unpickle } from './unpickler.js';

/**
 * The entries `keys` of the dict that a pickle holds: numbers, strings, lists, NumPy arrays as tensors. The strings of Python 2
 * are read as Latin-1. Throws FileFormatError when the file is damaged, uses a name that is not allowed, or lacks a key.
 */
export function readPickledDict<K extends string>(file: FileLike, keys: readonly K[]): Record<K, unknown> {
  const source = openSource(file);
  try {
    const fail = failer(source.name);
    const globals = new Globals(fail);
    const { value } = unpickle(
      source.read(0, source.size),
      0,
      {
        find: (module, name) => globals.find(module, name),
        persistent: () => fail('it has a persistent id, which only checkpoints have'),
        python2Strings: 'latin-1',
      },
      fail,
    );
    if (!(value instanceof PyDict)) return fail('its pickle holds no dict');
    // Only what is asked for becomes a value: other arrays of the file take no memory.
    const wanted = new PyDict();
    for (const key of keys) {
      if (!value.map.has(key)) fail(`its dict has no entry '${key}'`);
      wanted.map.set(key, value.map.get(key));
    }
    return finish(wanted, fail) as Record<K, unknown>;
  } finally {
    source.close();
  }
}
