import type { GridMap, PhraseReading } from '@medalign/example-plan/read-phrase';

/** A map that can be chosen: what the list calls it, and what its text alternative does. */
export interface NamedMap {
  label: string;
  of: string;
  map: GridMap;
}

/** The phrase first, then its words, then what each round kept. */
export function namedMaps({ words, phrase, perWord, rounds }: PhraseReading): Record<string, NamedMap[]> {
  const whole = `“${words.join(' ')}”`;
  return {
    Phrase: [{ label: 'the whole phrase', of: whole, map: phrase }],
    Words: words.map((word, i) => ({ label: `${i + 1}. ${word}`, of: `the word “${word}”`, map: perWord[i]! })),
    Rounds: rounds.map(({ kept, map }, t) => {
      const left = words.filter((_, i) => kept[i]).join(' ');
      return { label: `round ${t + 1}: ${left}`, of: `the words kept in round ${t + 1}, “${left}”,`, map };
    }),
  };
}
