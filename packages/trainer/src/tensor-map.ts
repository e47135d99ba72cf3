import { OptionError, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import type { NamedParameters } from './gradients';

/**
 * Puts `prefix.` before every name, to lay several maps into one checkpoint.
 *
 * @example
 * [...addPrefix('model', new Map([['w', 1]])).keys()] // ["model.w"]
 */
export function addPrefix<T>(prefix: string, map: Map<string, T>): Map<string, T> {
  return new Map([...map].map(([name, value]) => [`${prefix}.${name}`, value]));
}

/**
 * The entries under `prefix.`, without it: the inverse of `addPrefix` on a map that holds more.
 *
 * @example
 * [...takePrefix('model', new Map([['model.w', 1], ['adam.w', 2]])).entries()] // [["w", 1]]
 */
export function takePrefix<T>(prefix: string, map: Map<string, T>): Map<string, T> {
  const start = `${prefix}.`;
  return new Map([...map].filter(([name]) => name.startsWith(start)).map(([name, v]) => [name.slice(start.length), v]));
}

/**
 * Sets every parameter to the tensor of its name. Nothing is changed unless all fit; the tensors stay the caller's.
 *
 * @throws {OptionError} naming what is missing or unknown; {ShapeError} if a shape differs.
 * @example
 * const w = tf.variable(tf.zeros([2]));
 * restoreParameters(new Map([['w', w]]), new Map([['w', tf.tensor1d([1, 2])]]));
 * w // [1, 2]
 */
export function restoreParameters(parameters: NamedParameters, tensors: Map<string, tf.Tensor>): void {
  const missing = [...parameters.keys()].filter((name) => !tensors.has(name));
  const unknown = [...tensors.keys()].filter((name) => !parameters.has(name));
  const list = (names: string[]) => `${names.slice(0, 3).join(', ')}${names.length > 3 ? `, … (${names.length})` : ''}`;
  if (missing.length > 0 || unknown.length > 0) {
    const said = [
      missing.length && `no tensor for ${list(missing)}`,
      unknown.length && `no parameter for ${list(unknown)}`,
    ];
    throw new OptionError(
      `restoreParameters: ${said.filter(Boolean).join('; ')}: is it a checkpoint of another model?`,
    );
  }
  for (const [name, parameter] of parameters) {
    const { shape } = tensors.get(name)!;
    if (!tf.util.arraysEqual(shape, parameter.shape)) {
      throw new ShapeError(
        `restoreParameters: '${name}': expected shape [${parameter.shape.join(', ')}], got [${shape.join(', ')}]`,
      );
    }
  }
  for (const [name, parameter] of parameters) parameter.assign(tensors.get(name)!);
}
