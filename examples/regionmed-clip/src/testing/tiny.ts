import { loadConfig } from '@medalign/trainer';
import { configSchema } from '../config';

const stage = (name: string, losses: string) =>
  `{name: ${name}, epochs: 1, learningRate: 0.01, batchSize: 4, losses: [${losses}]}`;
const tiny = [
  'data.patients=14',
  'data.size=48',
  'data.fractions={train: 0.6, validation: 0.1, test: 0.3}',
  'image.resize=34',
  'image.crop=32',
  'model.width=8',
  'model.image.resnet={layers: [1, 1], widths: [4, 8], strides: [1, 2]}',
  'model.image.vit={patchSize: 8, width: 8, layers: 1, heads: 2}',
  'model.text={hiddenSize: 8, heads: 2, layers: 1, intermediateSize: 16, dropout: 0.1}',
  'model.roi.heads=2',
  `stages=[${stage('global', 'global')}, ${stage('region', 'roi, negative')}, ${stage('joint', 'global, roi, negative')}]`,
  'train.maxStepsPerStage=2',
  'train.checkpointEverySteps=1',
  'evaluate.bootstrap=20',
  'evaluate.batchSize=3',
  'evaluate.pictures=1',
];
/** A configuration that trains in seconds. */
export const configOf = (...sets: string[]) => loadConfig({ sets: [...tiny, ...sets], schema: configSchema });
