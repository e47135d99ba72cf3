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
};

/** What is expected of an engine, by the spec's full name. */
export function expectedOf(engine: string): Map<string, string> {
  const lists = { ...expected.every, ...expected[engine] };
  return new Map(Object.entries(lists).map(([spec, reason]) => [spec.replace('{}', `${engine} {}`), reason]));
}
