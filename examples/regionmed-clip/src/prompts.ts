import { isNoFinding, noFinding } from '@medalign/datasets';

/** How a finding is written in the captions that a model was trained on. */
const templates = ['{}', 'There is {}', 'There is a {} located in the image', 'The image shows a {}', 'A {} is seen'];

/** The prompts of a class, to be filled with its name: a normal image has one text in MedRegion. */
export function promptsOf(name: string): { templates: string[]; synonyms: string[] } {
  return isNoFinding(name) ? { templates: ['{}'], synonyms: [noFinding] } : { templates, synonyms: [name] };
}
