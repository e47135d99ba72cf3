/** Markup that is already safe; everything else is escaped when it enters a template. */
export class Html {
  constructor(readonly markup: string) {}
  toString(): string {
    return this.markup;
  }
}

/** What a template may hold: text (escaped), markup, lists of both; null, undefined and false vanish. */
export type Part = string | number | Html | null | undefined | false | readonly Part[];

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text without control characters, which neither HTML nor SVG allows. */
export function plainText(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => (/[\n\t]/.test(character) ? character : ' '));
}

/** Text as it must stand in HTML and SVG, in an element or a quoted attribute. */
export function escapeHtml(text: string): string {
  return plainText(text).replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** Template tag: `html\`<p>${text}</p>\`` escapes `text`, and keeps what was made by `html` itself. */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return new Html(strings.map((string, i) => string + (i < parts.length ? render(parts[i]) : '')).join(''));
}

function render(part: Part): string {
  if (part === null || part === undefined || part === false) return '';
  if (part instanceof Html) return part.markup;
  if (typeof part === 'string' || typeof part === 'number') return escapeHtml(String(part));
  return part.map(render).join('');
}

/** Text to paragraphs: an empty line starts a new one. */
export function paragraphs(text: string): Html[] {
  return text
    .split(/\n\s*\n/)
    .filter((paragraph) => paragraph.trim() !== '')
    .map((paragraph) => html`<p>${paragraph.trim()}</p>`);
}
