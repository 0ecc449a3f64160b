import * as E from 'fp-ts/lib/Either.js';
import type { BytePairTokenizer } from './bytePairTokenizer.ts';
import { quote } from './errors.ts';
import type { BytePairSplit } from './files.ts';
import {
  addedToken,
  type SpecialTokens,
  type TransformersTokenizer,
  tokenizerConfig,
  tokenizerJson,
} from './tokenizerJson.ts';
import { vocabularyJson } from './vocabularyJson.ts';

/** What a family adds to a byte-level BPE tokenizer that transformers is to read. */
export interface BytePairJsonOptions {
  /** Which tokens have which part; those that are not found in texts are left out. */
  readonly tokens: Partial<SpecialTokens>;
  /** How texts are cut. Default GPT-2's way. */
  readonly split?: BytePairSplit;
  /** Whether start and end stand around a text, as RoBERTa has it, or nothing does. */
  readonly around: 'roberta' | 'nothing';
}

const byteLevel = (addPrefixSpace: boolean) => ({
  type: 'ByteLevel',
  add_prefix_space: addPrefixSpace,
  trim_offsets: true,
  use_regex: true,
});

/** How Falcon cuts texts. */
const falconSplit = (addPrefixSpace: boolean) => ({
  type: 'Sequence',
  pretokenizers: [
    { type: 'Punctuation', behavior: 'Contiguous' },
    byteLevel(addPrefixSpace),
    { type: 'Digits', individual_digits: false },
    { type: 'Split', pattern: { Regex: '[0-9][0-9][0-9]' }, behavior: 'Isolated', invert: false },
  ],
});

/**
 * A byte-level BPE tokenizer as transformers writes it down: tokenizer.json, and vocab.json and merges.txt for those who read
 * these.
 *
 * @returns A left if transformers cannot read it: it takes no merge of or to a piece that has no id.
 */
export const bytePairToJson = (
  tokenizer: BytePairTokenizer,
  { tokens, split = 'gpt2', around }: BytePairJsonOptions,
): E.Either<string, TransformersTokenizer> => {
  const { vocabulary, merges, addPrefixSpace, unsplittableTokens, lstripTokens } = tokenizer;
  const strange = merges.find((merge) => {
    const [left = '', right = ''] = merge.split(' ');
    return ![left, right, left + right].every((piece) => vocabulary.has(piece));
  });
  if (strange !== undefined)
    return E.left(
      `expected merges of pieces that are in the vocabulary to one that is, since transformers reads no others, got ${quote(strange)}`,
    );
  if (split === 'falcon' && addPrefixSpace)
    return E.left("expected addPrefixSpace false with Falcon's way to cut texts, got true");
  const found = Object.fromEntries(
    Object.entries(tokens).filter(([, token]) => unsplittableTokens.includes(token)),
  ) as Partial<SpecialTokens>;
  const special = new Set(Object.values(found));
  const json = tokenizerJson({
    added: unsplittableTokens.map((token) =>
      addedToken(vocabulary.get(token)!, token, { lstrip: lstripTokens.includes(token), special: special.has(token) }),
    ),
    normalizer: null,
    preTokenizer: split === 'falcon' ? falconSplit(false) : byteLevel(addPrefixSpace),
    postProcessor:
      around === 'roberta'
        ? {
            type: 'RobertaProcessing',
            sep: [tokenizer.idToToken(tokenizer.endTokenId), tokenizer.endTokenId],
            cls: [tokenizer.idToToken(tokenizer.startTokenId), tokenizer.startTokenId],
            trim_offsets: true,
            add_prefix_space: addPrefixSpace,
          }
        : byteLevel(true),
    decoder: byteLevel(true),
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries([...vocabulary].sort(([, a], [, b]) => a - b)),
      merges,
    },
  });
  return E.right({
    files: [
      { name: 'tokenizer.json', content: json },
      { name: 'vocab.json', content: vocabularyJson(vocabulary) },
      { name: 'merges.txt', content: `#version: 0.2\n${merges.map((merge) => `${merge}\n`).join('')}` },
    ],
    config: { ...tokenizerConfig(found, ['input_ids', 'attention_mask']), add_prefix_space: addPrefixSpace },
  });
};
