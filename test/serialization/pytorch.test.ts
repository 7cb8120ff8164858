// PyTorch's checkpoint files: what is written comes back with its types, sharing and strides; nothing of a file is ever run.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { native } from '../../src/native.js';

const { serialize } = fb.serialization;
const both = ['pytorch', 'pytorch-legacy'] as const;

test.each(both)('values keep their types (%s)', (format) => {
  const value = {
    epoch: 3,
    loss: 0.25,
    zero: -0,
    nan: NaN,
    big: 2n ** 70n,
    least: -(2n ** 63n),
    text: 'naïve 层',
    list: [1, [true, null]],
    byId: new Map<unknown, unknown>([
      [1, 'a'],
      [-2, ['b']],
    ]),
    set: new Set([1, 'x']),
    bytes: new Uint8Array([0, 1, 255]),
    ['__proto__']: 5,
  };
  const back = fb.load<typeof value>(serialize(value, { format }));
  expect(back).toEqual(value);
  expect(Object.is(back.zero, -0)).toBe(true);
  expect(Object.keys(back)).toContain('__proto__');
});

test.each(both)('tensors keep dtype, strides, sharing and requiresGrad (%s)', (format) => {
  const base = fb.arange(12).float();
  const value = {
    base,
    view: base.view(3, 4).t(),
    tail: base.narrow(0, 8, 4),
    leaf: fb.ones(2, { requiresGrad: true }),
    parameter: new fb.nn.Parameter(fb.ones(2, 2)),
    empty: fb.zeros(0, 3),
    scalar: fb.tensor(7n),
    all: fb.DTYPES.map((dtype) => fb.tensor([0, 1, 1], { dtype })),
  };
  const back = fb.load<typeof value>(serialize(value, { format }));
  for (const [name, t] of Object.entries(value)) {
    if (!(t instanceof fb.Tensor)) continue;
    const got = back[name as keyof typeof value] as fb.Tensor;
    expect([got.dtype, got.shape, got.stride(), got.requiresGrad], name).toEqual([
      t.dtype,
      t.shape,
      t.stride(),
      t.requiresGrad,
    ]);
    expect(got.equal(t), name).toBe(true);
  }
  expect(back.all.map((t) => t.dtype)).toEqual([...fb.DTYPES]);
  expect(back.parameter).toBeInstanceOf(fb.nn.Parameter);
  expect(native.sharesStorage(back.view._h, back.tail._h)).toBe(true);
  fb.noGrad(() => back.tail.fill_(-1));
  expect(back.view.index(0, 2).item()).toBe(-1);
});

test('what is shared stays shared, cycles too', () => {
  const inner = [1];
  const list: unknown[] = [inner, inner];
  list.push(list);
  const back = fb.load<unknown[]>(serialize(list, { format: 'pytorch' }));
  expect(back[0]).toBe(back[1]);
  expect(back[2]).toBe(back);
});

test('files of a device that is not here need mapLocation', () => {
  const bytes = Buffer.from(serialize({ x: fb.ones(3) }, { format: 'pytorch-legacy' }));
  // 'cpu' in the pickle becomes a device that a reader has to know.
  const at = bytes.indexOf('X\x03\0\0\0cpu');
  bytes.write('gpu', at + 5);
  const file = new Uint8Array(bytes);
  expect(() => fb.load(file)).toThrow(/don't know how to restore data location "gpu"; use the option mapLocation/);
  expect(fb.load(file, { mapLocation: 'cpu' })['x']!.tolist()).toEqual([1, 1, 1]);
  expect(fb.load(file, { mapLocation: { gpu: 'cpu' } })['x']!.tolist()).toEqual([1, 1, 1]);
  expect(() => fb.load(file, { mapLocation: () => 'cuda:0' })).toThrow(/not available/);
});

/** A pickle of protocol 2: `body` and STOP. */
const pickle = (body: string): Uint8Array => new Uint8Array(Buffer.from(`\x80\x02${body}.`, 'latin1'));
/** The old format around a pickle: magic number, version, system, object, no storages. */
function legacy(body: string): Uint8Array {
  const empty = Buffer.from(serialize(null, { format: 'pytorch-legacy' }));
  const object = Buffer.from(pickle('N'));
  const at = empty.indexOf(object, empty.indexOf('type_sizes'));
  return new Uint8Array(Buffer.concat([empty.subarray(0, at), pickle(body), empty.subarray(at + object.length)]));
}

test('only names on the list can be used', () => {
  expect(fb.load(legacy('K\x07'))).toBe(7);
  expect(() => fb.load(legacy('cos\nsystem\nX\x02\0\0\0ls\x85R'))).toThrow(
    'it uses the name "os.system", which checkpoints may not use',
  );
  expect(() => fb.load(legacy('ctorch.nn.modules.linear\nLinear\n)\x81}b'))).toThrow(/save model\.state_dict\(\)/);
  expect(() => fb.load(legacy('cconstructor\nconstructor\n'))).toThrow(/may not use/);
});

test('addSafeGlobals allows more names, for a while or for good', () => {
  const file = legacy('cmy.module\nPoint\nK\x01K\x02\x86R');
  const allowed = { 'my.module.Point': (x: unknown, y: unknown) => ({ x, y }) };
  expect(() => fb.load(file)).toThrow(/my\.module\.Point/);
  expect(fb.serialization.safeGlobals(allowed, () => fb.load(file))).toEqual({ x: 1, y: 2 });
  expect(() => fb.load(file)).toThrow(/my\.module\.Point/);
});

test('a damaged archive is noticed wherever a byte changes', () => {
  const good = serialize({ w: fb.arange(8).float() }, { format: 'pytorch' });
  const at = Buffer.from(good).indexOf(Buffer.from(new Float32Array([6, 7]).buffer));
  const bad = good.slice();
  bad[at] = bad[at]! ^ 1;
  expect(() => fb.load(bad)).toThrow(/checksum/);
  for (let cut = 0; cut < good.length; cut += 37)
    expect(() => fb.load(good.subarray(0, cut)), `${cut}`).toThrow(fb.FlambeauError);
});

test('what a checkpoint cannot hold is refused by name', () => {
  const save = (x: unknown): Uint8Array => serialize(x, { format: 'pytorch' });
  expect(() => save({ a: { f: () => 1 } })).toThrow('the value["a"]["f"] is a function');
  expect(() => save({ net: new fb.nn.Linear(1, 1) })).toThrow('save its stateDict()');
  expect(() => save([new Date()])).toThrow('is a Date');
  expect(() => save('\ud800')).toThrow('half a surrogate pair');
});
