// fb.jit: traced and scripted functions.
export * from './runtime/jit.js';
export {
  script,
  ScriptError,
  type Scripted,
  type ScriptFunction,
  type ScriptModule,
  type ScriptOptions,
} from './script/scripted.js';
