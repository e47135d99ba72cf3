import type { Sample } from '@medalign/datasets';
import { pictures } from './pictures';
import type { Task } from './task';

/** An image of one class, what zero-shot takes it for, and the scores of the classes. */
export interface Case {
  sample: Sample;
  truth: number;
  predicted: number;
  scores: number[];
}

/** The first images that zero-shot gets right and the first that it gets wrong, as many of each if there are. */
export function casesOf(
  samples: readonly Sample[],
  { scores, only }: { scores: readonly number[][]; only: readonly number[] },
  count: number,
): Case[] {
  const all = samples.flatMap((sample, i): Case[] => {
    const own = scores[i]!;
    const predicted = own.indexOf(Math.max(...own));
    return only[i]! < 0 ? [] : [{ sample, truth: only[i]!, predicted, scores: own }];
  });
  const right = all.filter(({ truth, predicted }) => truth === predicted);
  const wrong = all.filter(({ truth, predicted }) => truth !== predicted);
  const ofRight = Math.min(right.length, Math.max(Math.ceil(count / 2), count - wrong.length));
  return [...right.slice(0, ofRight), ...wrong.slice(0, count - ofRight)];
}

/**
 * What speaks for the predicted class, and for the true one where it is another: cosine of each place, and Grad-CAM, with
 * the vector that zero-shot compares the image with, the mean of the class's prompts.
 */
export async function casePictures(
  task: Task,
  cases: readonly Case[],
  names: readonly string[],
  { prompts, promptClasses, texts }: { prompts: string[]; promptClasses: number[]; texts: Float32Array[] },
) {
  const caseOf = new Map(cases.map((one) => [one.sample, one]));
  const vectorOf = (c: number) => {
    const own = texts.filter((_, i) => promptClasses[i] === c);
    return own[0]!.map((_, k) => own.reduce((sum, text) => sum + text[k]!, 0) / own.length);
  };
  const readingsOf = (sample: Sample) => {
    const { truth, predicted } = caseOf.get(sample)!;
    const boxes = (sample.findings ?? []).flatMap((f) => f.boxes.map((box) => ({ ...box, label: f.category })));
    const reading = (title: string, c: number) => ({
      title: `${title}: ${names[c]}`,
      phrase: prompts[promptClasses.indexOf(c)]!,
      vector: vectorOf(c),
      boxes,
    });
    return truth === predicted
      ? [reading('predicted and true', truth)]
      : [reading('predicted', predicted), reading('true', truth)];
  };
  const about = (sample: Sample) => {
    const { truth, predicted, scores } = caseOf.get(sample)!;
    const said = (c: number) => `${names[c]} (${scores[c]!.toFixed(3)})`;
    return truth === predicted
      ? { title: ', right', caption: `Zero-shot: ${said(truth)}, which it is.` }
      : { title: ', wrong', caption: `Zero-shot: ${said(predicted)}; it is ${said(truth)}.` };
  };
  const samples = cases.map(({ sample }) => sample);
  return pictures(task, samples, readingsOf, { kinds: ['phrase', 'gradcam'], about, sameColors: true });
}
