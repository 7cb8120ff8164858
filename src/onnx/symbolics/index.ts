// All symbolics by name. The name is the op's own, or the one that its declaration gives (`onnx: { symbolic: NAME }`).
import { attention } from './attention.js';
import type { Symbolic } from '../call.js';
import type { Shapes } from '../shapes.js';
import { images } from './images.js';
import { indexing } from './indexing.js';
import { nn } from './nn.js';
import { pointwise } from './pointwise.js';
import { pools } from './pool.js';
import { recurrentLayer } from './recurrent.js';
import { reductions } from './reduce.js';
import { scans } from './scan.js';
import { search } from './search.js';
import { shapeSymbolics } from './shape.js';

export function allSymbolics(shapes: Shapes): ReadonlyMap<string, Symbolic> {
  const reduced = reductions(shapes);
  const all = {
    ...pointwise,
    ...nn,
    ...attention(shapes),
    ...images,
    ...pools,
    ...scans,
    ...reduced,
    ...search(shapes, reduced.sum!),
    ...shapeSymbolics(shapes),
    ...indexing(shapes),
    recurrentLayer,
  };
  return new Map(Object.entries(all));
}
