import { leafStorage } from '../../ops/constant.ts';
import { contiguous } from '../../ops/view.ts';
import { type DType, deviceBytes } from '../../tensor/dtype.ts';
import type { Layout } from '../../tensor/kernel.ts';
import { count, type Shape } from '../../tensor/shape.ts';
import { type Tensor, topological } from '../../tensor/tensor.ts';

/** A value that lies in a buffer, seen through a layout. */
export interface Seen {
  readonly root: Tensor;
  readonly layout: Layout;
}

/** Bytes of a buffer that holds a whole tensor. */
export const wholeBytes = (shape: Shape, dtype: DType): number =>
  Math.max(16, Math.ceil((count(shape) * deviceBytes(dtype)) / 16) * 16);

/** Whether two values of a dtype share a word. */
export const isHalfWidth = (dtype: DType): boolean => dtype === 'float16' || dtype === 'bfloat16';

/** The number that a leaf of one number is. */
export const scalarOf = (tensor: Tensor): number | undefined => {
  const storage = leafStorage(tensor);
  return storage?.kind === 'host' && storage.array.data.length === 1 && !(storage.array.data instanceof Uint16Array)
    ? storage.array.data[0]
    : undefined;
};

/** JSON has no word for infinities, NaN and -0. */
const exactNumbers = (_key: string, value: unknown): unknown =>
  typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
    ? `number ${Object.is(value, -0) ? '-0' : value}`
    : value;

/** Equal sub-expressions become one: each node's representative, by op, attributes and representatives of its inputs. */
const shareEqual = (order: readonly Tensor[]): ReadonlyMap<Tensor, Tensor> => {
  const representative = new Map<Tensor, Tensor>();
  const byKey = new Map<string, Tensor>();
  const opNumbers = new Map<object, number>();
  for (const tensor of order) {
    let opNumber = opNumbers.get(tensor.op);
    if (opNumber === undefined) {
      opNumber = opNumbers.size;
      opNumbers.set(tensor.op, opNumber);
    }
    const scalar = scalarOf(tensor);
    const key =
      tensor.op.kernel.kind === 'leaf'
        ? scalar === undefined
          ? `${opNumber}#${tensor.id}`
          : `${opNumber}=${Object.is(scalar, -0) ? '-0' : scalar}:${tensor.dtype}:${tensor.shape.length}`
        : `${opNumber}(${tensor.inputs.map((input) => representative.get(input)!.id).join()})${JSON.stringify(tensor.attributes, exactNumbers)}`;
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, tensor);
    representative.set(tensor, known ?? tensor);
  }
  return representative;
};

/** An expression as the planner sees it: equal nodes are one, and views are layouts of what they look at. */
export interface Graph {
  /** The nodes that stand for all equal ones, inputs before those that use them. */
  readonly order: readonly Tensor[];
  /** Each node's place in the order. */
  readonly position: ReadonlyMap<Tensor, number>;
  /** What is asked for. */
  readonly wanted: readonly Tensor[];
  readonly isOutput: ReadonlySet<Tensor>;
  readonly inputsOf: (tensor: Tensor) => readonly Tensor[];
  readonly consumers: ReadonlyMap<Tensor, readonly Tensor[]>;
  /** The only node that uses a value, if there is one and the value is not asked for itself. */
  readonly onlyConsumer: (tensor: Tensor) => Tensor | undefined;
  /** Where a value lies, and how it is seen there. */
  readonly seenOf: (tensor: Tensor) => Seen;
  /** Views that strides cannot say, with what they are a copy of. */
  readonly copied: ReadonlyMap<Tensor, Seen>;
}

/** The graph below some outputs. */
export const graphOf = (outputs: readonly Tensor[]): Graph => {
  const representative = shareEqual(topological(outputs));
  const same = (tensor: Tensor): Tensor => representative.get(tensor)!;
  const wanted = outputs.map(same);
  const order = topological(outputs).filter((tensor) => same(tensor) === tensor);
  const inputsOf = (tensor: Tensor): readonly Tensor[] => tensor.inputs.map(same);

  const consumers = new Map<Tensor, Tensor[]>();
  for (const tensor of order)
    for (const input of inputsOf(tensor)) {
      const list = consumers.get(input);
      if (list === undefined) consumers.set(input, [tensor]);
      else list.push(tensor);
    }
  const isOutput = new Set(wanted);
  const onlyConsumer = (tensor: Tensor): Tensor | undefined => {
    const list = consumers.get(tensor);
    return list?.length === 1 && !isOutput.has(tensor) ? list[0] : undefined;
  };

  // Views: what each node is a view of, as far as strides can say it. A node that must be copied first is its own root.
  const seen = new Map<Tensor, Seen>();
  const copied = new Map<Tensor, Seen>();
  for (const tensor of order) {
    const { kernel } = tensor.op;
    if (kernel.kind === 'view') {
      const from = seen.get(same(tensor.inputs[0]!))!;
      const layout = kernel.view(from.layout, tensor.attributes, tensor.shape);
      if (layout !== undefined) {
        seen.set(tensor, { root: from.root, layout });
        continue;
      }
      // The input is copied into row-major order; the copy belongs to this node, and the view is of the copy.
      copied.set(tensor, from);
    }
    seen.set(tensor, { root: tensor, layout: contiguous(tensor.shape) });
  }
  const seenOf = (tensor: Tensor): Seen => seen.get(tensor)!;

  const position = new Map(order.map((tensor, i) => [tensor, i]));
  return { order, position, wanted, isOutput, inputsOf, consumers, onlyConsumer, seenOf, copied };
};
