import { broadcastLayout } from '../../ops/broadcastTo.ts';
import { contiguous } from '../../ops/view.ts';
import type { KernelTraits, Layout } from '../../tensor/kernel.ts';
import { count, type Shape } from '../../tensor/shape.ts';
import { type Chain, type GeneratedLaunch, isPlaced } from './chainForm.ts';
import { type Box, bindingRange, generateKernel, isPacked, MOST_PIECES, type Piece, span } from './chainText.ts';

/** Merges axes that every layout walks through as if they were one, and drops those of size 1. */
const collapse = (shape: Shape, layouts: readonly Layout[]): { shape: Shape; layouts: readonly Layout[] } => {
  const sizes: number[] = [];
  const strides: number[][] = layouts.map(() => []);
  for (let axis = 0; axis < shape.length; axis++) {
    if (shape[axis] === 1) continue;
    const last = sizes.length - 1;
    if (last >= 0 && layouts.every((layout, i) => strides[i]![last] === layout.strides[axis]! * shape[axis]!)) {
      sizes[last]! *= shape[axis]!;
      for (const [i, layout] of layouts.entries()) strides[i]![last] = layout.strides[axis]!;
    } else {
      sizes.push(shape[axis]!);
      for (const [i, layout] of layouts.entries()) strides[i]!.push(layout.strides[axis]!);
    }
  }
  return { shape: sizes, layouts: layouts.map(({ offset }, i) => ({ shape: sizes, strides: strides[i]!, offset })) };
};

/** A chain in pieces: one, or several where a buffer is larger than the device binds. */
const piecesOf = (chain: Chain, traits: KernelTraits): readonly Piece[] => {
  if (count(chain.shape) === 0) return [];
  const result = chain.into?.layout ?? contiguous(chain.shape);
  const placed = chain.values.filter(isPlaced);
  const { shape, layouts } = collapse(chain.shape, [
    result,
    ...placed.map(({ layout }) => broadcastLayout(layout, chain.shape)),
  ]);
  const pieces: Piece[] = [];
  const pending: Box[] = [{ start: shape.map(() => 0), size: shape }];
  while (pending.length > 0) {
    const box = pending.pop()!;
    // The value whose binding is too large by most says which axis to cut: the one that spreads its elements furthest.
    const widest = [
      { dtype: chain.dtype, layout: layouts[0]! },
      ...(chain.extras ?? []).flatMap((at) =>
        chain.ones?.has(at) ? [] : [{ dtype: chain.values[at]!.dtype, layout: layouts[0]! }],
      ),
      ...placed.flatMap((value, i) => (value.kind === 'load' ? [{ dtype: value.dtype, layout: layouts[i + 1]! }] : [])),
    ]
      .map(({ dtype, layout }) => {
        const [first, last] = span(layout, box);
        return { layout, bytes: bindingRange(first, last, dtype, traits.offsetAlignment).size };
      })
      .reduce((most, next) => (next.bytes > most.bytes ? next : most));
    if (widest.bytes <= traits.maxBindingBytes) {
      pieces.push({ chain, placed, layouts, box });
      continue;
    }
    const spread = (axis: number): number => (box.size[axis]! - 1) * Math.abs(widest.layout.strides[axis]!);
    // Two halves share a word of a packed result, so that only its outermost axis is cut.
    const axis = isPacked(chain.dtype)
      ? box.size.findIndex((size) => size > 1)
      : box.size.reduce((most, _, at) => (spread(at) > spread(most) ? at : most), 0);
    const size = box.size[axis] ?? 1;
    // Halves of a word must not be written by two launches: parts start at even elements.
    const grain = isPacked(chain.dtype) && layouts[0]!.strides[axis]! % 2 === 1 ? 2 : 1;
    const half = Math.ceil(size / 2 / grain) * grain;
    if (half >= size)
      throw new RangeError(
        `evaluate: expected elements that one binding of ${traits.maxBindingBytes} bytes can hold, got ${size} that lie further apart`,
      );
    const cut = (start: number, length: number): Box => ({
      start: box.start.map((first, i) => (i === axis ? first + start : first)),
      size: box.size.map((all, i) => (i === axis ? length : all)),
    });
    pending.push(cut(half, size - half), cut(0, half));
  }
  return pieces;
};

/**
 * The launches that compute a chain: one, or several where a buffer is larger than the device binds. Shapes, strides
 * and numbers are uniforms, so the text is the same for every size.
 */
export const generate = (chain: Chain, traits: KernelTraits): readonly GeneratedLaunch[] =>
  piecesOf(chain, traits).map((piece) => generateKernel([piece], traits));

/**
 * The launch that computes several chains over one list of buffers, of which none needs another; outputs are counted through.
 * Undefined where the device does not bind so much, or there are halves among the results.
 */
export const generateTogether = (chains: readonly Chain[], traits: KernelTraits): GeneratedLaunch | undefined => {
  const bytes = Math.max(...chains.map(({ into }) => 4 * (into?.elements ?? 0)));
  if (chains.length > MOST_PIECES || bytes > traits.maxBindingBytes) return undefined;
  if (chains.some(({ dtype }) => isPacked(dtype))) return undefined;
  const pieces = chains.map((chain) => piecesOf(chain, traits));
  if (pieces.some(({ length }) => length !== 1)) return undefined;
  const launch = generateKernel(pieces.flat(), traits);
  return Object.keys(launch.buffers).length <= traits.maxStorageBuffers ? launch : undefined;
};
