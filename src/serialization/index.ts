// The namespace `serialization`.
export { load, readMetadata, save, serialize, type FileFormat, type LoadOptions, type SaveOptions } from './save.js';
export { FileFormatError, FileFormatError as SerializationError } from './errors.js';
export { registerPackage, type MapLocation } from './devices.js';
export { addSafeGlobals, clearSafeGlobals, getSafeGlobals, safeGlobals, type SafeGlobal } from './pickle_globals.js';
