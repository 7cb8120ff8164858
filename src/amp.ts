// The namespace `amp`: scaling losses so that small float16 gradients do not vanish. Source: torch.amp.GradScaler.
import { native } from './native.js';
import type { Optimizer } from './optim/optimizer.js';
import { ValueError } from './tensor/errors.js';
import { isTensor, type Tensor } from './tensor/handle.js';

export interface GradScalerOptions {
  initScale?: number;
  growthFactor?: number;
  backoffFactor?: number;
  /** Steps without an overflow after which the scale grows. */
  growthInterval?: number;
  /** false: everything passes through unchanged. */
  enabled?: boolean;
}
export interface GradScalerState {
  scale: number;
  growth_factor: number;
  backoff_factor: number;
  growth_interval: number;
  _growth_tracker: number;
}
type Stage = 'ready' | 'unscaled' | 'stepped';
interface Seen {
  stage: Stage;
  overflow: boolean;
}

/**
 * Multiplies losses before backward and divides gradients before the step; skips steps whose gradients overflowed.
 * @example scaler.scale(loss).backward();  scaler.step(opt);  scaler.update()
 */
export class GradScaler {
  #scale: number;
  #growthFactor: number;
  #backoffFactor: number;
  #growthInterval: number;
  #tracker = 0;
  readonly #enabled: boolean;
  readonly #seen = new Map<Pick<Optimizer, 'paramGroups'>, Seen>();

  constructor(options: GradScalerOptions = {}) {
    const { initScale = 65536, growthFactor = 2, backoffFactor = 0.5, growthInterval = 2000, enabled = true } = options;
    if (!(growthFactor > 1)) throw new ValueError('The growth factor must be > 1.0.');
    if (!(backoffFactor < 1)) throw new ValueError('The backoff factor must be < 1.0.');
    this.#scale = initScale;
    this.#growthFactor = growthFactor;
    this.#backoffFactor = backoffFactor;
    this.#growthInterval = growthInterval;
    this.#enabled = enabled;
  }

  /** The outputs (tensors, arrays of them) times the scale. */
  scale<T extends Tensor | readonly unknown[]>(outputs: T): T {
    if (!this.#enabled) return outputs;
    const scaled = (x: unknown): unknown => {
      if (isTensor(x)) return x.mul(this.#scale);
      if (Array.isArray(x)) return x.map(scaled);
      throw new ValueError('outputs must be a Tensor or an iterable of Tensors');
    };
    return scaled(outputs) as T;
  }
  /** Divides the gradients of an optimizer's parameters by the scale: call it before clipping them. */
  unscale_(optimizer: Pick<Optimizer, 'paramGroups'>): void {
    if (!this.#enabled) return;
    const seen = this.#of(optimizer);
    if (seen.stage === 'unscaled')
      throw new ValueError('unscale_() has already been called on this optimizer since the last update().');
    if (seen.stage === 'stepped') throw new ValueError('unscale_() is being called after step().');
    const grads = optimizer.paramGroups.flatMap((g) => g.params.flatMap((p) => p.grad ?? []));
    if (grads.length === 0)
      throw new ValueError('No gradients were found: call backward() before unscale_() or step()');
    for (const g of grads) {
      // The sum of zero times each element is NaN where one is infinite or NaN.
      seen.overflow ||= Number.isNaN(Number(g.detach().float().mul(0).sum().item()));
      const plain = native.ops.detach(g._h);
      native.ops.mul_(plain, 1 / this.#scale);
    }
    seen.stage = 'unscaled';
  }
  /** The optimizer's step, unless a gradient is infinite or NaN. */
  step<T>(optimizer: Optimizer, closure?: () => T): T | void {
    if (!this.#enabled) return closure === undefined ? optimizer.step() : optimizer.step(closure);
    if (closure !== undefined) throw new ValueError('Closure use is not currently supported if GradScaler is enabled.');
    const seen = this.#of(optimizer);
    if (seen.stage === 'stepped') throw new ValueError('step() has already been called since the last update().');
    if (seen.stage === 'ready') this.unscale_(optimizer);
    if (!seen.overflow) optimizer.step();
    seen.stage = 'stepped';
  }
  /** Adapts the scale: down after an overflow, up after `growthInterval` steps without one; or sets it. */
  update(newScale?: number | Tensor | null): void {
    if (!this.#enabled) return;
    if (newScale !== undefined && newScale !== null) {
      this.#scale = Number(isTensor(newScale) ? newScale.item() : newScale);
    } else {
      if (this.#seen.size === 0) throw new ValueError('No inf checks were recorded prior to update.');
      if ([...this.#seen.values()].some((s) => s.overflow)) {
        this.#scale *= this.#backoffFactor;
        this.#tracker = 0;
      } else if (++this.#tracker === this.#growthInterval) {
        this.#scale *= this.#growthFactor;
        this.#tracker = 0;
      }
    }
    this.#seen.clear();
  }
  #of(optimizer: Pick<Optimizer, 'paramGroups'>): Seen {
    let seen = this.#seen.get(optimizer);
    if (seen === undefined) this.#seen.set(optimizer, (seen = { stage: 'ready', overflow: false }));
    return seen;
  }

  getScale(): number {
    return this.#enabled ? this.#scale : 1;
  }
  isEnabled(): boolean {
    return this.#enabled;
  }
  /** Under PyTorch's names; empty when disabled. */
  stateDict(): GradScalerState | Record<string, never> {
    if (!this.#enabled) return {};
    return {
      scale: this.#scale,
      growth_factor: this.#growthFactor,
      backoff_factor: this.#backoffFactor,
      growth_interval: this.#growthInterval,
      _growth_tracker: this.#tracker,
    };
  }
  loadStateDict(state: Partial<GradScalerState>): void {
    if (!this.#enabled) return;
    if (state.scale === undefined)
      throw new ValueError(
        'The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler.',
      );
    this.#scale = state.scale;
    this.#growthFactor = state.growth_factor ?? this.#growthFactor;
    this.#backoffFactor = state.backoff_factor ?? this.#backoffFactor;
    this.#growthInterval = state.growth_interval ?? this.#growthInterval;
    this.#tracker = state._growth_tracker ?? this.#tracker;
  }
}
