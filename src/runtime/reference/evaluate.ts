import { leafStorage } from '../../ops/constant.ts';
import { ArgumentError } from '../../tensor/errors.ts';
import { type NDArray, widen } from '../../tensor/ndarray.ts';
import { type HostTensor, type Tensor, topological } from '../../tensor/tensor.ts';

/** A value as the world outside sees it: floats as float32. */
const asNDArray = ({ data, shape, dtype }: HostTensor): NDArray => ({
  data: data instanceof Float64Array ? Float32Array.from(data) : data,
  shape,
  dtype,
});

/** Values of leaves that are not on the host, by leaf. */
export type Fetched = ReadonlyMap<Tensor, NDArray>;

/**
 * Values of expressions by the plain-TypeScript interpreter: every op's reference in turn, in double precision. Values
 * are dropped after their last use.
 *
 * @param bound - Values of placeholders, and of leaves that a device holds.
 */
export const interpret = (outputs: readonly Tensor[], bound: Fetched = new Map()): readonly HostTensor[] => {
  const order = topological(outputs);
  const uses = new Map<Tensor, number>();
  for (const tensor of order) for (const input of tensor.inputs) uses.set(input, (uses.get(input) ?? 0) + 1);
  for (const output of outputs) uses.set(output, (uses.get(output) ?? 0) + 1);
  const values = new Map<Tensor, HostTensor>();
  const wide = (tensor: Tensor, array: NDArray): HostTensor => ({
    data: widen(array) as HostTensor['data'],
    shape: tensor.shape,
    dtype: tensor.dtype,
  });
  for (const tensor of order) {
    const known = bound.get(tensor);
    const storage = leafStorage(tensor);
    if (known !== undefined) values.set(tensor, wide(tensor, known));
    else if (storage?.kind === 'host') values.set(tensor, wide(tensor, storage.array));
    else if (storage !== undefined)
      throw new ArgumentError('evaluate: expected values on the host, got a tensor that a device holds; read it first');
    else {
      const inputs = tensor.inputs.map((input) => values.get(input)!);
      const data = tensor.op.reference(inputs, tensor.attributes, tensor.shape) as HostTensor['data'];
      values.set(tensor, { data, shape: tensor.shape, dtype: tensor.dtype });
    }
    for (const input of tensor.inputs) {
      const left = uses.get(input)! - 1;
      uses.set(input, left);
      if (left === 0) values.delete(input);
    }
  }
  return outputs.map((output) => values.get(output)!);
};

/** Values of expressions whose leaves are all on the host, at once: what tests and small work use. */
export const evaluateReference = (outputs: readonly Tensor[]): readonly NDArray[] => interpret(outputs).map(asNDArray);

/** Values of expressions by the reference interpreter, wherever their leaves are. */
export const evaluateReferenceAsync = async (outputs: readonly Tensor[]): Promise<readonly NDArray[]> => {
  const fetched = new Map<Tensor, NDArray>();
  for (const tensor of topological(outputs)) {
    const storage = leafStorage(tensor);
    if (storage?.kind === 'resident') fetched.set(tensor, await storage.holder.read());
  }
  return interpret(outputs, fetched).map(asNDArray);
};
