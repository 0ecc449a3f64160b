import type { PresetWeight } from '../tasks/presetWeights.ts';
import { formatShape } from '../tensor/shape.ts';
import type { PresetFacts } from './inspect.ts';
import { sizeText } from './sizeText.ts';

const number = (value: number): string => value.toLocaleString('en');

/** Rows of columns of equal width: the last `right` ones are set to the right. */
const columns = (rows: readonly (readonly string[])[], right: ReadonlySet<number>): string => {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) => (right.has(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `  ${line}\n`)
    .join('');
};

/** Parameters that are alike but for the layer that they are in. */
interface Alike {
  readonly path: string;
  readonly times: number;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly bytes: number;
}

/** The first number of a layer in a path: in brackets, or between points. */
const layerNumber = /\[\d+\]|(?<=[._/])\d+(?=[./])/;

/** Parameters with those of a stack of layers as one, where shape and dtype are the same in each. */
const folded = (weights: readonly PresetWeight[]): readonly Alike[] => {
  const groups = new Map<string, PresetWeight[]>();
  for (const weight of weights) {
    const key = `${weight.path.replace(layerNumber, '#')} ${weight.shape.join()} ${weight.dtype}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [weight]);
    else group.push(weight);
  }
  return [...groups.values()].map((group) => {
    const { path, shape, dtype } = group[0]!;
    const layers = group.map((own) => Number(/\d+/.exec(layerNumber.exec(own.path)?.[0] ?? '')?.[0]));
    const span = `${Math.min(...layers)}–${Math.max(...layers)}`;
    return {
      path: group.length === 1 ? path : path.replace(layerNumber, (own) => own.replace(/\d+/, span)),
      times: group.length,
      shape,
      dtype,
      bytes: group.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  });
};

const weightTable = (weights: readonly PresetWeight[]): string =>
  columns(
    folded(weights).map(({ path, times, shape, dtype, bytes }) => [
      path,
      times === 1 ? '' : `${times} ×`,
      formatShape(shape),
      dtype,
      sizeText(bytes),
    ]),
    new Set([1, 4]),
  );

/** Dtypes with how many numbers have each, where there is more than one. */
const dtypesOf = (weights: readonly PresetWeight[]): string => {
  const counts = new Map<string, number>();
  for (const { dtype, bytes } of weights) counts.set(dtype, (counts.get(dtype) ?? 0) + bytes);
  return counts.size <= 1
    ? [...counts.keys()].join()
    : [...counts].map(([dtype, bytes]) => `${dtype} ${sizeText(bytes)}`).join(', ');
};

const heading = (text: string): string => `\n${text}\n`;

/** What there is to tell of a preset, as aligned lines for people; layers that are alike are told once. */
export const formatPreset = (facts: PresetFacts): string => {
  const { tokenizer, weights, otherWeights, absentWeights, files, embedder } = facts;
  const library = facts.layout === 'keras' ? "KerasHub's layout" : "transformers' layout";
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const facts1: (readonly [string, string])[] = [
    ['preset', facts.preset],
    ['folder', facts.folder],
    ['backbone', `${facts.backbone}, in ${library}`],
    ...(facts.task === undefined ? [] : [['saved as', facts.task] as const]),
    ...(embedder === undefined
      ? []
      : [['embeds', `by ${embedder.poolingMode}${embedder.normalize ? ', of length 1' : ''}`] as const]),
    [
      'parameters',
      `${number(facts.parameterCount)}, ${sizeText(facts.parameterBytes)} of ${dtypesOf(weights)}${facts.hasWeights ? '' : ' by its config; the weights are not here'}`,
    ],
    [
      'tokenizer',
      tokenizer === undefined
        ? (facts.tokenizerProblem ?? 'none')
        : `${tokenizer.name}, ${number(tokenizer.vocabularySize)} tokens`,
    ],
    ['files', `${files.length}, ${sizeText(total)}`],
  ];
  const config = Object.entries(facts.config).map(([name, value]) => [
    name,
    typeof value === 'number' ? String(value) : JSON.stringify(value),
  ]);
  return [
    columns(facts1, new Set()).replaceAll(/^ {2}/gm, ''),
    facts.weightsProblem === undefined ? '' : `\nThe weights do not fit: ${facts.weightsProblem}\n`,
    heading('config'),
    columns(config, new Set()),
    tokenizer === undefined ? '' : heading('special tokens'),
    tokenizer === undefined
      ? ''
      : columns(
          tokenizer.specialTokens.map(({ id, token, uses }) => [String(id), JSON.stringify(token), uses.join(', ')]),
          new Set([0]),
        ),
    heading('parameters'),
    weightTable(weights),
    absentWeights.length === 0 ? '' : heading(`not in the files, so random at first: ${absentWeights.join(', ')}`),
    otherWeights.length === 0 ? '' : heading('besides, in the same files'),
    weightTable(otherWeights),
    heading('files'),
    columns(
      files.map(({ name, bytes }) => [name, sizeText(bytes)]),
      new Set([1]),
    ),
  ].join('');
};
