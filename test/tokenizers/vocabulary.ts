import { byteCharacters } from '../../src/tokenizers/bytes.ts';
import { GPT2Tokenizer } from '../../src/tokenizers/index.ts';

/** The vocabulary and merges of KerasHub's page about GPT2CausalLM: most parts of the merges have no id. */
export const seedVocabulary = { '<|endoftext|>': 0, a: 4, Ġquick: 5, Ġfox: 6 };
export const seedMerges = ['Ġ q', 'u i', 'c k', 'ui ck', 'Ġq uick', 'Ġ f', 'o x', 'Ġf ox'];

/** Merges over all bytes: English, runs of spaces and a, and the bytes of é and of an emoji. */
export const merges = [
  ...['t h', 'th e', 'Ġ the', 'i n', 'q u', 'i c', 'qu ic', 'quic k', 'Ġ quick', 'Ġ f', 'o x', 'Ġf ox', 'Ġ Ġ', 'ĠĠ ĠĠ'],
  ...['a a', 'aa aa', 'Ã ©', 'ð Ł', 'ðŁ ĳ', "' s", 'Ċ Ċ', '1 2', '12 3', 'e d', 'o r', 'or d', 'w ord'],
];

/** `!` is 0, as in GPT-2: the padding id is a real token. */
export const vocabulary: Readonly<Record<string, number>> = Object.fromEntries(
  [...byteCharacters, ...merges.map((merge) => merge.replace(' ', '')), '<|endoftext|>']
    .sort((a, b) => Number(b === '!') - Number(a === '!'))
    .map((token, id) => [token, id]),
);

export const tokenizer = GPT2Tokenizer({ vocabulary, merges });
export const endOfText = vocabulary['<|endoftext|>']!;
