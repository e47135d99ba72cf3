import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { useBackend } from '@medalign/backend';
import { fiveClasses, type Sample } from '@medalign/datasets';
import { miniatureChexpert, miniatureMimicCxrJpg } from '@medalign/testing/miniatures';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDataset } from './datasets';
import type { EvaluationOptions } from './evaluation';
import { evaluationData } from './evaluation-data';
import type { PromptClass } from './prompts';
import { exclusiveSentences } from './sentences';
import { dicomOf, mimicOfFiveClasses, sentencesOf, studies } from './testing/mimic-five';
import { comparePrecision, type Drawn } from './testing/retrieval-twin';
import { cell, evaluateTiny, temporaryFolder, trainTiny } from './testing/trained';
import { openModel } from './testing/twins';

const folder = temporaryFolder();
const [run, chexpert, mimic] = ['run', 'chexpert', 'mimic'].map((name) => join(folder.path, name)) as [
  string,
  string,
  string,
];
beforeAll(async () => {
  await useBackend('wasm');
  await trainTiny(run);
  await Promise.all([miniatureChexpert(chexpert), mimicOfFiveClasses(mimic)]);
});
afterAll(folder.remove);

const from = (options: Partial<NonNullable<EvaluationOptions['options']>>) =>
  evaluateTiny(run, {
    task: 'retrieval',
    kind: 'chexpert-5x200',
    path: chexpert,
    options: { perClass: 2, galleryFrom: { kind: 'mimic-5x200', path: mimic }, ...options },
  });
const chexpertSamples = async () => (await readDataset('chexpert-5x200', chexpert, { perClass: 2 })).samples;
const byClass = ({ gallery }: Drawn) =>
  Object.fromEntries(
    fiveClasses.map((name) => [name, gallery.texts.filter((text) => text.class === name).map(({ text }) => text)]),
  );

/** Of equal sentences but for case, the first one drawn is there. */
const lower = (texts: readonly string[]) => texts.map((text) => text.toLowerCase()).sort();

