/**
 * How far an op's float32 numbers may lie from PyTorch's float64 ones, on every engine: absolute below 1, relative above.
 * `goldens.test.ts` holds every engine to it.
 */
export const tolerances: Record<string, { value: number; gradient: number }> = {
  linear: { value: 2e-6, gradient: 2e-6 },
  layerNorm: { value: 5e-6, gradient: 2e-5 },
  batchNormTraining: { value: 5e-6, gradient: 1e-5 },
  batchNormInference: { value: 5e-6, gradient: 5e-6 },
  gelu: { value: 2e-6, gradient: 2e-6 },
  softmaxCrossEntropy: { value: 2e-6, gradient: 2e-6 },
  scaledDotProductAttention: { value: 2e-6, gradient: 5e-6 },
  embedding: { value: 1e-7, gradient: 1e-6 },
  segmentSum: { value: 1e-6, gradient: 1e-6 },
  adamStep: { value: 2e-6, gradient: 0 },
  globalNormClip: { value: 2e-6, gradient: 0 },
};
