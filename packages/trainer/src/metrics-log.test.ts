import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { MetricsLog, readMetrics } from './metrics-log';

const newPath = () => join(mkdtempSync(join(tmpdir(), 'metrics-')), 'run', 'metrics.jsonl');

it('writes one line per call, with running seconds, and keeps non-finite numbers', () => {
  const path = newPath();
  let now = 1000;
  const log = new MetricsLog(path, { clock: () => now });
  log.write({ step: 1, loss: 0.5, epoch: 0 });
  now += 2500;
  log.write({ step: 2, loss: Number.NaN, bound: Number.NEGATIVE_INFINITY, ok: true });
  expect(readFileSync(path, 'utf8')).toBe(
    '{"step":1,"epoch":0,"seconds":0,"loss":0.5}\n' +
      '{"step":2,"seconds":2.5,"loss":"NaN","bound":"-Infinity","ok":true}\n',
  );
  expect(readMetrics(path)[1]).toEqual({
    step: 2,
    seconds: 2.5,
    loss: Number.NaN,
    bound: Number.NEGATIVE_INFINITY,
    ok: true,
  });
});

it('on resume drops later steps and a half-written line, and the seconds go on', () => {
  const path = newPath();
  let now = 0;
  const log = new MetricsLog(path, { clock: () => now });
  for (const step of [1, 2, 3]) {
    now += 1000;
    log.write({ step, loss: step });
  }
  appendFileSync(path, '{"step":4,"lo');
  now = 900_000;
  const resumed = new MetricsLog(path, { resumeAfter: 2, clock: () => now });
  now += 500;
  resumed.write({ step: 3, loss: 33 });
  expect(readMetrics(path).map(({ step, seconds, loss }) => [step, seconds, loss])).toEqual([
    [1, 1, 1],
    [2, 2, 2],
    [3, 2.5, 33],
  ]);
});

it('names file and line of what is not a metrics line', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'metrics-')), 'metrics.jsonl');
  writeFileSync(path, '{"step":1,"seconds":0}\n{"loss":1}\n');
  expect(() => readMetrics(path)).toThrow(`${path}:2: not a line of a metrics file (no numeric "step")`);
  writeFileSync(path, 'nonsense\n');
  expect(() => new MetricsLog(path)).toThrow(`${path}:1:`);
});
