// Where the tensors of a checkpoint go: the device names in a file, what `mapLocation` makes of them, and the names of other
// libraries (`registerPackage`).
import { checkDevice, type Device } from '../tensor/dtype.js';
import { ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/handle.js';
import { quote, type Fail } from './errors.js';

/** A device for all tensors, one per device name of the file, or a function from that name to a device (null: as it is). */
export type MapLocation = Device | Readonly<Record<string, Device>> | ((location: string) => Device | null | undefined);

type Tagger = (tensor: Tensor) => string | null | undefined;
type Deserializer = (location: string) => Device | null | undefined;
interface Package {
  readonly priority: number;
  readonly tagger: Tagger;
  readonly deserializer: Deserializer;
}

const packages: Package[] = [
  {
    priority: 10,
    tagger: (t) => (t.device === 'cpu' ? 'cpu' : null),
    deserializer: (l) => (l === 'cpu' ? 'cpu' : null),
  },
  {
    priority: 20,
    tagger: (t) => (t.device.startsWith('cuda') ? t.device : null),
    deserializer: (l) => (/^cuda(?::\d{1,3})?$/.test(l) ? l : null),
  },
];

/**
 * How tensors of other devices are named in files: `tagger` gives the name of a tensor's device or null, `deserializer` the
 * device of a name or null. The lowest priority is asked first.
 */
export function registerPackage(priority: number, tagger: Tagger, deserializer: Deserializer): void {
  packages.push({ priority, tagger, deserializer });
  packages.sort((a, b) => a.priority - b.priority);
}

/** The name that a tensor's device has in a file. */
export function locationTag(t: Tensor): string {
  for (const p of packages) {
    const tag = p.tagger(t);
    if (typeof tag === 'string') return tag;
  }
  throw new ValueError(`don't know how to determine data location of a tensor on ${t.device}`);
}

/** Checks that a tensor with this device name can be loaded. */
export function checkLocation(location: string, map: MapLocation | null, fail: Fail): void {
  const mapped =
    typeof map === 'string'
      ? map
      : typeof map === 'function'
        ? map(location)
        : map !== null && Object.hasOwn(map, location)
          ? map[location]
          : null;
  if (typeof mapped === 'string') return checkDevice(mapped);
  for (const p of packages) {
    const device = p.deserializer(location);
    if (typeof device !== 'string') continue;
    try {
      return checkDevice(device);
    } catch {
      fail(
        `a tensor was saved on the device '${device}', which is not available here. ` +
          `Use load(path, { mapLocation: 'cpu' }) to load it into memory of the CPU`,
      );
    }
  }
  fail(`don't know how to restore data location ${quote(location)}; use the option mapLocation`);
}
