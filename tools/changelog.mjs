// What `changeset version` writes into the changelogs: the sentences of the changesets, and one line for dependencies.

/** A changeset's sentence, with the commit that brought it; further paragraphs are indented below. */
async function getReleaseLine({ summary, commit }) {
  const [first, ...rest] = summary.split('\n').map((line) => line.trimEnd());
  return [
    `- ${first}${commit ? ` (${commit.slice(0, 7)})` : ''}`,
    ...rest.map((line) => (line ? `  ${line}` : '')),
  ].join('\n');
}

/** One line, however many changesets the dependencies had. */
async function getDependencyReleaseLine(_changesets, dependencies) {
  if (!dependencies.length) return '';
  return `- Now with ${dependencies.map(({ name, newVersion }) => `${name} ${newVersion}`).join(', ')}`;
}

export default { getReleaseLine, getDependencyReleaseLine };
