import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sentencePiece } from '../../src/tokenizers/index.ts';
import { bytePieces, field, hostileTexts, model, pieceField, proto, recording, right } from './sentencePieceModels.ts';

describe.each(Object.entries(recording.models))('%s against SentencePiece', (name, recorded) => {
  const piece = model(name);

  it('S100 encodes every recorded text to the same ids', () => {
    expect(piece.size).toBe(recorded.size);
    expect(recording.texts.map((text) => ({ text, ids: piece.encode(text) }))).toEqual(
      recording.texts.map((text, i) => ({ text, ids: recorded.ids[i] })),
    );
  });

  it('S100 decodes those ids, and rows of ids that no text gives, to the same texts, at once and as a stream', () => {
    const rows = [
      ...recorded.ids.map((ids, i) => ({ ids, text: recorded.decoded[i] ?? recording.texts[i] })),
      ...recorded.rows,
    ];
    expect(rows.map(({ ids }) => ({ ids, text: piece.decode(ids) }))).toEqual(rows);
    const stream = piece.textStream();
    expect(rows.map(({ ids }) => ({ ids, text: ids.map(stream.push).join('') + stream.end() }))).toEqual(rows);
  });
});

/** A model of these pieces besides `<unk>`, which is 0; nothing is added to texts. */
const plain = (pieces: readonly (readonly number[])[], ...trainer: readonly number[]) =>
  right(sentencePiece(proto([pieceField('<unk>', 2), ...pieces], trainer, [...field(3, 0), ...field(4, 0)])));
const bpe = field(3, 2);
const byteFallback = field(35, 1);

