import { seededNormal, seededUniform } from '@medalign/ops';

let blank = false;

/** Builds a model whose arrays are all read from a checkpoint afterwards: zeros, which are drawn in no time. */
export function withoutInitialValues<T>(build: () => T): T {
  blank = true;
  try {
    return build();
  } finally {
    blank = false;
  }
}

/** Initial values for one model: every array draws from its own stream of the seed, in the order it is asked for. */
export class Initialiser {
  private step = 0;

  constructor(private readonly seed: number) {}

  normal(count: number, stddev: number): Float32Array {
    if (blank) return new Float32Array(count);
    return seededNormal(count, { seed: this.seed, step: this.step++, stddev });
  }

  uniform(count: number, bound: number): Float32Array {
    if (blank) return new Float32Array(count);
    return seededUniform(count, { seed: this.seed, step: this.step++ }).map((value) => (2 * value - 1) * bound);
  }
}
