import { describe, expect, it } from 'vitest';
import { model, recording } from './sentencePieceModels.ts';

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
