import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { useBackend } from '@medalign/backend';
import { patientHash } from '@medalign/datasets';
import { miniatureChexpert, miniatureMimicCxrJpg, miniatureRsnaPneumonia } from '@medalign/testing/miniatures';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from './checkpoint';
import { readDataset } from './datasets';
import { evaluationData } from './evaluation-data';
import { resultText } from './result';
import { mimicOfFiveClasses } from './testing/mimic-five';
import { cell, evaluateTiny, temporaryFolder, trainTiny } from './testing/trained';
import { aurocTwin, mean } from './testing/twins';

const folder = temporaryFolder();
const run = join(folder.path, 'run');
beforeAll(async () => {
  await useBackend('wasm');
  await trainTiny(run);
  writeFileSync(join(run, 'model.safetensors'), ''); // as run.ts does; its bytes are not looked at
});
afterAll(folder.remove);

describe('the command', () => {
  const command = (...args: string[]) =>
    new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
      const main = fileURLToPath(new URL('./main.ts', import.meta.url));
      const node = ['--conditions=@medalign/source', '--import', 'tsx', main, 'evaluate'];
      const child = spawn(process.execPath, [...node, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
      const printed = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr'] as const) {
        child[name].on('data', (bytes) => {
          printed[name] += bytes;
          // As soon as it reads images, a user stops the last of these.
          if (out(args) === 'stopped' && /images to read/.test(printed.stderr)) child.kill('SIGINT');
        });
      }
      child.on('close', (code) => resolve({ code, ...printed }));
    });
  const out = (args: string[]) => args[args.indexOf('--out') + 1]?.split('/').at(-1);
  const model = ['--checkpoint', run, '--backend', 'wasm'];

  it.concurrent('prints one JSON object and writes the same with pictures', async () => {
    const path = join(folder.path, 'fine');
    const { code, stdout, stderr } = await command(
      '--task',
      'grounding',
      ...model,
      '--map',
      'words',
      '--out',
      path,
      '--json',
    );
    expect([code, stderr]).toEqual([0, expect.stringContaining('Phrase grounding by category')]);
    const printed = JSON.parse(stdout);
    expect(printed).toMatchObject({ task: 'grounding', backend: 'wasm', dataset: { kind: 'phantom', part: 'test' } });
    expect(printed.trainingPatients).toEqual({ images: 0, patients: 0, known: true });
    const { details, ...written } = JSON.parse(readFileSync(join(path, 'result.json'), 'utf8'));
    expect(written).toEqual(printed);
    expect(Object.keys(details)).toContain('records');
    expect(existsSync(join(path, 'report.html')) && existsSync(join(path, 'overlays'))).toBe(true);
  });

  it.concurrent.each([
    [
      'an unknown task',
      2,
      ['--task', 'segmentation', ...model],
      /--task: expected one of grounding, retrieval, detection, classification, got 'segmentation'/,
    ],
    [
      'a missing checkpoint',
      3,
      ['--task', 'grounding', '--checkpoint', '/no/such/run'],
      /--checkpoint \/no\/such\/run: expected a run folder.*there is nothing at this path/,
    ],
    [
      'the model file of a run',
      3,
      ['--task', 'grounding', '--checkpoint', join(run, 'model.safetensors')],
      /model\.safetensors: is the model for the page.*Fix: --checkpoint .*run$/m,
    ],
    ['an unknown engine', 4, ['--task', 'grounding', '--checkpoint', run, '--backend', 'abacus'], /'abacus'/],
    // The many resamples take longer than the signal needs to arrive.
    [
      'a signal',
      130,
      ['--task', 'grounding', ...model, '--set', 'evaluate.bootstrap=4000', '--out', join(folder.path, 'stopped')],
      /SIGINT/,
    ],
  ] as const)('stops on %s with code %i', async (_, expected, args, message) => {
    const { code, stdout, stderr } = await command(...args);
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([expected, '']);
    expect(existsSync(join(folder.path, 'stopped', 'result.json'))).toBe(false);
  });
});

