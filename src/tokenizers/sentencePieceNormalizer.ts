import type { ByteTrie } from './byteTrie.ts';
import { characterMap } from './characterMap.ts';
import type { NormalizerSpec } from './sentencePieceProto.ts';

const SPACE = 0x20;

/** The UTF-8 of U+2581, which stands for a space in pieces. */
export const spaceSymbol: Uint8Array = Uint8Array.of(0xe2, 0x96, 0x81);

/** How many bytes a character that begins with `lead` has, were it whole. */
export const characterLength = (lead: number): number => (lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);

/** How many bytes the character at `at` has; 0 if the bytes there are not UTF-8. */
export const wholeCharacter = (bytes: Uint8Array, at: number): number => {
  const lead = bytes[at]!;
  if (lead < 0x80) return 1;
  const length = lead < 0xc2 || lead > 0xf4 ? 0 : characterLength(lead);
  if (length === 0 || at + length > bytes.length) return 0;
  let code = lead & (0x7f >> length);
  for (let i = 1; i < length; i++) {
    const byte = bytes[at + i]!;
    if ((byte & 0xc0) !== 0x80) return 0;
    code = (code << 6) | (byte & 0x3f);
  }
  const low = length === 2 ? 0x80 : length === 3 ? 0x800 : 0x10000;
  return code < low || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : length;
};

// SentencePiece looks at no more of the user's symbols that a text begins with.
const MOST_SYMBOLS = 64;

/** How many bytes at `at` the longest symbol of the trie has; 0 if none is there. */
export const longestSymbol = (symbols: ByteTrie | undefined, bytes: Uint8Array, at: number): number => {
  if (symbols === undefined) return 0;
  let node = 0;
  let found = 0;
  let seen = 0;
  for (let next = at; next < bytes.length && seen < MOST_SYMBOLS; next++) {
    node = symbols.step(node, bytes[next]!);
    if (node < 0) break;
    if (symbols.valueAt(node) < 0) continue;
    found = next + 1 - at;
    seen += 1;
  }
  return found;
};

/** Bytes that grow. */
interface Sink {
  bytes: Uint8Array;
  length: number;
}

const reserve = (sink: Sink, more: number): void => {
  if (sink.length + more <= sink.bytes.length) return;
  const bytes = new Uint8Array(Math.max(2 * sink.bytes.length, sink.length + more));
  bytes.set(sink.bytes.subarray(0, sink.length));
  sink.bytes = bytes;
};

const replacement = Uint8Array.of(0xef, 0xbf, 0xbd); // U+FFFD

/**
 * How SentencePiece rewrites a text before it segments it: by the rules of the character map, white space gathered and
 * written as U+2581, as the model says.
 *
 * @param symbols - The user's symbols, which are never rewritten; `undefined` for none.
 * @param whitespaceAsSuffix - Whether the added space stands at the end.
 * @returns UTF-8 to UTF-8; the result is the caller's.
 * @throws {MalformedProto} If the character map is not one.
 * @see normalizer.cc of SentencePiece
 */
export const sentencePieceNormalizer = (
  spec: NormalizerSpec,
  symbols: ByteTrie | undefined,
  whitespaceAsSuffix: boolean,
): ((text: Uint8Array) => Uint8Array) => {
  const map = spec.precompiledCharsmap.length === 0 ? undefined : characterMap(spec.precompiledCharsmap);
  const space = spec.escapeWhitespaces ? spaceSymbol : Uint8Array.of(SPACE);
  const gather = spec.removeExtraWhitespaces;

  // What `take` found: `taken` bytes of the text give `from[start..end)`.
  let from: Uint8Array = replacement;
  let start = 0;
  let end = 0;
  const take = (text: Uint8Array, at: number): number => {
    from = text;
    start = at;
    const symbol = longestSymbol(symbols, text, at);
    const ruled = symbol > 0 || map === undefined ? 0 : map.match(text, at);
    if (ruled > 0) {
      from = map!.texts;
      start = map!.textStart();
      end = map!.textEnd();
      return ruled;
    }
    const taken = symbol > 0 ? symbol : wholeCharacter(text, at);
    end = at + taken;
    if (taken > 0) return taken;
    from = replacement;
    start = 0;
    end = replacement.length;
    return 1;
  };

  return (text) => {
    let at = 0;
    if (gather)
      while (at < text.length) {
        const taken = take(text, at);
        if (end - start !== 1 || from[start] !== SPACE) break;
        at += taken;
      }
    if (at === text.length) return new Uint8Array(0);

    const sink: Sink = { bytes: new Uint8Array(text.length + (text.length >> 1) + 16), length: 0 };
    const addSpace = (): void => {
      reserve(sink, space.length);
      sink.bytes.set(space, sink.length);
      sink.length += space.length;
    };
    if (!whitespaceAsSuffix && spec.addDummyPrefix) addSpace();
    let afterSpace = gather;
    while (at < text.length) {
      at += take(text, at);
      while (afterSpace && start < end && from[start] === SPACE) start++;
      if (start < end) {
        reserve(sink, end - start);
        for (let next = start; next < end; next++) {
          if (from[next] === SPACE) {
            addSpace();
            reserve(sink, end - next);
          } else sink.bytes[sink.length++] = from[next]!;
        }
        afterSpace = gather && from[end - 1] === SPACE;
      }
    }

    const endsWithSpace = (): boolean =>
      sink.length >= space.length && space.every((byte, i) => sink.bytes[sink.length - space.length + i] === byte);
    if (gather) while (endsWithSpace()) sink.length -= space.length;
    if (whitespaceAsSuffix && spec.addDummyPrefix) addSpace();
    return sink.bytes.slice(0, sink.length);
  };
};
