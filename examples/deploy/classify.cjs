// The same in Node with the addon alone; the package flambeau is not needed:  node classify.cjs lenet/dist/lenet.node < images
const { readFileSync } = require('node:fs');
const { resolve } = require('node:path');

const model = require(resolve(process.argv[2]));
const bytes = readFileSync(0);
const images = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
const count = images.length / 784;
const [scores] = model.run([{ data: images, shape: [count, 1, 28, 28] }]);
for (let i = 0; i < count; i++) {
  const row = scores.data.subarray(i * 10, i * 10 + 10);
  console.log(row.indexOf(Math.max(...row)));
}
