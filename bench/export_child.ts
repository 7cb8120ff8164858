// Writes the benchmark's LeNet as ONNX to the path given.
import * as fb from '../src/index.js';
import { LeNet } from './models.js';

const path = process.argv[2];
if (path === undefined) throw new Error('export_child: expected the path of the model');
fb.onnx.export(new LeNet().eval(), [fb.randn(1, 1, 28, 28)], path);
process.exit(0);
