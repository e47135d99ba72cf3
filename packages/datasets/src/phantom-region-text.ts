import { noFinding } from './clean-text';
import type { DescriptorVocabulary } from './descriptor-vocabulary';
import { hardNegatives } from './hard-negatives';
import type { MedRegionModality } from './medregion-types';
import { type Look, margins, type Pathology, sizes } from './phantom-region-lesions';
import type { Random } from './random';

/** The picture's name, what it shows, and what else there is to say of it. */
const wording: Record<MedRegionModality, { image: string; part: string; rest: string }> = {
  abdominal: { image: 'abdominal CT', part: 'abdomen', rest: 'the vertebral body is intact' },
  'bone and joint': { image: 'knee radiograph', part: 'knee', rest: 'the joint space is preserved' },
  breast: { image: 'mammogram', part: 'breast', rest: 'the skin is not thickened' },
  cardiac: { image: 'cardiac MRI', part: 'heart', rest: 'there is no pericardial fluid' },
  chest: { image: 'chest radiograph', part: 'chest', rest: 'the heart is not enlarged' },
  cranial: { image: 'brain MRI', part: 'brain', rest: 'the midline is not shifted' },
  dental: { image: 'dental radiograph', part: 'jaw', rest: 'no tooth is missing' },
  dermatological: { image: 'skin photograph', part: 'skin', rest: 'there is no scaling elsewhere' },
  endoscopy: { image: 'endoscopy image', part: 'colon', rest: 'the folds are normal' },
  fundus: { image: 'fundus photograph', part: 'retina', rest: 'the optic disc is sharp' },
  gynaecological: { image: 'pelvic ultrasound', part: 'pelvis', rest: 'there is no free fluid' },
  'pathology slide': { image: 'pathology slide', part: 'tissue section', rest: 'the glands are regular' },
};

const single = (terms: readonly string[]) => terms.map((term) => [term]);

/**
 * What else a caption of this pathology could have said. Its looks alone: "a bright cyst" is wrong without a look at the
 * image, if cysts are dark.
 */
function contrasts({ shapes, textures, tones }: Pathology, several: boolean): DescriptorVocabulary {
  return {
    size: single(sizes),
    margin: single(margins),
    shape: single(shapes),
    texture: single(textures),
    tone: single(tones),
    // Halves have no middle.
    height: single(several ? ['upper', 'lower'] : ['upper', 'middle', 'lower']),
    side: single(several ? ['left', 'right'] : ['left', 'center', 'right']),
  };
}

/** Which ninth of the image a point is in, in words; undefined too close to the next. Left is the image's left. */
export function zoneOf(x: number, y: number): string | undefined {
  const third = (v: number) => {
    if (Math.min(Math.abs(v - 1 / 3), Math.abs(v - 2 / 3)) < 0.025) return undefined;
    return v < 1 / 3 ? 0 : v < 2 / 3 ? 1 : 2;
  };
  const [column, row] = [third(x), third(y)];
  if (column === undefined || row === undefined) return undefined;
  return `${['upper', 'middle', 'lower'][row]} ${['left', 'center', 'right'][column]}`;
}

type Point = { x: number; y: number };
/** Halves of the image; what is close to the middle is in none. */
export const halves: Record<string, (point: Point) => boolean> = {
  'left half': ({ x }) => x < 0.46,
  'right half': ({ x }) => x > 0.54,
  'upper half': ({ y }) => y < 0.46,
  'lower half': ({ y }) => y > 0.54,
};

/** A half that all of several points are in, if there is one. */
export const halfOf = (points: readonly Point[]): string | undefined =>
  Object.entries(halves).find(([, holds]) => points.every(holds))?.[0];

export interface Found {
  pathology: Pathology;
  look: Look;
  /** One for each lesion. */
  zones: string[];
  /** Of several lesions. */
  half?: string;
  /** Zones and halves in which a finding could have been. */
  possible: string[];
}

