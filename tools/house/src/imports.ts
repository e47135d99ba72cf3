import ts from 'typescript';

/** Who may import whom. Arrows only point up: core ← models, data ← running ← examples; engines only from the top. */
export const allowedImports: Record<string, string[]> = {
  // core
  similarity: [],
  losses: ['similarity'],
  progressive: ['similarity', 'losses'],
  'eval-metrics': [],
  'roi-processor': ['similarity', 'ops'],
  // models
  ops: ['similarity'],
  weights: [],
  encoders: ['similarity', 'ops', 'weights'],
  // data
  datasets: [],
  // engines
  backend: [],
  'backend-torch': [],
  // running
  trainer: ['similarity', 'losses', 'progressive', 'eval-metrics', 'ops', 'weights', 'encoders', 'datasets'],
  report: ['eval-metrics'],
  create: [],
};

/** Packages of the core: tensors in, tensors out. Their only peer is tfjs-core, and they depend on nothing else. */
export const corePackages = ['similarity', 'losses', 'progressive', 'eval-metrics', 'roi-processor', 'ops'];

/** Engines are imported by examples and tests alone. */
export const enginePackages = ['backend', 'backend-torch'];

/** Every module specifier a source text imports or re-exports, statically or dynamically. */
export function importedModules(source: string): string[] {
  return ts.preProcessFile(source, true, true).importedFiles.map((file) => file.fileName);
}
