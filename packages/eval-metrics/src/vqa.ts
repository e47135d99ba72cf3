import { checkNotEmpty, MetricError } from './checks';

/** One question with its right and its given answer. */
export interface VqaRecord {
  prediction: string;
  answer: string;
  /** Closed: yes/no or one of the choices in the question. */
  kind: 'open' | 'closed';
}

/** Result of {@link vqaAccuracy}. */
export interface VqaAccuracy {
  value: number;
  variant: string;
  n: number;
  open: { value: number | null; n: number };
  closed: { value: number | null; n: number };
  /** Open questions whose answer is not among the training answers: no classifier can get them right. Null without a vocabulary. */
  outOfVocabulary: { share: number | null; n: number } | null;
}

/**
 * Accuracy of visual question answering as classification over the training answers: open, closed and overall.
 *
 * Answers match if they are equal after lower-casing, trimming and collapsing spaces.
 *
 * @param records `prediction`, `answer`, `kind` of each question.
 * @param options `vocabulary`: the training answers.
 * @returns the three accuracies with their counts, and the share of open questions out of reach.
 * @throws {MetricError} if there are no records or a kind is neither open nor closed.
 * @example
 * const records: VqaRecord[] = [
 *   { prediction: 'Yes', answer: 'yes', kind: 'closed' },
 *   { prediction: 'lung', answer: 'left lung', kind: 'open' },
 * ];
 * vqaAccuracy(records).value; // 0.5
 * vqaAccuracy(records, { vocabulary: ['yes', 'lung'] }).outOfVocabulary; // {"share": 1, "n": 1}
 */
export function vqaAccuracy(
  records: readonly VqaRecord[],
  { vocabulary }: { vocabulary?: Iterable<string> } = {},
): VqaAccuracy {
  checkNotEmpty('records', records);
  records.forEach(({ kind }, i) => {
    if (kind !== 'open' && kind !== 'closed') {
      throw new MetricError(`records[${i}].kind: expected 'open' or 'closed', got '${String(kind)}'.`);
    }
  });
  const open = records.filter(({ kind }) => kind === 'open');
  const known = vocabulary && new Set([...vocabulary].map(normalise));
  const unreachable = known ? open.filter(({ answer }) => !known.has(normalise(answer))).length : 0;
  return {
    ...(share(records) as { value: number; n: number }),
    variant: 'exact match after lower-casing and trimming',
    open: share(open),
    closed: share(records.filter(({ kind }) => kind === 'closed')),
    outOfVocabulary: known ? { share: open.length ? unreachable / open.length : null, n: unreachable } : null,
  };
}

function share(records: readonly VqaRecord[]): { value: number | null; n: number } {
  const right = records.filter(({ prediction, answer }) => normalise(prediction) === normalise(answer)).length;
  return { value: records.length ? right / records.length : null, n: records.length };
}

function normalise(answer: string): string {
  return answer.toLowerCase().trim().replace(/\s+/g, ' ');
}
