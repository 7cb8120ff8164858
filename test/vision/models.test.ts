// Models: torchvision's parameter counts, keys and order of keys, outputs' shapes, registry, feature extraction.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import * as fb from '../../src/index.js';
import { type nn, vision, type Tensor } from '../../src/index.js';
const M = vision.models;

const count = (m: nn.Module): number => m.parameters().reduce((n, p) => n + p.numel(), 0);
/** Initial values are not drawn: only shapes are looked at. */
function withoutDraws<T>(body: () => T): T {
  const spies = (['uniform_', 'normal_'] as const).map((name) =>
    vi.spyOn(fb.Tensor.prototype, name).mockImplementation(function (this: Tensor) {
      return this;
    }),
  );
  try {
    return body();
  } finally {
    for (const s of spies) s.mockRestore();
  }
}

// Counts that torchvision 0.14 states for its weights (with the classifiers that only training needs).
const COUNTS: Record<string, number> = {
  alexnet: 61100840, vgg11: 132863336, vgg13: 133047848, vgg16: 138357544, vgg19: 143667240,
  vgg11_bn: 132868840, vgg13_bn: 133053736, vgg16_bn: 138365992, vgg19_bn: 143678248,
  resnet18: 11689512, resnet34: 21797672, resnet50: 25557032, resnet101: 44549160, resnet152: 60192808,
  resnext50_32x4d: 25028904, resnext101_32x8d: 88791336, resnext101_64x4d: 83455272,
  wide_resnet50_2: 68883240, wide_resnet101_2: 126886696, squeezenet1_0: 1248424, squeezenet1_1: 1235496,
  densenet121: 7978856, densenet161: 28681000, densenet169: 14149480, densenet201: 20013928,
  mobilenet_v2: 3504872, mobilenet_v3_large: 5483032, mobilenet_v3_small: 2542856,
  shufflenet_v2_x0_5: 1366792, shufflenet_v2_x1_0: 2278604, shufflenet_v2_x1_5: 3503624, shufflenet_v2_x2_0: 7393996,
  mnasnet0_5: 2218512, mnasnet0_75: 3170208, mnasnet1_0: 4383312, mnasnet1_3: 6282256,
  efficientnet_b0: 5288548, efficientnet_b1: 7794184, efficientnet_b2: 9109994, efficientnet_b3: 12233232,
  efficientnet_b4: 19341616, efficientnet_b5: 30389784, efficientnet_b6: 43040704, efficientnet_b7: 66347960,
  efficientnet_v2_s: 21458488, efficientnet_v2_m: 54139356, lraspp_mobilenet_v3_large: 3221538,
}; // prettier-ignore

describe('parameters', () => {
  test.each(Object.entries(COUNTS))('%s has %i', (name, wanted) => {
    expect(withoutDraws(() => count(M.getModel(name)))).toBe(wanted);
  });
  test('segmentation with its second classifier', () => {
    const options = { auxLoss: true };
    expect(withoutDraws(() => count(M.segmentation.fcnResnet50(options)))).toBe(35322218);
    expect(withoutDraws(() => count(M.segmentation.deeplabv3Resnet50(options)))).toBe(42004074);
    expect(withoutDraws(() => count(M.segmentation.deeplabv3MobilenetV3Large(options)))).toBe(11029328);
  });
});

