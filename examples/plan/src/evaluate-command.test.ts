import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addEvaluateCommand } from './evaluate-command';
import type { EvaluationOptions } from './evaluation';

/** What a command line asks for. */
function asked(...args: string[]): EvaluationOptions {
  let options: EvaluationOptions | undefined;
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  addEvaluateCommand(program, (chosen) => {
    options = chosen;
  });
  program.parse(['node', 'plan', 'evaluate', '--checkpoint', 'run', ...args]);
  return options!;
}

describe('the options of evaluate', () => {
  it('say which texts a gallery is made of, and of which set', () => {
    const { options, reports } = asked('--task', 'retrieval', '--gallery', 'sentences', '--gallery-data', 'mimic');
    expect(options).toMatchObject({ gallery: 'sentences', galleryFrom: { kind: 'mimic-5x200', path: 'mimic' } });
    expect(reports).toBeUndefined();
    const elsewhere = ['--gallery-kind', 'mimic-cxr-jpg', '--gallery-data', 'jpg', '--reports', 'texts'];
    const { galleryFrom } = asked('--task', 'retrieval', ...elsewhere).options!;
    expect(galleryFrom).toEqual({ kind: 'mimic-cxr-jpg', path: 'jpg', reports: 'texts' });
    expect(asked('--task', 'retrieval').options!.galleryFrom).toBeUndefined();
  });

  it.each([
    [['--task', 'grounding', '--gallery', 'prompts'], '--gallery: belongs to --task retrieval, got --task grounding'],
    [
      ['--task', 'retrieval', '--gallery-data', 'x', '--gallery', 'prompts'],
      /--gallery prompts: .*leave out --gallery-data/,
    ],
    [['--task', 'retrieval', '--gallery-kind', 'pairs'], /--gallery-kind: .*Fix: --gallery-data <path>/],
    [
      ['--task', 'retrieval', '--gallery-kind', 'phantom', '--gallery-data', 'x'],
      /--gallery-kind: expected one of mimic-5x200/,
    ],
    [
      ['--task', 'retrieval', '--gallery', 'words'],
      /--gallery: expected one of reports, sentences, prompts, got 'words'/,
    ],
    [['--task', 'retrieval', '--map', 'words'], /--map: belongs to --task grounding, detection, got --task retrieval/],
    [['--task', 'classification', '--category', 'Edema'], /--category: belongs to --task detection/],
    [['--task', 'grounding', '--train-images', '5'], /--train-images: belongs to --task detection, classification/],
    [['--task', 'grounding', '--prompts', 'x.yaml'], /--prompts: belongs to --task retrieval, classification/],
    [['--task', 'detection', '--phrase', ' …'], /--phrase: expected a word, got ' …'/],
    [['--task', 'detection', '--category', ''], /--category: expected a word, got ''/],
    [['--task', 'detection', '--train-images', '0'], /--train-images: expected a whole number above 0, got '0'/],
    [['--task', 'retrieval', '--per-class', '2.5'], /--per-class: expected a whole number above 0, got '2.5'/],
    [['--task', 'retrieval', '--split', 'train'], /--split: expected one of test, validation, all, got 'train'/],
    [['--task', 'retrieval', '--kind', 'mimic'], /--kind: expected one of phantom, .* got 'mimic'/],
  ] as const)('are refused where they mean nothing: %j', (args, message) => {
    expect(() => asked(...args)).toThrow(message);
  });
});
