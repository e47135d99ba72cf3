import type { Config } from './config';
import { recipes } from './recipes';

/** One row of the ablation: what is changed against a recipe. */
export interface Setting {
  name: string;
  /** The table it belongs to. */
  group: 'loss' | 'iterations' | 'negatives' | 'attention';
  recipe: Config['recipe'];
  alignment: Config['alignment'];
  /** Where the setting does better with another encoder, it gets it: a comparison is between the best of each. */
  image?: Partial<Config['model']['image']>;
}

const paper = { recipe: 'paper' as const };
const grounded = { recipe: 'grounded' as const };

/**
 * The settings that the paper's claims and ours are tested on. Table VI compares the three losses, Fig 6 the number of
 * iterations; negatives and attention are the two readings that decide whether a word is tied to pixels.
 */
export const settings: Setting[] = [
  { name: 'global only', group: 'loss', recipe: 'global', alignment: {}, image: { coordinates: false } },
  { name: 'paper, initial', group: 'loss', ...paper, alignment: { local: 'initial' } },
  { name: 'paper, joint', group: 'loss', ...paper, alignment: {} },
  { name: 'grounded, initial', group: 'loss', ...grounded, alignment: { local: 'initial' } },
  { name: 'grounded, joint', group: 'loss', ...grounded, alignment: {} },
  ...[1, 2, 3, 4, 5].map((iterations) => ({
    name: `paper, T = ${iterations}`,
    group: 'iterations' as const,
    ...paper,
    alignment: { iterations },
  })),
  ...[1, 2, 3, 4, 5].map((iterations) => ({
    name: `grounded, T = ${iterations}`,
    group: 'iterations' as const,
    ...grounded,
    alignment: { iterations },
  })),
  ...(['report', 'pairs', 'batch', 'images'] as const).map((negatives) => ({
    name: `negatives: ${negatives}`,
    group: 'negatives' as const,
    ...paper,
    alignment: { negatives, features: 'reuse' as const },
  })),
  ...(['linear', 'softmax', 'relu'] as const).map((attention) => ({
    name: `images, attention: ${attention}`,
    group: 'attention' as const,
    ...grounded,
    // Softmax reads cosines over its temperature; the other two read the similarity as the paper does.
    alignment: {
      attention,
      wordScore: 'region' as const,
      ...(attention === 'softmax' ? {} : { similarity: recipes.paper.similarity }),
    },
  })),
  { name: 'images, smooth maximum', group: 'attention', ...grounded, alignment: {} },
];
