/** `info` is what stands after the language: 'run' in ```sh run. */
export interface Block {
  line: number;
  info: string;
  code: string;
}

/** A block with its language, which is empty where the fence has no mark. */
type Fence = Block & { language: string };

/** All fenced blocks, those in lists too: their code loses the indentation of the fence. */
function fences(text: string): Fence[] {
  return [...text.matchAll(/^( *)```(\S*)(?: ([^\n]*))?\n([\s\S]*?)^ *```/gm)].map((match) => ({
    line: text.slice(0, match.index).split('\n').length,
    language: match[2]!,
    info: (match[3] ?? '').trim(),
    code: match[4]!.replace(new RegExp(`^ {0,${match[1]!.length}}`, 'gm'), ''),
  }));
}

/** The blocks of these languages, such as `['sh', 'bash']`. */
export function blocksOf(text: string, languages: readonly string[]): Block[] {
  return fences(text)
    .filter(({ language }) => languages.includes(language))
    .map(({ line, info, code }) => ({ line, info, code }));
}

/** The lines where a block without a language begins: nothing would check it. */
export function unmarkedBlocks(text: string): number[] {
  return fences(text)
    .filter(({ language }) => language === '')
    .map(({ line }) => line);
}