describe('what is read', () => {
  const of = async (wanted: Partial<Parameters<typeof evaluationData>[2]> = {}, sets: string[] = []) => {
    const loaded = await loadModel(run, sets);
    loaded.model.dispose();
    return evaluationData(loaded.config, loaded, { part: 'test', read: {}, ...wanted });
  };

  it('is the test part of the split that it was trained with', async () => {
    const { samples, own, split, leaked } = await of();
    const manifest = JSON.parse(readFileSync(join(run, 'split.json'), 'utf8'));
    expect(samples.map(({ id }) => id).sort()).toEqual(manifest.parts.test.ids);
    expect(split!.train.map(({ id }) => id).sort()).toEqual(manifest.parts.train.ids);
    expect([own, leaked]).toEqual([true, { images: 0, patients: 0 }]);
    // Another seed now must not move a patient out of the training part.
    const moved = await of({}, ['data.fractions={train: 0.1, validation: 0.1, test: 0.8}']);
    expect(moved.samples.map(({ id }) => id)).toEqual(samples.map(({ id }) => id));
  });

  it('is never a training patient, unless asked for, and then every table says so', async () => {
    await expect(of({ part: 'all' })).rejects.toThrow(
      /--split all: \d+ of \d+ images are of 8 patients that the model was trained on.*--allow-training-patients/,
    );
    const { leaked, split } = await of({ part: 'all', allowTrained: true });
    expect(leaked.images).toBe(split!.train.length);
    const options = { task: 'classification', part: 'all', allowTrained: true } as const;
    const { tables, notes, printed } = await evaluateTiny(run, options);
    for (const { caption } of tables) expect(caption).toContain(`NOT A RESULT: ${leaked.images} images`);
    expect(notes[0]).toContain('NOT A RESULT');
    expect(printed.stderr).toContain('WARNING: NOT A RESULT');
    expect(printed.stdout).toContain('! NOT A RESULT');
  });

  it('knows training patients in a larger set of the same seed, and strangers in another', async () => {
    const larger = of({ part: 'all' }, ['data.patients=20']);
    await expect(larger).rejects.toThrow(/patients that the model was trained on/);
    const strangers = await of({ part: 'all' }, ['data.seed=9']);
    expect([strangers.own, strangers.leaked.images]).toEqual([false, 0]);
    // Images of MIMIC-CXR carry the same names in every set that is made of them.
    const path = join(folder.path, 'mimic');
    await miniatureMimicCxrJpg(path);
    const loaded = await loadModel(run);
    loaded.model.dispose();
    const trained = { ...loaded.trained, kind: 'covid-chestxray' as const };
    const parts = { ...loaded.manifest!.parts, train: { ...loaded.manifest!.parts.train, ids: ['02aa804e'] } };
    const known = { trained, manifest: { ...loaded.manifest!, dataset: 'mimic-cxr-jpg', parts } };
    const all = { kind: 'mimic-cxr-jpg', path, part: 'all', read: {} } as const;
    // 02aa804e is one of two images of subject 10000032.
    await expect(evaluationData(loaded.config, known, all)).rejects.toThrow(/2 of 6 images are of 1 patients/);
  });

  it('knows the training patients of a table in another one, whatever the images are called there', async () => {
    const table = join(folder.path, 'other.csv');
    writeFileSync(join(folder.path, 'x.png'), '');
    writeFileSync(table, 'image,text,patient,id\nx.png,Clear lungs.,ann,1\nx.png,Effusion.,bob,2\n');
    const loaded = await loadModel(run);
    loaded.model.dispose();
    const trained = { ...loaded.trained, kind: 'pairs' as const };
    const train = { ...loaded.manifest!.parts.train, ids: ['gone'], patientHashes: [patientHash('bob')] };
    const known = { trained, manifest: { ...loaded.manifest!, dataset: 'first', parts: { ...loaded.manifest!.parts, train } } }; // biome-ignore format: one line
    const all = { kind: 'pairs', path: table, part: 'all', read: {} } as const;
    await expect(evaluationData(loaded.config, known, all)).rejects.toThrow(/1 of 2 images are of 1 patients.*such as bob.*leave them out/); // biome-ignore format: one line
    // a set of another kind may number other people the same way
    const elsewhere = { ...known, trained: { ...loaded.trained, kind: 'covid-chestxray' as const } };
    const { leaked, notes } = await evaluationData(loaded.config, elsewhere, all);
    expect(leaked.images).toBe(0);
    expect(notes.join()).toMatch(/1 patients have ids that training patients have, such as bob/);
  });

  it('is read as the training read it, with labels where a task needs them', async () => {
    const [path, trained] = [join(folder.path, 'five'), join(folder.path, 'run-mimic')];
    await mimicOfFiveClasses(path);
    const sets = ['data.kind=mimic-cxr-jpg', `data.path=${path}`, 'data.text=findings', 'image.resize=36'];
    const { split } = await trainTiny(trained, sets);
    const found = await evaluateTiny(trained, { task: 'retrieval' });
    const images = (found.details.recall as { images: string[] }).images;
    expect(images).toEqual(split.test.map(({ id }) => id));
    expect(found.printed.stderr).not.toContain('WARNING');
    const { details } = await evaluateTiny(trained, { task: 'classification' });
    expect((details.images as { id: string }[]).map(({ id }) => id)).toEqual(images);
    // Other texts are another data set: nobody should compare the two by accident.
    const other = evaluateTiny(trained, { task: 'retrieval', sets: ['data.text=impression'] });
    await expect(other).rejects.toThrow(/text/);
  });

  it('says when it cannot know', async () => {
    const bare = join(folder.path, 'bare');
    mkdirSync(bare);
    const { file } = await loadModel(run).then((loaded) => {
      loaded.model.dispose();
      return loaded;
    });
    writeFileSync(join(bare, 'step-00000003.safetensors'), readFileSync(file));
    const { notes } = await evaluateTiny(bare, { task: 'grounding', map: 'phrase' });
    expect(notes.join()).toContain('what it was trained on is not known');
  });

  it('can be any of the sets, and the error names what a set lacks', async () => {
    const [rsna, chexpert] = [join(folder.path, 'rsna'), join(folder.path, 'chexpert')];
    await Promise.all([miniatureRsnaPneumonia(rsna), miniatureChexpert(chexpert)]);
    expect((await readDataset('rsna-pneumonia', rsna)).samples).toHaveLength(4);
    expect((await readDataset('chexpert-5x200', chexpert, { perClass: 1 })).options).toMatchObject({
      draw: { perClass: 1, seed: 0 },
    });
    await expect(readDataset('chexpert-5x200', chexpert)).rejects.toThrow(/at least 200 .* got Atelectasis 2/);
    await expect(readDataset('rsna-pneumonia', undefined)).rejects.toThrow(/data\.path: rsna-pneumonia .* --data/);
    await expect(of({ kind: 'pairs' })).rejects.toThrow(/--data/);
    const drawn = { kind: 'chexpert-5x200', path: chexpert, read: { perClass: 2 } } as const;
    const uneven = ['data.fractions={train: 0.98, validation: 0.01, test: 0.01}'];
    await expect(of(drawn, uneven)).rejects.toThrow(/chexpert-5x200: splitByPatient: .*Here: --split all/);
    const { samples, split } = await of({ kind: 'rsna-pneumonia', path: rsna, part: 'all' });
    expect([samples.length, split]).toEqual([4, undefined]);
  });

  it('is refused with a checkpoint of something else, or settings that change the model', async () => {
    await expect(loadModel(folder.path)).rejects.toThrow(/this folder has no checkpoint.*npm run plan/);
    await expect(loadModel(run, ['model.width=16'])).rejects.toThrow(/does not fit .*--set model\.width=16/);
    // Of the settings that come from the checkpoint nothing is said: nobody gave them.
    await expect(loadModel(run, ['model.widht=16', 'train.epochs=0'])).rejects.toThrow(
      /^--set model\.widht=16, --set train\.epochs=0:\n {2}.*widht.*\n {2}train\.epochs: .*$/,
    );
    await expect(loadModel(run, ['seed'])).rejects.toThrow(/^--set seed: expected a\.b=value/);
  });
});

