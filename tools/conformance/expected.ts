const weights = ['scalar', '1-D', '3-D', 'full 3-D'].map((shape) => ` with ${shape} PReLU actiavation weights`);
const fusedNchw = [
  ...['', ' with scalar bias', ' with 1-D bias', ' with bias and multiple batches'].map(
    (rest) => `basic in NCHW${rest}`,
  ),
  ...weights.map((rest) => `basic in NCHW${rest.replace(' weights', '')}`),
  ...['im2row', 'batch'].flatMap((kind) =>
    ['', ' with scalar bias', ' with 1-D bias', ...weights].map((rest) => `${kind} in NCHW${rest}`),
  ),
];

/** The same reason for several specs. */
const each = (specs: string[], reason: string) => Object.fromEntries(specs.map((spec) => [spec, reason]));

/** Specs of tfjs-core's suite that an engine is not meant to pass, and why. `{}` is the engine's name in the suite. */
export const expected: Record<string, Record<string, string>> = {
  every: {
    'gradients {} errors if relevant ops are missing grads':
      'the spec wants an error for an op without gradient; useBackend registers all of them',
    'avgPool {} gradient x=[3,3,1] f=[3,3] s=1 p=explicit':
      'the spec divides by the whole window, where the forward pass divides by its pixels inside the image',
  },
  torch: {
    'maxPool {} [x=[3,3,1] f=[2,2] s=1 ignores NaNs': 'libtorch hands a NaN on, so that it is not lost in training',
  },
  wasm: {
    ...each(
      ['equal', 'notEqual', 'greater', 'greaterEqual', 'less', 'lessEqual'].map(
        (op) => `${op} {} should support string comparison`,
      ),
      'the wasm engine holds numbers only: it compares strings as if they were numbers',
    ),
    ...each(
      [
        'sparseToDense {} should work for string',
        'tile {} 1d string tensor',
        'tile {} 2d string tensor',
        'tile {} 6D string tensor',
      ],
      'the wasm engine holds numbers only',
    ),
    ...each(
      ['max', 'avg'].map((kind) => `pool {} ${kind} x=[2,2,3] f=[1,1] s=2 p=1 fractional outputs default rounding`),
      'padding as wide as the window, where some windows hold nothing but padding: undefined in the wasm engine',
    ),
    ...each(
      ['tensor {} Tensor2D float32 -> bool', 'tensor {} Tensor2D int32 -> bool'],
      'the wasm engine keeps a truth value as the byte it was given',
    ),
    ...each(
      ['threshold {} method otsu', 'threshold {} method otsu, inverted = true'],
      'the threshold of an image needs sums that the wasm engine broadcasts otherwise; nothing here uses it',
    ),
    'gather {} throws when index is out of bound': 'our check says the same in other words, before the kernel runs',
    'conv2dTranspose {} input=8x8x8,output=4x4x8,f=8,s=1,inDepth=8,p=same vec4':
      "at stride 1 with padding 'same' the output is as large as the input; the spec has it half as large",
  },
  // with TensorFlow 2.21
  tensorflow: {
    ...each(
      fusedNchw.map((spec) => `fused conv2d {} ${spec}`),
      'tfjs-node has the fused convolution for NHWC alone',
    ),
    ...each(
      [
        'avgPool3d {} x=[1,2,2,2,1] f=[2,2,2] s=1 p=1 roundingMode=floor',
        'avgPool3d {} x=[1,1,1,1,1] f=[2,2,2] s=1 p=2',
        'maxPool3d {} x=[1,2,2,2,1] f=[2,2,2] s=1 p=1 roundingMode=floor',
      ],
      "tfjs-node pools volumes with padding 'same' and 'valid' alone, and nothing here pools volumes",
    ),
    'avgPool3d {} x=[1,1,1,1,1] f=[1,1,3] s=1 p=valid': 'TensorFlow refuses a window that is larger than the image',
    ...each(
      [
        'maxPool {} x=[2,2,3] f=[1,1] s=2 p=1 dimRoundingMode=floor',
        'maxPool {} x=[2,2,3] f=[2,2] s=3 p=1 dimRoundingMode=round',
        'maxPool {} x=[2,2,3] f=[2,2] s=3 p=1 dimRoundingMode=ceil',
        'pool {} max x=[3,3,1] f=[3,3] s=3 d=1 p=explicit dimRoundingMode=ceil',
        'pool {} max x=[2,2,3] f=[1,1] s=2 p=1 fractional outputs default rounding',
      ],
      'TensorFlow refuses padding as wide as the window: some windows would hold nothing but padding',
    ),
    'pool {} avg x=[2,2,3] f=[1,1] s=2 p=1 fractional outputs default rounding':
      'the spec wants the image itself, though its windows of one pixel at stride 2 see padding',
    'conv2dTranspose {} input=8x8x8,output=4x4x8,f=8,s=1,inDepth=8,p=same vec4':
      "TensorFlow refuses it: at stride 1 with padding 'same' the output is as large as the input, the spec has it half as large",
    'diag {} bool': 'TensorFlow has no diagonal matrix of booleans',
    ...each(
      ['greater', 'greaterEqual', 'less', 'lessEqual'].map((op) => `${op} {} should support string comparison`),
      'TensorFlow compares strings for equality alone',
    ),
    ...each(
      ['leakyrelu {} int32', 'step kernel {} with int32 tensor'],
      'TensorFlow has the operation for floating point alone',
    ),
    ...each(
      [
        'einsum {} 2d matrix calculate trace: duplicate axes not implemented yet',
        'einsum {} nonexistent dimension throws error',
      ],
      'TensorFlow computes what the spec wants an error for',
    ),
    'multinomial {} creates the same data given the same seed':
      'TensorFlow draws on from where the last call with that seed ended',
    ...each(
      ['basic', 'does not propagate NaNs', 'accepts a tensor-like object'].map((spec) => `sign {} ${spec}`),
      'TensorFlow hands a NaN on, where the spec wants 0',
    ),
    'tan {} numbers exceed float32 precision': 'one rounding of float32 away from the value of the spec',
    'unique {} 1d tensor with NaN and Infinity': 'TensorFlow counts every NaN as a value of its own',
  },
};

/** What is expected of an engine, by the spec's full name. */
export function expectedOf(engine: string): Map<string, string> {
  const lists = { ...expected.every, ...expected[engine] };
  return new Map(Object.entries(lists).map(([spec, reason]) => [spec.replace('{}', `${engine} {}`), reason]));
}

/** What an engine cannot do at all: any spec that fails with such an error is expected to. */
export const impossible: Record<string, { error: RegExp; reason: string }[]> = {
  wasm: [
    { error: /Kernel 'Complex' not registered/, reason: 'the wasm engine has no complex numbers' },
    { error: /does not support dataFormat:'(NCHW|channelsFirst)'/, reason: 'the wasm engine convolves NHWC alone' },
    { error: /only supports rank-1 bias/, reason: 'the wasm engine fuses a bias of rank 1 alone' },
    { error: /for non non-float32 tensors/, reason: 'the wasm engine multiplies matrices of float32 alone' },
    { error: /Unknown dtype string/, reason: 'the wasm engine holds numbers only' },
  ],
};
