import { add } from '../ops/add.ts';
import { arange } from '../ops/arange.ts';
import { cast } from '../ops/cast.ts';
import { constant, tensor } from '../ops/constant.ts';
import { cos } from '../ops/cos.ts';
import { floor } from '../ops/floor.ts';
import { multiply } from '../ops/multiply.ts';
import { reshape } from '../ops/reshape.ts';
import { sin } from '../ops/sin.ts';
import { sliceAxis } from '../ops/slice.ts';
import { subtract } from '../ops/subtract.ts';
import { ArgumentError, ShapeError } from '../tensor/errors.ts';
import { formatShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** What a rotation by position depends on. */
export interface RotaryOptions {
  /** How many places. */
  readonly length: number;
  /** Width of a head; even. */
  readonly headDim: number;
  /** The longest wavelength is `2 pi base`, nearly; above 0. Default 10000. */
  readonly base?: number;
  /** Place of the first, int32 scalar. Default 0. */
  readonly position?: Tensor | undefined;
}

// 2 pi as three numbers: the first two have so few bits that their products with a whole number of turns are exact.
const turnParts = [6.28125, 0.0019350051879882812, 3.019915981956753e-7] as const;

/** An angle less whole turns, from -pi to pi: WGSL promises sines and cosines only there. */
const withinTurn = (angle: Tensor): Tensor => {
  const turns = floor(add(multiply(angle, 1 / (2 * Math.PI)), 0.5));
  return turnParts.reduce((left: Tensor, part) => subtract(left, multiply(turns, part)), angle);
};

/**
 * Rotary position embedding: pairs of features, one from each half of a head, turn with the place. With
 * `angle = place / base^(2 j / headDim)`,
 * `y[j] = x[j] cos - x[j + headDim / 2] sin` and `y[j + headDim / 2] = x[j + headDim / 2] cos + x[j] sin`.
 *
 * Angles, sines and cosines are computed once for all that is turned by the function that comes back: make it once, and
 * give it to every layer.
 *
 * @returns `x [batch, length, heads, headDim]` to the same shape, float32.
 * @throws {ArgumentError} If `headDim` is odd, or `base` is no number above 0.
 * @throws {ShapeError} If x has another shape.
 * @see Su et al. 2021, section 3.2.2; keras_hub.layers.RotaryEmbedding
 */
export const rotary = ({ length, headDim, base = 10000, position }: RotaryOptions): ((x: Tensor) => Tensor) => {
  if (!(Number.isInteger(headDim) && headDim > 0 && headDim % 2 === 0))
    throw new ArgumentError(`rotary: expected an even headDim, got ${headDim}; heads are turned in two halves`);
  if (!(Number.isFinite(base) && base > 0))
    throw new ArgumentError(`rotary: expected base to be a number above 0, got ${base}`);
  const half = headDim / 2;
  const frequencies = Float32Array.from({ length: headDim }, (_, j) => base ** (-(j % half) / half));
  const places = position === undefined ? arange(length) : add(arange(length), position);
  // [length, 1, 2, half] against x as [batch, length, heads, 2, half]; all of one shape, so that one kernel makes all of it.
  const both = tensor(frequencies, { shape: [2, half] });
  const angle = withinTurn(multiply(reshape(cast(places, 'float32'), [length, 1, 1, 1]), both));
  const [c, s] = [cos(angle), sin(angle)];
  const first = constant([[1], [0]]);
  const second = constant([[0], [1]]);
  const ofFirst = add(multiply(first, c), multiply(second, s)); // [cos, sin]
  const ofSecond = subtract(multiply(second, c), multiply(first, s)); // [-sin, cos]
  return (x) => {
    const [batch = 0, places = 0, heads = 0] = x.shape;
    if (x.shape.length !== 4 || places !== length || x.shape[3] !== headDim)
      throw new ShapeError(
        `rotary: expected x of shape [batch, ${length}, heads, ${headDim}], got ${formatShape(x.shape)}`,
      );
    const halves = reshape(x, [batch, places, heads, 2, half]);
    const turned = add(multiply(sliceAxis(halves, 3, 0, 1), ofFirst), multiply(sliceAxis(halves, 3, 1, 2), ofSecond));
    return reshape(turned, x.shape);
  };
};
