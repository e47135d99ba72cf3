import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { decodeSafetensors, encodeSafetensors } from '@medalign/weights';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { servePage, startBrowser } from './browser';
import { writeImages } from './images';
import { numbersInNode } from './node-numbers';
import { smokeRun } from './smoke-run';

const phrase = 'small opacity in the left lower zone.';

interface Reading {
  engine: string;
  score: number;
  words: string[];
  map: number[];
  kept: number[];
}

let browser: Browser;
let site: Awaited<ReturnType<typeof servePage>>;
let run: string;
let files: Awaited<ReturnType<typeof writeImages>>;
let inNode: Awaited<ReturnType<typeof numbersInNode>>;
let open: Page[] = [];

beforeAll(async () => {
  browser = await startBrowser();
  const folder = mkdtempSync(join(tmpdir(), 'medalign-page-'));
  run = smokeRun(join(folder, 'run'));
  files = await writeImages(folder);
  site = await servePage(join(folder, 'dist'));
  inNode = await numbersInNode(run);
});

afterEach(async () => {
  for (const page of open) await page.context().close();
  open = [];
});

afterAll(async () => {
  await browser?.close();
  await site?.close();
});

const model = () => join(run, 'model.safetensors');

/** The page, with its engine started; an error in the page's own code fails the test. */
async function openPage(options: BrowserContextOptions & { query?: string; before?: (page: Page) => unknown } = {}) {
  const { query = '', before, ...rest } = options;
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 }, ...rest })).newPage();
  open.push(page);
  page.on('pageerror', (error) => {
    throw error;
  });
  await before?.(page);
  await page.addInitScript(() => {
    document.addEventListener('medalign:reading', (event) => {
      const { phrase, rounds, ...reading } = (event as CustomEvent).detail;
      const kept = rounds.map((round: { kept: boolean[] }) => round.kept.filter(Boolean).length);
      Object.assign(window, { reading: { ...reading, map: Array.from(phrase.data), kept } });
    });
  });
  await page.goto(site.url + query);
  await page.locator('#engine-state:has-text("In use")').waitFor();
  return page;
}

const lastReading = (page: Page) => page.evaluate(() => (window as never as { reading: Reading }).reading);

/** Presses the button and waits for the numbers. */
async function read(page: Page): Promise<Reading> {
  await page.evaluate(() => Object.assign(window, { reading: undefined }));
  await page.getByRole('button', { name: 'Show the heat map' }).click();
  await page.waitForFunction(() => 'reading' in window && window.reading !== undefined);
  return lastReading(page);
}

async function fill(page: Page, image = files.grey, words = phrase) {
  await page.getByLabel('Model').setInputFiles(model());
  await page.getByLabel('Image').setInputFiles(image);
  await page.getByLabel('Phrase').fill(words);
}

const error = (page: Page) => page.locator('#error').innerText();

