// What transformers 5.23.0 saved and gave: test/reference/record_encoder_tokenizers.py.
import { readFileSync } from 'node:fs';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import {
  AlbertTokenizer,
  albertTextSteps,
  DebertaV3Tokenizer,
  FNetTokenizer,
  tokenizeWithMasks,
  XLMRobertaTokenizer,
} from '../../src/tokenizers/index.ts';
import { readSentencePieceProto } from '../../src/tokenizers/sentencePieceProto.ts';
import { model, modelBytes, right } from './sentencePieceModels.ts';

interface Recording {
  readonly texts: readonly string[];
  readonly records: readonly {
    readonly model: string;
    readonly class: 'Albert' | 'FNet' | 'DebertaV3' | 'XLMRoberta';
    readonly ids: readonly (readonly number[])[];
    readonly tokenizerJson: string | null;
  }[];
}

const test = new URL('../', import.meta.url);
const read = (path: string): Buffer => readFileSync(new URL(`fixtures/${path}`, test));
const { texts, records }: Recording = JSON.parse(read('encoders/conversions.json').toString());
const constructors = {
  Albert: AlbertTokenizer,
  FNet: FNetTokenizer,
  DebertaV3: DebertaV3Tokenizer,
  XLMRoberta: XLMRobertaTokenizer,
};

/** tokenizer.json of XLM-RoBERTa with a model's pieces and character map, as transformers writes it. */
const convertedXlmRoberta = (name: string): string => {
  const { size, piece, score } = model(name);
  const { normalizer } = right(readSentencePieceProto(modelBytes(name)));
  const special = ['<s>', '<pad>', '</s>', '<unk>'];
  const vocab = [
    ...special.map((token) => [token, 0]),
    ...Array.from({ length: size - 3 }, (_, id) => [piece(id + 3), score(id + 3)]),
    ['<mask>', 0],
  ];
  return JSON.stringify({
    added_tokens: [...special, '<mask>'].map((content, at) => ({ content, id: at < 4 ? at : vocab.length - 1 })),
    normalizer: {
      type: 'Precompiled',
      precompiled_charsmap: Buffer.from(normalizer.precompiledCharsmap).toString('base64'),
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'WhitespaceSplit' },
        { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'always' },
      ],
    },
    model: { type: 'Unigram', unk_id: 3, vocab },
  });
};

// A text that begins with U+2581 gets no other before it there, and marks that a character map has no rule for are dropped.
const knownToDiffer = new Set(['\u2581the']);

describe.each(records)('tokenizer.json of $class, $model', ({ class: name, ids, tokenizerJson, model: file }) => {
  const own = right(constructors[name].fromTokenizerJson(tokenizerJson ?? convertedXlmRoberta(file)));

  it('S100 gives the ids of transformers, special tokens in texts included', () => {
    const wrong = texts.flatMap((text, at) => {
      const row = own.tokenize(text);
      return row.join() === ids[at]!.join() || knownToDiffer.has(text) ? [] : [{ text, row, wanted: ids[at] }];
    });
    expect(wrong).toEqual([]);
  });

  it('finds masks as the tokenizer itself does', () => {
    const text = `the ${own.maskToken} fox`;
    if (name !== 'FNet') expect(tokenizeWithMasks(own, text)).toEqual(own.tokenize(text));
    expect(own.tokenize(text)).toContain(own.maskTokenId);
    expect(own.idToToken(own.maskTokenId)).toBe(own.maskToken);
  });

  it('makes a SentencePiece file with the same ids and scores', () => {
    if (tokenizerJson === null) return;
    const original = constructors[name]({ proto: new Uint8Array(read(`encoders/${file}.spm`)) });
    const again = constructors[name]({ proto: own.proto });
    expect(again.vocabularySize).toBe(original.vocabularySize);
    const plain = texts.filter((text) => !text.includes('[MASK]')); // A user's symbol in one of the models.
    if (name !== 'FNet') expect(again.tokenize(plain)).toEqual(original.tokenize(plain));
    expect(again.textSteps).toEqual([]);
  });
});

