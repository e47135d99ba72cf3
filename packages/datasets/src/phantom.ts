import { type Anatomy, drawAnatomy, texture, tissue } from './phantom-anatomy';
import { drawDistractors } from './phantom-distractors';
import { type PhantomCategory, phantomCategories, withHeartSize } from './phantom-lesions';
import { drawView, hull, place, type RasterLesion } from './phantom-place';
import { type PlannedFinding, planFindings } from './phantom-plan';
import { report } from './phantom-report';
import { randomStream } from './random';
import { DataError, type Dataset, type Finding, type Sample } from './types';

/** What `phantomChest` makes. Two numbers are an inclusive range. */
export interface PhantomOptions {
  /** Every image and report follows from it. */
  seed?: number;
  patients?: number;
  imagesPerPatient?: readonly [number, number];
  /** Width and height in pixels, at least 32. */
  size?: number;
  findings?: readonly [number, number];
  categories?: readonly PhantomCategory[];
  /** Probability that an image with two findings or more holds two of one category. */
  pairRate?: number;
  /** Standard deviation of the pixel noise, in parts of full scale. */
  noise?: number;
  /** Told how many patients are done, after each. */
  onPatient?: (done: number) => void;
}

type Settings = Required<Omit<PhantomOptions, 'onPatient'>>;

/** Film response: what is already dense gains little from more, then gamma. A table, as it runs for every pixel. */
function filmResponse(gamma: number): (density: number) => number {
  const steps = 256;
  const table = Float64Array.from({ length: 2 * steps + 2 }, (_, i) => {
    const density = i / steps;
    const shown = density < 0.7 ? density : 0.7 + 0.3 * (1 - Math.exp((0.7 - density) / 0.3));
    return shown ** gamma;
  });
  return (density) => {
    const at = steps * Math.min(2, Math.max(0, density));
    const below = Math.floor(at);
    return table[below]! + (at - below) * (table[below + 1]! - table[below]!);
  };
}

const named = ({ sides, zone }: { sides: string[]; zone: string }) =>
  zone === 'cardiac' ? zone : `${sides.length === 2 ? 'bilateral' : sides[0]} ${zone}`;

function phantomImage(
  patient: Anatomy,
  id: string,
  patientId: string,
  keys: (number | string)[],
  options: Settings,
): Sample {
  const { size, noise } = options;
  const random = randomStream(...keys);
  const count = random.integer(...(options.findings as [number, number]));
  const plan = planFindings(count, options.categories, options.pairRate, random, () =>
    randomStream(...keys, 'wording'),
  );
  const anatomy = withHeartSize(
    patient,
    plan.findings.map((finding) => finding.lesion),
  );
  const n = size * size;
  const view = drawView(anatomy, random, size);
  const { xs, ys, lungs, heart } = view;

  const drawn: { planned: PlannedFinding; category: string; parts: RasterLesion[] }[] = [];
  plan.findings.forEach((planned, i) => {
    const parts = place(anatomy, planned, drawn, view, randomStream(...keys, 'lesion', i));
    if (parts) drawn.push({ planned, category: planned.lesion.category, parts });
  });
  const paired = plan.pair && drawn.filter(({ planned }) => planned.twin).length === 2 ? plan.pair : undefined;

  const distractors = drawDistractors(anatomy, randomStream(...keys, 'distractors'));
  const density = tissue(anatomy);
  const drift = texture(5, ...keys, 'drift');
  const gain = random.between(0.92, 1.08);
  const film = filmResponse(random.between(0.85, 1.2));
  const offset = random.between(-0.02, 0.03);
  const pixelNoise = noise * random.between(0.8, 1.2);
  const grain = randomStream(...keys, 'noise');
  const parts = drawn.flatMap((finding) => finding.parts);
  const data = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    const x = xs[i]!;
    const y = ys[i]!;
    let added = 0;
    let calm = 1;
    for (const part of parts) {
      added += part.added[i]!;
      calm *= 1 - 0.85 * part.hidden[i]!;
    }
    const clean = density(x, y, lungs[0][i]! + lungs[1][i]!, heart[i]!, calm) + distractors.density(x, y) + added;
    const value = offset + gain * film(clean) + 0.4 * noise * drift(x, y) + pixelNoise * grain.normal();
    data[i] = Math.round(255 * Math.min(1, Math.max(0, value)));
  }

  const findings = drawn.map(({ planned: { lesion, phrase }, parts }): Finding => {
    const mask = new Uint8Array(n);
    for (const part of parts) for (let i = 0; i < n; i++) if (part.mask[i]) mask[i] = 1;
    const boxes = parts.map((part) => part.box);
    const { category, severity } = lesion;
    return { category, phrase, severity, location: named(lesion), box: hull(boxes), boxes, mask };
  });
  const present = new Set(drawn.map(({ planned }) => planned.lesion.category));
  const text = report(
    findings.map((f) => f.phrase),
    present,
    distractors.shown,
    randomStream(...keys, 'report'),
  );
  const labels = Object.fromEntries(phantomCategories.map((category) => [category, present.has(category) ? 1 : 0]));
  const image = { kind: 'pixels', data, width: size, height: size, channels: 1 } as const;
  return { id, patientId, image, text, findings, labels, meta: { pair: paired } };
}

