import {
  type MedRegionDataset,
  type MedRegionModality,
  type MedRegionSample,
  medRegionModalities,
} from './medregion-types';
import { colourScenes } from './phantom-region-colour';
import { greyScenes, type Scene } from './phantom-region-grey';
import {
  colourTones,
  drawLesion,
  drawLook,
  drawRadius,
  greyTones,
  type Lesion,
  type Look,
  length,
  pathologies,
} from './phantom-region-lesions';
import { halfOf, halves, normalTexts, regionTexts, zoneOf } from './phantom-region-text';
import { type Random, randomStream } from './random';
import { type Box, DataError, type Roi } from './types';

/** What `phantomMedRegion` makes. Two numbers are an inclusive range. */
export interface PhantomMedRegionOptions {
  /** Every image and text follows from it. */
  seed?: number;
  patients?: number;
  imagesPerPatient?: readonly [number, number];
  /** Width and height in pixels, at least 48. */
  size?: number;
  modalities?: readonly MedRegionModality[];
  /** Share of images without a finding. */
  normalRate?: number;
  /** Regions of an image that has any, 1 to 4. */
  regions?: readonly [number, number];
  /** Standard deviation of the pixel noise, in parts of full scale. */
  noise?: number;
}

type Settings = Required<PhantomMedRegionOptions>;

/** Puts lesions of one look where there is tissue, apart from each other. */
function placeLesions(scene: Scene, look: Look, count: number, random: Random): Lesion[] {
  const placed: (Lesion & { radius: number })[] = [];
  const together = random.chance(0.7);
  for (let attempt = 0; attempt < 400 && placed.length < count; attempt++) {
    const [x, y, radius] = [random.between(0.1, 0.9), random.between(0.1, 0.9), drawRadius(look.size, random)];
    const lesion = { ...drawLesion(look, x, y, radius, random), radius };
    const around = [0, 1, 2, 3, 4, 5].map((i) => [
      x + 0.6 * radius * Math.cos(i * 1.05),
      y + 0.6 * radius * Math.sin(i * 1.05),
    ]);
    const fits = zoneOf(x, y) !== undefined && scene.tissue(x, y) && around.every(([u, v]) => scene.tissue(u!, v!));
    const inImage = Math.min(x, y, 1 - x, 1 - y) > 0.75 * radius;
    const apart = placed.every((other) => length(other.x - x, other.y - y) > 0.95 * (other.reach + lesion.reach));
    const sameHalf = !together || placed.length === 0 || attempt > 200 || halfOf([...placed, lesion]) !== undefined;
    if (fits && inImage && apart && sameHalf) placed.push(lesion);
  }
  return placed;
}

/** The lesions of a finding; a large one is small in an anatomy too narrow for it. */
export function placeFinding(scene: Scene, drawn: Look, count: number, random: () => Random) {
  for (const look of [drawn, { ...drawn, size: 'small' as const }]) {
    const lesions = placeLesions(scene, look, count, random());
    if (lesions.length > 0) return { look, lesions };
  }
  throw new Error(`phantomMedRegion: no place for a ${drawn.shape} lesion`);
}

/** The smallest rectangle around the pixels of a mask. */
function boxOf(mask: Uint8Array, size: number): Box {
  let [left, top, right, bottom] = [size, size, 0, 0];
  mask.forEach((inside, i) => {
    if (!inside) return;
    const [x, y] = [i % size, Math.floor(i / size)];
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x + 1), Math.max(bottom, y + 1)];
  });
  return { x: left, y: top, width: right - left, height: bottom - top };
}

interface Person {
  id: string;
  modality: MedRegionModality;
  scene: Scene;
  /** Where a finding could be. */
  places: string[];
}

/** Zones and halves of the image that hold enough of the tissue for findings to be there every so often. */
function placesOf(scene: Scene): string[] {
  const steps = Array.from({ length: 20 }, (_, i) => (i + 0.5) / 20);
  // Half a small lesion's width of tissue on every side, as `placeLesions` asks for.
  const fits = (x: number, y: number) =>
    [-0.05, 0, 0.05].every((d) => scene.tissue(x + d, y) && scene.tissue(x, y + d));
  const points = steps.flatMap((y) => steps.flatMap((x) => (fits(x, y) ? [{ x, y }] : [])));
  const share = (holds: (point: { x: number; y: number }) => boolean) => points.filter(holds).length / points.length;
  const zones = [...new Set(points.map(({ x, y }) => zoneOf(x, y)))].filter((zone) => zone !== undefined);
  return [
    ...zones.filter((zone) => share(({ x, y }) => zoneOf(x, y) === zone) >= 0.04),
    ...Object.keys(halves).filter((half) => share(halves[half]!) >= 0.2),
  ];
}

