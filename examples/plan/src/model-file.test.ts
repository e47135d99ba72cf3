import { useBackend } from '@medalign/backend';
import { buildVocabulary, createTokenizer } from '@medalign/encoders';
import { decodeSafetensors, encodeSafetensors, type SafetensorsInput } from '@medalign/weights';
import { beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from './config';
import { modelSettings } from './export';
import { encodeModel, openModel } from './model-file';
import { readPhrase } from './read-phrase';
import { resolveAlignment } from './recipes';
import { initialModel } from './step';

const config = configSchema.parse({
  image: { resize: 16, crop: 16 },
  model: { width: 8, image: { weights: '/home/someone/resnet.bin' }, text: { hiddenSize: 8, heads: 2, layers: 1 } },
});
const tokenizer = createTokenizer({ vocab: buildVocabulary(['small left opacity .']), lowercase: true });
const settings = modelSettings({ config, alignment: resolveAlignment(config), tokenizer, map: 'words' });
const image = {
  pixels: Float32Array.from({ length: 256 }, (_, i) => ((i * 29) % 101) / 50 - 1),
  shape: [16, 16, 1] as [number, number, number],
};

let bytes: Uint8Array;
let original: ReturnType<typeof initialModel>;

beforeAll(async () => {
  await useBackend('cpu');
  original = initialModel(config, tokenizer.vocabulary);
  bytes = await encodeModel(original, settings);
});

/** The file with something changed in it. */
function changed(change: (tensors: Map<string, SafetensorsInput>, metadata: Record<string, string>) => void) {
  const tensors = decodeSafetensors(bytes);
  const { metadata } = tensors;
  change(tensors as Map<string, SafetensorsInput>, metadata);
  return encodeSafetensors(tensors, { metadata });
}

describe('a model file', () => {
  it('gives back the model, the tokenizer and the settings', async () => {
    const opened = openModel(bytes);
    expect(opened.settings).toEqual(settings);
    expect(opened.tokenizer.vocabulary).toEqual(tokenizer.vocabulary);
    const read = await readPhrase(opened, image, 'Left opacity.');
    expect(read).toEqual(await readPhrase({ model: original, tokenizer, settings }, image, 'Left opacity.'));
    opened.model.dispose();
  });

  it('holds no optimiser and no paths of the machine that trained', () => {
    expect([...decodeSafetensors(bytes).keys()].filter((name) => /^(adam|model)\./.test(name))).toEqual([]);
    expect(Buffer.from(bytes).toString('latin1')).not.toContain('/home/someone');
  });

  it('that lacks parameters says which', () => {
    const lacking = changed((tensors) => tensors.delete('heads.word.weight'));
    expect(() => openModel(lacking)).toThrow(/not hold the whole model.*no tensor for heads\.word\.weight/);
  });

  it('that is something else says what was expected', () => {
    const other = changed((_, metadata) => {
      delete metadata.format;
    });
    expect(() => openModel(other)).toThrow(/Expected the model\.safetensors .* it says nothing of its format/);
    expect(() => openModel(Uint8Array.of(1, 2, 3))).toThrow(/Not a safetensors file/);
    expect(() => openModel(bytes.subarray(0, bytes.length - 4))).toThrow(/or not all of one/);
  });
});

describe('a phrase', () => {
  it('is read into a score, a map, a map per word and three rounds that each keep words of the last', async () => {
    const read = await readPhrase({ model: original, tokenizer, settings }, image, 'small left opacity .');
    expect(read.words).toEqual(['small', 'left', 'opacity', '.']);
    expect(Math.abs(read.score)).toBeLessThanOrEqual(1);
    const { data, height, width } = read.phrase;
    expect(data).toHaveLength(height * width);
    expect(read.perWord.map((word) => word.data.length)).toEqual(Array(4).fill(height * width));
    const mean = data.map((_, j) => read.perWord.reduce((sum, word) => sum + word.data[j]!, 0) / 4);
    expect(Math.max(...data.map((value, j) => Math.abs(value - mean[j]!)))).toBeLessThan(1e-5);
    expect(read.rounds.map(({ kept }) => kept.filter(Boolean).length)).toEqual([3, 3, 3]);
  });

  it('has no rounds where words and pixels were never compared', async () => {
    const only = { ...settings, map: 'phrase' as const, alignment: { ...settings.alignment, local: 'none' as const } };
    expect((await readPhrase({ model: original, tokenizer, settings: only }, image, 'opacity')).rounds).toEqual([]);
  });
});
