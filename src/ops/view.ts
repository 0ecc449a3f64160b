import type { Layout } from '../tensor/kernel.ts';
import type { HostData } from '../tensor/ndarray.ts';
import { count, rowMajorStrides, type Shape } from '../tensor/shape.ts';
import type { HostTensor, Op } from '../tensor/tensor.ts';

/** The layout of a row-major array that starts at its buffer's beginning. */
export const contiguous = (shape: Shape): Layout => ({ shape, strides: rowMajorStrides(shape), offset: 0 });

/** Whether a layout's elements lie one after the other, wherever they start. */
export const isContiguous = ({ shape, strides }: Layout): boolean => {
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== step) return false;
    step *= shape[axis]!;
  }
  return true;
};

/** The elements of a layout in row-major order, copied out of the buffer they lie in. */
export const gatherLayout = (data: HostTensor['data'], { shape, strides, offset }: Layout): HostData => {
  const total = count(shape);
  const y = new (data.constructor as { new (length: number): HostTensor['data'] })(total);
  const rank = shape.length;
  const index = new Int32Array(rank);
  let place = offset;
  for (let i = 0; i < total; i++) {
    y[i] = data[place]!;
    for (let axis = rank - 1; axis >= 0; axis--) {
      index[axis]!++;
      place += strides[axis]!;
      if (index[axis]! < shape[axis]!) break;
      place -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return y;
};

/** A view's reference: its input is contiguous here, so its layout is always known. */
export const viewReference =
  <A>(view: (input: Layout, attributes: A, shape: Shape) => Layout | undefined): Op<A>['reference'] =>
  ([x], attributes, shape) => {
    const layout = view(contiguous(x!.shape), attributes, shape);
    return layout === undefined || (isContiguous(layout) && layout.offset === 0 && count(shape) === x!.data.length)
      ? x!.data
      : gatherLayout(x!.data, layout);
  };