describe('the output', () => {
  it('is not written over unless asked', async () => {
    const out = join(folder.path, 'twice');
    await evaluateTiny(run, { task: 'grounding', map: 'words', out });
    const again = { task: 'grounding', map: 'words', out } as const;
    await expect(evaluateTiny(run, again)).rejects.toThrow(/there is a result\.json already.*--overwrite/);
    await evaluateTiny(run, { ...again, overwrite: true });
    // Nothing of the earlier result stays beside the new one.
    const detected = { task: 'detection', map: 'words', out, overwrite: true } as const;
    await evaluateTiny(run, detected);
    expect(readdirSync(out).sort()).toEqual([
      'overlays',
      'report.html',
      'result.json',
      'segmentation-head.safetensors',
    ]);
    const pictures = readdirSync(join(out, 'overlays'));
    await evaluateTiny(run, { task: 'retrieval', out, overwrite: true });
    expect(readdirSync(out).sort()).toEqual(['report.html', 'result.json']);
    expect(pictures.length).toBeGreaterThan(0);
    rmSync(out, { recursive: true });
  });

  it('never lands in a training run, on a file, or where nothing can be written', async () => {
    const into = (out: string, overwrite = true) =>
      evaluateTiny(run, { task: 'grounding', map: 'words', out, overwrite });
    const before = readFileSync(join(run, 'split.json'), 'utf8');
    await expect(into(run)).rejects.toThrow(/--out .*run: is the folder of a training run/);
    await expect(into(join(run, 'split.json', 'deeper'))).rejects.toThrow(/split\.json is a file, expected a folder/);
    expect(readFileSync(join(run, 'split.json'), 'utf8')).toBe(before);
    expect(existsSync(join(run, 'result.json'))).toBe(false);
  });

  it('prints counts, shares, percents, intervals and spreads', () => {
    const table = {
      title: 'T',
      caption: 'word '.repeat(40),
      columns: ['', 'a', 'n'],
      rows: [
        ['x', { value: 0.25, low: 0.1, high: 1 }, 3],
        ['y', { mean: 0.5, std: 0.125 }, 0],
        ['z', null, 1],
      ],
      counts: ['n'],
    };
    const [title, head, , x, y, z, ...caption] = resultText([table], ['note']).split('\n');
    expect([title, head!.split(/ +/)]).toEqual(['T', ['', 'a', 'n']]);
    expect(x).toMatch(/^x +0\.250 \[0\.100, 1\.000\] +3$/);
    expect(y).toMatch(/^y +0\.500 ± 0\.125 +0$/);
    expect(z).toMatch(/^z +– +1$/);
    expect(Math.max(...caption.map((line) => line.length))).toBeLessThanOrEqual(110);
    expect(caption.at(-1)).toBe('! note');
    expect(resultText([{ ...table, percent: true }], [])).toContain('25.00 [10.00, 100.00]');
  });
});

