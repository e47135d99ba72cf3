/** `info` is what stands after the language: 'run' in ```sh run. */
export interface Block {
  line: number;
  info: string;
  code: string;
}

/** The blocks of these languages, such as `['sh', 'bash']`. */
export function blocksOf(text: string, languages: readonly string[]): Block[] {
  const fence = new RegExp(`^\`\`\`(?:${languages.join('|')})(?: ([^\\n]*))?\\n([\\s\\S]*?)^\`\`\``, 'gm');
  return [...text.matchAll(fence)].map((match) => ({
    line: text.slice(0, match.index).split('\n').length,
    info: (match[1] ?? '').trim(),
    code: match[2]!,
  }));
}