/** Largest difference of two lists of numbers. */
const difference = (a: readonly number[], b: readonly number[]) => {
  expect(a).toHaveLength(b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
};

describe('a phrase over an image', () => {
  it('gives the score, the map and the rounds that Node computes from the checkpoint', async () => {
    const page = await openPage();
    await fill(page);
    const reading = await read(page);
    const node = await inNode(files.grey, phrase);
    expect(reading.engine).toBe('wasm');
    expect(Math.abs(reading.score - node.score)).toBeLessThan(1e-5);
    expect(difference(reading.map, node.map)).toBeLessThan(1e-5);
    expect(new Set(reading.map.map((value) => value.toFixed(4))).size).toBeGreaterThan(5);

    expect(reading.words).toEqual(['small', 'opacity', 'in', 'the', 'left', 'lower', 'zone', '.']);
    expect(reading.kept).toEqual([6, 5, 4]); // ⌈0.7 n⌉ of 8, 6, 5
    const rows = await page.locator('tbody tr').allInnerTexts();
    expect(rows.map((row) => row.split(/\s/)[0])).toEqual(reading.words);
    expect(rows.join().match(/✓ kept/g)).toHaveLength(15);
    expect(await page.locator('thead').innerText()).toMatch(/Word\s+Round 1\s+Round 2\s+Round 3/);
  });

  it('is drawn: the canvas changes with the strength and with the map that is chosen', async () => {
    const page = await openPage();
    await fill(page);
    await read(page);
    const pixels = () =>
      page.evaluate(() => (document.querySelector('#picture') as HTMLCanvasElement).toDataURL().slice(-4000));
    const whole = await pixels();
    await page.getByLabel('Map of', { exact: true }).selectOption({ label: '2. opacity' });
    const word = await pixels();
    await page.getByLabel('Strength').fill('0');
    const bare = await pixels();
    expect(new Set([whole, word, bare]).size).toBe(3);
    expect(await page.getByRole('img').getAttribute('aria-label')).toMatch(
      /^Heat map of the word “opacity” over grey\.png: from .* to .*\. It is highest at the .* of the picture\.$/,
    );
    await page.getByLabel('Map of', { exact: true }).selectOption({ index: 11 });
    expect(await page.getByRole('img').getAttribute('aria-label')).toContain('the words kept in round 3');
    expect(await page.locator('#low').innerText()).toMatch(/^−?\d\.\d{3}$/);
  });

  it.each([
    ['photo', 0.02], // JPEG: two decoders round colours differently
    ['transparent', 0.002],
  ] as const)('takes a %s that is dropped, and reads what Node reads', async (kind, tolerance) => {
    const page = await openPage();
    const given = [model(), files[kind]].map((path) => ({
      name: basename(path),
      content: readFileSync(path).toString('base64'),
    }));
    await page.evaluate((items) => {
      const data = new DataTransfer();
      for (const { name, content } of items) {
        data.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name));
      }
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
    }, given);
    const size = kind === 'photo' ? '170 × 300' : '300 × 170'; // upright
    await page.getByText(`${basename(files[kind])}: ${size} pixels`).waitFor();
    await page.getByLabel('Phrase').fill(phrase);
    const reading = await read(page);
    const node = await inNode(files[kind], phrase);
    expect(Math.abs(reading.score - node.score)).toBeLessThan(tolerance);
    expect(difference(reading.map, node.map)).toBeLessThan(tolerance);
  });

  it('goes on with words that the vocabulary does not know, and says which', async () => {
    const page = await openPage();
    await fill(page, files.grey, 'opacity 肺 zebra');
    const reading = await read(page);
    expect(reading.words).toEqual(['opacity', '肺', 'zebra']);
    expect(await page.locator('#words').innerText()).toMatch(/does not know “肺”.*\[UNK\].*in pieces: “zebra” \(\d\)/);
    expect(Math.abs(reading.score - (await inNode(files.grey, 'opacity 肺 zebra')).score)).toBeLessThan(1e-5);
  });
});

describe('engines', () => {
  const tolerances = { wasm: 1e-5, cpu: 1e-5, webgl: 1e-3, webgpu: 1e-3 };

  it.each(['wasm', 'cpu', 'webgl', 'webgpu'] as const)(
    '%s gives the same numbers; webgpu alone may be absent, and says why',
    async (engine) => {
      const page = await openPage();
      await fill(page);
      const option = page.locator(`#engine option[value=${engine}]`);
      if (await option.isDisabled()) {
        expect(engine).toBe('webgpu'); // the others are in every Chromium, webgl on the processor if need be
        const reasons = await page.locator('#engine-reasons').innerText();
        expect(reasons).toMatch(new RegExp(`${engine}: this browser`));
        process.stderr.write(`NOT VERIFIED in this browser: ${reasons}\n`);
        return;
      }
      await page.getByLabel('Engine').selectOption(engine);
      await page.locator(`#engine-state:has-text("In use: ${engine}")`).waitFor();
      const reading = await read(page);
      expect(await error(page)).toBe('');
      expect(reading.engine).toBe(engine);
      const node = await inNode(files.grey, phrase);
      expect(Math.abs(reading.score - node.score)).toBeLessThan(tolerances[engine]);
      expect(difference(reading.map, node.map)).toBeLessThan(tolerances[engine]);
      expect(reading.kept).toEqual([6, 5, 4]);
    },
  );

  it('one that does not start is left for the next, visibly', async () => {
    const page = await openPage({ before: (page) => page.route('**/*.wasm', (route) => route.abort()) });
    expect(await page.locator('#engine-state').innerText()).toMatch(/In use: cpu/);
    expect(await error(page)).toMatch(/The engine wasm failed, cpu is used instead\. Engine 'wasm': does not start/);
    expect(await page.locator('#engine option[value=wasm]').isDisabled()).toBe(true);
    await fill(page);
    expect((await read(page)).engine).toBe('cpu');
  });

  it('one that fails in the middle of a reading is left for the next, and the reading is done', async () => {
    const page = await openPage();
    await fill(page);
    const webgl = page.locator('#engine option[value=webgl]');
    if (await webgl.isDisabled()) return void process.stderr.write('NOT VERIFIED: there is no webgl to break\n');
    await page.getByLabel('Engine').selectOption('webgl');
    await page.locator('#engine-state:has-text("In use: webgl")').waitFor();
    await page.evaluate(() => {
      WebGL2RenderingContext.prototype.createTexture = () => {
        throw new Error('out of video memory');
      };
    });
    const reading = await read(page);
    expect(reading.engine).toBe('wasm');
    expect(await error(page)).toMatch(/The engine webgl failed, wasm is used instead\. .*out of video memory/);
    const node = await inNode(files.grey, phrase);
    expect(Math.abs(reading.score - node.score)).toBeLessThan(1e-5);
  });
});

