import type { MatrixForm } from '../models/quantize.ts';
import { inGroups } from '../models/siblings.ts';
import { formatPath, type WeightEntry } from '../models/weightEntry.ts';
import { reshape } from '../ops/reshape.ts';
import { sliceAxis } from '../ops/slice.ts';
import { transpose } from '../ops/transpose.ts';
import { count, type Shape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type MatchedWeight, type StoredTensor, scratch, sideBySide } from '../weights/index.ts';

/** A weight, and how its stored tensor would lie in one with others, if it can: along an axis of its shape. */
interface Apart {
  readonly path: string;
  readonly weight: MatchedWeight;
  readonly lies?: { readonly shape: Shape; readonly axis: number } | undefined;
}

/** How a stored tensor would lie beside others: one that is a bias, or a matrix row by row, column by column or head by head. */
const liesOf = (
  { entry, part: { split, slice, order }, plus, quantized }: MatchedWeight,
  form: MatrixForm | undefined,
): Apart['lies'] => {
  if (plus !== undefined || quantized !== undefined || slice !== undefined) return undefined;
  // Head after head, whichever way a head lies.
  if (form?.order === 'heads') return { shape: split ?? entry.shape, axis: 0 };
  if (split !== undefined) return undefined;
  if (form === undefined) return order === undefined ? { shape: [count(entry.shape)], axis: 0 } : undefined;
  if (form.order !== 'rows') return undefined;
  const { rows, columns } = form;
  return order === undefined ? { shape: [rows, columns], axis: 1 } : { shape: [columns, rows], axis: 0 };
};

/**
 * Weights of which those that should lie side by side are parts of one stored tensor, though their files hold them apart.
 *
 * @param forms - Of the matrices among them, by path.
 * @param most - Bytes of a tensor that is put together, at most.
 */
export const joinSources = (
  weights: readonly MatchedWeight[],
  forms: ReadonlyMap<string, MatrixForm>,
  most: number,
): readonly MatchedWeight[] => {
  const users = new Map<StoredTensor, number>();
  for (const { source } of weights) users.set(source, (users.get(source) ?? 0) + 1);
  const groups = inGroups(
    weights.map((weight): Apart => {
      const path = formatPath(weight.entry.path);
      return { path, weight, lies: users.get(weight.source) === 1 ? liesOf(weight, forms.get(path)) : undefined };
    }),
    ({ lies: one, weight: { source } }, { lies: other, weight }) =>
      one !== undefined &&
      other !== undefined &&
      one.axis === other.axis &&
      source.dtype === weight.source.dtype &&
      sameShape(one.shape.toSpliced(one.axis, 1), other.shape.toSpliced(one.axis, 1)),
  );
  const memory = scratch();
  const joined = new Map<MatchedWeight, MatchedWeight>();
  for (const group of groups) {
    const sources = group.map(({ weight }) => weight.source);
    if (group.length === 1 || sources.reduce((sum, { byteLength }) => sum + byteLength, 0) > most) continue;
    const { shape, axis } = group[0]!.lies!;
    const total = group.reduce((sum, { lies }) => sum + lies!.shape[axis]!, 0);
    const source = sideBySide(sources, shape.with(axis, total), count(shape.slice(0, axis)), memory);
    let end = 0;
    for (const { weight, lies } of group) {
      const start = end;
      end += lies!.shape[axis]!;
      joined.set(weight, { ...weight, source, part: { order: weight.part.order, slice: { axis, start, end } } });
    }
  }
  return weights.map((weight) => joined.get(weight) ?? weight);
};

/** Parameters that are pieces of one stored tensor, from here and there. */
export interface Gathered {
  /** What is to be computed once. */
  readonly whole: Tensor;
  /** The parameters, of what has been computed. */
  readonly parts: (whole: Tensor) => readonly (readonly [WeightEntry, Tensor])[];
}

/**
 * Pieces of one stored tensor that should lie side by side, put together: the places of one of its axes, each of which is a
 * parameter's. Undefined where they are something else.
 */
const gatheredTogether = (
  stored: Tensor,
  weights: readonly MatchedWeight[],
  form: MatrixForm | undefined,
): Gathered | undefined => {
  const { split = stored.shape, slice, order = split.map((_, axis) => axis) } = weights[0]!.part;
  const axis = slice?.axis ?? 0;
  // A matrix has its rows in front.
  const at = form === undefined ? 0 : 1;
  const isOne = weights.every(
    ({ part }, place) =>
      part.slice?.axis === axis &&
      part.slice.start === place &&
      part.slice.end === place + 1 &&
      sameShape(part.split ?? stored.shape, split) &&
      sameShape(part.order ?? split.map((_, own) => own), order),
  );
  if (!isOne || split[axis] !== weights.length || (form !== undefined && split[order[0]!] !== form.rows))
    return undefined;
  return {
    whole: transpose(reshape(stored, split), order.filter((own) => own !== axis).toSpliced(at, 0, axis)),
    parts: (whole) =>
      weights.map(({ entry }, place) => [entry, reshape(sliceAxis(whole, at, place, place + 1), entry.shape)]),
  };
};

/** Parameters that are pieces of one stored tensor: side by side where they should be, and can be so by turning its axes. */
export const gatheredPieces = (
  stored: Tensor,
  weights: readonly MatchedWeight[],
  forms: ReadonlyMap<string, MatrixForm>,
  alone: (weight: MatchedWeight) => Tensor,
): readonly Gathered[] =>
  inGroups(
    weights.map((weight) => ({ path: formatPath(weight.entry.path), weight })),
    () => true,
  ).flatMap((group) => {
    const own = group.map(({ weight }) => weight);
    const together = group.length === 1 ? undefined : gatheredTogether(stored, own, forms.get(group[0]!.path));
    return together === undefined
      ? own.map((weight) => ({ whole: alone(weight), parts: (whole: Tensor) => [[weight.entry, whole] as const] }))
      : [together];
  });