function regionImage(person: Person, k: number, keys: (number | string)[], options: Settings): MedRegionSample {
  const { size, noise, seed } = options;
  const { modality, scene } = person;
  const random = randomStream(...keys);
  const normal = random.chance(options.normalRate);
  const pathology = random.pick(pathologies[modality]);
  const drawn = drawLook(pathology, random);
  // Several regions of one image are one finding; large ones may be fewer than wanted, for want of room.
  const usual = random.pick([1, 1, 1, 1, 1, 2, 2, 2, 3, 4]);
  const wanted = Math.min(options.regions[1], Math.max(options.regions[0], usual));
  const { look, lesions } = normal
    ? { look: drawn, lesions: [] }
    : placeFinding(scene, drawn, wanted, () => randomStream(...keys, 'place'));

  // The view moves a little between images of one patient, but lesions are placed in the image itself.
  const [zoom, dx, dy] = [random.between(0.97, 1.03), random.between(-0.012, 0.012), random.between(-0.012, 0.012)];
  const gain = random.between(0.94, 1.06);
  const grain = randomStream(...keys, 'noise');
  const tones: Record<string, readonly number[]> = { ...greyTones, ...colourTones };
  const tone = tones[look.tone]!;
  const channels = modality in colourScenes ? 3 : 1;
  // A thin colour would turn into another on what is behind it.
  const strength = random.between(channels === 3 ? 0.88 : 0.72, 1);
  const data = new Uint8Array(size * size * channels);
  const mask = new Uint8Array(size * size);
  const masks = lesions.map(() => new Uint8Array(size * size));
  for (let i = 0; i < size * size; i++) {
    const [x, y] = [((i % size) + 0.5) / size, (Math.floor(i / size) + 0.5) / size];
    const behind = scene.paint((x - 0.5) / zoom + 0.5 + dx, (y - 0.5) / zoom + 0.5 + dy);
    let share = 0;
    for (let n = 0; n < lesions.length; n++) {
      const lesion = lesions[n]!;
      if (length(x - lesion.x, y - lesion.y) > lesion.reach) continue;
      const cover = lesion.cover(x, y);
      if (cover > 0.4) masks[n]![i] = mask[i] = 255;
      share = Math.max(share, strength * cover * (1 - lesion.gaps(x, y)));
    }
    const common = 0.8 * noise * grain.normal();
    for (let c = 0; c < channels; c++) {
      const shown = gain * behind[c]! * (1 - share) + tone[c]! * share;
      const value = shown + common + (channels === 3 ? noise * (grain.uniform() - 0.5) : 0);
      data[i * channels + c] = Math.round(255 * Math.min(1, Math.max(0, value)));
    }
  }

  const zones = lesions.map(({ x, y }) => zoneOf(x, y)!);
  const half = halfOf(lesions);
  const texts = normal
    ? normalTexts()
    : regionTexts(
        modality,
        { pathology, look, zones, half, possible: person.places },
        seed,
        randomStream(...keys, 'text'),
      );
  const { captions, ...four } = texts;
  const rois = masks.map((m, n): Roi => {
    const own = captions.length > 1 ? { caption: captions[n]! } : {};
    return { ...boxOf(m, size), source: 'phantom', score: 1, ...own };
  });
  const labels = Object.fromEntries(pathologies[modality].map((p) => [p.name, !normal && p === pathology ? 1 : 0]));
  return {
    id: `${person.id}-${k + 1}`,
    patientId: person.id,
    image: { kind: 'pixels', data, width: size, height: size, channels },
    text: four.report,
    modality,
    ...four,
    rois,
    ...(!normal && { mask: { kind: 'pixels', data: mask, width: size, height: size, channels: 1 } }),
    labels: { 'No Finding': normal ? 1 : 0, ...labels },
    ...(!normal && { meta: { pathology: pathology.name, zones, ...look } }),
  };
}

