// The generated schema, loaded when a model is first written: protobuf takes some 50 ms that `import 'flambeau'` must not.
// CommonJS, because exporting is synchronous; it lies beside this file in the sources and is not copied by the build.
import { createRequire } from 'node:module';
import type * as protobuf from '@bufbuild/protobuf';
import type * as pb from './onnx_pb.cjs';

export interface Schema {
  readonly pb: typeof pb;
  readonly create: typeof protobuf.create;
  readonly toBinary: typeof protobuf.toBinary;
}

let loaded: Schema | undefined;

/** The schema's messages and enumerations, and protobuf's encoder. */
export function schema(): Schema {
  if (loaded === undefined) {
    const require = createRequire(import.meta.url);
    const { create, toBinary } = require('@bufbuild/protobuf') as typeof protobuf;
    loaded = { pb: requireSchema(require), create, toBinary };
  }
  return loaded;
}

function requireSchema(require: NodeJS.Require): typeof pb {
  for (const place of ['./onnx_pb.cjs', '../../../../src/onnx/schema/onnx_pb.cjs']) {
    try {
      require.resolve(place);
    } catch {
      continue;
    }
    return require(place) as typeof pb;
  }
  throw new Error('the ONNX schema (src/onnx/schema/onnx_pb.cjs) is missing from the package');
}
