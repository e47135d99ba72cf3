/** A trainer that can be copied: the folder in `examples/`, and the script that runs it. */
export interface Trainer {
  /** Folder in `examples/`. */
  folder: string;
  /** Name of the npm script. */
  script: string;
  /** What it trains. */
  title: string;
}

/** The trainers by the name that is asked for. */
export const trainers: Readonly<Record<'plan' | 'regionmed', Trainer>> = {
  plan: { folder: 'plan', script: 'plan', title: 'PLAN: words of a report with the pixels of its image' },
  regionmed: { folder: 'regionmed-clip', script: 'regionmed', title: 'RegionMed-CLIP: regions and hard negatives' },
};
