import * as tf from '@tensorflow/tfjs-core';
import { Adam } from '../adam';
import { valueAndGradients } from '../gradients';
import type { ReplicaGroup } from '../replica-group';

export interface Pairs {
  images: number[][];
  texts: number[][];
}

/** A linear map trained with a loss over all pairs and one over the own pairs: the smallest data-parallel model. */
export class Contrastive {
  readonly w = tf.variable(tf.tensor2d([1, 0.5, -0.5, 0.25, 0, 1], [3, 2]));
  readonly parameters = new Map([['w', this.w]]);
  readonly adam = new Adam(this.parameters, { learningRate: 0.1 });

  /** Σ over rows of −log softmax of the similarities of `all` at the diagonal, and the mean square of the own rows. */
  loss({ images, texts }: Pairs, gather: (x: tf.Tensor2D) => tf.Tensor2D): { global: tf.Scalar; local: tf.Scalar } {
    const [x, y] = [tf.matMul(tf.tensor2d(images), this.w), tf.tensor2d(texts)];
    const logits = tf.matMul(gather(x as tf.Tensor2D), gather(y), false, true);
    const matched = tf.sum(tf.mul(tf.logSoftmax(logits), tf.eye(logits.shape[0]!)));
    return { global: tf.neg(matched) as tf.Scalar, local: tf.mean(tf.square(x)) as tf.Scalar };
  }

  step(pairs: Pairs, group: ReplicaGroup): void {
    const f = () => {
      const { global, local } = this.loss(pairs, (x) => group.allGather(x));
      return tf.add(global, local) as tf.Scalar;
    };
    tf.tidy(() => this.adam.step(group.allMean(valueAndGradients(f, this.parameters).gradients)));
  }
}
