import { vqaAccuracy } from '@medalign/eval-metrics';
import type { QuestionedImage, VqaData } from './vqa-data';
import type { VqaModel } from './vqa-model';

/** One question with its right and its given answer. */
export interface Answered {
  id: string;
  imageId: string;
  question: string;
  answer: string;
  prediction: string;
  kind: 'open' | 'closed';
  types: string[];
  /** −log of the probability of the right answer; null if it is no class. */
  loss: number | null;
}

/** Asks a model all questions about some images. Images that cannot be read are left out, with their questions. */
export async function answerQuestions(
  model: VqaModel,
  data: VqaData,
  images: readonly QuestionedImage[],
): Promise<Answered[]> {
  const answered: Answered[] = [];
  for await (const batch of data.evaluationBatches(images)) {
    const inputs = data.onEngine(batch);
    const logits = model.logits(inputs);
    const values = (await logits.data()) as Float32Array;
    logits.dispose();
    inputs.dispose();
    batch.questions.forEach((asked, row) => {
      const own = values.subarray(row * data.answers.length, (row + 1) * data.answers.length);
      const label = batch.labels[row]!;
      answered.push({
        id: asked.id,
        imageId: batch.images[batch.imageOf[row]!]!.id,
        question: asked.question,
        answer: asked.answer,
        prediction: data.answers[largest(own)]!,
        kind: asked.answerType,
        types: asked.questionTypes,
        loss: label < 0 ? null : logSumExp(own) - own[label]!,
      });
    });
  }
  return answered;
}

/** What a validation reading says, as the metrics have it. */
export function validationNumbers(answered: readonly Answered[]) {
  const { value, open, closed } = vqaAccuracy(answered);
  const losses = answered.flatMap(({ loss }) => loss ?? []);
  return {
    accuracy: value,
    open: open.value,
    closed: closed.value,
    loss: losses.length ? losses.reduce((sum, loss) => sum + loss, 0) / losses.length : null,
  };
}

/** The first of the largest values. */
function largest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

function logSumExp(values: Float32Array): number {
  const most = values.reduce((a, b) => Math.max(a, b));
  return most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0));
}
