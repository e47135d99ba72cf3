import { checkChoice, OptionError } from '@medalign/similarity';
import { readWeights } from '@medalign/weights';
import { Bert, type BertOptions } from './bert';
import type { Configuration, Recipe } from './configuration';
import { huggingFaceRecipe, modelTypes } from './huggingface-config';
import { withoutInitialValues } from './initialise';
import type { LoadPolicy, LoadReport } from './load-state';
import { nodeFiles } from './node';
import { openClipRecipe } from './open-clip-config';
import { openClipTextRecipe } from './open-clip-text';
import type { Interpolation } from './position-embedding';
import { ResNet } from './resnet';
import type { StateDict } from './state';
import { timmNames, timmRecipe } from './timm-config';
import { VisionTransformer } from './vision-transformer';

/** The encoders by the word for them. */
export type Encoders = { bert: Bert; resnet: ResNet; vit: VisionTransformer };

/** How a checkpoint is read. */
export type PretrainedOptions<K extends keyof Encoders = keyof Encoders> = LoadPolicy & {
  /** The kind it must be: another one is refused, and the model has its type. */
  expect?: K;
  /** The configuration, where no file beside the weights has it: `{ architecture: 'resnet50' }`. */
  config?: Configuration;
  /** Only names that start with it count, and lose it: for a file with several models. */
  prefix?: string;
  /** Pixels, or [height, width], of a vision transformer's images; its position embeddings are resampled. */
  imageSize?: number | readonly [number, number];
  /** How they are resampled; default as the library does whose configuration it is. */
  interpolation?: Interpolation;
  /** Rates of dropout instead of the configuration's. */
  dropout?: number;
  attentionDropout?: number;
  /** Seed of what the checkpoint lacks, default 0. */
  seed?: number;
};

/**
 * An encoder with published weights, as Hugging Face, timm, open_clip and torchvision save them.
 *
 * A folder has `config.json` (Hugging Face's `model_type`, timm's `architecture`) or `open_clip_config.json`, and the
 * weights; a file has them beside it, or is told by `config`. Of open_clip's two towers it reads the image tower, or the
 * text tower with `expect: 'bert'`. Names are recognised under any prefix; heads and other towers are listed as unused.
 * What the model has no place for is reported; what the checkpoint lacks, or has in another shape, is an error, until
 * `allowMissing` or `ignoreMismatched` says that initial values are wanted there.
 *
 * @param path of the folder or the weights file (Node), whatever `readWeights` reads; or `{ weights }`, arrays by name, together with `config`.
 * @param options see PretrainedOptions.
 * @returns `model`; `config` as it was read; `report` of the names; `source`, the files that were read.
 * @throws OptionError naming the file for an unknown architecture (with the known ones) or a setting that is not implemented;
 *   StateDictError for arrays that do not fit. Nothing is left behind then.
 * @example
 * const bert = { model_type: 'bert', vocab_size: 9, hidden_size: 4, num_hidden_layers: 1, num_attention_heads: 2 };
 * const config = { ...bert, intermediate_size: 8, max_position_embeddings: 16 };
 * const saved = new Bert({ vocabSize: 9, hiddenSize: 4, layers: 1, heads: 2, intermediateSize: 8, maxPositions: 16 });
 * const { model, report } = await fromPretrained({ weights: saved.stateDict() }, { config, expect: 'bert' });
 * model.hiddenSize; // 4
 * report.missing; // []
 */
export async function fromPretrained<K extends keyof Encoders = keyof Encoders>(
  path: string | { weights: StateDict },
  {
    expect,
    config: given,
    prefix,
    allowMissing,
    ignoreMismatched,
    allowUnexpected = true,
    ...chosen
  }: PretrainedOptions<K> = {},
): Promise<{ model: Encoders[K]; config: Configuration; report: LoadReport; source: string[] }> {
  if (expect !== undefined) checkChoice('expect', expect, ['bert', 'resnet', 'vit']);
  const { config, recipe, files } = await readConfiguration(path, given, expect);
  if (expect !== undefined && recipe.kind !== expect)
    throw new OptionError(`expect: the checkpoint is a ${recipe.kind}, expected a ${expect}`);
  const { state, source } = await readState(path);
  const own = new Map([...state].filter(([name]) => name.startsWith(prefix ?? '')));
  const build = builder(sized(recipe, own, files[0] ?? 'config'), state, chosen);
  const policy = { allowMissing, ignoreMismatched, allowUnexpected, prefix };
  const load = (model: Encoders[keyof Encoders]) => {
    try {
      return model.loadStateDict(state, policy);
    } catch (error) {
      model.dispose();
      throw error;
    }
  };
  let model = withoutInitialValues(build);
  let report = load(model);
  if (report.missing.length + report.mismatched.length > 0) {
    // Something keeps its initial values, so they are drawn after all.
    model.dispose();
    model = build();
    report = load(model);
  }
  return { model: model as Encoders[K], config, report, source: [...files, ...source] };
}

