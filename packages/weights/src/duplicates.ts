/**
 * The first name that an object of a JSON text holds twice, at any depth. JSON.parse keeps the last in silence, and
 * which one is meant cannot be known. One pass without recursion; the text must be valid JSON.
 */
export function duplicateName(text: string): string | undefined {
  const objects: Set<string>[] = [];
  const next = /["{}]/g;
  for (let match = next.exec(text); match; match = next.exec(text)) {
    if (match[0] === '{') objects.push(new Set());
    else if (match[0] === '}') objects.pop();
    else {
      const end = endOfString(text, match.index);
      next.lastIndex = end;
      if (!isName(text, end)) continue;
      const name: string = JSON.parse(text.slice(match.index, end));
      const names = objects.at(-1)!;
      if (names.has(name)) return name;
      names.add(name);
    }
  }
  return undefined;
}

/** Behind the closing quote: the first that an even number of backslashes precedes. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let before = end;
    while (text[before - 1] === '\\') before--;
    if ((end - before) % 2 === 0) return end + 1;
  }
}

function isName(text: string, end: number): boolean {
  let at = end;
  while (' \t\r\n'.includes(text[at]!)) at++;
  return text[at] === ':';
}
