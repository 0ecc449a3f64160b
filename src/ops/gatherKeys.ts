import type { Tensor } from '../tensor/tensor.ts';
import { add } from './add.ts';
import { arange } from './arange.ts';
import { multiply } from './multiply.ts';
import { reshape } from './reshape.ts';
import { take } from './take.ts';

/**
 * Keys or values with each place where its row has it: `y[b, j] = x[rows[b, j], j]`.
 *
 * @param x - `[batch, keys, heads, dim]`, floats.
 * @param rows - `[batch, keys]`, int32.
 * @returns Of the shape of `x`, float32.
 */
export const gatherKeys = (x: Tensor, rows: Tensor): Tensor => {
  const [batch = 0, keys = 0, ...rest] = x.shape;
  return take(reshape(x, [batch * keys, ...rest]), add(multiply(rows, keys), arange(keys)));
};
