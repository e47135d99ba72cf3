import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readManifest, type SplitManifest } from '@medalign/datasets';
import {
  CheckpointError,
  latestCheckpoint,
  loadCheckpoint,
  loadConfig,
  restoreParameters,
  takePrefix,
} from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { type Config, configSchema } from './config';
import type { RegionMedModel } from './model';
import { initialModel } from './step';

/** A model as a training run left it. */
export interface LoadedModel {
  model: RegionMedModel;
  config: Config;
  /** The data that it was trained on, whatever `sets` say. */
  trained: Config['data'];
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
    const { config: saved, vocabulary, curriculum } = (state ?? {}) as Record<string, never>;
    if (!saved || !vocabulary || !curriculum) {
      throw new CheckpointError(
        `${file}: is a checkpoint, but not one of this example: it holds no configuration, vocabulary and stages`,
      );
    }
    const own = Object.entries(saved).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    const trained = loadConfig({ schema: configSchema, sets: own }).data;
    const config = loadConfig({ schema: configSchema, sets: [...own, ...sets] });
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
    return { model, config, trained, vocabulary, step, file, manifest };
  } finally {
    tf.dispose([...tensors.values()]);
  }
}

/** The checkpoint meant: the file itself, or the latest one in the folder. */
function fileOf(path: string): string {
  const wanted = `--checkpoint ${path}: expected a run folder, or a folder or file such as checkpoints/step-00000200.safetensors`;
  if (!existsSync(path)) throw new CheckpointError(`${wanted}; there is nothing at this path`);
  if (!statSync(path).isDirectory()) return path;
  const latest = latestCheckpoint(path);
  if (latest) return latest;
  const names = readdirSync(path);
  const found = names.length ? `it holds ${names.slice(0, 5).join(', ')}` : 'it is empty';
  throw new CheckpointError(`${wanted}; this folder has no checkpoint (${found}). Fix: train first, npm run regionmed`);
}
