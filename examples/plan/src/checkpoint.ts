import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readManifest, type SplitManifest } from '@medalign/datasets';
import {
  CheckpointError,
  ConfigError,
  latestCheckpoint,
  loadCheckpoint,
  loadConfig,
  restoreParameters,
  takePrefix,
} from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { type Alignment, type Config, configSchema } from './config';
import { modelFile } from './export';
import type { PlanModel } from './model';
import { resolveAlignment } from './recipes';
import { initialModel } from './step';

/** A model as a training run left it. */
export interface LoadedModel {
  model: PlanModel;
  config: Config;
  /** The data that it was trained on, whatever `sets` say. */
  trained: Config['data'];
  alignment: Alignment;
  vocabulary: string[];
  step: number;
  /** The file it came from. */
  file: string;
  /** Which samples it was trained on; undefined if there is no split.json beside the checkpoint. */
  manifest: SplitManifest | undefined;
}

/**
 * Rebuilds the model of a checkpoint from its own configuration and vocabulary.
 *
 * @param path a run folder, its `checkpoints/`, or one `.safetensors` file.
 * @param sets settings laid over the checkpoint's own, such as `data.path=…`.
 * @throws {CheckpointError} if there is none, or it is not one of this example.
 */
export async function loadModel(path: string, sets: readonly string[] = []): Promise<LoadedModel> {
  const file = fileOf(path);
  const { tensors, state, step } = await loadCheckpoint(file);
  try {
    const { config: saved, vocabulary } = (state ?? {}) as { config?: object; vocabulary?: string[] };
    if (!saved || !vocabulary) {
      throw new CheckpointError(
        `${file}: is a checkpoint, but not one of this example: it holds no configuration and vocabulary`,
      );
    }
    const own = Object.entries(saved).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    const trained = configOf(own, (problems) => {
      const what = 'its configuration is not one of this version';
      return new CheckpointError(`${file}: ${what}:\n${problems}`);
    }).data;
    const config = configOf(
      [...own, ...sets],
      (problems) => new ConfigError(`${sets.map((set) => `--set ${set}`).join(', ')}:\n${problems}`),
    );
    const model = initialModel(config, vocabulary);
    try {
      restoreParameters(model.variables(), takePrefix('model', tensors));
    } catch (error) {
      model.dispose();
      throw new CheckpointError(
        `${file}: does not fit the model of its configuration${sets.length ? ` with --set ${sets.join(' ')}` : ''}: ${(error as Error).message}`,
        { cause: error },
      );
    }
    const folder = dirname(file);
    const split = [join(folder, 'split.json'), join(dirname(folder), 'split.json')].find(existsSync);
    const manifest = split === undefined ? undefined : await readManifest(split);
    return { model, config, trained, alignment: resolveAlignment(config), vocabulary, step, file, manifest };
  } finally {
    tf.dispose([...tensors.values()]);
  }
}

/** The checkpoint's settings are said as overrides; an error names those of the user alone. */
function configOf(sets: string[], say: (problems: string) => Error): Config {
  try {
    return loadConfig({ schema: configSchema, sets });
  } catch (error) {
    const [, ...problems] = (error as Error).message.split('\n');
    // Without a list of problems it is about one override, and says which.
    throw problems.length ? say(problems.join('\n')) : error;
  }
}

/** The checkpoint meant: the file itself, or the latest one in the folder. */
function fileOf(path: string): string {
  const wanted = `--checkpoint ${path}: expected a run folder, or a folder or file such as checkpoints/step-00000200.safetensors`;
  if (!existsSync(path)) throw new CheckpointError(`${wanted}; there is nothing at this path`);
  if (basename(path) === modelFile)
    throw new CheckpointError(`${path}: is the model for the page and other programs: what it was trained on is not in it. Fix: --checkpoint ${dirname(path)}`); // biome-ignore format: one line
  if (!statSync(path).isDirectory()) return path;
  const latest = latestCheckpoint(path);
  if (latest) return latest;
  const names = readdirSync(path);
  const found = names.length ? `it holds ${names.slice(0, 5).join(', ')}` : 'it is empty';
  throw new CheckpointError(`${wanted}; this folder has no checkpoint (${found}). Fix: train first, npm run plan`);
}
