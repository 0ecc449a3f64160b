import * as E from 'fp-ts/lib/Either.js';
import { countBlocks, type QuantizedFormat } from '../tensor/quantized.ts';
import type { Shape } from '../tensor/shape.ts';
import { isJsonObject, type JsonObject, preview } from './configReader.ts';
import type { KerasBackboneLayout } from './kerasLayout.ts';
import { type MatrixForm, tableForms } from './quantize.ts';
import {
  formatPath,
  type QuantizedSource,
  type WeightEntry,
  type WeightSource,
  type WeightTable,
} from './weightEntry.ts';

// What KerasHub writes of a model that was quantized: config.json names a policy for each layer, and the layer's variables are its
// kernel in whole numbers, its bias, then scales, and for 4 bits zeros and each row's block.

/** How a layer of KerasHub is quantized: 8 bits, or 4 in blocks of so many rows; without blocks a scale a column, and no zeros. */
export interface LayerPolicy {
  readonly mode: 'int8' | 'int4';
  readonly block?: number | undefined;
}

/** How layers are quantized, by their paths (`transformer_layer_0/self_attention/query`). */
export type LayerPolicies = ReadonlyMap<string, LayerPolicy>;

/** The most rows of a block: more than any matrix has. */
const mostBlock = 2 ** 31;

const modeOf = (config: unknown): unknown => (isJsonObject(config) ? config.mode : undefined);

/** A layer's policy; undefined for one of floats. */
const readPolicy = (layer: string, json: unknown): E.Either<string, LayerPolicy | undefined> => {
  const refuse = (expected: string, got: unknown): E.Either<string, never> =>
    E.left(`dtype: expected ${expected} for ${preview(layer)}, got ${preview(got)}`);
  if (!isJsonObject(json)) return refuse('a policy', json);
  const { class_name: className, config } = json;
  const mode = modeOf(config);
  if (className === 'DTypePolicy' || className === 'FloatDTypePolicy') return E.right(undefined);
  if (className === 'QuantizedDTypePolicy' && (mode === 'int8' || mode === 'int4')) return E.right({ mode });
  if (className !== 'Int4DTypePolicy' || typeof mode !== 'string' || !mode.startsWith('int4/'))
    return refuse('a policy of floats, int8 or int4', `${String(className)} ${String(mode)}`);
  const block = Number(mode.slice('int4/'.length));
  if (block === -1) return E.right({ mode: 'int4' });
  return Number.isInteger(block) && block >= 1 && block <= mostBlock
    ? E.right({ mode: 'int4', block })
    : refuse('int4 in blocks of 1 or more, or -1 for none', mode);
};

/**
 * The policies that the `dtype` of a config.json of KerasHub names.
 *
 * @returns A left that says what is no policy of floats, int8 or int4.
 */
export const readPolicies = (dtype: unknown): E.Either<string, LayerPolicies> => {
  if (!isJsonObject(dtype) || dtype.class_name !== 'DTypePolicyMap')
    return /quantiz|int8|int4|float8|gptq|awq/i.test(JSON.stringify(dtype) ?? '')
      ? E.left(
          `dtype: expected a float policy, or a DTypePolicyMap with a policy for each layer, got ${preview(dtype)}`,
        )
      : E.right(new Map());
  const map = isJsonObject(dtype.config) ? dtype.config.policy_map : undefined;
  if (!isJsonObject(map)) return E.left(`dtype: expected an object "policy_map", got ${preview(map)}`);
  const policies = new Map<string, LayerPolicy>();
  for (const [layer, json] of Object.entries(map)) {
    const policy = readPolicy(layer, json);
    if (E.isLeft(policy)) return policy;
    if (policy.right !== undefined) policies.set(layer, policy.right);
  }
  return E.right(policies);
};

/**
 * The `dtype` of a config.json: a policy for each layer that is quantized, `dtype` for the others. Keras refuses int8 beside
 * arithmetic in float16, so that arithmetic is float32 then, whatever the files hold.
 */
export const policyMap = (policies: LayerPolicies, dtype: string): JsonObject => {
  const module = 'keras.dtype_policies';
  const isHalf = dtype === 'float16' && [...policies.values()].some(({ mode }) => mode === 'int8');
  // Keras's own default, unless told otherwise.
  const isDefault = dtype === 'float32' || isHalf;
  const source = isDefault ? null : dtype;
  const policy = ({ mode, block }: LayerPolicy): JsonObject =>
    mode === 'int8'
      ? { class_name: 'QuantizedDTypePolicy', config: { mode, source_name: source } }
      : { class_name: 'Int4DTypePolicy', config: { mode: `int4/${block ?? -1}`, source_name: source } };
  const map = [...policies].map(([layer, own]) => [layer, { module, ...policy(own), registered_name: null }]);
  return {
    module,
    class_name: 'DTypePolicyMap',
    config: {
      default_policy: isDefault
        ? null
        : { module, class_name: 'DTypePolicy', config: { name: dtype }, registered_name: null },
      policy_map: Object.fromEntries(map),
    },
    registered_name: null,
  };
};

