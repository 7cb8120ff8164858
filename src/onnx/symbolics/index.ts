// All symbolics by name. The name is the op's own, or the one that its declaration gives (`onnx: { symbolic: NAME }`).
import type { Symbolic } from '../call.js';
import type { Shapes } from '../shapes.js';
import { images } from './images.js';
import { indexing } from './indexing.js';
import { nn } from './nn.js';
import { pointwise } from './pointwise.js';
import { pools } from './pool.js';
import { reductions } from './reduce.js';
import { shapeSymbolics } from './shape.js';

export function allSymbolics(shapes: Shapes): ReadonlyMap<string, Symbolic> {
  return new Map(
    Object.entries({
      ...pointwise,
      ...nn,
      ...images,
      ...pools,
      ...reductions(shapes),
      ...shapeSymbolics(shapes),
      ...indexing(shapes),
    }),
  );
}