/**
 * Images of twelve modalities that never existed, with RegionMed-CLIP's four kinds of text, regions and masks.
 *
 * A patient has one modality and one anatomy. About 15 % of the images are normal: all their texts are "No Finding". The
 * others show one finding, in one to four places: a pathology of three that each modality has, with a size, shape,
 * texture, margin and brightness (or colour). Every word is drawn, pathologies of one modality never look alike, and the
 * negative captions name what could have been drawn and was not. The region caption has three of the five descriptors,
 * the summary two, the report all. Left and right are those of the image. Each of several regions has its own caption too.
 *
 * An image depends on the seed, its patient and its number only: a larger set begins with the smaller one.
 *
 * @param options `seed` 0, `patients` 400, `imagesPerPatient` [1, 2], `size` 96, `modalities` all twelve, `normalRate`
 * 0.15, `regions` [1, 4], `noise` 0.02.
 * @returns 8-bit images `[size, size]`, grey, or RGB for dermatological, endoscopy, fundus and pathology slide; boxes in
 * the same pixels; `labels` of the modality's pathologies; `meta` has `pathology`, `zones` and the descriptors.
 * @throws {DataError} naming an option outside its range.
 * @example
 * const { samples } = phantomMedRegion({ seed: 1, patients: 12 });
 * (await loadImage(samples[0]!.image)).data.length; // 9216
 * samples.every((s) => s.negativeCaptions.length === (s.regionCaption === 'No Finding' ? 0 : 5)); // true
 */
export function phantomMedRegion(options: PhantomMedRegionOptions = {}): MedRegionDataset {
  const settings: Settings = {
    seed: 0,
    patients: 400,
    imagesPerPatient: [1, 2],
    size: 96,
    modalities: medRegionModalities,
    normalRate: 0.15,
    regions: [1, 4],
    noise: 0.02,
    ...options,
  };
  const { seed, patients, imagesPerPatient, size, modalities, normalRate, regions, noise } = settings;
  const check = (name: string, fine: boolean, wanted: string, got: unknown) => {
    if (!fine) throw new DataError(`phantomMedRegion: ${name}: expected ${wanted}, got ${JSON.stringify(got)}`);
  };
  const isRange = ([least, most, ...more]: readonly number[]) =>
    Number.isInteger(least) && Number.isInteger(most) && more.length === 0 && least! >= 1 && least! <= most!;
  check('seed', Number.isInteger(seed), 'a whole number', seed);
  check('patients', Number.isInteger(patients) && patients >= 1, 'a whole number >= 1', patients);
  check('imagesPerPatient', isRange(imagesPerPatient), '[least, most] whole numbers >= 1', imagesPerPatient);
  check('size', Number.isInteger(size) && size >= 48, 'a whole number >= 48', size);
  check('normalRate', normalRate >= 0 && normalRate <= 1, 'a share in 0…1', normalRate);
  check('regions', isRange(regions) && regions[1] <= 4, '[least, most] whole numbers, 1 to 4', regions);
  check('noise', noise >= 0 && noise <= 0.5, 'a number in 0…0.5', noise);
  const known = modalities.length > 0 && modalities.every((name) => medRegionModalities.includes(name));
  check('modalities', known, `names out of ${medRegionModalities.join(', ')}`, modalities);

  const scenes = { ...greyScenes, ...colourScenes };
  const samples: MedRegionSample[] = [];
  for (let p = 0; p < patients; p++) {
    const random = randomStream(seed, 'region patient', p);
    const modality = modalities[p % modalities.length]!;
    const scene = scenes[modality]!(random);
    const person = { id: `p${String(p).padStart(5, '0')}`, modality, scene, places: placesOf(scene) };
    const images = random.integer(...(imagesPerPatient as [number, number]));
    for (let k = 0; k < images; k++) samples.push(regionImage(person, k, [seed, 'region image', p, k], settings));
  }
  return {
    name: 'phantom-medregion',
    samples,
    counts: { rows: samples.length, kept: samples.length, dropped: {} },
    notes: [`Generated: seed ${seed}, ${patients} patients, ${size}×${size} pixels.`],
    problems: [],
  };
}
