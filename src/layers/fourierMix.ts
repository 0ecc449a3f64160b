import { add } from '../ops/add.ts';
import { concatenate } from '../ops/concatenate.ts';
import { tensor } from '../ops/constant.ts';
import { flip } from '../ops/flip.ts';
import { matmul } from '../ops/matmul.ts';
import { sliceAxis } from '../ops/slice.ts';
import { subtract } from '../ops/subtract.ts';
import { transpose } from '../ops/transpose.ts';
import { ShapeError } from '../tensor/errors.ts';
import { formatShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Cosines and sines of one axis: sums over its even and odd part, for the first frequencies. */
export interface Waves {
  /** Size of the axis. */
  readonly size: number;
  /** Of how many frequencies; the rest mirror them. */
  readonly frequencies: number;
  /** `cos(2 pi i k / size)`, `[size / 2 + 1, frequencies]`; halved where `i` mirrors itself. */
  readonly cosines: Tensor;
  /** `sin(2 pi i k / size)`, of the same shape. */
  readonly sines: Tensor;
}

/** How many elements of an axis do not mirror earlier ones: from 0 to the middle. */
const half = (size: number): number => Math.floor(size / 2) + 1;

/**
 * The waves of an axis, from doubles: one table of `size` angles, since `i k` counts modulo `size`.
 *
 * @param size - 1 or more.
 */
export const wavesOf = (size: number): Waves => {
  const own = half(size);
  // Rows of whole vectors are read faster, and a frequency beyond the middle is as good as one before it.
  const frequencies = Math.min(size, 8 * Math.ceil(own / 8));
  const angles = Array.from({ length: size }, (_, i) => (2 * Math.PI * i) / size);
  const table = (f: (angle: number) => number, weight: (i: number) => number): Tensor => {
    const values = angles.map(f);
    const data = new Float32Array(own * frequencies);
    for (let i = 0; i < own; i++)
      for (let k = 0; k < frequencies; k++) data[i * frequencies + k] = weight(i) * values[(i * k) % size]!;
    return tensor(data, { shape: [own, frequencies] });
  };
  return {
    size,
    frequencies,
    cosines: table(Math.cos, (i) => ((2 * i) % size === 0 ? 0.5 : 1)),
    sines: table(Math.sin, () => 1),
  };
};

/** The first half of an axis, and what mirrors it: `x[i]` and `x[-i]`, `i` from 0 to the middle. */
const mirrored = (x: Tensor, axis: number): readonly [front: Tensor, back: Tensor] => {
  const size = x.shape.at(axis)!;
  const own = half(size);
  const rest = flip(sliceAxis(x, axis, size - own + 1), { axis });
  return [sliceAxis(x, axis, 0, own), concatenate([sliceAxis(x, axis, 0, 1), rest], { axis })];
};

/** The frequencies of an axis that mirror others of those that were computed: `y[size - k]` for those that are left. */
const rest = (y: Tensor, axis: number, { size, frequencies }: Waves): Tensor =>
  flip(sliceAxis(y, axis, 1, size - frequencies + 1), { axis });

/**
 * Fourier mixing: the real part of the discrete Fourier transform over places and features,
 *
 *     y[t, h] = sum over s and j of cos(2 pi (t s / length + h j / width)) x[s, j]
 *             = sum over s and j of (cos(t s) cos(h j) - sin(t s) sin(h j)) x[s, j]
 *
 * By matrix products with cosines of even parts and sines of odd ones, of half of the frequencies: at 512 x 768 that is a
 * sixth of the plain products. Linear and symmetric: it is its own gradient.
 *
 * @param x - `[batch, length, width]`, floats, of any sizes from 1.
 * @param waves - Of the places and of the features. Default: those of the sizes of `x`.
 * @returns Of the same shape, float32.
 * @throws {ShapeError} If `x` is of another rank, empty, or not of the waves' sizes.
 * @see Lee-Thorp et al. 2022, "FNet", section 3.2; keras_hub.layers.FNetEncoder
 */
export const fourierMix = (
  x: Tensor,
  waves: readonly [places: Waves, features: Waves] = [wavesOf(x.shape[1] ?? 1), wavesOf(x.shape[2] ?? 1)],
): Tensor => {
  const [places, features] = waves;
  const [, length = 0, width = 0] = x.shape;
  if (x.shape.length !== 3 || length === 0 || width === 0 || length !== places.size || width !== features.size)
    throw new ShapeError(
      `fourierMix: expected x of shape [batch, length, width] with waves of length and width, got ${formatShape(x.shape)} and waves of ${places.size} and ${features.size}`,
    );
  const [front, back] = mirrored(x, 1);
  // [frequencies, half] times [batch, half, width].
  const even = matmul(transpose(places.cosines), add(front, back));
  const odd = matmul(transpose(places.sines), subtract(front, back));
  const [evenFront, evenBack] = mirrored(even, 2);
  const [oddFront, oddBack] = mirrored(odd, 2);
  const cosines = matmul(add(evenFront, evenBack), features.cosines);
  const sines = matmul(subtract(oddFront, oddBack), features.sines);
  // y[t, h] and y[-t, -h]; y[-t, h] and y[t, -h].
  const [same, crossed] = [subtract(cosines, sines), add(cosines, sines)];
  const first = concatenate([same, rest(crossed, 2, features)], { axis: 2 });
  const mirror = concatenate([crossed, rest(same, 2, features)], { axis: 2 });
  return concatenate([first, rest(mirror, 1, places)], { axis: 1 });
};
