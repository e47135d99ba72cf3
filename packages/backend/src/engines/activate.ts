import * as tf from '@tensorflow/tfjs-core';
import { registerGradients } from '../gradients/register';
import { EngineError } from './error';

/** Makes a registered tfjs backend the current one, and proves with one addition that it computes. */
export async function activate(name: string, fix = 'see the cause'): Promise<void> {
  // Loading an engine may have loaded all of @tensorflow/tfjs, which registers its own gradients over ours.
  registerGradients();
  const previous = tf.engine().backendName;
  try {
    if (!(await tf.setBackend(name))) throw new Error('tfjs could not initialise it (its own message is above)');
    await tf.ready();
    const added = tf.tidy(() => tf.add(tf.tensor1d([1]), tf.tensor1d([2])));
    const [sum] = await added.data();
    added.dispose();
    if (sum !== 3) throw new Error(`1 + 2 gave ${sum}`);
  } catch (cause) {
    if (previous) await tf.setBackend(previous);
    throw new EngineError(name, `does not start: ${(cause as Error)?.message ?? cause}`, fix, { cause });
  }
}
