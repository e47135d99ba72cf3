import type { Define } from './types';

/** The kernels of `@medalign/similarity` and the streamed ones of `@medalign/losses`. */
export const contrastive: Define = (call) => {
  const [infoNce, infoNceGrad] = [call.op('InfoNce'), call.op('InfoNceGrad')];
  const [l2Normalize, l2NormalizeGrad] = [call.op('L2Normalize'), call.op('L2NormalizeGrad')];
  return {
    MedalignL2Normalize: ({ inputs: { x }, attrs: { epsilon } }) =>
      call.begin().tensor(x!).number(epsilon).run(l2Normalize),
    MedalignL2NormalizeGrad: ({ inputs: { dy, unit, norm }, attrs: { epsilon, flatAtZero } }) =>
      call.begin().tensor(dy!).tensor(unit!).tensor(norm!).number(epsilon).flag(flatAtZero).run(l2NormalizeGrad),
    MedalignInfoNce: ({ inputs: { a, b }, attrs: { columns, chunkSize } }) =>
      call.begin().tensor(a!).tensor(b!).flag(columns).number(chunkSize).run(infoNce),
    MedalignInfoNceGrad: ({ inputs: { a, b, row, column, f, g, state }, attrs: { columns, chunkSize } }) =>
      call
        .begin()
        .tensor(a!)
        .tensor(b!)
        .tensor(row!)
        .tensor(column!)
        .tensor(f!)
        .tensor(g!)
        .tensor(state!)
        .flag(columns)
        .number(chunkSize)
        .run(infoNceGrad),
  };
};