describe('sentencePiece', () => {
  it('gives texts back where characters have bytes and nothing is rewritten', () => {
    const piece = model('gemma');
    fc.assert(
      fc.property(hostileTexts(piece), (text) => {
        // U+2581 is a space in pieces, so it comes back as one.
        const expected = text.replace(/\p{Surrogate}/gu, '\ufffd').replaceAll('\u2581', ' ');
        expect(piece.decode(piece.encode(text))).toBe(expected);
      }),
    );
  });

  it('streams whole characters only, and together what decode gives', () => {
    for (const name of ['gemma', 'unigram_bytes', 'unigram_nmt_nfkc', 'unigram_changed', 'bpe_unused']) {
      const piece = model(name);
      fc.assert(
        fc.property(fc.array(fc.nat(piece.size - 1), { maxLength: 30 }), hostileTexts(piece), (ids, text) => {
          for (const row of [ids, piece.encode(text)]) {
            const stream = piece.textStream();
            const parts = [...row.map(stream.push), stream.end()];
            expect(parts.join('')).toBe(piece.decode(row));
            expect(parts.every((part) => !/\p{Surrogate}/u.test(part))).toBe(true);
            expect(stream.end()).toBe('');
          }
        }),
        { numRuns: 60 },
      );
    }
  });

  it('holds bytes back until their character is whole or cannot be', () => {
    const piece = model('gemma');
    const ids = (bytes: readonly number[]) =>
      bytes.map((byte) => piece.id(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)!);
    const stream = piece.textStream();
    expect(ids([0xf0, 0x9f, 0x98, 0x80, 0x41]).map(stream.push)).toEqual(['', '', '', '😀', 'A']);
    expect(ids([0xf0, 0x9f, 0xc3]).map(stream.push)).toEqual(['', '', '\ufffd\ufffd']);
    expect(stream.push(piece.id('<bos>')!)).toBe('\ufffd');
    expect(ids([0xe2, 0x82]).map(stream.push).join('') + stream.end()).toBe('\ufffd\ufffd');
  });

  it('takes the best sum, and of equal ones the first that was found', () => {
    const piece = plain([
      pieceField('a', 1, -1),
      pieceField('b', 1, -1),
      pieceField('ab', 1, -2),
      pieceField('ba', 1, -1),
    ]);
    expect(piece.encode('ab')).toEqual([3]); // -2 both ways: 'ab' reached the end first.
    expect(piece.encode('aba')).toEqual([1, 4]);
    expect(piece.encode('axxb')).toEqual([1, 0, 2]); // One unknown id for a run.
  });

  it('takes the user’s symbols whole, the longest first, and control pieces never', () => {
    const symbols = [pieceField('<x>', 4), pieceField('<x>y', 4), pieceField('<s>', 3), pieceField('y', 1, -1)];
    for (const piece of [plain(symbols), plain(symbols, ...bpe)]) {
      expect(piece.encode('<x>y<x>yy<x>')).toEqual([2, 2, 4, 1]);
      expect(piece.encode('<s>')).toEqual([0]);
      expect(piece.decode([3, 1, 3, 4])).toBe('<x>y');
      expect([piece.type(1), piece.type(3), piece.id('<s>'), piece.id('<t>')]).toEqual([
        'userDefined',
        'control',
        3,
        undefined,
      ]);
    }
  });

  it('joins the best pair first and the leftmost of equals, and takes unused pieces apart again', () => {
    const letters = ['a', 'b', 'c'].map((letter) => pieceField(letter, 1, -9));
    const joined = plain(
      [...letters, pieceField('ab', 1, -2), pieceField('bc', 1, -1), pieceField('aa', 1, -1)],
      ...bpe,
    );
    expect(joined.encode('abc')).toEqual([1, 5]);
    expect(joined.encode('aaa')).toEqual([6, 1]);
    const unused = plain([...letters, pieceField('ab', 5, -1), pieceField('abc', 1, -2)], ...bpe);
    expect(unused.encode('abc')).toEqual([5]);
    expect(unused.encode('abab')).toEqual([1, 2, 1, 2]);
  });

  it('needs no unknown piece where characters have bytes, and passes over a piece that is a NUL', () => {
    const bytes = Uint8Array.from([
      ...bytePieces(),
      ...pieceField([0]),
      ...field(2, byteFallback),
      ...field(3, field(3, 0)),
    ]);
    const piece = right(sentencePiece(bytes));
    expect(piece.unknownId).toBeUndefined();
    expect(piece.encode('é\0')).toEqual([0xc3, 0xa9, 0]);
    expect(piece.decode([0xc3, 0xa9, 0])).toBe('é\0');
  });

  it('takes long texts in time that grows with their length', () => {
    for (const name of ['gemma', 'unigram_nmt_nfkc', 'bpe', 'char', 'word']) {
      const piece = model(name);
      for (const unit of ['a', ' ', 'é', '\n', 'an', '😀', 'the '])
        expect(piece.encode(unit.repeat(30_000)).length).toBeGreaterThanOrEqual(0);
    }
  });

  it('S100 loads 256,000 pieces and encodes 100 kB in a moment', () => {
    // Four letters of '▁' and a to y, in order of how far they are joined: a text is cut into many of the 4-letter ones.
    const letters = ['\u2581', ...'abcdefghijklmnopqrstuvwxy'];
    const count = letters.length;
    const pieceOf = (id: number): string => {
      let [text, rest] = ['', id];
      for (let length = 1, strings = count; ; length++, strings *= count) {
        if (rest >= strings) {
          rest -= strings;
          continue;
        }
        for (let i = 0; i < length; i++, rest = Math.floor(rest / count)) text = letters[rest % count]! + text;
        return text;
      }
    };
    const size = 256_000;
    const file = Buffer.concat([
      ...Array.from({ length: size - 257 }, (_, id) => {
        const utf8 = Buffer.from(pieceOf(id));
        const score = Buffer.alloc(4);
        score.writeFloatLE(-id);
        return Buffer.concat([Uint8Array.of(10, utf8.length + 7, 10, utf8.length), utf8, Uint8Array.of(21), score]);
      }),
      proto([pieceField('<unk>', 2), bytePieces()], [...bpe, ...byteFallback], [...field(3, 0), ...field(4, 0)]),
    ]);
    let seed = 1;
    const text = Array.from({ length: 100_000 }, () => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return letters[(seed >>> 8) % count]!.replace('\u2581', ' ');
    }).join('');

    // Processor time, since other work may run beside this; the limits are 1 s and 0.5 s on a machine of its own.
    const now = (): number => process.cpuUsage().user / 1e6;
    const start = now();
    const piece = right(sentencePiece(file));
    const loaded = now();
    const ids = piece.encode(text);
    const encoded = now();
    expect(piece.size).toBe(size);
    expect(piece.decode(ids)).toBe(text);
    expect(ids.length).toBeLessThan(40_000);
    expect(loaded - start).toBeLessThan(3);
    expect(encoded - loaded).toBeLessThan(1.5);
  });

  it('keeps float32 differences on texts whose score goes beyond 100,000', () => {
    const piece = plain([pieceField('a', 1, -1000.25), pieceField('aa', 1, -2000.4), pieceField('aaa', 1, -3000.7)]);
    // 'a' and 'aa' together are better than 'aaa' by 0.05, and by 0.1 than three times 'a'.
    expect(new Set(piece.encode('a'.repeat(3000)))).toEqual(new Set(piece.encode('a'.repeat(30))));
  });

  it('tells its pieces, and the file that it is made of makes it again', () => {
    const piece = model('gemma');
    expect([piece.modelType, piece.piece(3), piece.type(3), piece.unknownId]).toEqual(['bpe', '<unk>', 'unknown', 3]);
    expect(Array.from({ length: piece.size }, (_, id) => piece.id(piece.piece(id)))).toEqual(
      Array.from({ length: piece.size }, (_, id) => id),
    );
    expect(piece.score(piece.size - 1)).toBeLessThan(0);
    expect(right(sentencePiece(piece.proto())).encode('The fox')).toEqual(piece.encode('The fox'));
    expect(model('unigram_nmt_nfkc').normalize(' ﬁsh\u3000 ½ ')).toBe('▁fish▁1⁄2');
  });

  it('does not follow what its caller does to the bytes later', () => {
    for (const bytes of [model('bpe').proto(), Buffer.from(model('bpe').proto())]) {
      const piece = right(sentencePiece(bytes));
      bytes.fill(0);
      piece.proto().fill(0);
      expect(piece.piece(0)).toBe('<unk>');
    }
  });

  it('refuses ids that have no piece', () => {
    const piece = model('bpe');
    for (const id of [-1, 240, 1.5, Number.NaN, '1', undefined])
      expect(() => piece.decode([id as number])).toThrow(
        'SentencePiece: expected token ids to be integers from 0 to 239, got',
      );
    expect(() => piece.textStream().push(240)).toThrow('got the number 240');
    expect(() => piece.piece(240)).toThrow('got the number 240');
  });
});
