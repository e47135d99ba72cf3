// A release, rehearsed: npm run release:rehearse [-- --update-contents]
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkBrowser } from './browser';
import { forEachTwo } from './command';
import { checkContents, publishedFiles, updateContents } from './contents';
import { checkLossProject, lossProject } from './loss';
import { publish } from './publish';
import { publicPackages, scratchCopy } from './scratch';
import { checkSnapshot } from './snapshot';
import { root, setStage } from './stage';
import { Story } from './story';
import { checkTrainer } from './trainers';
import { checkUpgrade } from './upgrade';
import { checkUsable } from './usable';

const { values } = parseArgs({ options: { 'update-contents': { type: 'boolean', default: false } } });
const stop = new AbortController();
let exit = 1;
// on, not once: npm passes a Ctrl-C on, and the second one must not end the clearing
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.on(signal, () => {
    exit = code;
    stop.abort(new Error(`Stopped by ${signal}.`));
  });

const story = new Story();
let clear = async () => {};
try {
  const set = await setStage(stop.signal);
  clear = set.clear;
  const { stage } = set;
  const packages = publicPackages(root);
  const checkout = join(stage.folder, 'checkout');

  await story.chapter('Build', async () => {
    await stage.run(process.execPath, [join(root, 'node_modules/nx/dist/bin/nx.js'), 'run-many', '-t', 'build'], root);
    await scratchCopy(stage.run, checkout);
    return `${packages.length} packages, and a copy of the checkout to release from`;
  });
  await story.chapter('Publish', async () => {
    const published = await publish(stage, checkout);
    const wanted = packages.map(({ name, version }) => `${name}@${version}`).sort();
    if (String(published) !== String(wanted)) throw new Error(`Expected ${wanted}, published ${published}.`);
    return `${published.length} packages by changesets on ${stage.registry.url}`;
  });
  await story.chapter('Contents', async () => {
    let count = 0;
    for (const { name, version } of packages) {
      const files = await publishedFiles(stage, name, version);
      count += files.length;
      (values['update-contents'] ? updateContents : checkContents)(name, files);
    }
    return `${count} files, ${values['update-contents'] ? 'written to the lists' : 'as listed'}`;
  });
  const loss = join(stage.folder, 'projects/loss-only');
  await story.chapter('The losses alone', async () => {
    await lossProject(stage, loss, 'latest');
    return checkLossProject(stage, loss);
  });
  await story.chapter('Each package alone', async () => {
    await forEachTwo(packages, ({ name, version }) => checkUsable(stage, name, version));
    return `${packages.length} fresh projects import and require every entry, load what they import when it is needed, compile the types under nodenext and bundler, run the commands`;
  });
  await story.chapter('The browser', () => checkBrowser(stage));
  const plan = join(stage.folder, 'projects/plan');
  const regionmed = join(stage.folder, 'projects/regionmed');
  await story.chapter('The trainers by npm create @medalign', async () => {
    const said = [await checkTrainer(stage, 'plan', plan), await checkTrainer(stage, 'regionmed', regionmed)];
    return `made, installed, type-checked, and a smoke run with checkpoint, curves and report: ${said.join(', ')}`;
  });
  await story.chapter('An upgrade', () => checkUpgrade(stage, checkout, loss, plan));
  await story.chapter('A snapshot', async () =>
    checkSnapshot(stage, await scratchCopy(stage.run, join(stage.folder, 'snapshot'))),
  );
  story.end();
} catch (error) {
  console.error(`\n${(error as Error).message}`);
  process.exitCode = exit;
} finally {
  await clear();
}
