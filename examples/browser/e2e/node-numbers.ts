import { useBackend } from '@medalign/backend';
import { createTokenizer } from '@medalign/encoders';
import { type LoadedModel, loadModel } from '@medalign/example-plan/checkpoint';
import { cosines, encodedBatches, imageFeatures, textVectors } from '@medalign/example-plan/features';
import { phraseMaps } from '@medalign/example-plan/maps';
import { tokenize } from '@medalign/example-plan/tokens';
import * as tf from '@tensorflow/tfjs-core';

/** What `npm run plan -- evaluate` computes of one image file and one phrase. */
export interface NodeNumbers {
  score: number;
  map: number[];
}

/** The score and the map as Node has them: from the checkpoint, with the decoder, loader and cosines of the evaluations. */
export async function numbersInNode(run: string) {
  await useBackend('wasm');
  const loaded: LoadedModel = await loadModel(run);
  const { model, config, alignment, vocabulary } = loaded;
  const tokenizer = createTokenizer({ vocab: vocabulary, lowercase: config.model.text.lowercase ?? true });
  const limits = { maxWords: config.data.maxWords, maxPieces: config.model.text.maxPositions };
  const reader = { model, config, tokenize: (texts: readonly string[]) => tokenize(texts, tokenizer, limits) };
  return async (path: string, phrase: string): Promise<NodeNumbers> => {
    const samples = [{ id: path, patientId: path, text: '', image: { kind: 'file' as const, path } }];
    const { global } = await imageFeatures(reader, samples, 'image');
    const score = cosines(global, await textVectors(reader, [phrase]))[0]![0]!;
    for await (const { images } of encodedBatches(reader, samples, 'map')) {
      const tokens = reader.tokenize([phrase]);
      const map = tf.tidy(() => phraseMaps('words', model, images, model.encodeTexts(tokens), [0], alignment));
      const values = Array.from(await map.data());
      tf.dispose(map);
      tokens.dispose();
      return { score, map: values };
    }
    throw new Error(`${path}: no image`);
  };
}
