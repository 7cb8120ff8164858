// DataParallel, as far as one device goes.
import { DeviceError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/**
 * Runs a module on several devices at once, each with a part of the batch. Without devices, as in PyTorch, it calls the module.
 * The wrapped module is the child `module`, so that keys of its state dict begin with 'module.'.
 */
export class DataParallel<M extends Module = Module> extends Module {
  readonly module: M;
  readonly deviceIds: readonly number[];
  constructor(module: M, options: { deviceIds?: readonly number[]; outputDevice?: number | null; dim?: number } = {}) {
    super();
    this.deviceIds = options.deviceIds ?? [];
    if (this.deviceIds.length > 0)
      throw new DeviceError(
        `DataParallel(): there are no devices ${this.deviceIds.join(', ')}; leave deviceIds out to run on the CPU`,
      );
    this.module = module;
  }
  override forward(...inputs: unknown[]): Tensor {
    return (this.module as unknown as (...xs: unknown[]) => Tensor)(...inputs);
  }
}
