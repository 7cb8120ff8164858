import { type Lowered } from '../../schedule/defs.js';
import { type Event, type MemoryPlan } from '../memory.js';
import { type CppProgramOptions } from '../cpp/program.js';
export function printCudaProgram(_p: Lowered, _m: MemoryPlan, _e: readonly Event[], _o: CppProgramOptions): string { throw new Error('todo'); }