describe('errors', () => {
  it.each([
    ['text', /text\.png: expected a PNG or JPEG image, got something else/],
    ['broken', /broken\.png: this PNG cannot be decoded/],
  ] as const)('a %s file is refused as an image', async (kind, expected) => {
    const page = await openPage();
    await page.getByLabel('Image').setInputFiles(files[kind]);
    await page.getByRole('alert').locator('p').waitFor();
    expect(await error(page)).toMatch(expected);
    expect(await page.getByLabel('Image').getAttribute('aria-invalid')).toBe('true');
    await page.getByLabel('Image').setInputFiles(files.grey);
    await page.getByText('grey.png: 300 × 170 pixels').waitFor();
    expect(await error(page)).toBe('');
  });

  it('a model without some of its parameters is refused, and they are named', async () => {
    const tensors = decodeSafetensors(readFileSync(model()));
    const { metadata } = tensors;
    tensors.delete('heads.pixel.weight');
    const lacking = join(run, 'lacking.safetensors');
    writeFileSync(lacking, encodeSafetensors(tensors, { metadata }));
    const page = await openPage();
    await page.getByLabel('Model').setInputFiles(lacking);
    await page.getByRole('alert').locator('p').waitFor();
    expect(await error(page)).toMatch(/not hold the whole model.*no tensor for heads\.pixel\.weight/);
  });

  it('a checkpoint for going on with a training is told from a model', async () => {
    const page = await openPage();
    await page.getByLabel('Model').setInputFiles(join(run, 'checkpoints/step-00000002.safetensors'));
    await page.getByRole('alert').locator('p').waitFor();
    expect(await error(page)).toMatch(/Expected the model\.safetensors that npm run plan writes/);
  });

  it('what is lacking is named, and the first of it gets the focus', async () => {
    const page = await openPage();
    await page.getByRole('button', { name: 'Show the heat map' }).click();
    await page.getByRole('alert').locator('p').first().waitFor();
    expect(await error(page)).toMatch(/Choose a model first.*\s+Choose an image first.*\s+Type a phrase first/);
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('model');
  });

  it('an address without a model says so', async () => {
    const page = await openPage({ query: '?model=nothing/here.safetensors' });
    await page.getByRole('alert').locator('p').waitFor();
    expect(await error(page)).toMatch(/nothing\/here\.safetensors: (404|Not a safetensors)|Not a safetensors file/);
  });
});

describe('access', () => {
  it('everything is done with the keyboard, and the focus is seen', async () => {
    const page = await openPage();
    page.on('filechooser', () => {}); // from here on choosers come here: one that opens before that is lost
    const focused = () => page.evaluate(() => document.activeElement?.id);
    const outline = () =>
      page.evaluate(() => Number.parseFloat(getComputedStyle(document.activeElement!).outlineWidth) || 0);
    const choose = async (path: string) => {
      const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.keyboard.press('Enter')]);
      await chooser.setFiles(path);
    };
    const tabTo = async (id: string) => {
      await page.keyboard.press('Tab');
      expect(await focused()).toBe(id);
      expect(await outline()).toBeGreaterThanOrEqual(2);
    };
    await tabTo('model');
    await choose(model());
    await tabTo('image');
    await choose(files.grey);
    await tabTo('phrase');
    await page.keyboard.type(phrase);
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('Done: score').waitFor();
    await tabTo('engine');
    await tabTo('show');
    await tabTo('map');
    const before = await page.getByRole('img').getAttribute('aria-label');
    await page.keyboard.press('ArrowDown');
    const after = await page.getByRole('img').getAttribute('aria-label');
    expect(after).not.toBe(before);
    await tabTo('strength');
    await page.keyboard.press('ArrowLeft');
    expect(await page.getByLabel('Strength').inputValue()).toBe('99');
  });

  it('fits a phone, in light and in dark', async () => {
    const backs = new Set<string>();
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await openPage({ viewport: { width: 390, height: 844 }, colorScheme });
      await fill(page, files.grey, 'consolidation and cardiomegaly in the retrocardiac zone');
      await read(page);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
      // the map comes into view by itself
      await page.waitForFunction(() => document.getElementById('result')!.getBoundingClientRect().top < 100);
      backs.add(await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor));
    }
    expect(backs.size).toBe(2);
  });
});
