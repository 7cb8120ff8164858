// An ordinary nn.Module made from a case's description: PyTorch's state dict names, forward by the op list.
import * as fb from '../../../src/index.js';
import { nn, type Tensor } from '../../../src/index.js';
import { dtypeOf, type Op, type Param, type Ref, type Size } from './data.js';
import { Attrs, OPS, type Value } from './ops.js';

const RECURRENT = { gru: nn.GRU, lstm: nn.LSTM, rnn: nn.RNN } as const;
type Recurrent = keyof typeof RECURRENT;
const isRecurrent = (op: string): op is Recurrent => Object.hasOwn(RECURRENT, op);

const isParam = (r: unknown): r is string => typeof r === 'string' && r.startsWith('p:');
const nameOf = (r: string): string => r.slice(2);
const ownerOf = (name: string): string[] => name.split('.').slice(0, -1);

interface Step {
  readonly op: Op;
  readonly attrs: Attrs;
  readonly layer: nn.Module | null;
}

/** The module of a case at one size. Parameters are empty until a state dict is loaded. */
export class CaseModule extends nn.Module {
  private readonly steps: readonly Step[];
  private readonly places = new Map<string, [owner: nn.Module, field: string]>();

  constructor(private readonly size: Size) {
    super();
    const given = new Map(size.params.map((p) => [p.name, p]));
    // Layers with state of their own come first: they bring their parameters.
    this.steps = size.ops.map((op) => ({
      op,
      attrs: new Attrs(op.op, op.attrs ?? {}),
      layer: isRecurrent(op.op) ? this.addLayer(op.op, op, given) : null,
    }));
    for (const p of size.params) this.addState(p);
  }

  override forward(...inputs: Tensor[]): Tensor | Tensor[] {
    const values = new Map<string, Tensor>();
    this.size.inputs.forEach((d, i) => values.set(d.name, inputs[i]!));
    const find = (r: Ref): Tensor | number | null => {
      if (r === null || typeof r === 'number') return r;
      if (!isParam(r)) {
        const v = values.get(r);
        if (v === undefined) throw new Error(`kernelbench: nothing is called '${r}'`);
        return v;
      }
      const place = this.places.get(nameOf(r));
      if (place === undefined) throw new Error(`kernelbench: no parameter '${nameOf(r)}'`);
      return (place[0] as unknown as Record<string, Tensor>)[place[1]]!;
    };
    for (const { op, attrs, layer } of this.steps) {
      const operands: Value[] = op.in.map((r) => (typeof r === 'object' && r !== null ? r.map(find) : find(r as Ref)));
      const result = layer ? runLayer(layer, op, operands) : this.run(op, attrs, operands);
      const results = result instanceof fb.Tensor ? [result] : result;
      const names = typeof op.out === 'string' ? [op.out] : op.out;
      names.forEach((name, i) => values.set(name, results[i]!));
    }
    const outputs = this.size.outputs.map((o) => find(o.ref) as Tensor);
    return outputs.length === 1 ? outputs[0]! : outputs;
  }

  private run(op: Op, attrs: Attrs, operands: readonly Value[]): Tensor | readonly Tensor[] {
    const meaning = OPS[op.op];
    if (meaning === undefined) throw new Error(`kernelbench: unknown op '${op.op}'`);
    return meaning(operands[0] as Tensor, operands.slice(1), attrs, { training: this.training }, operands);
  }

  private addState(p: Param): void {
    const field = p.name.split('.').at(-1)!;
    const owner = ownerOf(p.name).reduce<nn.Module>((at, part) => child(at, part) ?? addChild(at, part), this);
    this.places.set(p.name, [owner, field]);
    if (field in owner) return;
    const data = fb.zeros(p.shape, { dtype: dtypeOf(p.dtype) });
    if (p.kind === 'param') owner.registerParameter(field, new nn.Parameter(data));
    else owner.registerBuffer(field, data);
  }

  private addLayer(kind: Recurrent, op: Op, given: ReadonlyMap<string, Param>): nn.Module {
    const names = op.in.filter(isParam).map(nameOf);
    const first = given.get(names.find((n) => /weight_ih_l0$/.test(n)) ?? '');
    const hidden = given.get(names.find((n) => /weight_hh_l0$/.test(n)) ?? '');
    if (!first || !hidden) throw new Error(`kernelbench: ${kind} without weight_ih_l0 and weight_hh_l0`);
    const a = new Attrs(op.op, op.attrs ?? {});
    const layer = new RECURRENT[kind](first.shape[1]!, hidden.shape[1]!, {
      numLayers: a.number('num_layers', 1),
      bias: names.some((n) => /bias_ih_l0$/.test(n)),
      batchFirst: a.get('batch_first', false),
      bidirectional: a.get('bidirectional', false),
    });
    const path = ownerOf(first.name);
    const last = path.pop();
    if (last === undefined) throw new Error(`kernelbench: the parameters of ${kind} need a prefix`);
    const owner = path.reduce<nn.Module>((at, part) => child(at, part) ?? addChild(at, part), this);
    owner.registerModule(last, layer);
    return layer;
  }
}

const child = (m: nn.Module, name: string): nn.Module | undefined => new Map(m.namedChildren()).get(name);
function addChild(m: nn.Module, name: string): nn.Module {
  const made = new nn.Module();
  m.registerModule(name, made);
  return made;
}

/** A recurrent layer: operands are the input, the initial states (if any), then its own parameters. */
function runLayer(layer: nn.Module, op: Op, operands: readonly Value[]): Tensor[] {
  const states = operands.filter((v, i) => i > 0 && v !== null && !isParam(op.in[i])) as Tensor[];
  const hx = states.length === 0 ? null : states.length === 1 ? states[0]! : states;
  const result = (layer as unknown as (x: Tensor, h: unknown) => [Tensor, Tensor | Tensor[]])(
    operands[0] as Tensor,
    hx,
  );
  return result.flat() as Tensor[];
}
