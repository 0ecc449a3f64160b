import { formatShape } from './shape.ts';
import { type Tensor, topological } from './tensor.ts';

/** Attributes as they are worth printing: storage is left out. */
const formatAttributes = (attributes: object): string =>
  Object.entries(attributes)
    .filter(([name, value]) => name !== 'storage' && typeof value !== 'function')
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(' ');

/** One node in a line: `softmax float32[2, 3]`. */
export const formatNode = ({ op, shape, dtype, attributes }: Tensor): string => {
  const details = formatAttributes(attributes);
  return `${op.name} ${dtype}${formatShape(shape)}${details === '' ? '' : ` ${details}`}`;
};

/** Lines that are printed of an expression, at most. */
const MOST_LINES = 200;

/**
 * An expression as text, a line a node, inputs before those that use them: `%3 = add float32[2, 3] (%1, %2)`.
 *
 * @param tensor - Any expression; long ones are cut in the middle.
 */
export const formatTensor = (tensor: Tensor): string => {
  const order = topological([tensor]);
  const numbers = new Map(order.map((node, i) => [node, i]));
  const lines = order.map(
    (node, i) =>
      `%${i} = ${formatNode(node)}${node.inputs.length === 0 ? '' : ` (${node.inputs.map((input) => `%${numbers.get(input)}`).join(', ')})`}`,
  );
  if (lines.length <= MOST_LINES) return lines.join('\n');
  const half = MOST_LINES / 2;
  return [...lines.slice(0, half), `… ${lines.length - MOST_LINES} nodes …`, ...lines.slice(-half)].join('\n');
};
