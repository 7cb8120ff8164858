// What the cases must reach, as allowed ratios; printed beside every figure by peers.ts.
import type { Mode } from './cases.js';

/** Largest allowed ratio of our time to PyTorch's eager time, one thread. */
export const GOALS: Readonly<Record<string, Partial<Record<Mode, number>>>> = {
  add_8: { eager: 0.7 },
  add_8_grad: { eager: 0.7 },
  mlp_step_b32: { eager: 0.5, compiled: 1 / 15 },
  lenet_step_b64: { eager: 0.8, compiled: 1 / 4 },
  lenet_step_b1: { compiled: 1 / 10 },
  transformer_block_step: { compiled: 1 / 1.4 },
  lstm_infer: { compiled: 1 / 1.5 },
  attention_b4h8t256: { compiled: 1 / 1.4 },
  resnet_block_step: { compiled: 1 / 1.1 },
  ...Object.fromEntries(memoryBound().map((name) => [name, { compiled: 1 }])),
};

const N = 4096 * 4096;
/** Bytes that a memory-bound case moves when it moves each once. Its time is compared with a warm copy of as many in the same process. */
export const BYTES: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    ['chain', 'gelu', 'softmax', 'layer_norm', 'rms_norm', 'transpose_add'].map((n) => [`${n}_16m`, 2 * N * 4]),
  ),
  swiglu_16m: 3 * N * 4,
  var_dim0_16m: N * 4,
  // parameter, gradient and two moments read; parameter and moments written
  adam_step_10m: 7 * 10_000_000 * 4,
  cross_entropy_fwd_bwd: 2 * 256 * 32000 * 4,
};
/** Largest allowed ratio to that copy. */
export const COPY_GOAL = 1.3;
function memoryBound(): string[] {
  return [
    ...['chain', 'gelu', 'swiglu', 'softmax', 'layer_norm', 'rms_norm', 'var_dim0', 'transpose_add'].map(
      (n) => `${n}_16m`,
    ),
    'adam_step_10m',
    'cross_entropy_fwd_bwd',
  ];
}

/** Largest allowed ratio of our matmul_1024 to oneDNN called directly. */
export const ONEDNN_GOAL = 1.05;
/** Two threads against one: cases above this many microseconds must gain, none may lose. */
export const SCALING = { from: 1000, gain: 1.7 } as const;
/** Against onnxruntime-node: lenet_infer_b1 compiled, and the geometric mean of bench:onnx. */
export const ORT_GOAL = 1;
/** Milliseconds after tracing until the LeNet step runs compiled: nothing cached, and everything. */
export const BUILD_GOALS = { cold: 600, cached: 50 } as const;
/** bench:kernelbench: smallest geometric means of min(PyTorch eager, torch.jit) / ours, and the least of a level 2 case. */
export const KERNELBENCH_GOALS: { readonly means: Readonly<Record<string, number>>; readonly least: number } = {
  means: {
    'level 1': 1.7,
    'level 2': 1.6,
    'level 3': 1.5,
    gemm: 1.15,
    conv2d: 1.5,
    conv3d: 1.7,
    convtranspose2d: 1.8,
    convtranspose3d: 4,
  },
  least: 0.9,
};
