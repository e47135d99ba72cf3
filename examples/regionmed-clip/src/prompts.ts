import { isNoFinding, noFinding } from '@medalign/datasets';

const places = ['upper', 'middle', 'lower'].flatMap((row) =>
  ['left', 'center', 'right'].map((side) => `${row} ${side}`),
);

/** How a finding is written in region captions: a caption of MedRegion always says where. */
const templates = places.map((place) => `There is {} located in the ${place} of the image`);

/** The prompts of a class, to be filled with its name: a normal image has one text in MedRegion. */
export function promptsOf(name: string): { templates: string[]; synonyms: string[] } {
  if (isNoFinding(name)) return { templates: ['{}'], synonyms: [noFinding] };
  return { templates, synonyms: [`${/^[aeiou]/i.test(name) ? 'an' : 'a'} ${name}`] };
}

/** A finding is in one place of nine: the prompt that fits best counts, not the mean over all. */
export const aggregate = 'max-logit';