const shared = process.env.MEDALIGN_DATA ?? fileURLToPath(new URL('../../../../shared/data', import.meta.url));
const real = join(shared, 'covid-chestxray');
if (!existsSync(real))
  console.warn(
    `NOT TESTED on real data: ${real} is absent. Set MEDALIGN_DATA to the folder that holds covid-chestxray.`,
  );

describe.skipIf(!existsSync(real))('on real chest X-rays', () => {
  const options = { kind: 'covid-chestxray', path: real, part: 'test' } as const;

  it('tells COVID-19 from the rest', async () => {
    const { tables, details } = await evaluateTiny(run, { task: 'classification', ...options, trainImages: 30 });
    const images = details.images as { labels: number[]; zeroShot: number[]; linearHead: number[] }[];
    expect(images.length).toBeGreaterThan(40);
    for (const [row, of] of [
      [/^zero-shot/, (image: (typeof images)[number]) => image.zeroShot],
      [/^linear head \(trained on 30 labels\)/, (image: (typeof images)[number]) => image.linearHead],
    ] as const) {
      const positive = images.map(({ labels }) => labels[0]!);
      const scores = images.map((image) => of(image)[0]!);
      const area = cell(tables[0]!, row, 'macro AUROC') as { value: number };
      expect(area.value).toBeCloseTo(aurocTwin(scores, positive)!, 6); // one class is the other turned round
      const right = (label: number) => {
        const own = images.filter((_, i) => positive[i] === label);
        return mean(own.map((image) => Number(of(image)[0]! >= of(image)[1]! === (label === 1))));
      };
      const balanced = cell(tables[0]!, row, 'balanced') as { value: number };
      expect(balanced.value).toBeCloseTo((right(0) + right(1)) / 2, 6);
    }
  });

  it('finds notes, and lungs that it calls anatomy', async () => {
    const found = await evaluateTiny(run, { task: 'retrieval', ...options });
    expect(found.tables[0]!.caption).toMatch(/COVID-19 (\d+), other \1\. Gallery: the \d+ reports/);
    expect(cell(found.tables[0]!, 'random order', 'Prec@10')).toBeCloseTo(0.5, 9);
    const lungs = await evaluateTiny(run, { task: 'grounding', ...options, map: 'words' });
    expect(lungs.tables[0]!.columns).toEqual(['', 'Left Lung', 'Right Lung', 'macro mean']);
    expect(lungs.notes.join()).toContain('anatomy, not findings');
  });
});
