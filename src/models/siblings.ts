import { dequantize, type QuantizedTensors } from '../ops/dequantize.ts';
import { sliceAxis } from '../ops/slice.ts';
import { countStrips, type QuantizedFormat, quantizedShapes, STRIP } from '../tensor/quantized.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type MatrixForm, paramOf } from './quantize.ts';

/** Layers of one layer whose inputs are the same rows, so that their products can be one where their kernels lie side by side. */
const siblings: readonly (readonly string[])[] = [
  ['query', 'key', 'value'],
  ['queryDense', 'keyDense', 'valueDense'],
  ['ffwGating', 'ffwGating2'],
];

const parts = /^(.*)\.(\w+)\.(kernel|bias)$/;

/** What a parameter has in common with those that should lie beside it, and its place among them; undefined if none should. */
const placeOf = (path: string): { readonly group: string; readonly place: number } | undefined => {
  const [, layer = '', name = '', kind] = parts.exec(path) ?? [];
  const names = siblings.find((own) => own.includes(name));
  // Queries of cross-attention are of other rows than its keys and values.
  if (names === undefined || (name === 'query' && layer.endsWith('crossAttention'))) return undefined;
  return { group: `${layer}.${names.join(' ')}.${kind}`, place: names.indexOf(name) };
};

/**
 * Parameters in groups that should lie side by side, in this order: kernels that are multiplied by the same rows, and their
 * biases. Each of the others is a group by itself.
 *
 * @param isAlike - Whether two that should lie side by side can.
 */
export const inGroups = <Param extends { readonly path: string }>(
  params: readonly Param[],
  isAlike: (one: Param, other: Param) => boolean,
): readonly (readonly Param[])[] => {
  const groups = new Map<string, Param[]>();
  for (const own of params) {
    const key = placeOf(own.path)?.group;
    const group = key === undefined ? undefined : groups.get(key);
    if (group !== undefined && isAlike(group[0]!, own)) group.push(own);
    // Whoever is not like the first is by itself.
    else groups.set(key === undefined || group !== undefined ? own.path : key, [own]);
  }
  return [...groups.values()].map((group) =>
    group.length === 1 ? group : group.sort((one, other) => placeOf(one.path)!.place - placeOf(other.path)!.place),
  );
};

/** A parameter that is a matrix in few bits, or is to be one. */
export interface StripsParam {
  readonly path: string;
  readonly form: MatrixForm;
  readonly format: QuantizedFormat;
}

/** Parameters in groups whose strips should lie one after the other, so that a product may read them as one matrix's. */
export const inStripGroups = <Param extends StripsParam>(params: readonly Param[]): readonly (readonly Param[])[] => {
  const isWhole = ({ format }: Param): boolean => format.columns % STRIP === 0;
  return inGroups(
    params,
    (one, other) =>
      isWhole(one) &&
      isWhole(other) &&
      one.form.rows === other.form.rows &&
      one.format.bits === other.format.bits &&
      one.format.block === other.format.block,
  );
};

/** Where each of some matrices' strips begin where they lie one after the other, and where the last ones end. */
export const stripStarts = (params: readonly Pick<StripsParam, 'format'>[]): readonly number[] => {
  const starts = [0];
  for (const { format } of params) starts.push(starts.at(-1)! + countStrips(format.columns));
  return starts;
};

/** The shapes of what holds some matrices' strips one after the other. */
export const stripShapes = (
  params: readonly Pick<StripsParam, 'form' | 'format'>[],
): ReturnType<typeof quantizedShapes> => {
  const [{ form, format }] = params as readonly [(typeof params)[0]];
  return quantizedShapes(form.rows, { ...format, columns: stripStarts(params).at(-1)! * STRIP });
};

/** The parameters whose strips lie one after the other in some tensors. */
export const paramsOfStrips = (
  { words, scales, zeros }: QuantizedTensors,
  params: readonly (Omit<StripsParam, 'path'> & { readonly shape: Shape })[],
): readonly Tensor[] => {
  const starts = stripStarts(params);
  return params.map(({ form, format, shape }, i) => {
    const own = (held: Tensor): Tensor => sliceAxis(held, 0, starts[i]!, starts[i + 1]!);
    const tensors = { words: own(words), scales: own(scales), zeros: zeros && own(zeros) };
    return paramOf(dequantize(tensors, format), form, shape);
  });
};
