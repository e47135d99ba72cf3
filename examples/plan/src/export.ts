import { writeFile } from 'node:fs/promises';
import type { Tokenizer } from '@medalign/encoders';
import type { Alignment, Config } from './config';
import { textLimits } from './data';
import type { MapKind } from './maps';
import type { PlanModel } from './model';
import { encodeModel, type ModelSettings } from './model-file';
import { resolveModel } from './recipes';

/** The file of a run folder that other programs read: `examples/browser` does. */
export const modelFile = 'model.safetensors';

/** Writes the trained model, its configuration and its vocabulary into one file. */
export async function exportModel(
  path: string,
  model: PlanModel,
  about: { config: Config; alignment: Alignment; tokenizer: Tokenizer; map: MapKind },
): Promise<void> {
  await writeFile(path, await encodeModel(model, modelSettings(about)));
}

/** What a reader of the model needs to know; no paths of this machine. */
export function modelSettings({
  config,
  alignment,
  tokenizer,
  map,
}: {
  config: Config;
  alignment: Alignment;
  tokenizer: Tokenizer;
  map: MapKind;
}): ModelSettings {
  const model = resolveModel(config);
  const { weights: _image, ...image } = model.image;
  const { weights: _text, vocabulary: _vocabulary, ...text } = model.text;
  return {
    image: config.image,
    model: { ...model, image, text },
    alignment,
    map,
    text: textLimits(config),
    tokenizer: tokenizer.options,
    vocabulary: [...tokenizer.vocabulary],
  };
}
