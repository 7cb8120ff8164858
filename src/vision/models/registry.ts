// The list of model builders, their weights' files, and loading: from a path, or by name from a folder or a mirror.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { FileError, ValueError } from '../../tensor/errors.js';
import type { Tensor } from '../../tensor/handle.js';
import type { Module } from '../../nn/index.js';
import { load } from '../../serialization/save.js';
import { downloadSync } from '../datasets/download_sync.js';
import { FILES } from './weights.js';

/** Weights that torchvision's authors trained: a file by name. */
export interface Weights {
  /** `ResNet18_Weights.IMAGENET1K_V1` */
  readonly name: string;
  readonly file: string;
  readonly url: string;
}
export interface ModelOptions {
  /**
   * A state dict, the path of its file (.pth, .pt, .safetensors), or a name such as 'IMAGENET1K_V1' or 'DEFAULT': then the file
   * is looked for in FLAMBEAU_WEIGHTS_DIR, $TORCH_HOME/hub/checkpoints and ~/.cache/torch/hub/checkpoints, and fetched only when
   * FLAMBEAU_WEIGHTS_MIRROR (an address, or `pytorch.org`) says from where.
   */
  weights?: string | Weights | Readonly<Record<string, Tensor>> | null;
  /** Accepted for PyTorch's sake. */
  progress?: boolean;
  /** Outputs of the classifier (default: ImageNet's 1000). */
  numClasses?: number;
}
/** `resnet18()`, `resnet18('weights.pth')`, `resnet18({ weights, numClasses })`. */
export type Builder<M extends Module = Module, O extends ModelOptions = ModelOptions> = (
  options?: O | ModelOptions['weights'],
  progress?: boolean,
) => M;

const builders = new Map<string, Builder>();
const key = (name: string): string => name.toLowerCase().replaceAll('_', '');

/** Names of options by their type: whether the first argument is weights or a record of options. */
function optionsOf<O extends ModelOptions>(x: O | ModelOptions['weights'] | undefined): O {
  if (x === undefined || x === null) return {} as O;
  if (typeof x === 'string') return { weights: x } as O;
  const values = Object.values(x as object);
  const weights =
    'url' in x || (values.length > 0 && values.every((v) => typeof v === 'object' && v !== null && 'shape' in v));
  return (weights ? { weights: x } : x) as O;
}
/** Registers a builder under torchvision's name. `prepare` renames the keys of old files. */
export function register<M extends Module, O extends ModelOptions = ModelOptions>(
  name: string,
  make: (options: O) => M,
  prepare: (state: Record<string, Tensor>) => Record<string, Tensor> = (s) => s,
): Builder<M, O> {
  const build: Builder<M, O> = (x) => {
    const options = optionsOf<O>(x);
    // Weights decide about parts that only training needs.
    const model = make(options);
    if (options.weights != null) model.loadStateDict(prepare(stateOf(name, options.weights)));
    return model;
  };
  builders.set(name, build as unknown as Builder);
  return build;
}

/** Names of all builders, sorted, as in torchvision. */
export function listModels(): string[] {
  return [...builders.keys()].sort();
}
function find(name: string): [string, Builder] {
  for (const [n, b] of builders) if (key(n) === key(name)) return [n, b];
  throw new ValueError(`Unknown model ${name}`);
}
/** Builds a model by its name ('resnet18', 'vgg11_bn' or 'vgg11Bn'). */
export function getModel(name: string, options: ModelOptions & Record<string, unknown> = {}): Module {
  return find(name)[1](options);
}
/** The builder of a name. */
export const getModelBuilder = (name: string): Builder => find(name)[1];

const URL = 'https://download.pytorch.org/models/';
const classOf = (model: string): string =>
  `${model.split('_').map((w) => w.charAt(0).toUpperCase() + w.slice(1)).join('_')}_Weights`; // prettier-ignore
/** The weights that exist for a model, by name; DEFAULT is the best of them. */
export function getModelWeights(name: string): Readonly<Record<string, Weights>> {
  const [model] = find(name);
  const files = FILES[model] ?? {};
  const out: Record<string, Weights> = {};
  for (const [version, file] of Object.entries(files))
    out[version] = { name: `${classOf(model)}.${version}`, file, url: URL + file };
  const last = Object.keys(files).at(-1);
  if (last !== undefined) out['DEFAULT'] = out[last]!;
  return out;
}
/** Weights by their full name: 'ResNet50_Weights.IMAGENET1K_V2' (case and underscores of the class do not matter). */
export function getWeight(name: string): Weights {
  const [cls, version] = name.split('.') as [string, string | undefined];
  const model = listModels().find((m) => key(classOf(m)) === key(cls));
  const weights = model === undefined || version === undefined ? undefined : getModelWeights(model)[version];
  if (weights === undefined) throw new ValueError(`The weight '${name}' is not known`);
  return weights;
}

function stateOf(model: string, weights: NonNullable<ModelOptions['weights']>): Record<string, Tensor> {
  if (typeof weights === 'string') {
    if (/\.(pth|pt|safetensors|bin)$/.test(weights) || existsSync(weights))
      return load(weights) as Record<string, Tensor>;
    const known = getModelWeights(model);
    const chosen = weights.includes('.') ? getWeight(weights) : known[weights];
    if (chosen === undefined) {
      throw new ValueError(
        `${model}: '${weights}' is neither a file nor a name of weights (${Object.keys(known).join(', ') || 'none are known'})`,
      );
    }
    return load(fetchWeights(chosen)) as Record<string, Tensor>;
  }
  if ('url' in weights && typeof weights.url === 'string')
    return load(fetchWeights(weights as Weights)) as Record<string, Tensor>;
  return weights as Record<string, Tensor>;
}
/** Path of the file on this machine. The last part of its name is the start of its SHA-256, which is checked. */
function fetchWeights(w: Weights): string {
  const torch = process.env['TORCH_HOME'] ?? join(homedir(), '.cache', 'torch');
  const own = process.env['FLAMBEAU_WEIGHTS_DIR'];
  const folders = [...(own === undefined ? [] : [own]), join(torch, 'hub', 'checkpoints')];
  const found = folders.map((f) => join(f, w.file)).find((p) => existsSync(p));
  const path = found ?? join(folders[0]!, w.file);
  if (found === undefined) {
    const mirror = process.env['FLAMBEAU_WEIGHTS_MIRROR'];
    if (mirror === undefined || mirror === '') {
      throw new FileError(
        `${w.name}: ${w.file} not found in ${folders.join(' or ')}. Put ${w.url} there, or set FLAMBEAU_WEIGHTS_MIRROR to the address to fetch it from ('pytorch.org' for the original)`,
      );
    }
    const base = mirror === 'pytorch.org' ? URL : mirror.replace(/\/?$/, '/');
    downloadSync([{ url: base + w.file, path }]);
  }
  const hash = /-([0-9a-f]{8,})\.pth$/.exec(w.file)?.[1];
  if (hash !== undefined && !createHash('sha256').update(readFileSync(path)).digest('hex').startsWith(hash))
    throw new FileError(`${path}: the file is damaged: its SHA-256 does not start with ${hash}`);
  return path;
}