describe('Texts prepared for ALBERT', () => {
  it('are lowered and lose accents, as transformers has it', () => {
    const proto = new Uint8Array(read('encoders/albert.spm'));
    const prepared = AlbertTokenizer({ proto, textSteps: albertTextSteps() });
    const cased = right(
      AlbertTokenizer.fromProto(proto, { textSteps: albertTextSteps({ lowercase: false, keepAccents: true }) }),
    );
    const plain = AlbertTokenizer({ proto });
    expect(prepared.tokenize('The \u00c9l\u00e8ves')).toEqual(plain.tokenize('the eleves'));
    expect(cased.tokenize("The \u00c9l\u00e8ves ''fox``")).toEqual(plain.tokenize('The \u00c9l\u00e8ves "fox"'));
    const json = right(
      AlbertTokenizer.fromTokenizerJson(records.find(({ class: name }) => name === 'Albert')!.tokenizerJson!),
    );
    expect(json.textSteps.slice(0, -1)).toEqual(albertTextSteps());
  });

  it('may hold added tokens, with their white space', () => {
    const proto = new Uint8Array(read('encoders/albert.spm'));
    const addedTokens = new Map([['[MASK]', 4]]);
    const own = AlbertTokenizer({ proto, addedTokens, lstripTokens: ['[MASK]'] });
    expect(own.tokenize('the [MASK]')).toEqual([...own.tokenize('the'), 4]);
    expect(AlbertTokenizer(own).tokenize('[MASK]')).toEqual([4]);
  });
});

const message = (result: E.Either<Error, unknown>): string => {
  if (E.isRight(result)) throw new Error('expected an error');
  expect(result.left.name).toBe('TokenizerFileError');
  return result.left.message;
};

describe('tokenizer.json that is no such conversion', () => {
  const albert = JSON.parse(records[0]!.tokenizerJson!);
  const changed = (changes: object, inModel: object = {}): string =>
    JSON.stringify({ ...albert, ...changes, model: { ...albert.model, ...inModel } });

  it.each([
    ['{', 'expected JSON'],
    ['3', 'expected an object, got the number 3'],
    [changed({}, { type: 'BPE' }), 'expected a Unigram model, got one of type the string "BPE"'],
    [changed({}, { byte_fallback: true }), 'model.byte_fallback is not supported'],
    [changed({}, { vocab: {} }), 'expected model.vocab to be a list of pieces'],
    [changed({}, { vocab: [['a', 0], ['b']] }), 'expected model.vocab[1] to be a piece and its score, got "[\\"b\\"]"'],
    [changed({}, { unk_id: 1e6 }), 'expected model.unk_id to be the number of a piece'],
    [changed({}, { unk_id: null }), 'expected model.unk_id to be the number of a piece, got null'],
    [changed({ normalizer: { type: 'BertNormalizer' } }), 'is not supported in a unigram model'],
    [
      changed({ normalizer: { type: 'Precompiled', precompiled_charsmap: '?' } }),
      'expected precompiled_charsmap in base64',
    ],
    [changed({ pre_tokenizer: { type: 'ByteLevel' } }), 'a pre_tokenizer'],
    [changed({ added_tokens: [{ id: 3 }] }), 'expected added_tokens to be objects with content and id'],
    [changed({ added_tokens: [{ id: 3, content: '[E1]', rstrip: true }] }), 'rstrip is not supported'],
    [
      changed({ added_tokens: [{ id: 900, content: '[E1]' }] }),
      'expected added tokens among the pieces, got "[E1]" with id 900',
    ],
    [changed({}, { vocab: [...albert.model.vocab, ['fox', 0], ['fox', 0]] }), 'expected each piece once'],
    [changed({}, { vocab: albert.model.vocab.slice(0, 2) }), 'without "[CLS]", "[SEP]", "[MASK]"'],
  ])('S65 %.60s is refused', (text, wanted) => {
    expect(message(AlbertTokenizer.fromTokenizerJson(text))).toContain(wanted);
  });

  it('S65 names the piece that another family has in its place', () => {
    expect(message(XLMRobertaTokenizer.fromTokenizerJson(records[0]!.tokenizerJson!))).toContain(
      'expected pieces that begin with "<s>", "<pad>", "</s>", "<unk>" and end with "<mask>", got another than "<s>" in its place',
    );
  });
});
