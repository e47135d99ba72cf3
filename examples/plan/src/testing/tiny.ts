import { loadConfig } from '@medalign/trainer';
import { configSchema } from '../config';

const tiny = [
  'data.patients=14',
  'data.size=32',
  'image.resize=34',
  'image.crop=32',
  'model.width=8',
  'model.image.layers=[1,1]',
  'model.image.widths=[4,8]',
  'model.image.strides=[1,2]',
  'model.image.localStage=2',
  'model.text.hiddenSize=8',
  'model.text.heads=2',
  'model.text.layers=1',
  'model.text.intermediateSize=16',
  'model.text.dropout=0.1',
  'train.batchSize=4',
  'train.epochs=1',
  'train.maxSteps=4',
  'train.checkpointEverySteps=2',
  'optimizer.warmup=1',
  'evaluate.bootstrap=20',
];
/** A configuration that trains in seconds. */
export const configOf = (...sets: string[]) => loadConfig({ sets: [...tiny, ...sets], schema: configSchema });