describe('keys are torchvision’s, in its order', () => {
  const keys = (m: nn.Module): string[] => Object.keys(m.stateDict());
  test('resnet: conv, norm, blocks, downsample last', () => {
    const k = withoutDraws(() => keys(M.resnet50()));
    expect(k.length).toBe(320);
    expect(k.slice(0, 6)).toEqual(['conv1.weight', 'bn1.weight', 'bn1.bias', 'bn1.running_mean', 'bn1.running_var', 'bn1.num_batches_tracked']); // prettier-ignore
    expect(k.filter((n) => n.startsWith('layer1.0.') && n.endsWith('weight'))).toEqual(
      ['conv1', 'bn1', 'conv2', 'bn2', 'conv3', 'bn3', 'downsample.0', 'downsample.1'].map(
        (n) => `layer1.0.${n}.weight`,
      ),
    );
    expect(k.slice(-2)).toEqual(['fc.weight', 'fc.bias']);
  });
  test('densenet, mobilenet, shufflenet, efficientnet', () => {
    const of = (name: string, pattern: RegExp): string[] =>
      withoutDraws(() => keys(M.getModel(name))).filter((k) => pattern.test(k));
    expect(of('densenet121', /^features\.denseblock1\.denselayer1\..*weight/)).toEqual(
      ['norm1', 'conv1', 'norm2', 'conv2'].map((n) => `features.denseblock1.denselayer1.${n}.weight`),
    );
    expect(of('densenet121', /transition1.*weight/)).toEqual(['features.transition1.norm.weight', 'features.transition1.conv.weight']); // prettier-ignore
    expect(of('mobilenet_v2', /^features\.2\..*weight/)).toEqual(
      ['0.0', '0.1', '1.0', '1.1', '2', '3'].map((n) => `features.2.conv.${n}.weight`),
    );
    expect(of('mobilenet_v3_small', /^features\.1\..*(weight|bias)$/)).toEqual(
      ['0.0.weight', '0.1.weight', '0.1.bias', '1.fc1.weight', '1.fc1.bias', '1.fc2.weight', '1.fc2.bias', '2.0.weight', '2.1.weight', '2.1.bias'].map((n) => `features.1.block.${n}`), // prettier-ignore
    );
    expect(of('shufflenet_v2_x1_0', /^stage2\.0\.branch[12]\.\d\.weight/).length).toBe(10);
    expect(of('efficientnet_b0', /^features\.1\.0\.block\.1/)).toEqual(
      ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias'].map((n) => `features.1.0.block.1.${n}`),
    );
    expect(of('squeezenet1_1', /^classifier/)).toEqual(['classifier.1.weight', 'classifier.1.bias']);
  });
  test('vision transformer: own parameters first', () => {
    const k = keys(new M.VisionTransformer(32, 8, 1, 4, 32, 48));
    expect(k.slice(0, 4)).toEqual(['class_token', 'conv_proj.weight', 'conv_proj.bias', 'encoder.pos_embedding']);
    expect(k.slice(4, 16)).toEqual(
      ['ln_1.weight', 'ln_1.bias', 'self_attention.in_proj_weight', 'self_attention.in_proj_bias', 'self_attention.out_proj.weight', 'self_attention.out_proj.bias', 'ln_2.weight', 'ln_2.bias', 'mlp.0.weight', 'mlp.0.bias', 'mlp.3.weight', 'mlp.3.bias'].map((n) => `encoder.layers.encoder_layer_0.${n}`), // prettier-ignore
    );
    expect(k.slice(16)).toEqual(['encoder.ln.weight', 'encoder.ln.bias', 'heads.head.weight', 'heads.head.bias']);
  });
  test('convnext: the scale before its block', () => {
    const small = new M.ConvNeXt([8, 16], [1, 1], { numClasses: 3 });
    expect(keys(small).filter((k) => k.startsWith('features.1.'))).toEqual(
      ['layer_scale', 'block.0.weight', 'block.0.bias', 'block.2.weight', 'block.2.bias', 'block.3.weight', 'block.3.bias', 'block.5.weight', 'block.5.bias'].map((n) => `features.1.0.${n}`), // prettier-ignore
    );
    expect(small(fb.randn(2, 3, 32, 32)).shape).toEqual([2, 3]);
  });
});

