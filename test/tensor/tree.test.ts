import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { tensor } from '../../src/ops/constant.ts';
import { exp } from '../../src/ops/exp.ts';
import { softmax } from '../../src/ops/softmax.ts';
import { formatNode, formatTensor } from '../../src/tensor/print.ts';
import { broadcastShapes, count, formatShape, normalizeAxis, rowMajorStrides } from '../../src/tensor/shape.ts';
import { isTensor, type Tensor, topological } from '../../src/tensor/tensor.ts';
import { leaves, mapTree, paths, signature, type Tree, withLeaves } from '../../src/tensor/tree.ts';

/** Trees of scalars, each of another value. */
const trees: fc.Arbitrary<Tree> = fc.letrec<{ tree: Tree; leaf: Tree }>((tie) => ({
  leaf: fc.integer({ min: -9, max: 9 }).map((value) => tensor(value)),
  tree: fc.oneof(
    { maxDepth: 3 },
    tie('leaf'),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'kernel', 'bias'), tie('tree'), { maxKeys: 3 }),
  ),
})).tree;

describe('trees of tensors', () => {
  it('keep their form when their tensors are replaced, in the order of leaves', () =>
    fc.assert(
      fc.property(trees, (tree) => {
        const own = leaves(tree);
        const others = own.map((leaf) => add(leaf, 1));
        const changed = withLeaves(tree, others);
        expect(leaves(changed)).toEqual(others);
        expect(paths(changed).map(([path]) => path)).toEqual(paths(tree).map(([path]) => path));
        expect(leaves(mapTree(tree, (leaf) => leaf))).toEqual(own);
        expect(signature(changed)).toBe(signature(mapTree(tree, (leaf) => add(leaf, 1))));
      }),
    ));

  it('name their tensors as code does', () => {
    const [a, b, c] = [1, 2, 3].map((value) => tensor(value));
    const tree = { transformerLayers: [{ query: { kernel: a! } }, { query: { kernel: b! } }], norm: c! };
    expect(paths(tree)).toEqual([
      ['transformerLayers[0].query.kernel', a],
      ['transformerLayers[1].query.kernel', b],
      ['norm', c],
    ]);
    expect(signature(tree)).toContain('norm:float32[]');
    expect(isTensor(tree)).toBe(false);
  });
});

describe('an expression', () => {
  const x = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ]);

  it('prints a line a node, inputs first, shared ones once', () => {
    const y = softmax(x);
    const lines = formatTensor(add(y, exp(y))).split('\n');
    expect(lines.map((line) => line.replace(/^(%\d+ = \w+ \w+\[[\d, ]*\]).*?(\(.*)?$/, '$1 $2').trim())).toEqual([
      '%0 = constant float32[2, 3]',
      '%1 = softmax float32[2, 3] (%0)',
      '%2 = exp float32[2, 3] (%1)',
      '%3 = add float32[2, 3] (%1, %2)',
    ]);
    expect(formatNode(y)).toMatch(/^softmax float32\[2, 3\]/);
  });

  it('prints shortly however long it is', () => {
    let long: Tensor = x;
    for (let i = 0; i < 5000; i++) long = add(long, x);
    const lines = formatTensor(long).split('\n');
    expect(lines.length).toBe(201);
    expect(lines[100]).toBe('… 4801 nodes …');
    expect(topological([long]).length).toBe(5001);
  });

  it('is frozen, and made before those that use it', () => {
    const y = add(x, softmax(x));
    expect(Object.isFrozen(y)).toBe(true);
    const order = topological([y]);
    for (const node of order) for (const input of node.inputs) expect(input.id).toBeLessThan(node.id);
    expect(order.at(-1)).toBe(y);
  });
});

const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 4 });

describe('shapes', () => {
  it('broadcast as NumPy does: either way round, with themselves, with a scalar', () =>
    fc.assert(
      fc.property(shapes, shapes, (a, b) => {
        expect(broadcastShapes('op', a, a)).toEqual(E.right(a));
        expect(broadcastShapes('op', a, [])).toEqual(E.right(a));
        const [one, other] = [broadcastShapes('op', a, b), broadcastShapes('op', b, a)];
        expect(E.isRight(one)).toBe(E.isRight(other));
        if (E.isRight(one)) {
          expect(other).toEqual(one);
          expect(count(one.right) % count(a)).toBe(0);
        }
      }),
    ));

  it('say both shapes and the axis when they do not broadcast', () => {
    expect(broadcastShapes('add', [2, 3], [4, 3])).toMatchObject({
      left: { message: 'add: expected shapes that broadcast, got [2, 3] and [4, 3] (axis -2: 2 and 4)' },
    });
  });

  it('have strides that reach the last element, and axes that count from either end', () =>
    fc.assert(
      fc.property(shapes, (shape) => {
        const last = rowMajorStrides(shape).reduce((sum, stride, axis) => sum + stride * (shape[axis]! - 1), 0);
        expect(last).toBe(count(shape) - 1);
        for (let axis = -shape.length; axis < shape.length; axis++)
          expect(normalizeAxis('op', axis, shape.length)).toEqual(E.right((axis + shape.length) % shape.length));
        for (const axis of [shape.length, -shape.length - 1, 0.5])
          expect(E.isLeft(normalizeAxis('op', axis, shape.length))).toBe(true);
        expect(JSON.parse(formatShape(shape))).toEqual(shape);
      }),
    ));
});
