import type { Define } from './types';

/** The streamed kernels of `@medalign/losses`. */
export const contrastive: Define = (call) => {
  const [infoNce, infoNceGrad] = [call.op('InfoNce'), call.op('InfoNceGrad')];
  return {
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
