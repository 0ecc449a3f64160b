import * as E from 'fp-ts/lib/Either.js';
import { ShapeError } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { apply, defineOp } from './op.ts';

interface Range {
  readonly size: number;
}

const arangeOp = defineOp<Range>({
  name: 'arange',
  shape: (_inputs, { size }) =>
    Number.isSafeInteger(size) && size >= 0
      ? E.right([size])
      : E.left(new ShapeError(`arange: expected a size of 0 or more, got ${size}`)),
  dtype: () => E.right('int32'),
  reference: (_inputs, { size }) => Int32Array.from({ length: size }, (_, i) => i),
  kernel: { kind: 'index', wgsl: (index) => index },
});

/**
 * `0, 1, …, size - 1` as int32, `[size]`. It costs no memory on a device: readers compute it.
 *
 * @throws {ShapeError} If `size` is negative or no whole number.
 * @see keras.ops.arange
 */
export const arange = (size: number): Tensor => apply(arangeOp, [], { size });
