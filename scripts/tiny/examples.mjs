// @ts-check
// What the shipped preset is trained on, batch by batch: stories, and random tokens that repeat.
import { drawFrom } from './draw.mjs';
import { story } from './world.mjs';

/** @typedef {import('./draw.mjs').Threefry} Threefry */

/**
 * What examples are made from.
 *
 * @typedef {object} ExampleOptions
 * @property {Threefry} threefry - The library's.
 * @property {{ readonly vocabularySize: number, readonly endTokenId: number, readonly tokenize: (text: string) => readonly number[] }} tokenizer
 * @property {number} seed
 * @property {number} positions - The longest row.
 * @property {number} stories - Rows of a batch that are stories.
 * @property {number} repeats - Rows of a batch that are random tokens.
 * @property {readonly Lesson[]} lessons - Batches of random tokens alone, in between.
 * @property {number} every - Every so manyth batch has stories; after the last lesson, all have.
 *
 * @typedef {{ readonly steps: number, readonly rows: number, readonly width: number }} Lesson
 */

/**
 * A batch as `fit` takes it: `[rows, width]` each.
 *
 * @typedef {{ readonly x: { readonly tokenIds: number[][] }, readonly y: number[][], readonly sampleWeight: number[][] }} Examples
 */

// Streams of random numbers: each story and each batch has its own.
const storyStreams = 0;
const orderStreams = 2 ** 30;
const repeatStreams = 2 ** 31;
const lessonStreams = 3 * 2 ** 30;

/** Batches whose stories are sorted by length together, so that little of a batch is padding. */
const pool = 16;
/** Widths are multiples of it: a step is compiled once a width. */
const grid = 16;

/**
 * A row of random tokens that begin again after so many, 4 to half the row, all over it.
 *
 * @param {import('./draw.mjs').Draw} draw
 * @param {number} start - The start token, above all others.
 * @param {number} width
 * @returns {number[]} The start token, then `width` tokens.
 */
const repeatedTokens = (draw, start, width) => {
  const period = 4 + draw.below(Math.floor(width / 2) - 3);
  const tokens = Array.from({ length: period }, () => draw.below(start));
  return [start, ...Array.from({ length: width }, (_, at) => tokens[at % period] ?? start)];
};

/**
 * Rows as a batch: each place learns the token after it, and padding counts nothing.
 *
 * @param {readonly (readonly number[])[]} rows - Each at most one longer than `width`.
 * @param {number} width
 * @returns {Examples}
 */
const batchOf = (rows, width) => {
  /** @param {(row: readonly number[], at: number) => number} value */
  const table = (value) => rows.map((row) => Array.from({ length: width }, (_, at) => value(row, at)));
  return {
    x: { tokenIds: table((row, at) => row[at] ?? 0) },
    y: table((row, at) => row[at + 1] ?? 0),
    sampleWeight: table((row, at) => (at + 1 < row.length ? 1 : 0)),
  };
};

/**
 * Batches of stories and some rows of repeated tokens, without end.
 *
 * @param {ExampleOptions} options
 * @returns {Generator<Examples, never>}
 */
const storyBatches = function* ({ threefry, tokenizer, seed, positions, stories, repeats }) {
  const end = tokenizer.endTokenId;
  for (let round = 0; ; round++) {
    const rows = Array.from({ length: pool * stories }, (_, i) => [
      end,
      ...tokenizer.tokenize(story(drawFrom(threefry, seed, storyStreams + round * pool * stories + i))),
      end,
    ]).sort((a, b) => a.length - b.length);
    const groups = Array.from({ length: pool }, (_, i) => rows.slice(i * stories, (i + 1) * stories));
    const order = drawFrom(threefry, seed, orderStreams + round);
    for (let left = pool; left > 0; left--) {
      const group = groups.splice(order.below(left), 1)[0] ?? [];
      const longest = Math.max(grid, ...group.map(({ length }) => length - 1));
      const width = Math.min(positions, grid * Math.ceil(longest / grid));
      const draw = drawFrom(threefry, seed, repeatStreams + round * pool + left);
      const random = Array.from({ length: repeats }, () => repeatedTokens(draw, end, width));
      yield batchOf([...group, ...random], width);
    }
  }
};

/**
 * Batches of repeated tokens alone, lesson by lesson.
 *
 * @param {ExampleOptions} options
 * @returns {Generator<Examples, void>}
 */
const lessonBatches = function* ({ threefry, tokenizer, seed, lessons }) {
  let stream = lessonStreams;
  for (const { steps, rows, width } of lessons)
    for (let step = 0; step < steps; step++) {
      const draw = drawFrom(threefry, seed, stream++);
      const random = Array.from({ length: rows }, () => repeatedTokens(draw, tokenizer.endTokenId, width));
      yield batchOf(random, width);
    }
};

/**
 * Batches without end, each a function of the options and its number alone: a lesson, or, every so often, stories.
 *
 * @param {ExampleOptions} options
 * @returns {Generator<Examples, never>}
 */
export const examples = function* (options) {
  const stories = storyBatches(options);
  const lessons = lessonBatches(options);
  for (let step = 1; ; step++) {
    const lesson = step % options.every === 0 ? undefined : lessons.next().value;
    yield lesson ?? stories.next().value;
  }
};
