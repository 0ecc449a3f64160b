// Byte-level vocabularies spell each byte as one printable character, so that a token is a string without white space
// or control characters: 33-126, 161-172 and 174-255 stand for themselves, the other 68 are U+0100 upwards in order.

/** The character that stands for each byte in a byte-level vocabulary: 256 of them. */
export const byteCharacters: readonly string[] = ((): readonly string[] => {
  const printable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  let shifted = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : 256 + shifted++));
})();

const byteOf: ReadonlyMap<string, number> = new Map(byteCharacters.map((character, byte) => [character, byte]));

/** Whether a text has no half of a surrogate pair: several such texts would have the same bytes. */
export const isWellFormed = (text: string): boolean => !/\p{Surrogate}/u.test(text);

const encoder = new TextEncoder();

/** The UTF-8 bytes of a text; a lone surrogate gives those of U+FFFD. */
export const utf8Bytes = (text: string): Uint8Array => encoder.encode(text);

/** The bytes that a byte-level token spells; a token with any other character stands for its own UTF-8 bytes. */
export const tokenBytes = (token: string): ArrayLike<number> => {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = byteOf.get(character);
    if (byte === undefined) return utf8Bytes(token);
    bytes.push(byte);
  }
  return bytes;
};

// ignoreBOM keeps a leading U+FEFF, which is text like any other here.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The text of UTF-8 bytes; each longest run that begins no whole character gives one U+FFFD. */
export const utf8Text = (bytes: readonly number[] | Uint8Array): string =>
  decoder.decode(bytes instanceof Uint8Array ? bytes : Uint8Array.from(bytes));

/**
 * How many bytes at the end begin a character that more bytes may still complete: 0 to 3. The others are decided, so
 * `utf8Text` of them and of the rest, joined, is the text of the whole.
 */
export const openBytes = (bytes: readonly number[]): number => {
  for (let open = 1; open <= 3 && open <= bytes.length; open++) {
    const lead = bytes[bytes.length - open]!;
    if (lead >= 0x80 && lead < 0xc0) continue;
    const length = lead < 0xc2 || lead > 0xf4 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (open >= length) return 0;
    if (open === 1) return 1;
    // Unicode's table 3-7: after these leads the second byte has a narrower range (no overlong forms, no surrogates).
    const second = bytes[bytes.length - open + 1]!;
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    return second >= low && second <= high ? open : 0;
  }
  return 0;
};
