import * as E from 'fp-ts/lib/Either.js';
import { isJsonObject, type JsonObject, preview } from './configReader.ts';
import { type MatrixForm, tableForms } from './quantize.ts';
import { formatPath, type WeightEntry, type WeightTable } from './weightEntry.ts';

// What transformers reads of a model in 8 bits, by the library compressed-tensors: config.json names the linear layers, and each has
// its numbers four to a word, counted from the lowest, a scale for each output, and its shape.

/** Which linear layers are quantized, by the names of their modules; undefined for all. */
export interface QuantizedModules {
  readonly names: ReadonlySet<string> | undefined;
  readonly ignored: ReadonlySet<string>;
}

const suffix = '.weight';

const moduleOf = (name: string): string => name.slice(0, -suffix.length);

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((own) => typeof own === 'string' && !own.startsWith('re:'));

const absent = (value: unknown): boolean => value === undefined || value === null;

/**
 * What the `quantization_config` of a config.json of transformers says; undefined where there is none.
 *
 * @returns A left that says what is not read: anything but 8 bits with a scale for each output and no zeros, of weights alone.
 */
export const readQuantization = (json: unknown): E.Either<string, QuantizedModules | undefined> => {
  if (absent(json)) return E.right(undefined);
  const refuse = (expected: string, got: unknown): E.Either<string, never> =>
    E.left(`quantization_config: expected ${expected}, got ${preview(got)}`);
  if (!isJsonObject(json) || json.quant_method !== 'compressed-tensors')
    return refuse(
      'none, or one of compressed-tensors (weights that another library quantized are not supported)',
      isJsonObject(json) ? json.quant_method : json,
    );
  const groups = isJsonObject(json.config_groups) ? Object.values(json.config_groups) : [];
  const [group] = groups;
  if (groups.length !== 1 || !isJsonObject(group)) return refuse('one group of layers', json.config_groups);
  const weights = isJsonObject(group.weights) ? group.weights : {};
  if (!absent(group.input_activations) || !absent(group.output_activations))
    return refuse('weights alone in few bits', group.input_activations ?? group.output_activations);
  const isRead =
    weights.num_bits === 8 &&
    weights.type === 'int' &&
    weights.strategy === 'channel' &&
    weights.symmetric === true &&
    (group.format ?? json.format) === 'pack-quantized';
  if (!isRead) return refuse('whole numbers of 8 bits, symmetric, a scale a channel, pack-quantized', group);
  const { ignore = [] } = json;
  if (!isTexts(group.targets) || !isTexts(ignore))
    return refuse('targets and ignore to be names of layers', [group.targets, ignore]);
  return E.right({
    names: group.targets.includes('Linear') ? undefined : new Set(group.targets),
    ignored: new Set(ignore),
  });
};

/** A `quantization_config` for these modules. */
export const quantizationConfig = (modules: readonly string[]): JsonObject => {
  const format = 'pack-quantized';
  return {
    quant_method: 'compressed-tensors',
    format,
    quantization_status: 'compressed',
    ignore: [],
    config_groups: {
      group_0: {
        format,
        input_activations: null,
        output_activations: null,
        targets: modules,
        weights: {
          dynamic: false,
          group_size: null,
          num_bits: 8,
          strategy: 'channel',
          symmetric: true,
          type: 'int',
        },
      },
    },
  };
};

/** The form of a kernel that transformers has as a linear layer by itself, its outputs first. */
const linearForm = (
  { sources: { transformers } }: WeightEntry,
  form: MatrixForm | undefined,
): MatrixForm | undefined => {
  const { name, shape, part, plus } = transformers;
  const isLinear =
    form !== undefined &&
    form.order !== 'columns' &&
    plus === undefined &&
    name.endsWith(suffix) &&
    part.slice === undefined &&
    part.order !== undefined &&
    shape.length === 2 &&
    shape[0] === form.columns &&
    shape[1] === form.rows;
  return isLinear ? form : undefined;
};

/** The kernels of a table that transformers can hold in 8 bits, by path: the names of their modules, without prefix. */
export const linearModules = (table: WeightTable): ReadonlyMap<string, string> => {
  const forms = tableForms(table);
  return new Map(
    table.entries.flatMap((entry): readonly (readonly [string, string])[] => {
      const path = formatPath(entry.path);
      return linearForm(entry, forms.get(path)) === undefined
        ? []
        : [[path, moduleOf(entry.sources.transformers.name)]];
    }),
  );
};

/** A table whose entries say how kernels in 8 bits stand in transformers' files; `isQuantized` is asked by path. */
export const linearTable = (table: WeightTable, isQuantized: (path: string) => boolean): WeightTable => {
  const forms = tableForms(table);
  const modules = linearModules(table);
  const entries = table.entries.map((entry): WeightEntry => {
    const path = formatPath(entry.path);
    const module = modules.get(path);
    if (module === undefined || !isQuantized(path)) return entry;
    const form = forms.get(path)!;
    const { rows, columns } = form;
    return {
      ...entry,
      sources: {
        ...entry.sources,
        transformers: {
          name: `${module}.weight_packed`,
          shape: [columns, Math.ceil(rows / 4)],
          part: {},
          quantized: {
            format: { bits: 8, columns, block: rows },
            form,
            order: 'columns',
            numbers: { dtype: 'int32', flip: 0x80 },
            scales: { name: `${module}.weight_scale`, shape: [columns, 1] },
            dividesByScales: false,
            extent: { name: `${module}.weight_shape`, shape: [2] },
          },
        },
      },
    };
  });
  return { ...table, entries };
};

/**
 * A table as a `quantization_config` has it.
 *
 * @returns A left that names a layer that is no linear layer of the model.
 */
export const tableOfModules = (
  table: WeightTable,
  { names, ignored }: QuantizedModules,
): E.Either<string, WeightTable> => {
  const modules = linearModules(table);
  const prefix = table.transformersPrefix;
  const isIn = (set: ReadonlySet<string>, module: string): boolean => set.has(module) || set.has(`${prefix}${module}`);
  const known = new Set([...modules.values()].flatMap((module) => [module, `${prefix}${module}`]));
  const unknown = [...(names ?? [])].find((name) => !known.has(name));
  if (unknown !== undefined || known.size === 0)
    return E.left(
      `quantization_config: expected linear layers of the model, got ${preview(unknown ?? 'Linear')}, which is none that stands by itself`,
    );
  return E.right(
    linearTable(table, (path) => {
      const module = modules.get(path)!;
      return (names === undefined || isIn(names, module)) && !isIn(ignored, module);
    }),
  );
};
