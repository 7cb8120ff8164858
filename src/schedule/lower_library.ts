// Library ops of which a part is better generated: what a kernel computes on the way costs no pass of its own.
import { computeType } from './dtype.js';
import { lCvt, lOp, lRead } from './expr.js';
import { type Lowering, type NodeRule } from './lowering.js';
import { define, out, tensor } from './rule_util.js';

/** A transposed convolution is the gradient of a plain one, which takes no bias: the bias joins what is computed of the result. */
const convolution: NodeRule = (l: Lowering, n, a) => {
  const [x, w, bias] = [tensor(l, n, 0), tensor(l, n, 1), tensor(l, n, 2)];
  if (a.get('transposed') !== true || !x || !w || !bias) return false;
  const o = out(n);
  const ct = computeType(o.dtype);
  const channel = o.shape.length - (w.shape.length - 1);
  const [product] = l.step(
    n,
    n.op,
    [l.stepTensor(x), l.stepTensor(w), null],
    n.attrs,
    [o],
    'a transposed convolution, its bias apart',
  );
  return define(l, n, (idx) => lOp('add', [lCvt(lRead(product!, idx), ct), lCvt(bias.at([idx[channel]!]), ct)], ct));
};

/** Rules by op name. */
export const LIBRARY: Readonly<Record<string, NodeRule>> = { convolution };
