// The namespace `legacy.nn`.
export { Container, Module, type Table } from './module.js';
export * from './containers.js';
export * from './layers.js';
export * from './criterions.js';
