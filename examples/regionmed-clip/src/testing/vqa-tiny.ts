import { randomStream, type VqaDataset, type VqaSample } from '@medalign/datasets';
import { loadConfig } from '@medalign/trainer';
import { vqaConfigSchema } from '../vqa-config';

const tiny = [
  'image={resize: 18, crop: 16, channels: 1}',
  'model.width=8',
  'model.image={coordinates: true, resnet: {layers: [1, 1], widths: [4, 8], strides: [1, 2]}}',
  'model.text={hiddenSize: 8, heads: 2, layers: 1, intermediateSize: 16, dropout: 0.1}',
  'model.roi={features: align, max: 2, heads: 2}',
  'head={hidden: 12, dropout: 0.1}',
  'data.path=unused',
  'train={epochs: 3, batchSize: 4, learningRate: 0.01, schedule: {warmupSteps: 1}}',
  'evaluate={bootstrap: 20, batchSize: 3, pictures: 1}',
];

/** A configuration that trains in seconds. */
export const vqaConfigOf = (...sets: string[]) => loadConfig({ sets: [...tiny, ...sets], schema: vqaConfigSchema });

/** Images that are bright on one side, with two questions each: as VQA-RAD, in two parts. */
export function sides({ train = 16, test = 6 } = {}): VqaDataset {
  const side = 16;
  const samples = Array.from({ length: train + test }, (_, i): VqaSample[] => {
    const random = randomStream('sides', i);
    const left = random.chance(0.5);
    const data = Uint8Array.from({ length: side * side }, (_, at) =>
      Math.round(random.between(0, 60) + (at % side < side / 2 === left ? 150 : 0)),
    );
    const about = {
      patientId: `image${i}`,
      image: { kind: 'pixels' as const, data, width: side, height: side, channels: 1 },
      split: i < train ? ('train' as const) : ('test' as const),
      questionTypes: ['POS'],
    };
    const ask = (kind: 'open' | 'closed', question: string, answer: string): VqaSample => ({
      ...about,
      id: `${i}-${kind}`,
      question,
      text: question,
      answer,
      answerType: kind,
    });
    return [
      ask('open', 'Which side is bright?', left ? 'left' : 'right'),
      ask('closed', 'Is the left side bright?', left ? 'yes' : 'no'),
    ];
  }).flat();
  const counts = { rows: samples.length, kept: samples.length, dropped: {} };
  return { name: 'sides', samples, counts, notes: [] };
}
