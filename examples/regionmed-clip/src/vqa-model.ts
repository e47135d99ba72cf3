import { AnswerHead } from '@medalign/encoders';
import { embedding, softmaxCrossEntropy } from '@medalign/ops';
import { addPrefix } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { RegionMedModel, StepOptions } from './model';
import type { VqaConfig } from './vqa-config';
import type { VqaInputs } from './vqa-data';

/** RegionMed-CLIP's encoders and ROI processor, and an answer head: everything that has parameters. */
export class VqaModel {
  readonly head: AnswerHead;
  readonly blind: boolean;
  readonly #width: number;

  /**
   * @param encoders disposed with this model.
   * @param options `answers`: classes; `blind`: the head is given zeros for images and regions, so questions alone answer.
   */
  constructor(
    readonly encoders: RegionMedModel,
    { model, head, seed }: Pick<VqaConfig, 'model' | 'head' | 'seed'>,
    { answers, blind = false }: { answers: number; blind?: boolean },
  ) {
    const { width } = model;
    this.blind = blind;
    this.#width = width;
    this.head = new AnswerHead({ image: width, region: width, question: width, answers, ...head, seed: seed + 6 });
  }

  /** `[n, answers]`, one row for each question. */
  logits(inputs: VqaInputs, { training = false, seed = 0 }: StepOptions = {}): tf.Tensor2D {
    return tf.tidy(() => {
      const how = { training, seed };
      const question = this.encoders.encodeTexts(inputs.questions, how);
      return this.head.apply({ question, ...this.#seen(inputs, how) }, { training, seed: (seed ^ 0x3c6ef372) >>> 0 });
    });
  }

  /** Cross-entropy, mean over the questions; every answer must be a class, as in training batches. */
  loss(inputs: VqaInputs, { labelSmoothing = 0, ...how }: StepOptions & { labelSmoothing?: number } = {}): tf.Scalar {
    return tf.tidy(() => softmaxCrossEntropy(this.logits(inputs, how), inputs.labels, { labelSmoothing }) as tf.Scalar);
  }

  /** Each question's image `[n, d]` and its ROIs `[n, r, d]`, encoded once for all questions about it. */
  #seen({ images, boxes, roiMask, imageOf }: VqaInputs, how: StepOptions) {
    const [n, d, r] = [imageOf.shape[0]!, this.#width, roiMask.shape[1]];
    if (this.blind) {
      const [image, regions, regionMask] = [
        [n, d],
        [n, r, d],
        [n, r],
      ].map((shape) => tf.zeros(shape));
      return { image: image!, regions: regions!, regionMask: regionMask! };
    }
    const { global, fused } = this.encoders.encodeRegions({ images, boxes, roiMask }, how);
    const rows = embedding(imageOf, tf.reshape(fused, [fused.shape[0], r * d]));
    return {
      image: embedding(imageOf, global),
      regions: tf.reshape(rows, [n, r, d]),
      regionMask: tf.gather(roiMask, imageOf),
    };
  }

  /** Trainable parameters, named as those of RegionMed-CLIP without its loss weights, and `answer.*`. */
  parameters(): Map<string, tf.Variable> {
    const encoders = [...this.encoders.parameters()].filter(([name]) => !name.startsWith('loss.'));
    return new Map([...encoders, ...addPrefix('answer', this.head.parameters())]);
  }

  /** Parameters and running statistics: everything a checkpoint holds of the model. */
  variables(): Map<string, tf.Variable> {
    return new Map([...this.encoders.variables(), ...addPrefix('answer', this.head.parameters())]);
  }

  dispose(): void {
    this.encoders.dispose();
    this.head.dispose();
  }
}
