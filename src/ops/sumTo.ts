import { type Shape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { reshape } from './reshape.ts';
import { sum } from './sum.ts';

/**
 * The reverse of broadcasting: `x` summed over the axes along which a tensor of `shape` would have been repeated.
 *
 * @param x - Floats or int32, of a shape that `shape` broadcasts to.
 * @returns A tensor of `shape`.
 */
export const sumTo = (x: Tensor, shape: Shape): Tensor => {
  if (sameShape(x.shape, shape)) return x;
  const extra = x.shape.length - shape.length;
  const axis = x.shape.flatMap((size, i) => (i < extra || (shape[i - extra] === 1 && size !== 1) ? [i] : []));
  return reshape(axis.length === 0 ? x : sum(x, { axis, keepDims: true }), shape);
};
