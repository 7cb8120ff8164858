// What a checkpoint is for: the model whose weights it holds gives the recorded output, and training goes on where it stopped.
import * as fb from '../../../src/index.js';
import { type nn, optim, type Tensor } from '../../../src/index.js';
import { tensorFromBytes } from '../../../src/serialization/tensors.js';
import type { TensorBytes } from '../../../src/serialization/safetensors.js';
import { camel } from '../calls.js';
import { callPython, lookUp } from '../construct.js';

type Json = { readonly [key: string]: unknown };
type Expected = ReadonlyMap<string, TensorBytes>;
export interface Outcome {
  readonly problem: string | null;
  readonly skip?: boolean;
}
/** The library has no such model (yet). */
class NoSuchModel extends Error {}

/** Builds the module of `{ call, args, kwargs }`. */
function build(v: unknown): unknown {
  if (typeof v !== 'object' || v === null) return v;
  const { call, args, kwargs, tuple, list } = v as {
    call?: string;
    args?: unknown[];
    kwargs?: Json;
    tuple?: unknown[];
    list?: unknown[];
  };
  if (call === undefined) return (tuple ?? list)?.map(build) ?? v;
  const dotted = call.replace(/^torchvision\./, 'vision.');
  try {
    lookUp(dotted);
  } catch (e) {
    throw new NoSuchModel((e as Error).message);
  }
  const named = Object.entries(kwargs ?? {}).map(([k, x]) => [k, build(x)]);
  return callPython(dotted, (args ?? []).map(build), Object.fromEntries(named) as Json);
}

const tensorOf = (v: unknown, expected: Expected): Tensor =>
  tensorFromBytes(expected.get((v as Json).tensor as string)!);

function expectClose(got: Tensor, want: Tensor, what: string, rtol = 1.3e-6, atol = 1e-5): void {
  if (!got.allclose(want, { rtol, atol }))
    throw new Error(`${what} differs by ${String(got.sub(want).abs().max().item())} (rtol ${rtol}, atol ${atol})`);
}

function outcome(body: () => void): Outcome {
  try {
    body();
    return { problem: null };
  } catch (e) {
    return { problem: (e as Error).message, skip: e instanceof NoSuchModel };
  }
}

/** `run`: load the weights, call the model, compare its output. */
export function run(spec: unknown, value: unknown, expected: Expected): Outcome {
  const s = spec as {
    model: unknown;
    mode: string;
    args: unknown[];
    output: Json;
    tolerance?: { rtol: number; atol: number };
  };
  return outcome(() => {
    const net = build(s.model) as nn.Module;
    net.loadStateDict(value as Record<string, Tensor>);
    net.train(s.mode !== 'eval');
    let got = fb.noGrad(() =>
      (net as unknown as (...x: Tensor[]) => unknown)(...s.args.map((a) => tensorOf(a, expected))),
    );
    if (!(got instanceof fb.Tensor)) got = [...(got as Iterable<unknown>)][0];
    expectClose(got as Tensor, tensorOf(s.output, expected), 'the output', s.tolerance?.rtol, s.tolerance?.atol);
  });
}

/** `resume`: model and optimizer go on from the checkpoint, one step must lead where PyTorch's did. */
export function resume(spec: unknown, value: unknown, expected: Expected): Outcome {
  const s = spec as {
    model: unknown;
    optimizer: { class: string; kwargs: Json };
    grads: Record<string, unknown>;
    parametersAfter: Record<string, unknown>;
    stateAfter: unknown;
  };
  return outcome(() => {
    const content = value as { model: Record<string, Tensor>; optimizer: optim.OptimizerStateDict };
    const net = build(s.model) as nn.Module;
    net.loadStateDict(content.model);
    const Class = (optim as unknown as Record<string, new (p: Tensor[], o: Json) => optim.Optimizer>)[
      s.optimizer.class
    ];
    if (Class === undefined) throw new NoSuchModel(`there is no optimizer ${s.optimizer.class}`);
    const options = Object.entries(s.optimizer.kwargs).map(([k, v]) => [camel(k), build(v)]);
    const opt = new Class(net.parameters(), Object.fromEntries(options) as Json);
    opt.loadStateDict(content.optimizer);
    const named = new Map(net.namedParameters());
    for (const [name, g] of Object.entries(s.grads)) named.get(name)!.grad = tensorOf(g, expected);
    opt.step();
    for (const [name, want] of Object.entries(s.parametersAfter))
      expectClose(named.get(name)!.detach(), tensorOf(want, expected), `parameter ${name} after the step`);
    compareState(s.stateAfter, opt, expected);
  });
}

/** The manifest has the optimizer's `state_dict()`, or its `state` alone, by parameter number. */
function compareState(after: unknown, opt: optim.Optimizer, expected: Expected): void {
  const state = opt.stateDict().state as Record<number, Record<string, unknown>>;
  const entries = entriesOf(after);
  const inner = entries.find(([k]) => k === 'state');
  for (const [id, slots] of inner ? entriesOf(inner[1]) : entries) {
    if (id === 'param_groups') continue;
    for (const [name, want] of entriesOf(slots)) {
      const got = state[Number(id)]?.[name as string];
      const at = `state ${String(id)}.${String(name)}`;
      if (want === null) {
        if (got !== null && got !== undefined) throw new Error(`${at}: expected null`);
      } else if (typeof want === 'number') {
        const n = got instanceof fb.Tensor ? got.item() : got;
        if (n !== want) throw new Error(`${at}: expected ${want}, got ${String(n)}`);
      } else {
        if (!(got instanceof fb.Tensor)) throw new Error(`${at}: missing`);
        expectClose(got, tensorOf(want, expected), at);
      }
    }
  }
}

function entriesOf(v: unknown): [unknown, unknown][] {
  const { dict, map } = v as { dict?: Json; map?: [unknown, unknown][] };
  return map ?? Object.entries(dict ?? (v as Json));
}