async function readState(path: string | { weights: StateDict }): Promise<{ state: StateDict; source: string[] }> {
  if (typeof path !== 'string') return { state: path.weights, source: [] };
  const state = await readWeights(path);
  return { state, source: [...state.source] };
}

type Chosen = Pick<PretrainedOptions, 'imageSize' | 'interpolation' | 'dropout' | 'attentionDropout' | 'seed'>;
type Sized = Exclude<Recipe, { kind: 'bert' }> | { kind: 'bert'; options: BertOptions };

/** A configuration that only names its BERT leaves the sizes to the arrays. */
function sized(recipe: Recipe, state: StateDict, file: string): Sized {
  if (recipe.kind !== 'bert') return recipe;
  const { kind, options } = recipe;
  return { kind, options: typeof options === 'function' ? inFile(file, () => options(state)) : options };
}

function builder(recipe: Sized, state: StateDict, chosen: Chosen): () => Encoders[keyof Encoders] {
  const { imageSize, interpolation, dropout, attentionDropout = dropout, seed = 0 } = chosen;
  const rates = {
    ...(dropout !== undefined && { dropout }),
    ...(attentionDropout !== undefined && { attentionDropout }),
  };
  const pixels = {
    ...(imageSize !== undefined && { imageSize }),
    ...(interpolation !== undefined && { interpolation }),
  };
  const ignored = { bert: pixels, resnet: { ...pixels, ...rates }, vit: {} }[recipe.kind];
  for (const key of Object.keys(ignored))
    throw new OptionError(
      `${key}: expected nothing for a ${recipe.kind}, got ${JSON.stringify(chosen[key as keyof Chosen])}`,
    );
  if (recipe.kind === 'bert') return () => new Bert({ ...recipe.options, ...rates, seed });
  if (recipe.kind === 'resnet') return () => new ResNet({ ...recipe.options, seed });
  const { projectionName } = recipe;
  const map = projectionName && [...state].find(([name]) => name.endsWith(projectionName))?.[1];
  const projection = map ? { projection: map.shape[0]! } : {};
  return () => new VisionTransformer({ ...recipe.options, ...projection, ...rates, ...pixels, seed });
}

type Read = { config: Configuration; recipe: Recipe; files: string[] };

async function readConfiguration(
  path: string | { weights: StateDict },
  given: Configuration | undefined,
  expect: keyof Encoders | undefined,
): Promise<Read> {
  if (given !== undefined) return { config: given, recipe: recipeOf([['config', given]], expect).recipe, files: [] };
  if (typeof path !== 'string')
    throw new OptionError('config: expected the configuration of the weights, got undefined');
  const { readFile, stat, dirname, join } = nodeFiles();
  const folder = (await stat(path)).isDirectory() ? path : dirname(path);
  const found: [string, Configuration][] = [];
  for (const name of ['config.json', 'open_clip_config.json']) {
    const file = join(folder, name);
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text !== undefined) found.push([file, parse(file, text)]);
  }
  if (found.length === 0) {
    throw new OptionError(
      `${folder}: expected a config.json or an open_clip_config.json, found none. Fix: the folder as it was published, or the config option ({ architecture: 'resnet50' })`,
    );
  }
  const { file, config, recipe } = recipeOf(found, expect);
  return { config, recipe, files: [file] };
}

function parse(file: string, text: string): Configuration {
  try {
    const value = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    throw new OptionError(`${file}: ${(error as Error).message}`, { cause: error });
  }
  throw new OptionError(`${file}: expected an object, got ${text.slice(0, 40)}`);
}

type Known = { file: string; config: Configuration; recipe: Recipe };

function inFile<T>(file: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw new OptionError(`${file}: ${error.message}`, { cause: error });
  }
}

/** The first of the files whose architecture is the wanted kind, else the first whose architecture is known. */
function recipeOf(files: [string, Configuration][], expect: keyof Encoders | undefined): Known {
  const openClip = expect === 'bert' ? openClipTextRecipe : openClipRecipe;
  let other: Known | undefined;
  for (const [file, config] of files) {
    const recipe = inFile(file, () => timmRecipe(config) ?? huggingFaceRecipe(config) ?? openClip(config));
    if (recipe && (expect === undefined || recipe.kind === expect)) return { file, config, recipe };
    if (recipe) other ??= { file, config, recipe };
  }
  if (other) return other;
  const [file, config] = files[0]!;
  const named = config.model_type ?? config.architecture ?? (config.architectures as unknown[] | undefined)?.[0];
  throw new OptionError(
    `${file}: expected an architecture that is known, got ${named === undefined ? 'no model_type and no architecture' : `'${named}'`}. Known: Hugging Face's model_type ${modelTypes.join(', ')}; timm's ${timmNames}; the vision transformers of open_clip_config.json, and with expect: 'bert' its BERTs`,
  );
}