describe('a gallery for images without reports', () => {
  it('is made of the reports of another set, as many of each class, each of it alone', async () => {
    const { tables, details } = await from({});
    const drawn = details.precision as Drawn;
    await comparePrecision(run, tables[0]!, drawn, await chexpertSamples());
    expect(drawn.queries).toHaveLength(10);
    expect(drawn.gallery).toMatchObject({ kind: 'reports', source: { kind: 'mimic-5x200', name: 'mimic-5x200' } });
    for (const [name, texts] of Object.entries(byClass(drawn))) {
      const own = studies.filter(([, labels]) => labels.length === 1 && labels[0] === name).map(([, , text]) => text);
      expect(own).toEqual(expect.arrayContaining(texts));
      expect(texts).toHaveLength(2);
    }
    const different = new Set(drawn.gallery.texts.map(({ text }) => text)).size;
    expect(tables[0]!.title).toContain('Precision@K over reports');
    expect(tables[0]!.caption).toContain(
      `Gallery: 10 reports of mimic-5x200, 2 of each class alone, ${different} of them different.`,
    );
    expect(cell(tables[0]!, 'random order', 'Prec@1')).toBeCloseTo(0.2, 9);
    expect(tables).toHaveLength(1);
  });

  it('is made of sentences that are of one class alone', async () => {
    const { tables, details } = await from({ perClass: 2, gallery: 'sentences' });
    const drawn = details.precision as Drawn;
    await comparePrecision(run, tables[0]!, drawn, await chexpertSamples());
    const counts = fiveClasses.map((name) => byClass(drawn)[name]!.length);
    expect(new Set(counts).size).toBe(1);
    for (const name of fiveClasses) {
      expect(lower(sentencesOf[name]!)).toEqual(expect.arrayContaining(lower(byClass(drawn)[name]!)));
    }
    const size = 5 * counts[0]!;
    expect(tables[0]!.title).toContain('Precision@K over sentences');
    expect(tables[0]!.caption).toContain(
      `Gallery: ${size} different sentences of 10 reports of mimic-5x200, ${counts[0]} of each class:`,
    );
  });

  it('may be a table of pairs', async () => {
    const table = join(folder.path, 'texts.csv');
    const rows = fiveClasses.flatMap((name) => [`one ${name}`, `two ${name}`].map((text) => `x.png,${text},${name}`));
    writeFileSync(
      table,
      ['image,text,label', ...rows, 'x.png,three Edema,Edema', 'x.png,both,Edema|Cardiomegaly'].join('\n'),
    );
    const { data } = await import('sharp').then(async ({ default: sharp }) => ({
      data: await sharp({ create: { width: 4, height: 4, channels: 3, background: 'gray' } })
        .png()
        .toBuffer(),
    }));
    writeFileSync(join(folder.path, 'x.png'), data);
    const { tables, details } = await from({ galleryFrom: { kind: 'pairs', path: table } });
    const drawn = details.precision as Drawn;
    await comparePrecision(run, tables[0]!, drawn, await chexpertSamples());
    const texts = byClass(drawn);
    expect(texts.Atelectasis).toEqual(['one Atelectasis', 'two Atelectasis']);
    expect(texts.Edema).toHaveLength(2);
    expect(['one Edema', 'two Edema', 'three Edema']).toEqual(expect.arrayContaining(texts.Edema!));
  });

  it('names the class that has no text, and what to do', async () => {
    const other = join(folder.path, 'few');
    await mimicOfFiveClasses(other, { without: ['Edema'] });
    const galleryFrom = { kind: 'mimic-cxr-jpg', path: other } as const;
    await expect(from({ galleryFrom })).rejects.toThrow(
      /--gallery reports: mimic-cxr-jpg \(--gallery-data .*few\): Edema has no report of it alone \(Atelectasis 3, Cardiomegaly 3, Consolidation 3, Edema 0, Pleural Effusion 3\)\. Fix: .*--gallery prompts/,
    );
    await expect(from({ galleryFrom, gallery: 'sentences' })).rejects.toThrow(
      /--gallery sentences: .* Edema has no sentence that names it and no other class \(.* Edema 0, .*`mentions`/,
    );
    const drawn = from({ galleryFrom: { kind: 'mimic-5x200', path: other }, perClass: 2 });
    await expect(drawn).rejects.toThrow(/--gallery-data: fiveBy200: .* got .* Edema 0, .*Here: --per-class/);
    rmSync(other, { recursive: true });
    await miniatureMimicCxrJpg(other);
    await expect(from({ galleryFrom, gallery: 'reports' })).rejects.toThrow(/Atelectasis has no report of it alone/);
    await expect(from({ galleryFrom: { kind: 'mimic-5x200', path: '/no/such/folder' } })).rejects.toThrow(
      /--gallery-data: \/no\/such\/folder: cannot read the folder/,
    );
    await expect(from({ gallery: 'reports', galleryFrom: undefined })).rejects.toThrow(
      /--task retrieval: chexpert-5x200 .* has no reports of its own .* --gallery-data <folder of MIMIC-CXR-JPG>.*--gallery prompts/,
    );
  });
});

describe('a gallery of reports of its own', () => {
  it('may be cut into sentences', async () => {
    const options = { gallery: 'sentences', perClass: 3 } as const;
    const { tables, details } = await evaluateTiny(run, {
      task: 'retrieval',
      kind: 'mimic-5x200',
      path: mimic,
      options,
    });
    const drawn = details.precision as Drawn;
    const { samples } = await readDataset('mimic-5x200', mimic, { perClass: 3 });
    await comparePrecision(run, tables[0]!, drawn, samples);
    for (const name of fiveClasses) expect(lower(byClass(drawn)[name]!)).toEqual(lower(sentencesOf[name]!));
    expect(tables[0]!.caption).toContain('15 different sentences of 15 reports of the same images, 3 of each class');
  });
});

describe('patients that the model was trained on', () => {
  const trained = [dicomOf('10000001'), dicomOf('10000005')];
  const known = async () => {
    const { model, ...loaded } = await openModel(run);
    model.dispose();
    const config = loaded.config;
    const train = { patients: 2, samples: 2, sha256: '', ids: trained };
    const none = { patients: 0, samples: 0, sha256: '', ids: [] };
    const manifest = {
      format: 'medalign-split',
      version: 1,
      dataset: 'mimic-cxr-jpg',
      options: { fractions: { train: 1, validation: 0, test: 0 }, seed: 0, together: [] },
      parts: { train, validation: none, test: none },
    } as const;
    return {
      config,
      trained: { ...config.data, kind: 'mimic-cxr-jpg' as const },
      manifest: structuredClone(manifest) as never,
    };
  };

  it('are left out before images are drawn, unless allowed', async () => {
    const { config, ...loaded } = await known();
    const wanted = { kind: 'mimic-5x200', path: mimic, part: 'all', read: { perClass: 2 } } as const;
    const { samples, dataset, leaked } = await evaluationData(config, loaded, wanted);
    expect(samples).toHaveLength(10);
    expect(samples.map(({ id }) => id)).not.toEqual(expect.arrayContaining([trained[0]]));
    expect(samples.some(({ id }) => trained.includes(id))).toBe(false);
    expect(dataset.counts).toEqual({
      rows: 17,
      kept: 10,
      dropped: { 'patient that the model was trained on': 2, 'not drawn': 5 },
    });
    expect(leaked).toEqual({ images: 0, patients: 0 });
    const all = { ...wanted, read: { perClass: 3 } };
    await expect(evaluationData(config, loaded, all)).rejects.toThrow(
      /got Atelectasis 2, Cardiomegaly 2, .*--allow-training-patients \(2 images of patients that the model was trained on were left out\)/,
    );
    const allowed = await evaluationData(config, loaded, { ...all, allowTrained: true });
    expect([allowed.samples.length, allowed.leaked]).toEqual([15, { images: 2, patients: 2 }]);
  });

  it('have no text in a gallery either, unless allowed, and then the table says so', async () => {
    const { retrieval } = await import('./retrieval');
    const { model, config, alignment, tokenize } = await openModel(run);
    const { samples } = await readDataset('chexpert-5x200', chexpert, { perClass: 2 });
    const dataset = { name: 'chexpert-5x200', samples, counts: { rows: 10, kept: 10, dropped: {} }, notes: [] };
    const read = (allowTrained: boolean) =>
      retrieval({
        model,
        config,
        alignment,
        tokenize,
        data: {
          kind: 'chexpert-5x200',
          dataset,
          samples: samples as Sample[],
          part: 'all',
          split: undefined,
          own: false,
          leaked: { images: 0, patients: 0 },
          notes: [],
          trainingIds: trained,
          allowTrained,
        },
        kinds: [],
        seed: 0,
        resamples: 10,
        trainImages: 1,
        options: { galleryFrom: { kind: 'mimic-cxr-jpg', path: mimic } },
      });
    const apart = (await read(false)).details.precision as Drawn;
    const texts = apart.gallery.texts.map(({ text }) => text);
    const ofTrained = studies.filter(([subject]) => trained.includes(dicomOf(subject))).map(([, , text]) => text);
    expect(ofTrained).toHaveLength(2);
    for (const text of ofTrained) expect(texts).not.toContain(text);
    expect(texts).toHaveLength(10);

    const together = await read(true);
    model.dispose();
    const all = (together.details.precision as Drawn).gallery.texts.map(({ text }) => text);
    expect(all).toEqual(expect.arrayContaining(ofTrained));
    expect(together.tables[0]!.caption).toContain(
      'NOT A RESULT: 2 of them are of patients that the model was trained on',
    );
    expect(together.notes.join()).toContain('NOT A RESULT');
  });
});

describe('exclusiveSentences', () => {
  const of = (label: string, ...mentions: string[]): PromptClass => ({ label, value: 1, prompts: [label], mentions });
  const classes = [of('Edema', 'edema'), of('Pleural Effusion', 'effusion', 'fluid')];
  const read = (text: string, c = 0) => exclusiveSentences([{ text, class: c }], classes).map((one) => one.text);

  it('names one class, denies nothing, and is there once', () => {
    expect(read('Mild edema. Severe EDEMA of 2.5 cm.')).toEqual(['Mild edema.', 'Severe EDEMA of 2.5 cm.']);
    expect(read('No edema. Edema is not seen. Lungs without edema. Edema has resolved.')).toEqual([]);
    expect(read('Edema and effusion. Small effusion.')).toEqual([]);
    expect(read('Small effusion.', 1)).toEqual(['Small effusion.']);
    expect(read('Fluid overload. Myxoedema.', 1)).toEqual(['Fluid overload.']);
    expect(read('Lymphedema.')).toEqual([]); // only the beginning of a word
    const twice = [0, 1].map(() => ({ text: 'Mild  edema. MILD EDEMA!', class: 0 }));
    expect(exclusiveSentences(twice, classes)).toHaveLength(1);
  });

  it('takes the prompts where nothing else is said, also those that deny', () => {
    const dry: PromptClass[] = [
      { label: 'Edema', value: 1, prompts: ['edema'] },
      { label: 'Edema', value: 0, prompts: ['no edema', 'dry lungs (both)'] },
    ];
    const found = (text: string, c: number) => exclusiveSentences([{ text, class: c }], dry).map((one) => one.text);
    expect(found('There is no edema. Dry lungs (both) today.', 1)).toEqual([
      'There is no edema.',
      'Dry lungs (both) today.',
    ]);
    expect(found('There is no edema. There is edema.', 0)).toEqual(['There is edema.']);
    expect(found('Edematous lungs. Ödem, edemas.', 0)).toEqual([]); // whole words
    const odem: PromptClass[] = [{ label: 'x', value: 1, prompts: ['Ödem'] }];
    expect(exclusiveSentences([{ text: 'Das Ödem. Lungenödem.', class: 0 }], odem)).toHaveLength(1);
  });
});