describe('running', () => {
  test.each([
    ['resnet18', 33],
    ['squeezenet1_1', 40],
    ['mobilenet_v2', 32],
    ['mobilenet_v3_small', 32],
    ['shufflenet_v2_x0_5', 33],
    ['mnasnet0_5', 32],
    ['efficientnet_b0', 32],
  ])('%s: outputs, gradients of all parameters', (name, size) => {
    fb.manualSeed(0);
    const net = M.getModel(name, { numClasses: 7 });
    const run = net as unknown as (x: Tensor) => Tensor;
    const out = run(fb.randn(2, 3, size, size));
    expect(out.shape).toEqual([2, 7]);
    out.square().sum().backward();
    for (const [key, p] of net.namedParameters()) expect(p.grad, key).not.toBe(null);
    net.eval();
    const x = fb.randn(1, 3, size, size);
    expect(fb.noGrad(() => run(x).equal(run(x)))).toBe(true);
  });
  test('the same seed gives the same initial values', () => {
    const make = (): Tensor => {
      fb.manualSeed(3);
      return M.squeezenet1_1().stateDict()['features.3.squeeze.weight']!;
    };
    expect(make().equal(make())).toBe(true);
  });
  test('segmentation gives pictures of the input’s size', () => {
    const net = M.segmentation.lrasppMobilenetV3Large({ numClasses: 4 }).eval();
    expect(fb.noGrad(() => net(fb.randn(1, 3, 48, 64))).out.shape).toEqual([1, 4, 48, 64]);
  });
});

describe('registry and weights', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fb-weights-'));
  afterEach(() => {
    delete process.env['FLAMBEAU_WEIGHTS_DIR'];
  });
  test('names', () => {
    expect(M.listModels()).toContain('vgg11_bn');
    expect(M.getModel('squeezenet1_1') instanceof M.SqueezeNet).toBe(true);
    expect(() => M.getModel('resnet19')).toThrow('Unknown model resnet19');
    expect(M.getWeight('ResNet50_Weights.IMAGENET1K_V2').file).toBe('resnet50-11ad3fa6.pth');
    expect(M.getModelWeights('resnet50')['DEFAULT']!.url).toBe(
      'https://download.pytorch.org/models/resnet50-11ad3fa6.pth',
    );
    expect(() => M.getWeight('ResNet50_Weights.V9')).toThrow(/is not known/);
  });
  test('weights from a file, a state dict, and by name from a folder only', () => {
    fb.manualSeed(1);
    const trained = M.squeezenet1_1();
    const file = join(folder, 'weights.safetensors');
    fb.save(trained.stateDict(), file);
    const same = (net: nn.Module): boolean => Object.entries(net.stateDict()).every(([k, t]) => t.equal(trained.stateDict()[k]!)); // prettier-ignore
    expect(same(M.squeezenet1_1(file))).toBe(true);
    expect(same(M.squeezenet1_1({ weights: trained.stateDict() }))).toBe(true);
    expect(() => M.squeezenet1_1({ weights: file, numClasses: 3 })).toThrow(/size mismatch for classifier\.1\.weight/);
    expect(() => M.squeezenet1_1('NONE')).toThrow(/neither a file nor a name of weights \(IMAGENET1K_V1, DEFAULT\)/);
    process.env['FLAMBEAU_WEIGHTS_DIR'] = folder;
    expect(() => M.squeezenet1_1('DEFAULT')).toThrow(
      /squeezenet1_1-b8a52dc0\.pth not found in .*set FLAMBEAU_WEIGHTS_MIRROR/,
    );
    writeFileSync(join(folder, 'squeezenet1_1-b8a52dc0.pth'), 'other bytes');
    expect(() => M.squeezenet1_1('DEFAULT')).toThrow(/damaged: its SHA-256 does not start with b8a52dc0/);
    rmSync(folder, { recursive: true });
  });
  test('feature extraction', () => {
    const net = M.shufflenetV2X0_5().eval();
    const extract = M.featureExtraction.createFeatureExtractor(net, {
      stage2: 'low',
      'stage4.0.branch2.2': 'relu',
      fc: 'out',
    });
    const x = fb.randn(1, 3, 64, 64);
    const out = extract(x);
    expect(Object.entries(out).map(([k, t]) => [k, t.shape])).toEqual([
      ['low', [1, 48, 8, 8]],
      ['relu', [1, 96, 4, 4]],
      ['out', [1, 1000]],
    ]);
    expect(out['out']!.equal(net(x))).toBe(true);
    expect(() => M.featureExtraction.createFeatureExtractor(net, ['stage9'])).toThrow(
      /'stage9' is not present in model/,
    );
  });
});
