import { Command, CommanderError } from 'commander';
import { type MedRegionReport, validateMedRegion } from './medregion-validate';
import { DataError } from './types';

/** Where output goes: data to `out`, everything else to `err`. */
export interface Streams {
  out: (text: string) => void;
  err: (text: string) => void;
}

const processStreams: Streams = {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
};

/** One line for each problem, then the counts. */
function* listing(report: MedRegionReport): Generator<string> {
  for (const { level, kind, file, line, id, message } of report.problems) {
    yield `${file}:${line}: ${level}: ${kind}: ${id === undefined ? '' : `${id}: `}${message}`;
  }
  const { records, valid, errors, warnings, patients, normal, regions, modalities, byKind } = report;
  if (report.problems.length > 0) yield '';
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  yield `${count(records, 'record')}, ${valid} without errors; ${count(errors, 'error')}, ${count(warnings, 'warning')}`;
  for (const [kind, n] of Object.entries(byKind)) yield `  ${String(n).padStart(6)}  ${kind}`;
  if (valid === 0) return;
  yield `${count(patients, 'patient')}, ${count(regions, 'region')}, ${normal} normal`;
  for (const [name, n] of Object.entries(modalities)) yield `  ${String(n).padStart(6)}  ${name}`;
}

/** Runs a command line. 0 fine, 1 internal error, 2 usage, 3 problems in the data. */
export async function main(args: readonly string[], { out, err }: Streams = processStreams): Promise<number> {
  let code = 0;
  const program = new Command('medalign-datasets').description('Tools for medical image–text data.');
  program.exitOverride().configureOutput({ writeOut: out, writeErr: err });
  program
    .command('validate')
    .description('list every problem of a MedRegion folder; exit code 0 without errors, 3 with')
    .argument('<folder>', 'holds records.jsonl and the images')
    .option('--json', 'one JSON object instead of lines', false)
    .action(async (folder: string, { json }: { json: boolean }) => {
      const report = await validateMedRegion(folder);
      if (json) out(`${JSON.stringify(report, undefined, 2)}\n`);
      else for (const line of listing(report)) out(`${line}\n`);
      code = report.errors > 0 ? 3 : 0;
    });
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const known = error instanceof DataError;
    err(`${known ? error.message : (error as Error).stack}\n`);
    return known ? 3 : 1;
  }
}