const numbers = ['no', 'one', 'two', 'three', 'four'];
const an = (words: string) => `${/^[aeiou]/.test(words) ? 'an' : 'a'} ${words}`;
const capital = (text: string) => text[0]!.toUpperCase() + text.slice(1);
const listed = (items: readonly string[]) =>
  items.length < 2 ? items.join() : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;

/** The four kinds of text of an image, and a caption for each lesion. */
export interface RegionTexts {
  summaryCaption: string;
  report: string;
  regionCaption: string;
  negativeCaptions: string[];
  captions: string[];
}

export function normalTexts(): RegionTexts {
  return { summaryCaption: noFinding, report: noFinding, regionCaption: noFinding, negativeCaptions: [], captions: [] };
}

export function regionTexts(modality: MedRegionModality, found: Found, seed: number, random: Random): RegionTexts {
  const { pathology, look, zones, half, possible } = found;
  const { image, part, rest } = wording[modality];
  const several = zones.length > 1;
  const attributes = ['size', 'margin', 'shape', 'texture', 'tone'] as const;
  const vocabulary = contrasts(pathology, several);
  const open = attributes.filter((name) => vocabulary[name]!.length > 1);
  const fixed = attributes.filter((name) => !open.includes(name));
  /** Some of the descriptors, in the order in which English has them. */
  const wordsOf = (names: readonly string[], count: number) =>
    attributes.filter((name) => names.slice(0, count).includes(name)).map((name) => look[name]);
  const phrase = (words: readonly string[]) =>
    several
      ? `${numbers[zones.length]} ${words.join(' ')} ${pathology.plural}`
      : an(`${words.join(' ')} ${pathology.name}`);
  const place = several ? (half ? `the ${half}` : 'several places') : `the ${zones[0]}`;
  const verb = several ? 'are' : 'is';

  // Those that the pathology leaves open come first: the others could be guessed from its name.
  const descriptors = wordsOf([...random.shuffle(open), ...random.shuffle(fixed)], 3);
  const regionCaption = `There ${verb} ${phrase(descriptors)} located in ${place} of the image`;
  const captions = zones.map((zone) =>
    several
      ? `There is ${an(`${descriptors.join(' ')} ${pathology.name}`)} located in the ${zone} of the image`
      : regionCaption,
  );
  const summaryCaption = `${capital(image)} shows ${phrase(wordsOf(random.shuffle(attributes), 2))} in ${place} of the image.`;

  const { size, margin, shape, texture, tone } = look;
  const where = several ? listed([...new Set(zones)].map((zone) => `the ${zone}`)) : `the ${zones[0]}`;
  const [it, its] = several ? ['They', 'Their'] : ['It', 'Its'];
  const has = several ? 'have' : 'has';
  const report = [
    random.pick([
      `${capital(an(image))} was obtained.`,
      `This is ${an(image)}.`,
      `The ${part} is shown on ${an(image)}.`,
    ]),
    random.pick([
      `${capital(phrase([size, shape]))} ${verb} seen in ${where}.`,
      `In ${where} there ${verb} ${phrase([size, shape])}.`,
      `There ${verb} ${phrase([size, shape])} in ${where}.`,
    ]),
    random.pick([
      `${it} ${verb} ${tone} and ${texture} with ${margin} margins.`,
      `${its} margins are ${margin}, and ${it.toLowerCase()} ${several ? 'look' : 'looks'} ${tone} and ${texture}.`,
      `${it} ${has} ${margin} margins and ${an(`${tone} ${texture} texture`)}.`,
    ]),
    ...(random.chance(0.6) ? [`${capital(rest)}.`] : []),
  ].join(' ');
  const negativeCaptions = hardNegatives(regionCaption, { seed, vocabulary, count: 40 })
    .filter((text) => text.includes(`in ${place} of`) || possible.some((other) => text.includes(`in the ${other} of`)))
    .slice(0, 5);
  return { summaryCaption, report, regionCaption, negativeCaptions, captions };
}
