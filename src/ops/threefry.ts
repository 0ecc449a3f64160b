import type { Tensor } from '../tensor/tensor.ts';
import { defineElementwise, integers } from './elementwise.ts';
import { apply } from './op.ts';

const rotations = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;

/** Both output words of Threefry-2x32 with 20 rounds, as unsigned integers. */
export const threefry2x32 = (key0: number, key1: number, counter0: number, counter1: number): [number, number] => {
  const schedule = [key0 | 0, key1 | 0, key0 ^ key1 ^ 0x1bd11bda];
  let x = (counter0 + schedule[0]!) | 0;
  let y = (counter1 + schedule[1]!) | 0;
  for (let group = 0; group < 5; group++) {
    for (const by of rotations[group % 2]!) {
      x = (x + y) | 0;
      y = ((y << by) | (y >>> (32 - by))) ^ x;
    }
    x = (x + schedule[(group + 1) % 3]!) | 0;
    y = (y + schedule[(group + 2) % 3]! + group + 1) | 0;
  }
  return [x >>> 0, y >>> 0];
};

/** Options of `threefry`. */
export interface ThreefryOptions {
  /** Second half of the counter, a whole number below 2^32: other streams, other numbers. Default: 0. */
  readonly stream?: number;
  /** Which of the two words that a counter gives. Default: 0. */
  readonly word?: 0 | 1;
}

const threefryOp = defineElementwise<Required<ThreefryOptions>>({
  name: 'threefry',
  dtype: integers,
  value: (key0, key1, counter, { stream, word }) => threefry2x32(key0, key1, counter, stream)[word] | 0,
  wgsl: ([key0, key1, counter], { stream, word }) =>
    `threefry(${key0}, ${key1}, ${counter}, ${stream}u, ${word === 0 ? 'false' : 'true'})`,
  functions: `fn threefry(key0: i32, key1: i32, counter: i32, stream: u32, second: bool) -> i32 {
  var schedule = array<u32, 3>(u32(key0), u32(key1), u32(key0) ^ u32(key1) ^ 0x1bd11bdau);
  var rotations = array<u32, 8>(13u, 15u, 26u, 6u, 17u, 29u, 16u, 24u);
  var x = u32(counter) + schedule[0];
  var y = stream + schedule[1];
  for (var group = 0u; group < 5u; group++) {
    for (var i = 0u; i < 4u; i++) {
      let by = rotations[(group % 2u) * 4u + i];
      x += y;
      y = ((y << by) | (y >> (32u - by))) ^ x;
    }
    x += schedule[(group + 1u) % 3u];
    y += schedule[(group + 2u) % 3u] + group + 1u;
  }
  return i32(select(x, y, second));
}
`,
});

/**
 * 32 random bits for each counter: a word of Threefry-2x32 with 20 rounds, at counter `(counter, stream)`. Equal keys and
 * counters give equal bits on every device.
 *
 * @param key0 - First word of the key, int32.
 * @param key1 - Second word of the key, int32.
 * @param counter - int32; shapes broadcast.
 * @param options - Which stream of numbers, and which of its two words.
 * @see Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"; jax.random
 */
export const threefry = (
  key0: Tensor,
  key1: Tensor,
  counter: Tensor,
  { stream = 0, word = 0 }: ThreefryOptions = {},
): Tensor => apply(threefryOp, [key0, key1, counter], { stream, word });
