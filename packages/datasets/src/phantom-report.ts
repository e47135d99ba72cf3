import { type Lesion, type PhantomCategory, phantomCategories, type Side, type Zone } from './phantom-lesions';
import type { Random } from './random';

/** Which words a phrase may use. In a same-category pair, only the named attribute tells the two apart. */
export interface Wording {
  side: boolean;
  zone: boolean;
  severity: boolean;
}

const nouns: Record<PhantomCategory, readonly string[]> = {
  Atelectasis: ['atelectasis', 'linear atelectasis', 'atelectatic change', 'plate-like atelectasis'],
  Cardiomegaly: ['cardiomegaly', 'cardiac enlargement', 'enlargement of the cardiac silhouette'],
  Consolidation: ['consolidation', 'airspace consolidation', 'focal consolidation'],
  Edema: ['edema', 'pulmonary edema', 'interstitial edema'],
  'Lung Opacity': ['opacity', 'hazy opacity', 'ill-defined opacity'],
  'Pleural Effusion': ['pleural effusion', 'effusion'],
  Pneumonia: ['pneumonia', 'patchy pneumonia', 'multifocal pneumonia'],
  Pneumothorax: ['pneumothorax'],
};

const sizes = [
  ['small', 'small', 'minor'],
  ['moderate', 'moderate-sized', 'medium-sized'],
  ['large', 'large', 'sizable'],
] as const;
const grades = [
  ['mild', 'mild', 'slight'],
  ['moderate', 'moderate'],
  ['severe', 'marked', 'extensive'],
] as const;
const scale: Record<PhantomCategory, readonly (readonly (readonly string[])[])[]> = {
  Atelectasis: [grades],
  Cardiomegaly: [[['mild', 'slight'], ['moderate'], ['severe', 'marked']]],
  Consolidation: [grades, sizes],
  Edema: [grades],
  'Lung Opacity': [sizes, [['faint', 'subtle'], ['moderate'], ['dense', 'pronounced']]],
  'Pleural Effusion': [sizes],
  Pneumonia: [grades],
  Pneumothorax: [sizes],
};

/** 0 mild or small (below 0.35), 1 moderate, 2 severe or large (0.7 and above). */
export const severityLevel = (severity: number): 0 | 1 | 2 => (severity < 0.35 ? 0 : severity < 0.7 ? 1 : 2);

function severityWord({ category, severity }: Lesion, random: Random): string {
  const words = random.pick(random.pick(scale[category])[severityLevel(severity)]!);
  if (severity >= 0.15 || !random.chance(0.5)) return words;
  return category === 'Pleural Effusion' ? 'trace' : category === 'Pneumothorax' ? 'tiny' : 'minimal';
}

const before: Record<Zone, readonly string[]> = {
  upper: ['upper lobe', 'upper zone'],
  mid: ['mid lung', 'midlung'],
  lower: ['lower lobe', 'basilar'],
  apical: ['apical'],
  lateral: ['lateral'],
  basal: [''],
  perihilar: ['perihilar'],
  cardiac: [''],
};
const after: Partial<Record<Zone, readonly string[]>> = {
  upper: ['in the SIDE upper lobe', 'in the SIDE upper lung'],
  mid: ['in the SIDE mid lung', 'in the SIDE middle zone'],
  lower: ['in the SIDE lower lobe', 'at the SIDE lung base'],
  apical: ['at the SIDE apex'],
  lateral: ['along the SIDE lateral chest wall'],
  perihilar: ['in the SIDE perihilar region'],
};

const words = (...parts: string[]) => parts.join(' ').replace(/\s+/g, ' ').trim();

/**
 * The phrase of a finding, such as `small left apical pneumothorax`. Words for side, zone and severity are true of the
 * image; with an attribute switched off, the phrase is silent about it.
 */
