import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { useBackend } from '@medalign/backend';
import type { Sample } from '@medalign/datasets';
import { miniatureChexpert, miniatureMimicCxrJpg, miniatureMsCxr } from '@medalign/testing/miniatures';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PlanData } from './data';
import { readDataset } from './datasets';
import type { ResultTable } from './result';
import { comparePrecision, type Drawn, ranked, vectorsOf } from './testing/retrieval-twin';
import { cell, evaluateTiny, temporaryFolder, trainTiny } from './testing/trained';
import { mean, openModel } from './testing/twins';

async function compareRecall(run: string, table: ResultTable, samples: readonly Sample[]) {
  const open = await openModel(run);
  const texts = samples.map(({ text }) => text);
  const { images, reports } = await vectorsOf(open, samples, texts);
  open.model.dispose();
  for (const k of [1, 5, 10]) {
    if (k > texts.length) {
      expect(cell(table, 'image → report', `R@${k}`)).toBeNull();
      continue;
    }
    const found = (queries: number[][], gallery: number[][]) =>
      mean(
        queries.map((query, i) =>
          Number(
            ranked(query, gallery)
              .slice(0, k)
              .some((j) => texts[j] === texts[i]),
          ),
        ),
      );
    expect(cell(table, 'image → report', `R@${k}`)).toBeCloseTo(found(images, reports), 6);
    expect(cell(table, 'report → image', `R@${k}`)).toBeCloseTo(found(reports, images), 6);
    const misses = texts.map((own) => {
      const positives = texts.filter((other) => other === own).length;
      let miss = 1;
      for (let d = 0; d < k; d++) miss *= Math.max(0, texts.length - positives - d) / (texts.length - d);
      return miss;
    });
    expect(cell(table, 'random order', `R@${k}`)).toBeCloseTo(1 - mean(misses), 6);
  }
}

const positives = ({ labels = {} }: Sample) =>
  Object.entries(labels).flatMap(([name, value]) => (value === 1 ? [name] : []));

