import { checkChoice, checkMatrix, checkNotEmpty, type Matrix, MetricError, type Numbers } from './checks';

/** Texts of a prompt ensemble, to be encoded in this order. */
export interface PromptEnsemble {
  texts: string[];
  /** `[prompts]` index into `classes`. */
  promptClasses: number[];
  classes: string[];
}

/** Result of {@link zeroShotScores}. */
export interface ZeroShotScores {
  /** `[n][c]`, higher is more likely. */
  scores: number[][];
  /** `[n]` index of the best class, the lower one on a tie. */
  predictions: number[];
  variant: string;
  /** Images. */
  n: number;
  /** Prompts. */
  prompts: number;
}

/**
 * Texts of a prompt ensemble: every synonym of every class in every template.
 *
 * @param classes class name → its synonyms; a class is written by its own name if the list is empty.
 * @param options `templates`, each with `{}` where the class goes.
 * @returns the texts, the class of each, and the class names.
 * @throws {MetricError} if there is no class, no template, or a template has no `{}`.
 * @example
 * promptEnsemble({ edema: ['edema', 'fluid overload'], normal: [] }, { templates: ['findings of {}'] }).texts; // ["findings of edema", "findings of fluid overload", "findings of normal"]
 */
export function promptEnsemble(
  classes: Readonly<Record<string, readonly string[]>>,
  { templates = ['{}'] }: { templates?: readonly string[] } = {},
): PromptEnsemble {
  const names = Object.keys(classes);
  checkNotEmpty('classes', names);
  checkNotEmpty('templates', templates);
  const blank = templates.find((template) => !template.includes('{}'));
  if (blank !== undefined) throw new MetricError(`templates: expected {} where the class goes, got '${blank}'.`);
  const prompts = names.flatMap((name, c) => {
    const synonyms = classes[name]!.length > 0 ? classes[name]! : [name];
    return synonyms.flatMap((synonym) =>
      templates.map((template) => ({ c, text: template.replaceAll('{}', () => synonym) })),
    );
  });
  return { texts: prompts.map(({ text }) => text), promptClasses: prompts.map(({ c }) => c), classes: names };
}

/**
 * Zero-shot class scores: cosine between an image and the prompts of each class.
 *
 * With unit rows u (image) and v_j (prompts of class c):
 * `'mean-embedding'` ⟨u, norm(mean_j v_j)⟩, `'mean-logit'` mean_j ⟨u, v_j⟩, `'max-logit'` max_j ⟨u, v_j⟩, all times `logitScale`.
 * `acrossClasses: 'softmax'` gives the shares of classes that exclude each other: what an image has in common with all prompts
 * drops out; `logitScale` is then 1/τ of the training (Radford et al. 2021, arXiv 2103.00020, section 3.1.2).
 * No score depends on the other images. `acrossImages: 'zscore'` (each class to mean 0 and std 1 over the images given) does: it is
 * transductive, and the variant says so.
 *
 * @param images `[n][d]` image embeddings, any norm.
 * @param prompts `[m][d]` text embeddings, any norm.
 * @param options `promptClasses` `[m]`, the class index of each prompt (see `promptEnsemble`); `aggregate`; `logitScale`; `acrossClasses`; `acrossImages`.
 * @returns the scores and the best class per image.
 * @throws {MetricError} if the sizes disagree, an embedding is 0 or not finite, or a class has no prompt.
 * @example
 * const prompts = [[1, 0], [0.6, 0.8], [0, 1]];
 * zeroShotScores([[2, 0]], prompts, { promptClasses: [0, 0, 1] }).scores; // [[0.8944, 0]]
 * zeroShotScores([[2, 0]], prompts, { promptClasses: [0, 0, 1], aggregate: 'mean-logit' }).scores; // [[0.8, 0]]
 * zeroShotScores([[2, 0]], prompts, { promptClasses: [0, 0, 1], aggregate: 'max-logit' }).predictions; // [0]
 * zeroShotScores([[2, 0]], prompts, { promptClasses: [0, 0, 1], acrossClasses: 'softmax' }).scores; // [[0.7098, 0.2902]]
 */
