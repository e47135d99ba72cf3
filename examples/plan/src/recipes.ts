import type { Alignment, Config } from './config';

/** The paper as read in docs/paper-notes.md (METHOD of PLAN, Eqs 2–14, 26–27). */
const paper: Alignment = {
  iterations: 3,
  delta: 0.5,
  local: 'joint',
  features: 'reencode',
  negatives: 'report',
  imageGroup: 0,
  pool: 'pixels',
  regionProjection: true,
  attention: 'linear',
  attentionTemperature: 1,
  wordScore: 'region',
  similarity: 'scaledDot',
  similarityScale: 1,
  keepRatio: 0.7,
  selectionTemperature: 1,
  selectionNoise: true,
  globalTemperature: 0.1,
  localTemperature: 0.1,
  globalWeight: 1,
  localWeight: 1,
};

export const recipes: Record<Config['recipe'], Alignment> = {
  paper,
  /** PLAN's parts with negatives from other images, so that a word must be tied to pixels to lower the loss. */
  grounded: {
    ...paper,
    iterations: 1,
    features: 'reuse',
    negatives: 'images',
    pool: 'projected',
    regionProjection: false,
    attention: 'softmax',
    attentionTemperature: 0.1,
    wordScore: 'smoothMax',
    similarity: 'cosine',
    localTemperature: 0.05,
  },
  /** The global contrastive loss alone: the baseline. */
  global: { ...paper, local: 'none', iterations: 1, features: 'reuse' },
};

/** What `auto` stands for: features with a large common part all look alike to a cosine, so `grounded` removes it. */
const norms: Record<Config['recipe'], 'none' | 'batch'> = { paper: 'none', grounded: 'batch', global: 'none' };

/** A model's configuration with nothing left open. */
export type ModelConfig = Config['model'] & { localNorm: 'none' | 'batch'; globalNorm: 'none' | 'batch' };

/** The model as configured, with the recipe's choices where the configuration says `auto`. */
export function resolveModel({ recipe, model }: Pick<Config, 'recipe' | 'model'>): ModelConfig {
  const choose = (stated: Config['model']['localNorm']) => (stated === 'auto' ? norms[recipe] : stated);
  return { ...model, localNorm: choose(model.localNorm), globalNorm: choose(model.globalNorm) };
}

/** The recipe's settings with what the configuration states itself laid over them. */
export function resolveAlignment(config: Config): Alignment {
  const stated = Object.fromEntries(Object.entries(config.alignment).filter(([, value]) => value !== undefined));
  const alignment = { ...recipes[config.recipe], ...stated } as Alignment;
  if (alignment.local !== 'joint') alignment.iterations = 1;
  return alignment;
}
