#!/usr/bin/env node
import { CreateError, createTrainer } from './create-trainer';
import { trainers } from './trainers';

const names = Object.entries(trainers).map(([name, { title }]) => `  ${name.padEnd(10)} ${title}`);
const usage = `Usage: npm create @medalign <trainer> <folder>\n\nMakes a folder with a trainer to run, read and change.\n\n${names.join('\n')}\n`;

const [name, folder, ...rest] = process.argv.slice(2);
const help = name === '--help' || name === '-h';
if (help || !name || !folder || rest.length > 0) {
  (help ? process.stdout : process.stderr).write(usage);
  process.exitCode = help ? 0 : 2;
} else {
  try {
    const next = createTrainer(name, folder);
    process.stdout.write(`${folder} is there. Next:\n\n${next.map((line) => `  ${line}\n`).join('')}`);
  } catch (error) {
    if (!(error instanceof CreateError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  }
}
