import { checkChoice, checkNotEmpty, checkWhole } from './checks';
import { seededRandom } from './random';

/** Result of {@link wrongPhraseControl}. */
export interface WrongPhraseControl {
  /** `indices[i]`: which phrase to draw on the image of phrase i; −1 if there is none. */
  indices: number[];
  variant: string;
  /** Phrases that have a control. */
  n: number;
  excluded: number;
}

/**
 * Wrong-phrase control: for each phrase, a phrase of another image, whose map on this image should not find this region.
 *
 * Compute the map of phrase `indices[i]` on the image of phrase i, score it against the region of phrase i, and report it beside
 * the true score (`pairedBootstrap` gives the interval of the difference). A model that lights up every lesion scores the same on both.
 *
 * @param phrases `imageId`, `category` and `phrase` of each; a control never has the same text.
 * @param options `category` of the control: `'any'`, `'same'` (only location words differ) or `'different'`; `seed`.
 * @returns one index per phrase, seeded.
 * @throws {MetricError} if there are no phrases or an option is unknown.
 * @example
 * const phrases = [
 *   { imageId: '1', category: 'nodule', phrase: 'nodule in the left apex' },
 *   { imageId: '1', category: 'edema', phrase: 'mild edema' },
 *   { imageId: '2', category: 'nodule', phrase: 'right basal nodule' },
 * ];
 * wrongPhraseControl(phrases, { category: 'same' }).indices; // [2, -1, 0]
 */
export function wrongPhraseControl(
  phrases: readonly { imageId: string; category: string; phrase: string }[],
  { category = 'any', seed = 0 }: { category?: 'any' | 'same' | 'different'; seed?: number } = {},
): WrongPhraseControl {
  checkNotEmpty('phrases', phrases);
  checkChoice('category', category, ['any', 'same', 'different']);
  checkWhole('seed', seed, 0);
  const random = seededRandom(seed);
  const indices = phrases.map((own) => {
    const controls = phrases.flatMap((other, i) => {
      const fits = category === 'any' || (category === 'same') === (other.category === own.category);
      return fits && other.imageId !== own.imageId && other.phrase !== own.phrase ? [i] : [];
    });
    return controls.length ? controls[Math.floor(random() * controls.length)]! : -1;
  });
  const excluded = indices.filter((index) => index < 0).length;
  return {
    indices,
    variant: `phrase of another image, ${category} category, other text, seed ${seed}`,
    n: phrases.length - excluded,
    excluded,
  };
}
