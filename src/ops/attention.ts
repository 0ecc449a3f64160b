import * as E from 'fp-ts/lib/Either.js';
import { DTypeError, ShapeError } from '../tensor/errors.ts';
import { count } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Attention } from './attentionAttributes.ts';
import { attentionVjp } from './attentionGradient.ts';
import { attentionChoice } from './attentionKernels.ts';
import { attentionLaunches } from './attentionLaunches.ts';
import { type AttentionOptions, attentionParts, dtypeProblem, shapeProblem } from './attentionOptions.ts';
import { attentionReference } from './attentionReference.ts';
import { gatherKeys } from './gatherKeys.ts';
import { apply, defineOp } from './op.ts';
import { asFloat32 } from './rows.ts';

export type { AttentionOptions } from './attentionOptions.ts';

/** What every device can bind at once, in bytes. */
const MOST_SHARED = 2 ** 27;

const attentionOp = defineOp<Attention>({
  name: 'attention',

  shape: (inputs, attributes) => {
    const problem = shapeProblem(inputs, attributes);
    return problem === undefined
      ? E.right([...inputs[0]!.slice(0, 3), inputs[2]![3]!])
      : E.left(new ShapeError(`attention: ${problem}`));
  },

  dtype: (dtypes, attributes) => {
    const problem = dtypeProblem(dtypes, attributes);
    return problem === undefined ? E.right('float32') : E.left(new DTypeError(`attention: ${problem}`));
  },

  reference: attentionReference,

  vjp: ({ inputs, output, attributes }, dy) => attentionVjp(inputs, output, attributes, dy),

  kernel: { kind: 'shader', strided: [true, true, true], launches: attentionLaunches, choice: attentionChoice },
});

/**
 * Scaled dot-product attention in one kernel:
 * `y[b, i, h] = sum_j softmax_j(scale * query[b, i, h] . key[b, j, g]) * value[b, j, g]` with `g = floor(h / (heads / kvHeads))`,
 * over the keys `j` that query `i` may attend to.
 *
 * @param query - `[batch, queries, heads, dim]`, floats.
 * @param key - `[batch, keys, kvHeads, dim]`, floats; `heads` is a multiple of `kvHeads`.
 * @param value - `[batch, keys, kvHeads, valueDim]`, floats.
 * @returns `[batch, queries, heads, valueDim]`, float32.
 * @throws {ShapeError} If shapes do not fit.
 * @throws {DTypeError} If `query`, `key` or `value` hold no floats, or an option has another dtype.
 * @throws {ArgumentError} If `window`, `position`, `keyPositions` come without what they need, or a number is out of range.
 * @see Vaswani et al. 2017, section 3.2; keras.ops.dot_product_attention; keras_hub.layers.CachedMultiHeadAttention
 */
export const attention = (query: Tensor, key: Tensor, value: Tensor, options: AttentionOptions = {}): Tensor => {
  const sizes = { dim: query.shape.at(-1) ?? 1, queries: query.shape[1] ?? 0, keys: key.shape[1] ?? 0 };
  const { keyRows, ...rest } = options;
  // The kernels know of rows where there is no mask, and where they can bind all rows at once.
  if (keyRows !== undefined && (options.keyMask !== undefined || count(key.shape) * 4 > MOST_SHARED))
    return attention(query, gatherKeys(key, keyRows), gatherKeys(value, keyRows), rest);
  const { attributes, optional } = attentionParts('attention', sizes, options);
  return apply(attentionOp, [asFloat32(query), asFloat32(key), asFloat32(value), ...optional], attributes);
};
