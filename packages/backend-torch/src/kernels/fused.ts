import type { Define } from './types';

/** The named kernels of `@medalign/ops`, and tfjs's own batch normalisation. */
export const fused: Define = (call) => {
  const op = (name: string) => call.op(name);
  const [layerNorm, layerNormGrad, batchNorm, batchNormGrad, gelu, geluGrad, attention, attentionGrad] = [
    op('LayerNorm'),
    op('LayerNormGrad'),
    op('BatchNorm'),
    op('BatchNormGrad'),
    op('Gelu'),
    op('GeluGrad'),
    op('Attention'),
    op('AttentionGrad'),
  ];
  const [crossEntropy, dropout, scatterRows, gatherRows, fusedBatchNorm] = [
    op('SoftmaxCrossEntropy'),
    op('Dropout'),
    op('ScatterRows'),
    op('GatherRows'),
    op('FusedBatchNorm'),
  ];
  const [linear, linearGrad] = [op('Linear'), op('LinearGrad')];
  return {
    MedalignLinear: ({ inputs: { x, weight, bias } }) =>
      call.begin().tensor(x!).tensor(weight!).optional(bias).run(linear),
    MedalignLinearGrad: ({ inputs: { dy, x, weight }, attrs: { bias } }) =>
      call.begin().tensor(dy!).tensor(x!).tensor(weight!).flag(Boolean(bias)).run(linearGrad),
    MedalignLayerNorm: ({ inputs: { x, scale, offset }, attrs: { epsilon } }) =>
      call.begin().tensor(x!).tensor(scale!).tensor(offset!).number(epsilon).run(layerNorm),
    MedalignLayerNormGrad: ({ inputs: { dy, x, scale, mean, reciprocalStd } }) =>
      call.begin().tensor(dy!).tensor(x!).tensor(scale!).tensor(mean!).tensor(reciprocalStd!).run(layerNormGrad),
    MedalignBatchNorm: ({ inputs: { x, scale, offset }, attrs: { epsilon } }) =>
      call.begin().tensor(x!).tensor(scale!).tensor(offset!).number(epsilon).run(batchNorm),
    MedalignBatchNormGrad: ({ inputs: { dy, x, scale, mean, variance }, attrs: { epsilon } }) =>
      call
        .begin()
        .tensor(dy!)
        .tensor(x!)
        .tensor(scale!)
        .tensor(mean!)
        .tensor(variance!)
        .number(epsilon)
        .run(batchNormGrad),
    MedalignGelu: ({ inputs: { x }, attrs: { approximation } }) =>
      call
        .begin()
        .tensor(x!)
        .flag(approximation === 'tanh')
        .run(gelu),
    MedalignGeluGrad: ({ inputs: { dy, x }, attrs: { approximation } }) =>
      call
        .begin()
        .tensor(dy!)
        .tensor(x!)
        .flag(approximation === 'tanh')
        .run(geluGrad),
    MedalignAttention: ({ inputs: { q, k, v, mask }, attrs: { scale, rate = 0, key = 0 } }) =>
      call
        .begin()
        .tensor(q!)
        .tensor(k!)
        .tensor(v!)
        .optional(mask)
        .number(scale)
        .number(rate)
        .number(key)
        .run(attention),
    MedalignAttentionGrad: ({ inputs: { dy, q, k, v, mask, output, state }, attrs: { scale, rate = 0, key = 0 } }) =>
      call
        .begin()
        .tensor(dy!)
        .tensor(q!)
        .tensor(k!)
        .tensor(v!)
        .optional(mask)
        .tensor(output!)
        .tensor(state!)
        .number(scale)
        .number(rate)
        .number(key)
        .run(attentionGrad),
    MedalignSoftmaxCrossEntropy: ({ inputs: { logits, labels } }) =>
      call.begin().tensor(logits!).tensor(labels!).run(crossEntropy),
    MedalignDropout: ({ inputs: { x }, attrs: { rate, key } }) =>
      call.begin().tensor(x!).number(rate).number(key).run(dropout),
    MedalignScatterRows: ({ inputs: { rows, ids }, attrs: { count } }) =>
      call.begin().tensor(rows!).tensor(ids!).number(count).run(scatterRows),
    MedalignGatherRows: ({ inputs: { rows, ids } }) => call.begin().tensor(rows!).tensor(ids!).run(gatherRows),
    FusedBatchNorm: ({ inputs: { x, mean, variance, offset, scale }, attrs: { varianceEpsilon } }) =>
      call
        .begin()
        .tensor(x!)
        .tensor(mean!)
        .tensor(variance!)
        .optional(offset)
        .optional(scale)
        .number(varianceEpsilon ?? 0.001)
        .one(fusedBatchNorm),
  };
};
