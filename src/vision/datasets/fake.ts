// Random pictures, for tests of training programs.
import { randint, randn } from '../../tensor/create.js';
import { Generator } from '../../random.js';
import type { Tensor } from '../../tensor/handle.js';
import { toImage } from '../functional/convert.js';
import { checkedIndex, VisionDataset, type VisionOptions } from './base.js';
import { merge, type Rest } from '../../nn/args.js';

export interface FakeDataOptions extends VisionOptions {
  size?: number;
  /** [channels, height, width]. */
  imageSize?: readonly [number, number, number];
  numClasses?: number;
  /** Another offset gives other pictures. */
  randomOffset?: number;
}
/** Noise and random labels; sample i is the same every time: `new FakeData(1000, [3, 224, 224], 10, { transform })`. */
export class FakeData<I = Tensor> extends VisionDataset<[I, number]> {
  readonly length: number;
  readonly imageSize: readonly [number, number, number];
  readonly numClasses: number;
  readonly randomOffset: number;
  constructor(
    ...rest: Rest<[size: number, imageSize: readonly [number, number, number], numClasses: number], FakeDataOptions>
  ) {
    const o = merge<FakeDataOptions>('FakeData', rest, ['size', 'imageSize', 'numClasses'], {
      size: 1000,
      imageSize: [3, 224, 224],
      numClasses: 10,
      randomOffset: 0,
      transform: null,
      targetTransform: null,
      transforms: null,
    });
    super('', o);
    this.length = o.size;
    this.imageSize = o.imageSize;
    this.numClasses = o.numClasses;
    this.randomOffset = o.randomOffset;
  }
  get(index: number): [I, number] {
    const generator = new Generator().manualSeed(checkedIndex(index, this.length) + this.randomOffset);
    const image = toImage(randn([...this.imageSize], { generator }));
    return this.transformed(image, randint(0, this.numClasses, [1], { generator }).item()) as [I, number];
  }
}