describe('--task retrieval', () => {
  const folder = temporaryFolder();
  const run = join(folder.path, 'run');
  let data: PlanData;
  beforeAll(async () => {
    await useBackend('wasm');
    data = await trainTiny(run);
  });
  afterAll(folder.remove);

  it('prints what plain loops find over a balanced gallery of reports, and over own reports', async () => {
    const allowTrained = true; // more images of one class
    const { tables, details, notes } = await evaluateTiny(run, { task: 'retrieval', part: 'all', allowTrained });
    const drawn = details.precision as Drawn;
    const all = data.dataset.samples;
    await comparePrecision(run, tables[0]!, drawn, all);
    await compareRecall(run, tables[1]!, all);
    expect(notes.join()).toContain('NOT A RESULT');

    // As many of each class, each of that class alone, each with its own report in the gallery.
    const classes = [...new Set(drawn.queries.map((query) => query.class))];
    const counts = classes.map((name) => drawn.queries.filter((query) => query.class === name).length);
    expect(new Set(counts).size).toBe(1);
    for (const query of drawn.queries) {
      const sample = all.find(({ id }) => id === query.id)!;
      expect(positives(sample)).toEqual([query.class]);
      expect(drawn.gallery.texts).toContainEqual({ text: sample.text, class: query.class });
    }
    const again = await evaluateTiny(run, { task: 'retrieval', part: 'all', allowTrained });
    expect(again.details.precision).toEqual(drawn);
  });

  it('finds prompts where a set has no reports', async () => {
    const path = join(folder.path, 'chexpert');
    await miniatureChexpert(path);
    const options = { perClass: 2 };
    const { tables, details } = await evaluateTiny(run, { task: 'retrieval', kind: 'chexpert-5x200', path, options });
    const drawn = details.precision as Drawn;
    expect(drawn.gallery.kind).toBe('prompts');
    expect(drawn.queries).toHaveLength(10);
    const { samples } = await readDataset('chexpert-5x200', path, { perClass: 2 });
    await comparePrecision(run, tables[0]!, drawn, samples);
    expect(tables).toHaveLength(1);
    const each = ['Atelectasis', 'Cardiomegaly', 'Consolidation', 'Edema', 'Pleural Effusion'].map(
      (name) => `${name} 9`,
    );
    expect(tables[0]!.caption).toContain(`45 prompts of the classes, ${each.join(', ')} (the set has no reports)`);
    expect(tables[0]!.caption).toContain('10 images, of which 10 are queries');
  });

  it('says what --per-class leaves too few of, and which class has none', async () => {
    const options = { perClass: 1000 };
    await expect(evaluateTiny(run, { task: 'retrieval', options })).rejects.toThrow(
      /--per-class 1000: phantom-chest has fewer images of one class alone: .*Fix: --per-class \d+/,
    );
    const file = join(folder.path, 'three.yaml');
    const classes = ['Edema', 'Pneumothorax', 'Pneumonia']
      .map((name) => `  ${name}: { prompts: [${name}] }`)
      .join('\n');
    writeFileSync(file, `classes:\n${classes}\n  never: { label: Edema, prompts: [never] }\n`);
    const allowTrained = true;
    const few = await evaluateTiny(run, { task: 'retrieval', part: 'all', allowTrained, options: { prompts: file } });
    // What is Edema is `never` too, so that neither has an image of it alone.
    expect(few.notes).toContain('No image is of Edema, never alone: 2 classes are told apart.');
    const none = join(folder.path, 'none.yaml');
    writeFileSync(none, 'classes:\n  a: { label: Edema, prompts: [a] }\n  b: { label: Edema, prompts: [b] }\n');
    const only = { prompts: none, gallery: 'sentences' } as const;
    await expect(evaluateTiny(run, { task: 'retrieval', options: only })).rejects.toThrow(
      /--task retrieval: phantom-chest .* has not two classes with images of one class only/,
    );
  });

  it('takes the prompts of a file', async () => {
    const file = join(folder.path, 'prompts.yaml');
    writeFileSync(
      file,
      'templates: ["{}", "signs of {}"]\nclasses:\n  Edema: { prompts: [edema] }\n  dry: { not: Edema, prompts: [no edema, dry lungs] }\n',
    );
    const options = { prompts: file, gallery: 'prompts' as const };
    const { tables, details } = await evaluateTiny(run, { task: 'retrieval', options });
    const drawn = details.precision as Drawn;
    expect(drawn.gallery.texts.map(({ text }) => text)).toEqual([
      'edema',
      'signs of edema',
      'no edema',
      'signs of no edema',
      'dry lungs',
      'signs of dry lungs',
    ]);
    await comparePrecision(run, tables[0]!, drawn, data.split.test);
  });

  it('reads the reports of MIMIC-CXR-JPG, and has Recall@K alone where there are no labels', async () => {
    const [path, boxes] = [join(folder.path, 'mimic'), join(folder.path, 'ms-cxr')];
    await miniatureMimicCxrJpg(path);
    await miniatureMsCxr(boxes);
    const { tables, details } = await evaluateTiny(run, { task: 'retrieval', kind: 'mimic-cxr-jpg', path });
    const { samples } = await readDataset('mimic-cxr-jpg', path, { labels: true });
    await comparePrecision(run, tables[0]!, details.precision as Drawn, samples);
    await compareRecall(run, tables[1]!, samples);

    const msCxr = { kind: 'ms-cxr', path: boxes, images: path } as const;
    const unlabelled = await evaluateTiny(run, { task: 'retrieval', ...msCxr });
    expect(unlabelled.notes.join()).toContain('no Precision@K');
    await compareRecall(run, unlabelled.tables[0]!, (await readDataset('ms-cxr', boxes, { images: path })).samples);
    await expect(evaluateTiny(run, { task: 'classification', part: 'all', ...msCxr })).rejects.toThrow(
      /--task classification: ms-cxr .* has no image with a label of Atelectasis.*Fix: one of phantom, mimic-5x200/,
    );
  });
});
