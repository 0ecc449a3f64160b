import { utf8Bytes } from './bytes.ts';
import { byteTrie, MOST_NODES } from './byteTrie.ts';

/** What WordPiece cuts words by. */
export interface WordPieceOptions {
  /** Pieces by id; of equal ones the last counts, and an empty one is in no word. */
  readonly vocabulary: readonly string[];
  /** The id of a word that cannot be cut. */
  readonly unknownId: number;
  /** What pieces begin with that do not begin a word. */
  readonly suffixIndicator: string;
  /** Longer words are unknown. */
  readonly longest: { readonly bytes: number } | { readonly characters: number };
}

const characterCount = (bytes: Uint8Array): number => {
  let characters = 0;
  for (let at = 0; at < bytes.length; at++) if ((bytes[at]! & 0xc0) !== 0x80) characters += 1;
  return characters;
};

/** How many bytes the pieces of a vocabulary may have in all. */
export const MOST_PIECE_BYTES = MOST_NODES - 1;

/**
 * WordPiece: a word is the longest piece that it begins with, then the longest that goes on with the rest, and so on;
 * where no piece goes on, the whole word is unknown.
 *
 * A step costs one look into a table, and a word has a length that it may not exceed: time is linear in the text.
 *
 * @returns Words to ids; an empty word has none.
 * @throws {RangeError} If all pieces together have more than `MOST_PIECE_BYTES` bytes.
 * @see Schuster and Nakajima 2012; Devlin et al. 2018
 */
export const wordPiece = ({
  vocabulary,
  unknownId,
  suffixIndicator,
  longest,
}: WordPieceOptions): ((word: string) => readonly number[]) => {
  const pieces = byteTrie();
  for (let id = vocabulary.length - 1; id >= 0; id--) {
    const piece = utf8Bytes(vocabulary[id]!);
    if (piece.length > 0) pieces.add(piece, 0, piece.length, id);
  }
  const indicator = utf8Bytes(suffixIndicator);
  const suffixRoot = pieces.walk(0, indicator, 0, indicator.length);
  const unknown: readonly number[] = Object.freeze([unknownId]);
  // A UTF-16 unit has at least one byte and is at least half a character: long words are told before they are encoded.
  const mostUnits = 'bytes' in longest ? longest.bytes : 2 * longest.characters;
  const isLong = (bytes: Uint8Array): boolean =>
    'bytes' in longest ? bytes.length > longest.bytes : characterCount(bytes) > longest.characters;

  return (word) => {
    if (word.length > mostUnits) return unknown;
    const bytes = utf8Bytes(word);
    if (isLong(bytes)) return unknown;
    const ids: number[] = [];
    for (let start = 0; start < bytes.length; ) {
      let end = start;
      let id = -1;
      let node = start === 0 ? 0 : suffixRoot;
      for (let at = start; at < bytes.length && node >= 0; at++) {
        node = pieces.step(node, bytes[at]!);
        const found = node < 0 ? -1 : pieces.valueAt(node);
        if (found < 0) continue;
        id = found;
        end = at + 1;
      }
      if (id < 0) return unknown;
      ids.push(id);
      start = end;
    }
    return ids;
  };
};