export function zeroShotScores(
  images: Matrix,
  prompts: Matrix,
  {
    promptClasses,
    aggregate = 'mean-embedding',
    logitScale = 1,
    acrossClasses = 'none',
    acrossImages = 'none',
  }: {
    promptClasses: readonly number[];
    aggregate?: 'mean-embedding' | 'mean-logit' | 'max-logit';
    logitScale?: number;
    acrossClasses?: 'none' | 'softmax';
    acrossImages?: 'none' | 'zscore';
  },
): ZeroShotScores {
  checkChoice('aggregate', aggregate, ['mean-embedding', 'mean-logit', 'max-logit']);
  checkChoice('acrossClasses', acrossClasses, ['none', 'softmax']);
  checkChoice('acrossImages', acrossImages, ['none', 'zscore']);
  checkNotEmpty('images', images);
  checkNotEmpty('prompts', prompts);
  const width = images[0]!.length;
  checkMatrix('images', images, images.length, width);
  checkMatrix('prompts', prompts, promptClasses.length, width);
  const texts = Array.from(prompts, (prompt, j) => unit(prompt, `prompts[${j}]`));
  const groups = Array.from({ length: Math.max(...promptClasses) + 1 }, (_, c) =>
    texts.filter((_, j) => promptClasses[j] === c),
  );
  const missing = groups.findIndex((group) => group.length === 0);
  if (missing >= 0) throw new MetricError(`promptClasses: expected at least one prompt of class ${missing}, got none.`);
  const ensembles =
    aggregate === 'mean-embedding'
      ? groups.map((group, c) => [unit(sum(group), `prompts of class ${c} (their mean)`)])
      : groups;
  let scores = Array.from(images, (image, i) => {
    const row = unit(image, `images[${i}]`);
    return ensembles.map((group) => {
      const cosines = group.map((text) => dot(row, text));
      const score =
        aggregate === 'max-logit' ? Math.max(...cosines) : cosines.reduce((a, b) => a + b, 0) / cosines.length;
      return score * logitScale;
    });
  });
  if (acrossClasses === 'softmax') scores = scores.map(softmax);
  if (acrossImages === 'zscore') scores = standardizeColumns(scores);
  return {
    scores,
    predictions: scores.map((row) => row.indexOf(Math.max(...row))),
    variant: [
      `cosine, ${aggregate}`,
      ...(acrossClasses === 'softmax' ? [`softmax over the classes, scale ${logitScale}`] : []),
      ...(acrossImages === 'zscore' ? ['transductive: z-scored over the images'] : []),
    ].join(', '),
    n: images.length,
    prompts: prompts.length,
  };
}

function unit(vector: Numbers, argument: string): number[] {
  const norm = Math.sqrt(dot(vector, vector));
  if (!(norm > 0 && Number.isFinite(norm))) {
    throw new MetricError(
      `${argument}: expected a finite vector other than 0, got norm ${norm}. Fix: check the encoder's output.`,
    );
  }
  return Array.from(vector, (value) => value / norm);
}

function dot(a: Numbers, b: Numbers): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!;
  return total;
}

function sum(vectors: number[][]): number[] {
  return vectors[0]!.map((_, i) => vectors.reduce((total, vector) => total + vector[i]!, 0));
}

function softmax(row: number[]): number[] {
  const top = Math.max(...row);
  const powers = row.map((value) => Math.exp(value - top));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}

function standardizeColumns(rows: number[][]): number[][] {
  const moments = rows[0]!.map((_, c) => {
    const values = rows.map((row) => row[c]!);
    const centre = values.reduce((a, b) => a + b, 0) / values.length;
    return { centre, deviation: Math.sqrt(values.reduce((a, b) => a + (b - centre) ** 2, 0) / values.length) };
  });
  return rows.map((row) =>
    row.map((value, c) => (value - moments[c]!.centre) / Math.max(moments[c]!.deviation, 1e-12)),
  );
}