/** Layers by their groups in the weights file, as their paths: names of all groups on the way, but the backbone's own. */
export const layerPaths = <Config>(
  layout: Pick<KerasBackboneLayout<Config>, 'layers'>,
  config: Config,
): ReadonlyMap<string, string> => {
  const names = new Map(layout.layers(config).filter(([group]) => group !== ''));
  const pathOf = (group: string): string => {
    const steps = group.split('/');
    return steps.flatMap((_, at) => names.get(steps.slice(0, at + 1).join('/')) ?? []).join('/');
  };
  return new Map([...names.keys()].map((group) => [group, pathOf(group)]));
};

/** The group of a variable (`layers/dense` of `layers/dense/vars/0`). */
export const groupOf = (name: string): string => name.slice(0, name.lastIndexOf('/vars/'));

const halved = (size: number): number => Math.ceil(size / 2);

/** What stands in the files of a layer's matrix and beside it. */
const quantizedSource = (
  { path, sources: { keras }, shape }: WeightEntry,
  form: MatrixForm,
  { mode, block }: LayerPolicy,
  { variables, isEinsum }: { readonly variables: number; readonly isEinsum: boolean },
): WeightSource => {
  const { rows, columns, order } = form;
  const variable = (at: number, own: Shape) => ({ name: `${groupOf(keras.name)}/vars/${variables + at}`, shape: own });
  const format: QuantizedFormat = { bits: mode === 'int8' ? 8 : 4, columns, block: Math.min(block ?? rows, rows) };
  if (mode === 'int8') {
    const [first = 0, second = 0, third = 0] = shape;
    const heads = order === 'heads' ? [first, third] : [second, third];
    const outputs = shape.length === 3 && path.at(-2) !== 'output' ? heads : [columns];
    // Scales of an EinsumDense have the axes of what it gives.
    const scales = isEinsum ? [1, 1, ...outputs] : [columns];
    return {
      ...keras,
      quantized: {
        format,
        form,
        order,
        numbers: { dtype: 'int8', flip: 0 },
        scales: variable(0, scales),
        dividesByScales: true,
      },
    };
  }
  const isTable = order === 'columns';
  // Four bits are of a matrix: KerasHub takes a kernel's numbers as they lie, heads or not.
  const packed = { ...keras, shape: isTable ? [columns, halved(rows)] : [rows, halved(columns)] };
  const flat: MatrixForm = { rows, columns, order: isTable ? 'columns' : 'rows' };
  // From -8 to 7 in files, from 0 to 15 in memory.
  const own = { format, form: flat, order: flat.order, numbers: { dtype: 'int8', flip: 0x88 } } as const;
  if (block === undefined)
    return { ...packed, quantized: { ...own, scales: variable(0, [columns]), dividesByScales: true } };
  const blocks = countBlocks(rows, format);
  const scales = isTable ? [columns, blocks] : [blocks, columns];
  const quantized: QuantizedSource = {
    ...own,
    scales: variable(0, scales),
    dividesByScales: false,
    zeros: variable(1, scales),
    groups: variable(2, [rows]),
  };
  return { ...packed, quantized };
};

/**
 * A table whose entries say how the matrices of quantized layers stand in KerasHub's files.
 *
 * @returns A left that names a layer that there is none of, or that holds no matrix.
 */
export const quantizedTable = <Config>(
  table: WeightTable,
  layout: Pick<KerasBackboneLayout<Config>, 'layers' | 'einsumLayers'>,
  config: Config,
  policies: LayerPolicies,
): E.Either<string, WeightTable> => {
  if (policies.size === 0) return E.right(table);
  const layers = layerPaths(layout, config);
  const forms = tableForms(table);
  const variables = new Map<string, number>();
  for (const { sources } of table.entries) {
    const group = groupOf(sources.keras.name);
    variables.set(group, (variables.get(group) ?? 0) + 1);
  }
  const unused = new Set(policies.keys());
  const entries = table.entries.map((entry): WeightEntry => {
    const { keras } = entry.sources;
    const group = groupOf(keras.name);
    const layer = layers.get(group);
    const policy = layer === undefined ? undefined : policies.get(layer);
    const form = forms.get(formatPath(entry.path));
    if (policy === undefined || form === undefined || !keras.name.endsWith('/vars/0')) return entry;
    unused.delete(layer!);
    const isEinsum = entry.shape.length === 3 || (layout.einsumLayers ?? []).includes(layer!.split('/').at(-1)!);
    return {
      ...entry,
      sources: {
        ...entry.sources,
        keras: quantizedSource(entry, form, policy, { variables: variables.get(group)!, isEinsum }),
      },
    };
  });
  return unused.size === 0
    ? E.right({ ...table, entries })
    : E.left(
        `dtype: expected policies for layers of the model, got one for ${preview([...unused][0])}, which is none with a matrix`,
      );
};
