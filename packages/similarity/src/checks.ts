import * as tf from '@tensorflow/tfjs-core';

/** An argument has the wrong rank or size. The message names the argument, what was expected and what came. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

/** An option or value is outside what is allowed. The message names it, what was expected and what came. */
export class OptionError extends Error {
  override readonly name = 'OptionError';
}

/** Sizes bound so far: letter → size and the argument that fixed it. */
export type Dimensions = Map<string, { size: number; argument: string }>;

/**
 * Checks a tensor against a shape written in letters, and binds each letter the first time it is seen.
 *
 * @param argument the name the caller knows the tensor by.
 * @param tensor any tensor.
 * @param shape letters separated by spaces, numbers for fixed sizes: `'b l d'`, `'n 4'`.
 * @param dimensions letters bound by earlier arguments; new ones are added. A size of 0 is refused.
 * @throws {ShapeError} naming the argument, the expected and the actual shape.
 * @example
 * const sizes = new Map();
 * checkShape('words', tf.zeros([2, 5, 8]), 'b l d', sizes);
 * checkShape('pixels', tf.zeros([2, 9, 8]), 'b p d', sizes);
 * sizes.get('p').size; // 9
 */
export function checkShape(argument: string, tensor: tf.Tensor, shape: string, dimensions: Dimensions = new Map()) {
  const letters = shape.split(' ').filter(Boolean);
  const fail = (why: string) => {
    throw new ShapeError(
      `${argument}: expected shape [${letters.join(', ')}], got [${tensor?.shape?.join(', ')}]: ${why}`,
    );
  };
  if (!(tensor instanceof tf.Tensor)) {
    throw new ShapeError(`${argument}: expected a tensor of shape [${letters.join(', ')}], got ${describe(tensor)}`);
  }
  if (tensor.rank !== letters.length) fail(`rank ${letters.length} wanted, rank ${tensor.rank} given`);
  letters.forEach((letter, axis) => {
    const size = tensor.shape[axis]!;
    if (size === 0) fail(`axis ${axis} (${letter}) is empty`);
    if (/^\d+$/.test(letter)) {
      if (size !== Number(letter)) fail(`axis ${axis} must be ${letter}`);
      return;
    }
    const bound = dimensions.get(letter);
    if (!bound) dimensions.set(letter, { size, argument });
    else if (bound.size !== size) fail(`${letter} is ${bound.size} in ${bound.argument}`);
  });
  return dimensions;
}

/**
 * Checks that an option is one of the allowed words.
 *
 * @throws {OptionError} listing the allowed words.
 */
export function checkChoice<T extends string>(option: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) {
    throw new OptionError(
      `${option}: expected one of ${allowed.map((a) => `'${a}'`).join(', ')}, got ${describe(value)}`,
    );
  }
  return value;
}

/**
 * Checks that an option is a finite number inside `[minimum, maximum]` (or above an exclusive bound).
 *
 * @throws {OptionError} naming the option, the interval and what came.
 */
export function checkNumber(
  option: string,
  value: unknown,
  {
    above,
    minimum,
    maximum,
    integer = false,
  }: { above?: number; minimum?: number; maximum?: number; integer?: boolean } = {},
): number {
  const wanted = [
    integer ? 'a whole number' : 'a finite number',
    above !== undefined ? `> ${above}` : minimum !== undefined ? `>= ${minimum}` : '',
    maximum !== undefined ? `<= ${maximum}` : '',
  ]
    .filter(Boolean)
    .join(' ');
  const fits =
    typeof value === 'number' &&
    Number.isFinite(value) &&
    (!integer || Number.isInteger(value)) &&
    (above === undefined || value > above) &&
    (minimum === undefined || value >= minimum) &&
    (maximum === undefined || value <= maximum);
  if (!fits) throw new OptionError(`${option}: expected ${wanted}, got ${describe(value)}`);
  return value as number;
}

/**
 * Says what to do when a gradient is being recorded but tfjs-core has no gradients registered (Node with bare tfjs-core).
 *
 * @throws {Error} naming the two ways to register them.
 */
export function checkGradients(caller: string): void {
  const recording = (tf.engine() as unknown as { state: { gradientDepth: number } }).state.gradientDepth > 0;
  if (recording && tf.getGradient('Multiply') === undefined) {
    throw new Error(
      `${caller}: a gradient was asked for, but no tfjs gradients are registered (bare @tensorflow/tfjs-core has none). ` +
        `Fix: import '@medalign/backend' once at the start of the program, or import '@tensorflow/tfjs'.`,
    );
  }
}

function describe(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (value === null || value === undefined || typeof value === 'number' || typeof value === 'boolean')
    return String(value);
  if (value instanceof tf.Tensor) return `a tensor of shape [${value.shape.join(', ')}]`;
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`;
}
