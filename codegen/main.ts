// `npm run codegen`: reads codegen/ops, writes generated/. Running it twice gives the same bytes.
import { loadOps, loadPages } from './load.js';
import { removeStale, render, writeGenerated } from './render.js';
import { emitBindings, emitBoxed } from './emitters/cpp_boxed.js';
import { emitKernels } from './emitters/cpp_kernels.js';
import { emitMethods } from './emitters/cpp_methods.js';
import { emitOps } from './emitters/cpp_ops.js';
import { emitTerm } from './emitters/cpp_term.js';
import { emitTs } from './emitters/ts_ops.js';
import { emitDocs } from './emitters/docs.js';

const ops = await loadOps();
for (const header of ['support', 'saved']) writeGenerated(`native/${header}.h`, render(`native/${header}.h`, {}));
emitTerm();
emitOps(ops);
emitMethods(ops);
emitKernels(ops);
emitBoxed(ops);
emitBindings(ops);
emitTs(ops);
emitDocs(ops, await loadPages([...new Set(ops.map((o) => o.family))]));
removeStale();
console.log(`${ops.filter((o) => !o.derived).length} ops (${ops.length} with derivative kernels)`);
