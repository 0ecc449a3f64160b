import { type DType, float16FromBits } from './dtype.ts';
import { ShapeError } from './errors.ts';
import { count, formatShape, type Shape } from './shape.ts';

/**
 * Numbers on the host. float32 stands in a Float32Array (the reference interpreter works in Float64Array), int32 in an
 * Int32Array, bool in a Uint8Array of 0 and 1, float16 and bfloat16 as their bits in a Uint16Array.
 */
export type HostData = Float32Array | Float64Array | Int32Array | Uint8Array | Uint16Array;

/** Host `data`, row-major, with its shape and dtype: what `read` returns and what models take besides tensors. */
export interface NDArray {
  readonly data: HostData;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Wraps data in an NDArray. @throws {ShapeError} If the shape asks for another number of elements. */
export const ndarray = (data: HostData, shape: Shape, dtype: DType): NDArray => {
  if (data.length !== count(shape))
    throw new ShapeError(
      `ndarray: expected ${count(shape)} elements for shape ${formatShape(shape)}, got ${data.length}`,
    );
  return { data, shape, dtype };
};

/** The values of an array as plain numbers one can do arithmetic on: halves are widened, the rest comes as it is. */
export const widen = ({ data, dtype }: NDArray): HostData => {
  if (!(data instanceof Uint16Array)) return data;
  const values = new Float32Array(data.length);
  if (dtype === 'float16') for (let i = 0; i < values.length; i++) values[i] = float16FromBits(data[i]!);
  else {
    const bits = new Uint32Array(values.buffer);
    for (let i = 0; i < bits.length; i++) bits[i] = data[i]! << 16;
  }
  return values;
};