/**
 * Chest radiographs that never existed, with reports, boxes and masks: ground truth for phrase grounding.
 *
 * Each patient has a chest of their own (lungs, heart, ribs, diaphragm), shared by their images. An image holds 0–3
 * findings of the eight MS-CXR categories, from barely visible to gross; many hold **two of one category** whose
 * phrases differ only in side, zone or severity, so neither a saliency map nor a class map can tell which is meant.
 * Devices and granulomas are bright, mentioned, and not findings. Words for side, zone and severity are always true of
 * the image; right is the patient's right, which is on the left of the image. `meta.pair` is `side`, `zone` or
 * `severity` when there is such a pair. Comparisons with a prior study say nothing about the pixels.
 *
 * An image depends on the seed, its patient and its number only: a larger set begins with the smaller one.
 *
 * @param options `patients` 400, `imagesPerPatient` [1, 3], `size` 64, `findings` [0, 3], `pairRate` 0.7, `noise` 0.025.
 * @returns grey 8-bit images of `[size, size]`; boxes and masks in the same pixels.
 * @throws {DataError} naming an option outside its range.
 * @example
 * const { samples, counts } = phantomChest({ seed: 1, patients: 3, imagesPerPatient: [2, 2] });
 * counts.kept; // 6
 * (await loadImage(samples[0]!.image)).data.length; // 4096
 */
export function phantomChest(options: PhantomOptions = {}): Dataset {
  const settings: Settings = {
    seed: 0,
    patients: 400,
    imagesPerPatient: [1, 3],
    size: 64,
    findings: [0, 3],
    categories: phantomCategories,
    pairRate: 0.7,
    noise: 0.025,
    ...options,
  };
  const { seed, patients, imagesPerPatient, size, findings, categories, pairRate, noise } = settings;
  const check = (name: string, fine: boolean, wanted: string, got: unknown) => {
    if (!fine) throw new DataError(`phantomChest: ${name}: expected ${wanted}, got ${JSON.stringify(got)}`);
  };
  const isRange = (range: readonly number[], least: number) =>
    range.length === 2 && range.every(Number.isInteger) && range[0]! >= least && range[0]! <= range[1]!;
  check('seed', Number.isInteger(seed), 'a whole number', seed);
  check('patients', Number.isInteger(patients) && patients >= 1, 'a whole number >= 1', patients);
  check('imagesPerPatient', isRange(imagesPerPatient, 1), '[least, most] whole numbers >= 1', imagesPerPatient);
  check('size', Number.isInteger(size) && size >= 32, 'a whole number >= 32', size);
  check('findings', isRange(findings, 0) && findings[1] <= 3, '[least, most] whole numbers, 0 to 3', findings);
  check('pairRate', pairRate >= 0 && pairRate <= 1, 'a probability', pairRate);
  check('noise', noise >= 0 && noise <= 0.5, 'a number in 0…0.5', noise);
  const unknown = categories.filter((category) => !phantomCategories.includes(category));
  check(
    'categories',
    categories.length > 0 && unknown.length === 0,
    `names out of ${phantomCategories.join(', ')}`,
    categories,
  );

  const samples: Sample[] = [];
  for (let p = 0; p < patients; p++) {
    const random = randomStream(seed, 'patient', p);
    const anatomy = drawAnatomy(random);
    const images = random.integer(...(imagesPerPatient as [number, number]));
    const patientId = `p${String(p).padStart(5, '0')}`;
    for (let k = 0; k < images; k++) {
      samples.push(phantomImage(anatomy, `${patientId}-${k + 1}`, patientId, [seed, 'image', p, k], settings));
    }
    options.onPatient?.(p + 1);
  }
  return {
    name: 'phantom-chest',
    samples,
    counts: { rows: samples.length, kept: samples.length, dropped: {} },
    notes: [`Generated: seed ${seed}, ${patients} patients, ${size}×${size} pixels.`],
  };
}
