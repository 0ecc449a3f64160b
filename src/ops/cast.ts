import * as E from 'fp-ts/lib/Either.js';
import { bfloat16Bits, bfloat16FromBits, type DType, float16Bits, float16FromBits, isFloat } from '../tensor/dtype.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { defineElementwise } from './elementwise.ts';
import { apply } from './op.ts';

interface Cast {
  readonly from: DType;
  readonly to: DType;
}

const register = (dtype: DType): string => (isFloat(dtype) ? 'f32' : dtype === 'int32' ? 'i32' : 'bool');

const castOp = defineElementwise<Cast>({
  name: 'cast',
  dtype: (_op, _inputs, { to }) => E.right(to),
  value: (x, _b, _c, { to }) => {
    switch (to) {
      case 'float32':
        return x;
      case 'float16':
        return float16FromBits(float16Bits(x));
      case 'bfloat16':
        return bfloat16FromBits(bfloat16Bits(x));
      case 'int32':
        return Math.max(-0x80000000, Math.min(0x7fffffff, Math.trunc(x)));
      case 'bool':
        return x === 0 ? 0 : 1;
    }
  },
  // Halves are a form of storage: they are rounded when they are written.
  wgsl: ([x], { from, to }) => (register(from) === register(to) ? x! : `${register(to)}(${x})`),
  // Rounding counts as if it were none.
  vjp: (_, dy) => [dy],
});

/**
 * The same values in another dtype: floats to int32 towards zero, anything to bool as "is not 0", float16 and bfloat16
 * rounded to nearest, ties to even.
 *
 * @param x - Of any shape and dtype; given back as it is if the dtype is its own.
 * @see keras.ops.cast
 */
export const cast = (x: Tensor, dtype: DType): Tensor =>
  x.dtype === dtype ? x : apply(castOp, [x], { from: x.dtype, to: dtype });
