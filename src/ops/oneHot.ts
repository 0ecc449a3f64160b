import { DTypeError } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { arange } from './arange.ts';
import { cast } from './cast.ts';
import { equal } from './equal.ts';
import { expandDims } from './reshape.ts';

/**
 * Indices as rows of zeros with a 1: `y[..., j] = 1` where `indices[...] = j`. An index outside gives a row of zeros.
 *
 * @param indices - Any shape, int32.
 * @param size - Length of the rows.
 * @returns `[..., size]`, float32.
 * @throws {DTypeError} If the indices are not int32.
 * @see keras.ops.one_hot
 */
export const oneHot = (indices: Tensor, size: number): Tensor => {
  if (indices.dtype !== 'int32')
    throw new DTypeError(`oneHot: expected indices of dtype int32, got ${indices.dtype}; use cast to convert`);
  return cast(equal(expandDims(indices, -1), arange(size)), 'float32');
};
