// `t`: the ops as seen from composite bodies and derivative formulas. Never called: the bodies are read as syntax and
// lowered to C++ (codegen/lower/tensor.ts). The types only keep the bodies writable without casts.
/* eslint-disable @typescript-eslint/no-explicit-any -- stands for every op at once */
export const t: Record<string, (...args: any[]) => any> = new Proxy(
  {},
  {
    get: (_, name) => () => {
      throw new Error(`op bodies are lowered, not run: t.${String(name)}`);
    },
  },
);

/** `h`: helpers in C++ (native/nn/bodies.h, namespace flambeau::support), for what a formula cannot say. */
/* eslint-disable-next-line @typescript-eslint/no-explicit-any -- as above */
export const h: Record<string, (...args: any[]) => any> = t;
