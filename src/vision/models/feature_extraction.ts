// Outputs in the middle of a model, by hooks on its modules. Source of the names: torchvision.models.feature_extraction.
import { ValueError } from '../../tensor/errors.js';
import type { Tensor } from '../../tensor/handle.js';
import { Module } from '../../nn/index.js';

/** Runs a model and gives the chosen outputs as a record; parameters and state-dict keys are the model's own, below `model`. */
export class FeatureExtractor extends Module {
  model: Module;
  readonly returnNodes: Readonly<Record<string, string>>;
  constructor(model: Module, returnNodes: Readonly<Record<string, string>>) {
    super();
    this.model = model;
    this.returnNodes = returnNodes;
  }
  override forward(...inputs: Tensor[]): Record<string, Tensor> {
    const found = new Map<string, Tensor>();
    const modules = new Map(this.model.namedModules());
    const hooks = Object.keys(this.returnNodes).map((node) => {
      const { path, call } = parse(node, modules);
      let count = 0;
      return modules.get(path)!.registerForwardHook((_m, _i, output) => {
        if (count++ === call) found.set(node, output as Tensor);
      });
    });
    try {
      (this.model as unknown as (...xs: Tensor[]) => unknown)(...inputs);
    } finally {
      for (const h of hooks) h.remove();
    }
    const out: Record<string, Tensor> = {};
    for (const [node, name] of Object.entries(this.returnNodes)) {
      const value = found.get(node);
      if (value === undefined) throw new ValueError(`node '${node}' was not reached in the forward pass`);
      out[name] = value;
    }
    return out;
  }
}
/** `layer1.0.relu_1` is the second output of the module layer1.0.relu. */
function parse(node: string, modules: ReadonlyMap<string, Module>): { path: string; call: number } {
  if (node !== '' && modules.has(node)) return { path: node, call: 0 };
  const at = /^(.*)_(\d+)$/.exec(node);
  if (at !== null && modules.has(at[1]!)) return { path: at[1]!, call: Number(at[2]) };
  throw new ValueError(
    `node: '${node}' is not present in model. Hint: use getGraphNodeNames to make sure that the return_nodes you specified are present.`,
  );
}
/**
 * A module that gives outputs of inner modules: returnNodes are paths (`layer4`, `layer1.0.relu_1` for the second call), as an
 * array or as a record from path to the name in the result. Throws ValueError for unknown paths.
 */
export function createFeatureExtractor(
  model: Module,
  returnNodes: readonly string[] | Readonly<Record<string, string>>,
): FeatureExtractor {
  const nodes = Array.isArray(returnNodes)
    ? Object.fromEntries((returnNodes as readonly string[]).map((n) => [n, n]))
    : (returnNodes as Readonly<Record<string, string>>);
  const modules = new Map(model.namedModules());
  for (const node of Object.keys(nodes)) parse(node, modules);
  return new FeatureExtractor(model, nodes);
}
/** Paths that createFeatureExtractor takes: [in training, in evaluation]; they are the same here. */
export function getGraphNodeNames(model: Module): [string[], string[]] {
  const names = model.namedModules().map(([n]) => n).filter((n) => n !== ''); // prettier-ignore
  return [names, [...names]];
}

/** Runs the children of a model in order and gives some of their outputs: `{ layer4: 'out' }`. */
export class IntermediateLayerGetter extends Module {
  readonly returnLayers: Readonly<Record<string, string>>;
  constructor(model: Module, returnLayers: Readonly<Record<string, string>>) {
    super();
    const wanted = new Set(Object.keys(returnLayers));
    const children = model.namedChildren();
    if ([...wanted].some((w) => !children.some(([n]) => n === w)))
      throw new ValueError('return_layers are not present in model');
    for (const [name, child] of children) {
      this.addModule(name, child);
      wanted.delete(name);
      if (wanted.size === 0) break;
    }
    this.returnLayers = returnLayers;
  }
  override forward(input: Tensor): Record<string, Tensor> {
    const out: Record<string, Tensor> = {};
    let x = input;
    for (const [name, child] of this.namedChildren()) {
      x = (child as unknown as (t: Tensor) => Tensor)(x);
      if (Object.hasOwn(this.returnLayers, name)) out[this.returnLayers[name]!] = x;
    }
    return out;
  }
}
