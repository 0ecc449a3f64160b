import { ArgumentError } from '../tensor/errors.ts';
import { describe } from './errors.ts';
import type { TokenIds, Tokenizer } from './tokenizer.ts';

/** `tokenize` of one text or of a list, from a function of one. `name` is for messages. */
export const overTexts = (name: string, encode: (text: string) => number[]): Tokenizer['tokenize'] =>
  ((input: unknown) => {
    if (typeof input === 'string') return encode(input);
    if (!Array.isArray(input))
      throw new ArgumentError(`${name}: expected a string or a list of strings, got ${describe(input)}`);
    return input.map((text: unknown, index) => {
      if (typeof text !== 'string')
        throw new ArgumentError(`${name}: expected a list of strings, got ${describe(text)} at index ${index}`);
      return encode(text);
    });
  }) as Tokenizer['tokenize'];

const isBatch = (ids: TokenIds | readonly TokenIds[]): ids is readonly TokenIds[] => typeof ids[0] === 'object';

/** `detokenize` of one row of ids or of a list of rows, from a function of one. `name` is for messages. */
export const overRows = (name: string, decode: (row: TokenIds) => string): Tokenizer['detokenize'] => {
  const checked = (row: TokenIds): string => {
    if (!Array.isArray(row) && !(row instanceof Int32Array))
      throw new ArgumentError(`${name}: expected a list of token ids, got ${describe(row)}`);
    return decode(row);
  };
  return ((input: TokenIds | readonly TokenIds[]) =>
    Array.isArray(input) && isBatch(input)
      ? input.map(checked)
      : checked(input as TokenIds)) as Tokenizer['detokenize'];
};
