// A plugin of typedoc: documents are called what their first heading says, in the menu and in the tab, and not what their
// file is called. Their addresses stay those of the files.
import { RendererEvent } from 'typedoc';

/** The text of the first `# heading`, without the marks of code, emphasis and links. */
export const titleOf = (text) =>
  /^# (.+)$/m
    .exec(text)?.[1]
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[`*]/g, '')
    .trim();

export function load(app) {
  app.renderer.on(RendererEvent.BEGIN, ({ project }) => {
    for (const document of project.documents ?? []) {
      const title = titleOf(document.content.map(({ text }) => text).join(''));
      if (title) document.name = title;
      else app.logger.warn(`${document.name}: expected a line '# title' to call this document by`);
    }
  });
}
