// precompiled_charsmap is: the trie's size in bytes as a little-endian uint32, the trie, then NUL-terminated UTF-8 texts.
// The trie is a double array as Darts-clone writes it. A unit has the byte that leads to it (bits 0-7), whether a rule
// ends there (8) and the offset to its children (10-30, times 256 where bit 9 is set); the child of unit u by byte b is
// u ^ offset(u) ^ b, if that unit's own byte is b. A rule's end is the child by 0: bit 31 and the place of its text.

import { MalformedProto } from './sentencePieceProto.ts';

/** The longest rule that a text begins with. */
export interface CharacterMap {
  /** How many of `bytes` from `at` a rule replaces; 0 if none does. */
  readonly match: (bytes: Uint8Array, at: number) => number;
  /** The texts of all rules. */
  readonly texts: Uint8Array;
  /** Where the text of the rule that matched last begins in `texts`. */
  readonly textStart: () => number;
  /** Where it ends. */
  readonly textEnd: () => number;
}

// SentencePiece looks at no more of the rules that a text begins with.
const MOST_RULES = 32;
// No written rule is that long; in an array whose units go round in a circle the search ends here.
const LONGEST_RULE = 1024;

// What one character becomes: Unicode's longest takes 33 bytes. A text may hold as many such characters as it likes.
const LONGEST_TEXT = 1024;

const labelOf = (unit: number): number => unit & 0x800000ff;
const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);
const endsRule = (unit: number): boolean => (unit & 0x100) !== 0;
const textPlace = (unit: number): number => unit & 0x7fffffff;

/** Throws if a step from any unit could leave the array, or a rule's text the texts. */
const checkUnits = (units: Int32Array, texts: number): void => {
  const size = units.length;
  const wrong = (at: number): never => {
    throw new MalformedProto(
      `expected a double array whose units stay within it in precompiled_charsmap, got unit ${at} of ${size} that does not`,
    );
  };
  // Unsigned, since an offset may reach bit 31.
  const leaves = (at: number): boolean => ((at ^ offsetOf(units[at]!)) | 0xff) >>> 0 >= size;
  if (labelOf(units[0]!) !== 0 || endsRule(units[0]!) || offsetOf(units[0]!) === 0 || leaves(0)) wrong(0);
  for (let at = 1; at < size; at++) {
    const unit = units[at]!;
    if (unit < 0) {
      if (textPlace(unit) >= texts) wrong(at);
    } else if (leaves(at) || (endsRule(unit) && units[at ^ offsetOf(unit)]! >= 0)) wrong(at);
  }
};

/**
 * The rules of a `precompiled_charsmap`.
 *
 * @throws {MalformedProto} If the bytes are no double array and texts; no search leaves them after that.
 * @see normalizer.cc of SentencePiece
 */
export const characterMap = (charsmap: Uint8Array): CharacterMap => {
  const view = new DataView(charsmap.buffer, charsmap.byteOffset, charsmap.byteLength);
  const size = charsmap.length < 4 ? 0 : view.getUint32(0, true);
  if (size < 1024 || size % 1024 !== 0 || size >= charsmap.length - 4)
    throw new MalformedProto(
      `expected precompiled_charsmap to begin with the size of a trie, a multiple of 1024 below ${charsmap.length - 4}, got ${size}`,
    );
  const texts = charsmap.slice(4 + size);
  for (let start = 0, end = texts.indexOf(0); end >= 0; start = end + 1, end = texts.indexOf(0, start))
    if (end - start > LONGEST_TEXT)
      throw new MalformedProto(
        `expected texts of at most ${LONGEST_TEXT} bytes in precompiled_charsmap, got one of ${end - start}`,
      );
  if (texts.at(-1) !== 0) throw new MalformedProto('expected precompiled_charsmap to end with a NUL, got another byte');
  const units = Int32Array.from({ length: size / 4 }, (_, unit) => view.getInt32(4 + 4 * unit, true));
  checkUnits(units, texts.length);

  const root = offsetOf(units[0]!);
  let textStart = 0;
  return {
    match: (bytes, at) => {
      let node = root;
      let found = 0;
      let rules = 0;
      const end = Math.min(bytes.length, at + LONGEST_RULE);
      for (let next = at; next < end && rules < MOST_RULES; next++) {
        node ^= bytes[next]!;
        const unit = units[node]!;
        if (labelOf(unit) !== bytes[next]!) break;
        node ^= offsetOf(unit);
        if (!endsRule(unit)) continue;
        textStart = textPlace(units[node]!);
        found = next + 1 - at;
        rules += 1;
      }
      return found;
    },
    texts,
    textStart: () => textStart,
    textEnd: () => texts.indexOf(0, textStart),
  };
};
