import { broadcastLayout } from '../../ops/broadcastTo.ts';
import { isContiguous } from '../../ops/view.ts';
import { type Activation, activations, type Join } from '../../tensor/kernel.ts';
import { count, sameShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Graph, scalarOf } from './graph.ts';

/** A shader op with what its launches do besides. */
export interface Fused {
  /** The shader op whose launches write this node's value. */
  readonly kernel: Tensor;
  readonly bias?: Tensor;
  readonly activation?: Activation;
  /** What is added, or multiplied by. */
  readonly residual?: Tensor;
  readonly join?: Join;
}

/** Which nodes a kernel computes as it writes. */
export interface Epilogues {
  /** The last node of each fused kernel, whose value the launches write. */
  readonly fused: ReadonlyMap<Tensor, Fused>;
  /** Nodes before that, which are never written. */
  readonly absorbed: ReadonlySet<Tensor>;
}

/** Numbers of a value that a bias may be a part of, at most. */
const MOST_BIAS = 2 ** 22;

/** What follows a kernel and is its value's only use is done as it writes: bias, activation, residual. */
export const fuseEpilogues = ({ order, inputsOf, onlyConsumer, seenOf }: Graph): Epilogues => {
  const fused = new Map<Tensor, Fused>();
  const absorbed = new Set<Tensor>();
  for (const kernel of order) {
    const honoured = kernel.op.kernel.kind === 'shader' ? kernel.op.kernel.epilogue : undefined;
    if (honoured === undefined || count(kernel.shape) === 0) continue;
    let state: Fused = { kernel };
    let end = kernel;
    for (;;) {
      const next = onlyConsumer(end);
      if (next === undefined || !sameShape(next.shape, kernel.shape) || next.dtype !== 'float32') break;
      if (fused.has(next)) break;
      const name = next.op.name;
      if (honoured === 'residual' && name !== 'add') break;
      if (name === 'add' || name === 'multiply') {
        const other = inputsOf(next).find((input) => input !== end);
        if (other === undefined) break;
        const { root, layout } = seenOf(other);
        const spread = broadcastLayout(layout, kernel.shape);
        const columns = kernel.shape.at(-1)!;
        const isVector =
          scalarOf(root) === undefined &&
          root.op.kernel.kind !== 'index' &&
          // It is bound whole, wherever in it the vector lies.
          count(root.shape) <= MOST_BIAS &&
          spread.strides.slice(0, -1).every((stride, axis) => stride === 0 || kernel.shape[axis] === 1) &&
          (spread.strides.at(-1) === 1 || columns === 1) &&
          count(layout.shape) === columns;
        const isWhole =
          sameShape(other.shape, kernel.shape) &&
          other.dtype === 'float32' &&
          layout.offset === 0 &&
          isContiguous(layout) &&
          count(root.shape) === count(other.shape) &&
          scalarOf(root) === undefined &&
          root.op.kernel.kind !== 'index';
        // Of an elementwise value a product is another term, which is not worth writing it for.
        const joinsWhole = isWhole && (name === 'add' || root.op.kernel.kind !== 'elementwise');
        if (
          name === 'add' &&
          honoured === 'all' &&
          isVector &&
          state.bias === undefined &&
          state.activation === undefined &&
          state.residual === undefined &&
          !isWhole
        )
          state = { ...state, bias: other };
        else if (joinsWhole && state.residual === undefined) state = { ...state, residual: other, join: name };
        else break;
      } else if (
        name in activations &&
        name !== 'none' &&
        state.activation === undefined &&
        state.residual === undefined
      )
        state = { ...state, activation: name as Activation };
      else break;
      absorbed.add(end);
      end = next;
    }
    if (end !== kernel) fused.set(end, state);
  }
  return { fused, absorbed };
};
