import { seededNormal, seededUniform } from '@medalign/ops';

/** Initial values for one model: every array draws from its own stream of the seed, in the order it is asked for. */
export class Initialiser {
  private step = 0;

  constructor(private readonly seed: number) {}

  normal(count: number, stddev: number): Float32Array {
    return seededNormal(count, { seed: this.seed, step: this.step++, stddev });
  }

  uniform(count: number, bound: number): Float32Array {
    return seededUniform(count, { seed: this.seed, step: this.step++ }).map((value) => (2 * value - 1) * bound);
  }
}
