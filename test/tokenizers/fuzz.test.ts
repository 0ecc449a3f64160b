import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { TokenizerFileError } from '../../src/tokenizers/errors.ts';
import {
  AlbertTokenizer,
  BertTokenizer,
  DebertaV3Tokenizer,
  FalconTokenizer,
  FNetTokenizer,
  GemmaTokenizer,
  GPT2Tokenizer,
  RobertaTokenizer,
  type Tokenizer,
  XLMRobertaTokenizer,
} from '../../src/tokenizers/index.ts';
import { presetPath } from '../support/fixtures.ts';
import { fuzzRuns, fuzzSeed, mutated, processorMs } from '../support/mutate.ts';

type Read = (bytes: Uint8Array) => E.Either<TokenizerFileError, Tokenizer>;

/** The text of bytes; what is no UTF-8 was refused before, so it may be anything. */
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

const merges = readFileSync(join(presetPath('transformers/c_float32'), 'merges.txt'), 'utf8');
const vocabularyJson = readFileSync(join(presetPath('transformers/c_float32'), 'vocab.json'), 'utf8');

/** Files of presets, and how each is read. */
const readers: readonly (readonly [file: string, read: Read])[] = [
  [
    'transformers/c_float32/vocab.json',
    (bytes) => GPT2Tokenizer.fromFiles({ vocabularyJson: text(bytes), mergesText: merges }),
  ],
  [
    'transformers/c_float32/merges.txt',
    (bytes) => GPT2Tokenizer.fromFiles({ vocabularyJson, mergesText: text(bytes) }),
  ],
  ['transformers/c_float32/tokenizer.json', (bytes) => GPT2Tokenizer.fromTokenizerJson(text(bytes))],
  ['transformers/falcon_c_float32/tokenizer.json', (bytes) => FalconTokenizer.fromTokenizerJson(text(bytes))],
  ['transformers/roberta_masked_lm/tokenizer.json', (bytes) => RobertaTokenizer.fromTokenizerJson(text(bytes))],
  ['transformers/bert_masked_lm/tokenizer.json', (bytes) => BertTokenizer.fromTokenizerJson(text(bytes))],
  [
    'keras/bert_text_classifier/assets/tokenizer/vocabulary.txt',
    (bytes) => BertTokenizer.fromVocabularyText(text(bytes)),
  ],
  ['transformers/albert_masked_lm/tokenizer.json', (bytes) => AlbertTokenizer.fromTokenizerJson(text(bytes))],
  ['transformers/f_net_masked_lm/tokenizer.json', (bytes) => FNetTokenizer.fromTokenizerJson(text(bytes))],
  ['transformers/xlm_roberta_masked_lm/tokenizer.json', (bytes) => XLMRobertaTokenizer.fromTokenizerJson(text(bytes))],
  ['keras/deberta_v3_text_classifier/assets/tokenizer/vocabulary.spm', (bytes) => DebertaV3Tokenizer.fromProto(bytes)],
  ['keras/gemma_c_float32/assets/tokenizer/vocabulary.spm', (bytes) => GemmaTokenizer.fromProto(bytes)],
  ['transformers/gemma_c_bfloat16/tokenizer.json', (bytes) => GemmaTokenizer.fromTokenizerJson(text(bytes))],
];

const line = 'The quick <mask> brown \ud83e\udd8a, 3,14 \u00e9\u0301 \ufb01<|endoftext|>  [MASK]\n'.repeat(3);

describe('a tokenizer’s file that was changed', () => {
  it.each(readers)(
    'S100 is refused by a TokenizerFileError, or tokenizes: %s',
    (file, read) => {
      const path = presetPath(file);
      const bytes = new Uint8Array(readFileSync(path));
      expect(E.isRight(read(bytes))).toBe(true);
      fc.assert(
        fc.property(mutated(bytes), (changed) => {
          const started = processorMs();
          const made = read(changed);
          if (E.isLeft(made)) {
            expect(made.left).toBeInstanceOf(TokenizerFileError);
            expect(made.left.message.length).toBeLessThan(2000);
          } else {
            const ids = made.right.tokenize(line);
            expect(ids.length).toBeLessThan(100 * line.length);
            expect(typeof made.right.detokenize(ids)).toBe('string');
          }
          // Milliseconds; the rest is for a slow machine.
          expect(processorMs() - started).toBeLessThan(5000);
        }),
        { numRuns: fuzzRuns(30), seed: fuzzSeed(), endOnFailure: true },
      );
    },
    3_600_000,
  );
});
