import type { NDArray } from '../tensor/ndarray.ts';
import { samplesOf, type TextSamples } from '../tokenizers/textSegments.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import { warnOnce } from './warnOnce.ts';

/** What packed texts, and how. */
interface Packer {
  readonly tokenizer: Tokenizer;
  readonly sequenceLength: number;
}

/**
 * Says once, for a task, that texts were too long and have been cut, as KerasHub cuts them without a word.
 *
 * @param name - The task's.
 * @param x - The texts.
 * @param tokenIds - What they were packed to, `[batch, length]` or, for one text, `[length]`.
 */
export const tellTruncation = (
  name: string,
  { tokenizer, sequenceLength }: Packer,
  x: unknown,
  { data, shape }: NDArray,
): void => {
  const length = shape.at(-1)!;
  const { samples } = samplesOf(name, x as TextSamples);
  for (const [row, segments] of samples.entries()) {
    // A row that ends in padding holds all of its text.
    if (data[(row + 1) * length - 1] === tokenizer.padTokenId) continue;
    const tokens = segments.reduce((total, text) => total + tokenizer.tokenize(text).length, 0);
    const needed = tokens + segments.length + 1;
    if (needed <= length) continue;
    warnOnce(
      `${name}: texts are cut to the preprocessor's sequenceLength of ${sequenceLength} tokens; the first that was has ${needed} with its special tokens`,
    );
    return;
  }
};
