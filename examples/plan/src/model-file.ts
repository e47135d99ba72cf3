import { createTokenizer, type Tokenizer, type TokenizerOptions } from '@medalign/encoders';
import { restoreParameters } from '@medalign/trainer/tensor-map';
import { decodeSafetensors, encodeSafetensors, type SafetensorsInput } from '@medalign/weights';
import * as tf from '@tensorflow/tfjs-core';
import type { Alignment } from './config';
import type { MapKind } from './maps';
import { PlanModel } from './model';
import type { ModelConfig } from './recipes';

const FORMAT = 'medalign-plan-1';

/** What a program needs beside the weights to read an image and a text as training did. */
export interface ModelSettings {
  image: { resize: number; crop: number; channels: 1 | 3 };
  model: ModelConfig;
  alignment: Alignment;
  /** The map that the model is read by. */
  map: MapKind;
  text: { maxWords: number; maxPieces: number };
  tokenizer: TokenizerOptions;
  vocabulary: string[];
}

/** A model file that was opened. */
export interface OpenedModel {
  model: PlanModel;
  tokenizer: Tokenizer;
  settings: ModelSettings;
}

/** The file is not one of this example, or not whole. */
export class ModelFileError extends Error {
  override readonly name = 'ModelFileError';
}

/**
 * A trained model in one file: a safetensors file with the weights, whose metadata holds configuration and vocabulary as JSON.
 * Nothing of the optimiser is in it. Runs in browsers too.
 */
export async function encodeModel(model: PlanModel, settings: ModelSettings): Promise<Uint8Array> {
  const tensors = new Map<string, SafetensorsInput>();
  for (const [name, variable] of model.variables()) {
    tensors.set(name, { shape: variable.shape, data: (await variable.data()) as Float32Array | Int32Array });
  }
  return encodeSafetensors(tensors, { metadata: { format: FORMAT, settings: JSON.stringify(settings) } });
}

/**
 * The model of a file, on the current engine.
 *
 * @throws {ModelFileError} naming what is wrong: not safetensors, not of this example, parameters that are missing.
 */
export function openModel(bytes: Uint8Array): OpenedModel {
  const tensors = decoded(bytes);
  const settings = settingsOf(tensors.metadata);
  const { channels } = settings.image;
  const model = new PlanModel(settings.model, { channels, vocabularySize: settings.vocabulary.length, seed: 0 });
  try {
    tf.tidy(() => {
      const variables = model.variables();
      const own = [...tensors].map(([name, { data, shape }]) => {
        const { dtype = 'float32' } = variables.get(name) ?? {};
        return [name, tf.tensor(data as Float32Array, shape, dtype)] as const;
      });
      restoreParameters(variables, new Map(own));
    });
  } catch (error) {
    model.dispose();
    const { message } = error as Error;
    throw new ModelFileError(
      `The file does not hold the whole model that its configuration describes. ${message} Fix: export it again, npm run plan`,
      { cause: error },
    );
  }
  const tokenizer = createTokenizer({ vocab: settings.vocabulary, ...settings.tokenizer });
  return { model, tokenizer, settings };
}

function decoded(bytes: Uint8Array) {
  try {
    return decodeSafetensors(bytes);
  } catch (error) {
    throw new ModelFileError(`Not a safetensors file, or not all of one: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function settingsOf({ format, settings }: Record<string, string>): ModelSettings {
  if (format === FORMAT && settings) return JSON.parse(settings);
  const found = format ? `its format is '${format}'` : 'it says nothing of its format';
  throw new ModelFileError(
    `Expected the model.safetensors that npm run plan writes into its run folder (format '${FORMAT}'), but ${found}. ` +
      'Files in checkpoints/ are for going on with a training. Fix: runs/…/model.safetensors',
  );
}
