// What KerasHub 0.32.0 and transformers 5.23.0 gave: test/reference/record_wordpiece.py.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BertTokenizer, DistilBertTokenizer, type WordPieceSettings } from '../../src/tokenizers/index.ts';
import { right } from './sentencePieceModels.ts';

interface Recording {
  readonly vocabulary: readonly string[];
  readonly texts: readonly string[];
  /** Ids of every text, or of those texts in which a variant differs from its library's first. */
  readonly variants: readonly {
    readonly settings: WordPieceSettings;
    readonly ids?: readonly (readonly number[])[];
    readonly changed?: Readonly<Record<string, readonly number[]>>;
  }[];
  readonly rows: readonly {
    readonly ids: readonly number[];
    readonly kerasHub: string;
    readonly transformers: string;
  }[];
  readonly special: Readonly<Record<'start' | 'end' | 'pad' | 'mask' | 'size', number>> & {
    readonly kerasHub: readonly number[];
  };
  readonly files: readonly {
    readonly text: string;
    readonly size: number;
    readonly ids: Readonly<Record<string, number>>;
  }[];
  readonly tokenizerJson: string;
}

interface Characters {
  readonly classes: readonly {
    readonly settings: WordPieceSettings;
    readonly outcomes: readonly (readonly number[])[];
    /** First character, how many there are, which outcome `a<character>b` has. */
    readonly runs: readonly number[];
  }[];
}

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../fixtures/encoders/${name}.json`, import.meta.url), 'utf8'));
const recording: Recording = read('wordpiece');
const characters: Characters = read('characters');
const { vocabulary, texts } = recording;

const base = (follows: string) =>
  recording.variants.find(({ settings, ids }) => settings.follows === follows && ids)!.ids!;

describe.each(recording.variants)('WordPiece, $settings', ({ settings, ids, changed }) => {
  const tokenizer = BertTokenizer({ vocabulary, ...settings });

  it('S98 gives the recorded ids of every text', () => {
    const wanted = ids ?? base(settings.follows!).map((row, at) => changed?.[at] ?? row);
    const wrong = tokenizer
      .tokenize(texts)
      .flatMap((row, at) =>
        JSON.stringify(row) === JSON.stringify(wanted[at]) ? [] : [{ text: texts[at], row, wanted: wanted[at] }],
      );
    expect(wrong).toEqual([]);
  });
});

// Python 3.11 knows Unicode 14, in which this was a nonspacing mark; since Unicode 16 it is none.
const sinceChanged = new Set([0x1171e]);

describe.each(characters.classes)('Every character between letters, $settings', ({ settings, outcomes, runs }) => {
  it('S98 parts words, goes or stays as it does there', () => {
    const letters = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'b', '##a', '##b'];
    const { tokenize } = BertTokenizer({ vocabulary: letters, ...settings });
    const wrong: string[] = [];
    for (let at = 0; at < runs.length; at += 3) {
      const [first, length, outcome] = runs.slice(at, at + 3) as [number, number, number];
      const wanted = outcomes[outcome]!.join();
      // The middle of long runs is ideographs, syllables and private characters: a part of them is enough.
      const step = length > 500 ? 37 : 1;
      for (let code = first; code < first + length; code += step)
        if (!sinceChanged.has(code) && tokenize(`a${String.fromCodePoint(code)}b`).join() !== wanted)
          wrong.push(code.toString(16));
    }
    expect(wrong).toEqual([]);
  });
});

describe('WordPiece back to text', () => {
  const keras = BertTokenizer({ vocabulary });
  const transformers = DistilBertTokenizer({ vocabulary, follows: 'transformers' });

  it.each(recording.rows)('S98 detokenizes $ids, at once and as a stream', (row) => {
    for (const [tokenizer, text] of [
      [keras, row.kerasHub],
      [transformers, row.transformers],
    ] as const) {
      const stream = tokenizer.textStream();
      expect(tokenizer.detokenize(row.ids)).toBe(text);
      expect(row.ids.map(stream.push).join('') + stream.end()).toBe(text);
    }
  });

  it('S101 has the special ids of KerasHub', () => {
    const { start, end, pad, mask, size, kerasHub } = recording.special;
    expect(keras).toMatchObject({
      startTokenId: start,
      endTokenId: end,
      padTokenId: pad,
      maskTokenId: mask,
      vocabularySize: size,
    });
    expect([...keras.specialTokenIds].sort((a, b) => a - b)).toEqual(kerasHub);
  });
});

describe('WordPiece files', () => {
  it.each(recording.files)('S98 $text', ({ text, size, ids }) => {
    const tokenizer = right(BertTokenizer.fromVocabularyText(text));
    expect(tokenizer.vocabularySize).toBe(size);
    expect(Object.fromEntries(Object.keys(ids).map((token) => [token, tokenizer.tokenToId(token)]))).toEqual(ids);
  });

  it('S98 reads the tokenizer.json that transformers saved', () => {
    const tokenizer = right(BertTokenizer.fromTokenizerJson(recording.tokenizerJson));
    expect(tokenizer).toMatchObject({ vocabulary, lowercase: true, stripAccents: true, follows: 'transformers' });
    expect(tokenizer.tokenize(texts)).toEqual(base('transformers'));
    const cased = right(BertTokenizer.fromTokenizerJson(recording.tokenizerJson, { lowercase: false }));
    expect(cased.tokenize('The fox')).toEqual(['The', 'fox'].map(cased.tokenToId));
  });
});
