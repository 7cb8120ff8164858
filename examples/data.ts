// Data sets and loaders: the introduction's TensorDataset, a data set of one's own, ImageFolder, transforms.
//   npx tsx examples/data.ts [folder with one folder of images for each class]
import * as fb from 'flambeau';
import { data, vision, type Tensor } from 'flambeau';

// TensorDataset and DataLoader
const BATCH_SIZE = 5;
const x = fb.linspace(1, 10, 10);
const y = fb.linspace(10, 1, 10);
const loader = new data.DataLoader(new data.TensorDataset(x, y), {
  batchSize: BATCH_SIZE,
  shuffle: true,
  numWorkers: 0,
});
for (let epoch = 0; epoch < 3; epoch++) {
  let step = 0;
  for (const [bx, by] of loader)
    console.log('Epoch:', epoch, '| Step:', step++, '| x:', bx.tolist(), '| y:', by.tolist());
}

// A data set of one's own: length and get are all it needs.
class MyDataset extends data.Dataset<[Tensor, number]> {
  readonly rows: readonly (readonly [number, number, number])[];
  constructor(csv: string) {
    super();
    this.rows = csv.trim().split('\n').map((line) => line.split(',').map(Number) as [number, number, number]); // prettier-ignore
  }
  get length(): number {
    return this.rows.length;
  }
  get(i: number): [Tensor, number] {
    const [a, b, label] = this.rows[i]!;
    return [fb.tensor([a, b]), label];
  }
}
const own = new MyDataset('0.5,1,0\n0.25,2,1\n0.75,3,1\n');
for (const [features, labels] of new data.DataLoader(own, { batchSize: 2 }))
  console.log(features.shape, labels.tolist());

// Transforms
const T = vision.transforms;
const transform = new T.Compose([
  new T.Resize(40),
  new T.RandomCrop(32, { padding: 4 }),
  new T.RandomHorizontalFlip(),
  new T.ToTensor(),
  new T.Normalize([0.4914, 0.4822, 0.4465], [0.229, 0.224, 0.225]), // means and deviations of R, G, B
]);
console.log(transform);
const fake = new vision.datasets.FakeData(8, [3, 64, 48], 10, { transform });
for (const [images, labels] of new data.DataLoader(fake, { batchSize: 4 })) console.log(images.shape, labels.shape);

// Image files: root/dog/xxx.png, root/cat/123.png, ... Decoding is asynchronous: for await.
const root = process.argv[2];
if (root !== undefined) {
  const dset = new vision.datasets.ImageFolder(root, { transform });
  console.log(dset.classes);
  for await (const [images, labels] of new data.DataLoader(dset, { batchSize: 2 }))
    console.log(images.shape, labels.tolist());
}
