import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyManifest,
  checkSameSplit,
  type Dataset,
  patientHash,
  readManifest,
  splitByPatient,
  splitNames,
  writeManifest,
} from './index';

const dataset = (patients: string[], together?: string[][]): Dataset => ({
  name: 'test',
  samples: patients.map((patientId, i) => ({
    id: `s${i}`,
    patientId,
    text: '',
    image: { kind: 'file', path: `${i}.png` },
  })),
  counts: { rows: patients.length, kept: patients.length, dropped: {} },
  notes: [],
  together,
});
const ids = (count: number) => Array.from({ length: count }, (_, i) => `p${i}`);

describe('splitByPatient', () => {
  it('never puts one person in two parts, and places every sample once', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 60, maxLength: 90 }),
        fc.integer(),
        (p, seed) => {
          const set = dataset(
            p.map((n) => `p${n}`),
            [
              ['p1', 'p2'],
              ['p2', 'p3'],
            ],
          );
          const split = splitByPatient(set, { fractions: { train: 0.5, validation: 0.25, test: 0.25 }, seed });
          const person = (id: string) => (['p2', 'p3'].includes(id) ? 'p1' : id);
          const people = splitNames.map((name) => new Set(split[name].map((s) => person(s.patientId))));
          expect(people[0]!.size + people[1]!.size + people[2]!.size).toBe(new Set(p.map((n) => person(`p${n}`))).size);
          expect(splitNames.flatMap((name) => split[name]).length).toBe(p.length);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('comes close to the shares, and depends on the seed but not on the order of samples', () => {
    const set = dataset(ids(100));
    const split = splitByPatient(set, { seed: 5 });
    expect(splitNames.map((name) => split[name].length)).toEqual([80, 10, 10]);
    const turned = { ...set, samples: [...set.samples].reverse() };
    expect(splitByPatient(turned, { seed: 5 }).manifest).toEqual(split.manifest);
    expect(splitByPatient(set, { seed: 6 }).manifest.parts).not.toEqual(split.manifest.parts);
  });

  it('keeps further lists together', () => {
    const lists = [ids(100).slice(0, 40)];
    for (let seed = 0; seed < 5; seed++) {
      const split = splitByPatient(dataset(ids(100)), { seed, together: lists });
      const where = splitNames.filter((name) => split[name].some((s) => lists[0]!.includes(s.patientId)));
      expect(where.length).toBe(1);
    }
  });

  it('writes a manifest that splits the same way again, and notices a changed one', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'medalign-')), 'split.json');
    const set = dataset(ids(30), [['p1', 'p2']]);
    const split = splitByPatient(set, { seed: 2 });
    await writeManifest(path, split.manifest);
    const manifest = await readManifest(path);
    expect(manifest).toEqual(split.manifest);
    expect(applyManifest(set, manifest).test).toEqual(split.test);
    expect(manifest.parts.test.patientHashes).toEqual([...new Set(split.test.map((s) => patientHash(s.patientId)))].sort()); // biome-ignore format: one line
    await checkSameSplit(path, split.manifest);
    await checkSameSplit(join(path, 'none'), split.manifest);
    const other = splitByPatient(set, { seed: 3 }).manifest;
    await expect(checkSameSplit(path, other)).rejects.toThrow(
      /the train part was \d+ samples of .*Fix: go on with the data/,
    );
    expect(manifest.options).toEqual({
      by: 'patient',
      fractions: { train: 0.8, validation: 0.1, test: 0.1 },
      seed: 2,
      together: [['p1', 'p2']],
    });
    expect(() => applyManifest(dataset(ids(10)), manifest)).toThrow(
      /ids of the manifest's 'train' are not in the dataset/,
    );
    expect(() => applyManifest(dataset(ids(31)), manifest)).toThrow(/31 samples, but the manifest places 30/);
    await writeFile(path, (await readFile(path, 'utf8')).replace(/"s1"/, '"s99"'));
    await expect(readManifest(path)).rejects.toThrow(/do not match their sha256/);
  });

  it('refuses fractions that do not add up, empty parts and double ids', () => {
    const fractions = { train: 0.8, validation: 0.1, test: 0.2 };
    expect(() => splitByPatient(dataset(ids(9)), { fractions })).toThrow(/add up to 1/);
    expect(() => splitByPatient(dataset(['a', 'a', 'a']))).toThrow(/validation would be empty: 1 patients/);
    const twice = dataset(ids(30));
    twice.samples[3]!.id = 's1';
    expect(() => splitByPatient(twice)).toThrow(/two samples have the id 's1'/);
  });

  it('names fractions that leave no part empty, where there are any', () => {
    const refusal = (set: Dataset, fractions: Record<(typeof splitNames)[number], number>) => {
      try {
        splitByPatient(set, { fractions });
      } catch (error) {
        return (error as Error).message;
      }
      throw new Error('not refused');
    };
    const uneven = ['a', 'a', 'b', 'b', 'c', 'c', 'd', 'd', 'e', 'f', 'g', 'h'];
    for (const [patients, shares] of [
      [uneven, [0.75, 0.03, 0.22]],
      [ids(3), [0.8, 0.1, 0.1]],
      [ids(2), [0.999, 0, 0.001]],
    ] as const) {
      const [train, validation, test] = shares;
      const set = dataset([...patients]);
      const message = refusal(set, { train, validation, test });
      const found = /Fix: fractions \{train: (.*), validation: (.*), test: (.*)\}, a fraction of 0/.exec(message);
      const [a, b, c] = found!.slice(1).map(Number) as [number, number, number];
      const split = splitByPatient(set, { fractions: { train: a, validation: b, test: c } });
      expect(splitNames.map((name) => split[name].length > 0)).toEqual(shares.map((share) => share > 0));
    }
    expect(refusal(dataset(['a', 'b', 'b']), { train: 0.8, validation: 0.1, test: 0.1 })).toMatch(
      /Fix: a fraction of 0 for a part that is not needed, or more patients\.$/,
    );
  });
});
