// `t`: the ops as seen from composite bodies and derivative formulas; `h`: helpers in C++ (native/nn/bodies.h, namespace
// flambeau::support) for what a formula cannot say. Never called: the bodies are read as syntax and lowered to C++
// (codegen/lower/tensor.ts).
/* eslint-disable @typescript-eslint/no-explicit-any -- stand for every op at once */
const lowered: any = new Proxy(
  {},
  {
    get: (_, name) => () => {
      throw new Error(`op bodies are lowered, not run: ${String(name)}`);
    },
  },
);
export const t = lowered;
export const h = lowered;
/** Thrown in bodies as `throw new ShapeError(...)`: an error of kind Shape of the core. */
export class ShapeError extends Error {}
