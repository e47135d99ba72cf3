export { chooseSettings, seedList } from './ablation';
export { Adam, type AdamOptions, type OptimizerState } from './adam';
export { type Checkpoint, latestCheckpoint, loadCheckpoint, type SaveOptions, saveCheckpoint } from './checkpoint';
export { configText, loadConfig } from './config';
export {
  CheckpointError,
  ConfigError,
  DataError,
  exitCodeOf,
  exitCodes,
  NonFiniteError,
  ReplicaError,
  stopOnNonFinite,
} from './errors';
export {
  clipByGlobalNorm,
  clipScale,
  GradientAccumulator,
  type Loss,
  type NamedGradients,
  type NamedParameters,
  valueAndGradients,
} from './gradients';
export { type MetricsLine, MetricsLog, readMetrics } from './metrics-log';
export { type PlateauOptions, type PlateauState, ReduceLROnPlateau } from './plateau';
export { duration, Progress, type ProgressUpdate } from './progress';
export { type RandomStream, seededRandom, stepSeed } from './random';
export { ReplicaGroup, type SharedReplicas, shareReplicas } from './replica-group';
export { ReplicaThreads, type ReplicaThreadsOptions, serveReplica } from './replica-threads';
export { configOfRun, RunFolder, type RunFolderOptions } from './run-folder';
export { runMain } from './run-main';
export { constantRate, cosineDecay, linearWarmup, type Schedule } from './schedules';
export { Sgd } from './sgd';
export { type LoadsWeights, startFromWeights } from './start-from-weights';
export { addPrefix, restoreParameters, takePrefix } from './tensor-map';
export { TensorBoardLog } from './tensorboard-log';
