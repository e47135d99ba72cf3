import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeManifest } from '@medalign/datasets';
import { RunFolder } from '@medalign/trainer';
import { vi } from 'vitest';
import { PlanData } from '../data';
import { type EvaluationOptions, evaluate } from '../evaluation';
import { resolveAlignment } from '../recipes';
import type { Cell, ResultTable } from '../result';
import { createModel, train } from '../train';
import { configOf } from './tiny';

/** What a test trains in a second and evaluates: images larger than the crop, so that maps have unknown pixels. */
const evaluated = [
  'data.patients=16',
  'data.size=36',
  'data.fractions={train: 0.5, validation: 0.2, test: 0.3}',
  'model.image.widths=[4,6]',
  'model.image.strides=[2,2]',
  'model.text.lastLayers=1',
  'model.text.dropout=0',
  'train.maxSteps=3',
  'optimizer.learningRate=0.01',
  'evaluate.batchSize=3',
  'evaluate.bootstrap=40',
  'evaluate.pictures=1',
];

/** Trains into a run folder as the command does, and returns it. */
export async function trainTiny(path: string, sets: readonly string[] = []): Promise<PlanData> {
  const config = configOf(...evaluated, ...sets);
  const data = await PlanData.load(config);
  const run = new RunFolder(path, { config });
  await writeManifest(run.file('split.json'), data.split.manifest);
  const model = await createModel(config, data);
  await train(config, resolveAlignment(config), data, { model, run });
  model.dispose();
  return data;
}

/** A folder for one test file. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'medalign-evaluation-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

let results = 0;

/** Evaluates on wasm into a folder of its own, and keeps what it prints. */
export async function evaluateTiny(run: string, options: Omit<EvaluationOptions, 'checkpoint'>) {
  const printed = { stdout: '', stderr: '' };
  const keep = (name: 'stdout' | 'stderr') =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      printed[name] += String(text);
      return true;
    });
  const spies = [keep('stdout'), keep('stderr')];
  try {
    const out = join(run, `result-${++results}`);
    return { ...(await evaluate({ checkpoint: run, backend: 'wasm', out, ...options })), printed };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** The cell of a table by the names of its row and column. */
export function cell(table: ResultTable, row: string | RegExp, column: string): Cell {
  const found = table.rows.filter(([name]) => (typeof row === 'string' ? name === row : row.test(String(name))));
  const c = table.columns.indexOf(column);
  if (found.length !== 1 || c < 0) {
    throw new Error(
      `${row} × ${column}: rows ${table.rows.map(([name]) => name).join(', ')}; columns ${table.columns.join(', ')}`,
    );
  }
  return found[0]![c]!;
}
