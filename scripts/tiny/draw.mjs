// @ts-check
// Random choices from a counter: choice number n of stream i under a seed is a function of (seed, i, n) alone, so that any
// story can be written without those before it.

/**
 * Choices, one after the other.
 *
 * @typedef {object} Draw
 * @property {(end: number) => number} below - A whole number from 0 to below `end`.
 * @property {(probability: number) => boolean} chance
 * @property {<A>(items: readonly A[]) => A} choice - One of the items, all as likely.
 */

/** @typedef {(key0: number, key1: number, counter0: number, counter1: number) => readonly [number, number]} Threefry */

const fail = () => {
  throw new Error('choice: expected at least one item, got none');
};

/**
 * The choices of one stream.
 *
 * @param {Threefry} threefry - Threefry-2x32, the library's.
 * @param {number} seed - A whole number below 2^32.
 * @param {number} stream - A whole number below 2^32; other streams have nothing to do with this one.
 * @returns {Draw}
 */
export const drawFrom = (threefry, seed, stream) => {
  let counter = 0;
  const uniform = () => threefry(seed, 0, stream, counter++)[0] * 2 ** -32;
  /** @param {number} end */
  const below = (end) => Math.floor(uniform() * end);
  return {
    below,
    chance: (probability) => uniform() < probability,
    choice: (items) => items[below(items.length)] ?? fail(),
  };
};
