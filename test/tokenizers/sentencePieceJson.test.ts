import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { GemmaTokenizer } from '../../src/tokenizers/index.ts';
import { presetPath } from '../support/fixtures.ts';
import { hostileTexts, modelBytes, recording, right } from './sentencePieceModels.ts';

type Json = Record<string, unknown> & {
  readonly model: { readonly vocab: Record<string, number>; readonly merges: [string, string][] };
  readonly added_tokens: Record<string, unknown>[];
};

// What transformers 5.23 makes of the recorded model gemma.spm.
const text = readFileSync(`${presetPath('transformers/gemma_c_bfloat16')}/tokenizer.json`, 'utf8');
const json = (): Json => JSON.parse(text);

const original = GemmaTokenizer({ proto: modelBytes('gemma') });
const converted = right(GemmaTokenizer.fromTokenizerJson(text));

/** What is said of a file that differs from the recorded one. */
const complaint = (change: (root: Json) => unknown): string => {
  const root = json();
  const made = GemmaTokenizer.fromTokenizerJson(JSON.stringify(change(root) ?? root));
  return E.isLeft(made) ? made.left.message : 'nothing';
};

/** The same model with some fields changed. */
const withModel = (root: Json, fields: Readonly<Record<string, unknown>>): unknown => ({
  ...root,
  model: { ...root.model, ...fields },
});

describe('GemmaTokenizer.fromTokenizerJson', () => {
  it('S100: gives SentencePiece’s ids and texts, also where transformers’ own differ', () => {
    const { ids } = recording.models.gemma!;
    expect(converted.tokenize(recording.texts)).toEqual(ids);
    expect(converted.detokenize(ids)).toEqual(original.detokenize(ids));
  });

  it('gives what the original gives for any text', () =>
    fc.assert(
      fc.property(hostileTexts(original.model), (own) => {
        expect(converted.tokenize(own)).toEqual(original.tokenize(own));
      }),
      { numRuns: 200 },
    ));

  it('keeps the kind of each piece, and can be written down', () => {
    for (let id = 0; id < original.vocabularySize; id++) {
      expect(converted.idToToken(id)).toBe(original.idToToken(id));
      expect(converted.model.type(id)).toBe(original.model.type(id));
    }
    const again = GemmaTokenizer({ proto: converted.proto });
    expect(again.tokenize(recording.texts)).toEqual(converted.tokenize(recording.texts));
  });

  it('reads merges as older files have them, and tokens that stand in added_tokens alone', () => {
    const root = json();
    const merges = root.model.merges.map((merge) => merge.join(' '));
    const added = { id: original.vocabularySize, content: '<tool>', special: true };
    const made = right(
      GemmaTokenizer.fromTokenizerJson(
        JSON.stringify({ ...root, model: { ...root.model, merges }, added_tokens: [...root.added_tokens, added] }),
      ),
    );
    expect(made.tokenize('the fox<tool> dog')).toEqual([
      ...original.tokenize('the fox'),
      original.vocabularySize,
      ...original.tokenize(' dog'),
    ]);
  });

  it.each<[string, (root: Json) => unknown]>([
    ['expected an object, got an array', () => []],
    ['expected model to be an object', (root) => ({ ...root, model: 3 })],
    ['expected a BPE model, got one of type the string "Unigram"', (root) => withModel(root, { type: 'Unigram' })],
    ['model.dropout is not supported', (root) => withModel(root, { dropout: 0.1 })],
    ['expected model.vocab to be an object', (root) => withModel(root, { vocab: [] })],
    [
      'expected tokens of at most 8000 characters, got 100000',
      (root) => withModel(root, { vocab: { ...root.model.vocab, ['x'.repeat(100_000)]: 520 } }),
    ],
    ['expected model.merges to be a list', (root) => withModel(root, { merges: {} })],
    ['expected merge 0 to be two tokens', (root) => withModel(root, { merges: ['abc'] })],
    ['expected merge 0 of tokens to a token', (root) => withModel(root, { merges: [['q', 'z']] })],
    [
      'expected the normalizer of a converted SentencePiece model',
      (root) => ({ ...root, normalizer: { type: 'NFC' } }),
    ],
    ['expected the pre_tokenizer', (root) => ({ ...root, pre_tokenizer: { type: 'ByteLevel' } })],
    ['expected the decoder', (root) => ({ ...root, decoder: { type: 'ByteLevel' } })],
    ['expected added_tokens to be a list', (root) => ({ ...root, added_tokens: {} })],
    [
      'lstrip is not supported (token "<x>")',
      (root) => ({ ...root, added_tokens: [{ id: 520, content: '<x>', lstrip: true }] }),
    ],
    ['to keep its id the number 0, got 7', (root) => ({ ...root, added_tokens: [{ id: 7, content: '<pad>' }] })],
    [
      'expected ids from 0 to 520, got the number 900',
      (root) => ({ ...root, added_tokens: [{ id: 900, content: '<x>' }] }),
    ],
    [
      'without "<bos>"',
      (root) => {
        const { '<bos>': id, ...vocab } = root.model.vocab;
        return { ...(withModel(root, { vocab: { ...vocab, '<begin>': id } }) as object), added_tokens: [] };
      },
    ],
  ])('says what is wrong with a file: %s', (message, change) => {
    expect(complaint(change)).toContain(message);
  });

  it('says that a file is no JSON', () => {
    const broken = GemmaTokenizer.fromTokenizerJson('{');
    expect(E.isLeft(broken) && broken.left.message).toContain('tokenizer.json: expected JSON, got "{"');
  });

  it('refuses merges that no SentencePiece model has', () => {
    // One way to make a piece is left out, or comes later than another piece.
    expect(complaint((root) => withModel(root, { merges: root.model.merges.slice(0, -1) }))).toMatch(
      /expected a merge to ".*" for each way to split it into tokens, and no others, got none of "で" and "す"/,
    );
    expect(
      complaint((root) => {
        const [merge, ...others] = root.model.merges;
        const twice = others.findIndex(([a, b], i) => i > 0 && a + b === others[i - 1]!.join(''));
        const moved = [...others.slice(0, twice), ...others.slice(twice + 1), others[twice]!];
        return withModel(root, { merges: [merge, ...moved] });
      }),
    ).toContain('together, got one more at merge');
  });

  it('takes names that every object has for tokens like others', () => {
    const strange = JSON.stringify(json()).replace('"vocab":{', '"vocab":{"__proto__":520,"constructor":521,');
    const made = right(GemmaTokenizer.fromTokenizerJson(strange));
    expect([made.tokenToId('__proto__'), made.tokenToId('constructor')]).toEqual([520, 521]);
  });
});
