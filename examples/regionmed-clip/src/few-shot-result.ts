import { type Curve, type ReportTable, textTable } from '@medalign/report';
import type { FewShotResult, Group, System } from './few-shot';

/** A mean over draws, and their standard deviation. */
export interface Spread {
  mean: number | null;
  std: number | null;
}

/** A kind of vector over all questions of a group: every draw is a mean over the questions. */
export interface FewShotRow {
  of: Group;
  vector: string;
  questions: number;
  /** Test images. */
  n: number;
  /** Accuracy of guessing, a mean over the questions; that of the AUC is 0.5. */
  chance: number;
  zeroShot: { accuracy: number | null; auroc: number | null } | null;
  shots: Record<string, { accuracy: Spread; auroc: Spread }>;
}

export const classifier = 'L2 logistic regression (C 1) on frozen unit vectors';

const groupNames: Record<Group, string> = {
  findings: 'findings',
  pathologies: 'pathologies, with ROIs',
  modalities: 'modalities',
};

const mean = (values: readonly number[]) =>
  values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;

function spread(values: readonly number[]): Spread {
  const centre = mean(values);
  if (centre === null) return { mean: null, std: null };
  return { mean: centre, std: Math.sqrt(mean(values.map((value) => (value - centre) ** 2))!) };
}

/** One row for each kind of vector and group. */
export function fewShotRows({ systems, shots, seeds }: FewShotResult): FewShotRow[] {
  return systems.map(({ group, vector, answers }) => {
    const draws = (k: number, of: 'accuracy' | 'auroc') =>
      seeds.flatMap((_, s) => mean(answers.flatMap((one) => one.shots.get(k)!.runs[s]![of] ?? [])) ?? []);
    const zero = answers.flatMap(({ zeroShot }) => zeroShot ?? []);
    return {
      of: group,
      vector,
      questions: answers.length,
      n: answers.reduce((sum, { question }) => sum + question.test.length, 0),
      chance: mean(answers.map(({ question }) => 1 / question.classes.length))!,
      zeroShot: zero.length
        ? { accuracy: mean(zero.map((one) => one.accuracy)), auroc: mean(zero.flatMap((one) => one.auroc ?? [])) }
        : null,
      shots: Object.fromEntries(
        shots.map((k) => [k, { accuracy: spread(draws(k, 'accuracy')), auroc: spread(draws(k, 'auroc')) }]),
      ),
    };
  });
}

/** The same for the questions of one kind of vector. */
function perQuestion(result: FewShotResult, system: System): FewShotRow[] {
  return system.answers.flatMap((one) => fewShotRows({ ...result, systems: [{ ...system, answers: [one] }] }));
}

const ofImages = ({ systems }: FewShotResult) =>
  systems.find(({ group, vector }) => group === 'findings' && vector === 'image');

const number = (value: number | null | undefined) => (value === null || value === undefined ? '–' : value.toFixed(3));
const withSpread = ({ mean, std }: Spread) => (mean === null ? '–' : `${number(mean)} ± ${number(std)}`);

/** Both tables: a mean over the questions of each group, and every modality by its image vectors. */
export function fewShotTables(result: FewShotResult): ReportTable[] {
  const { shots, seeds } = result;
  const numbers = [
    'AUC 0-shot',
    ...shots.map((k) => `AUC ${k}-shot`),
    'acc. 0-shot',
    ...shots.map((k) => `acc. ${k}-shot`),
    'chance',
  ];
  const cells = ({ zeroShot, shots: of, chance }: FewShotRow) => [
    number(zeroShot?.auroc),
    ...shots.map((k) => withSpread(of[k]!.auroc)),
    number(zeroShot?.accuracy),
    ...shots.map((k) => withSpread(of[k]!.accuracy)),
    number(chance),
  ];
  const how = `${classifier}; k examples of each class, chosen among training patients. Mean ± standard deviation over ${seeds.length} draws. AUC: macro over the classes, one against the rest, chance 0.5; acc. and chance: the share of right answers. 0-shot: prompts instead of examples, softmax over the classes at the training temperature.`;
  const what =
    'Findings: pathologies and No Finding of one modality. Pathologies: without No Finding, images with an ROI alone (the boxes are given, so an image without one would tell that it is normal). Both are means over the modalities. Modalities: which one it is.';
  const single = ofImages(result);
  return [
    {
      title: 'Few-shot classification of frozen vectors',
      caption: `${what} ${how}`,
      columns: ['told apart', 'vector', 'images', ...numbers],
      rows: fewShotRows(result).map((row) => [groupNames[row.of], row.vector, String(row.n), ...cells(row)]),
    },
    ...(single
      ? [
          {
            title: 'Findings of each modality, image vectors',
            caption: how,
            columns: ['modality', 'classes', 'images', ...numbers],
            rows: perQuestion(result, single).map((row, i) => {
              const { name, classes } = single.answers[i]!.question;
              return [name, String(classes.length), String(row.n), ...cells(row)];
            }),
          },
        ]
      : []),
  ];
}

/** Both tables as text. */
export function fewShotText(result: FewShotResult): string {
  const blocks = fewShotTables(result).map(
    ({ title, columns, rows }) => `${title}\n${textTable(columns as string[], rows as string[][])}`,
  );
  return [...blocks, ...(result.notes.length ? [result.notes.map((note) => `! ${note}`).join('\n')] : [])].join('\n\n');
}

/** The AUC by the number of examples. */
export function fewShotCurves(result: FewShotResult): Curve[] {
  const rows = fewShotRows(result);
  const titles = { findings: 'Findings of a modality', pathologies: 'Pathologies', modalities: 'Modalities' };
  return (['findings', 'pathologies', 'modalities'] as const).flatMap((group) => {
    const own = rows.filter(({ of }) => of === group);
    if (own.length === 0 || result.shots.length < 2) return [];
    const series = own.map(({ vector, shots }) => ({
      name: vector,
      points: result.shots.flatMap((k) => {
        const { mean, std } = shots[k]!.auroc;
        return mean === null ? [] : [[k, mean, mean - std!, mean + std!] as const];
      }),
    }));
    const caption = 'Mean ± standard deviation over the draws.';
    return [{ title: `${titles[group]}: AUC`, caption, xLabel: 'examples of each class', series }];
  });
}

/** The numbers, as `--json` prints them. */
export function fewShotJson(result: FewShotResult) {
  const single = ofImages(result);
  return {
    shots: [...result.shots],
    seeds: [...result.seeds],
    classifier,
    summary: fewShotRows(result),
    modalities: Object.fromEntries(
      single
        ? perQuestion(result, single).map((row, i) => {
            const { name, classes } = single.answers[i]!.question;
            const { n, chance, zeroShot, shots } = row;
            return [name, { classes, n, chance, zeroShot, shots }];
          })
        : [],
    ),
    notes: result.notes,
  };
}

/** Which images were chosen, so that another system can be given the same: for each question, number of shots and seed. */
export function chosenIds({ systems, shots, seeds }: FewShotResult) {
  // the choice is the same for every kind of vector
  const first = new Map<Group, System>();
  for (const system of systems) if (!first.has(system.group)) first.set(system.group, system);
  return [...first.values()].flatMap(({ group, answers }) =>
    answers.flatMap(({ question, shots: probes }) =>
      shots.flatMap((k) =>
        seeds.map((seed, s) => ({
          of: group,
          name: question.name,
          shots: k,
          seed,
          images: probes.get(k)!.runs[s]!.chosen.map((i) => question.support[i]!.id),
        })),
      ),
    ),
  );
}
