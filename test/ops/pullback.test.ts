import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { argmax } from '../../src/ops/argmax.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { formulaVjp, pullback } from '../../src/ops/pullback.ts';
import { referenceValues } from '../support/draw.ts';

describe('pullback', () => {
  it('adds up the cotangents of several values over all uses', () => {
    const x = tensor([2, 3]);
    const square = multiply(x, x);
    const ys = [
      { y: square, dy: tensor([1, 10]) },
      { y: add(x, square), dy: tensor([100, 1000]) },
    ];
    // 2 x (dy1 + dy2) + dy2.
    expect(referenceValues(pullback('test', ys, [x])[0]!)).toEqual([504, 7060]);
  });

  it('gives nothing for what no value depends on', () => {
    const [x, other] = [tensor([1]), tensor([2])];
    expect(pullback('test', [{ y: multiply(x, x), dy: constant(1) }], [other])).toEqual([undefined]);
    expect(pullback('test', [{ y: argmax(x), dy: constant(1) }], [x])).toEqual([undefined]);
  });
});

describe('formulaVjp', () => {
  it('holds inputs apart though one is computed from the other', () => {
    const x = tensor([3]);
    const y = multiply(x, 2);
    const product = (inputs: readonly (typeof x)[]) => [multiply(inputs[0]!, inputs[1]!)];
    const [dx, dy] = formulaVjp('test', product, [x, y], [tensor([1])]);
    expect([...referenceValues(dx!), ...referenceValues(dy!)]).toEqual([6, 3]);
  });
});