export function phrase(lesion: Lesion, wording: Wording, random: Random): string {
  const severity = wording.severity ? severityWord(lesion, random) : '';
  const noun = random.pick(nouns[lesion.category]);
  const side = !wording.side ? '' : lesion.sides.length === 2 ? 'bilateral' : lesion.sides[0]!;
  if (lesion.zone === 'cardiac') return words(severity, noun);
  if (!wording.zone) {
    if (!side || side === 'bilateral' || lesion.zone === 'basal') return words(severity, side, noun);
    return random.pick([
      words(severity, `${side}-sided`, noun),
      words(severity, noun, lesion.zone === 'perihilar' ? `in the ${side} lung` : `on the ${side}`),
    ]);
  }
  const suffix = after[lesion.zone];
  if (suffix && side !== 'bilateral' && random.chance(0.5)) {
    const place = random.pick(suffix).replace('SIDE', side).replace(/\s+/g, ' ');
    return words(severity, noun, place);
  }
  return words(severity, side, random.pick(before[lesion.zone]), noun);
}

const findingSentences = [
  'There is PHRASE.',
  'There is PHRASE.',
  'PHRASE is seen.',
  'PHRASE is noted.',
  'PHRASE, unchanged from prior.',
  'PHRASE, new since the prior study.',
  'Findings are consistent with PHRASE.',
  'The radiograph shows PHRASE.',
  'Again demonstrated is PHRASE.',
];

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

const negated: Record<PhantomCategory, readonly string[]> = {
  Atelectasis: ['No atelectasis is seen.'],
  Cardiomegaly: ['Heart size is normal.', 'The cardiac silhouette is not enlarged.'],
  Consolidation: ['No focal consolidation.', 'There is no consolidation.'],
  Edema: ['No pulmonary edema.', 'There is no evidence of edema.'],
  'Lung Opacity': ['No new opacity is identified.'],
  'Pleural Effusion': ['No pleural effusion.', 'There is no effusion on either side.'],
  Pneumonia: ['There is no evidence of pneumonia.'],
  Pneumothorax: ['No pneumothorax.', 'There is no pneumothorax.'],
};

const remarks = [
  'Frontal view of the chest.',
  'Single portable view of the chest was obtained.',
  'Comparison is made to the prior study.',
  'The patient is slightly rotated.',
  'Inspiratory effort is adequate.',
  'The mediastinal contours are within normal limits.',
  'Osseous structures are intact.',
  'The bony thorax is unremarkable.',
];

/** Things an image may show besides findings; each is drawn whenever its sentence is said. */
export const distractorSentences = {
  line: 'A SIDE central venous line ends in the mediastinum.',
  pacemaker: 'A SIDE-sided pacemaker is in place.',
  granuloma: 'A calcified granuloma is seen in the SIDE lung.',
} as const;

export interface Distractor {
  kind: keyof typeof distractorSentences;
  side: Side;
}

/**
 * A report of several sentences in random order: one per finding, denials of absent categories, remarks, and the
 * distractors that are in the image. Denials and distractors are true; comparisons with a prior study say nothing
 * about the pixels.
 */
export function report(
  phrases: readonly string[],
  present: ReadonlySet<PhantomCategory>,
  distractors: readonly Distractor[],
  random: Random,
): string {
  const sentences = phrases.map((p) => {
    const template = random.pick(findingSentences);
    return capital(template.replace('PHRASE', p));
  });
  // An image with pneumonia or consolidation has an opacity too, so denying one would contradict the other.
  const dense = ['Consolidation', 'Lung Opacity', 'Pneumonia', 'Atelectasis', 'Edema'] as const;
  const opaque = dense.some((category) => present.has(category));
  const absent = phantomCategories.filter(
    (category) =>
      !present.has(category) &&
      !(opaque && (category === 'Lung Opacity' || category === 'Pneumonia' || category === 'Consolidation')),
  );
  const denials = random.integer(1, 2) + (phrases.length === 0 ? 1 : 0);
  for (const category of random.shuffle(absent).slice(0, denials)) sentences.push(random.pick(negated[category]));
  for (const remark of random.shuffle(remarks).slice(0, random.integer(0, 2))) sentences.push(remark);
  for (const { kind, side } of distractors) sentences.push(distractorSentences[kind].replace('SIDE', side));
  return random.shuffle(sentences).join(' ');
}
