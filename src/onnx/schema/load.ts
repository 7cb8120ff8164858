// The generated schema, loaded when a model is first written: protobuf takes some 50 ms that `import 'flambeau'` must not.
// CommonJS, because exporting is synchronous; the file is used from the sources, the build does not copy it.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as protobuf from '@bufbuild/protobuf';
import { packageRoot } from '../../package_root.js';
import type * as pb from './onnx_pb.cjs';

export interface Schema {
  readonly pb: typeof pb;
  readonly create: typeof protobuf.create;
  readonly toBinary: typeof protobuf.toBinary;
  readonly fromBinary: typeof protobuf.fromBinary;
}

let loaded: Schema | undefined;

/** The schema's messages and enumerations, and protobuf's encoder. */
export function schema(): Schema {
  if (loaded === undefined) {
    const require = createRequire(import.meta.url);
    const { create, toBinary, fromBinary } = require('@bufbuild/protobuf') as typeof protobuf;
    loaded = { pb: require(join(packageRoot(), 'src/onnx/schema/onnx_pb.cjs')) as typeof pb, create, toBinary, fromBinary };
  }
  return loaded;
}
