import { sentences } from '@medalign/datasets';
import type { PromptClass } from './prompts';

/** A text and the class it stands for, by index. */
export interface ClassText {
  text: string;
  class: number;
}

/** A sentence with one of these beside its finding says that it is not there, or no longer. */
const denials =
  /\b(no|not|nor|without|absent|absence|free of|negative|resolved|cleared|clear of|normal|unremarkable)\b/i;

/**
 * The sentences of some reports that are of one class alone: its report is of that class, the sentence names it, and names no
 * other class. A finding is named by the beginning of a word (`mentions`) or by a whole prompt, and not if the rest of the
 * sentence denies something: what is in doubt is left out. Equal sentences (but for case) are one.
 *
 * @param reports each of one class alone.
 */
export function exclusiveSentences(reports: readonly ClassText[], classes: readonly PromptClass[]): ClassText[] {
  const seen = new Set<string>();
  return reports.flatMap((report) =>
    sentences(report.text).flatMap((text): ClassText[] => {
      const named = classes.flatMap((own, c) => (names(text, own) ? [c] : []));
      const key = text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, ' ');
      if (named.length !== 1 || named[0] !== report.class || seen.has(key)) return [];
      seen.add(key);
      return [{ text, class: report.class }];
    }),
  );
}

function names(sentence: string, { mentions, prompts }: PromptClass): boolean {
  const words = (mentions ?? prompts).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const end = mentions ? '' : '(?![\\p{L}\\p{N}])'; // prompts are whole words
  const rest = sentence.replace(new RegExp(`(?<![\\p{L}\\p{N}])(${words.join('|')})${end}`, 'giu'), '');
  return rest !== sentence && !denials.test(rest);
}
