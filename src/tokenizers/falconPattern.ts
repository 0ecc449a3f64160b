// transformers takes its punctuation from Unicode 8. These have become punctuation since; two no longer are.
const newer =
  '61d 9fd a76 c77 c84 1b4e-1b4f 1b7d-1b7f 2e43-2e4f 2e52-2e5d 10d6e 10ead 10ed0 10f55-10f59 ' +
  '10f86-10f89 113d4-113d5 113d7-113d8 1144b-1144f 1145a-1145b 1145d 11660-1166c 116b9 1183b ' +
  '11944-11946 119e2 11a3f-11a46 11a9a-11a9c 11a9e-11aa2 11b00-11b09 11be1 11c41-11c45 11c70-11c71 ' +
  '11ef7-11ef8 11f43-11f4f 11fff 12ff1-12ff2 16d6d-16d6f 16e97-16e9a 16fe2 1e5ff 1e95e-1e95f';
const older = '\\u{166d}\\u{111c9}';

const newerClass = newer.replace(/[0-9a-f]+/g, (code) => `\\u{${code}}`).replaceAll(' ', '');
const punctuation = `(?:(?![${newerClass}])[\\p{P}$+<=>^\`|~${older}])`;
/** What is neither white space nor punctuation. */
const solid = `(?:(?!${punctuation})\\P{White_Space})`;

/**
 * How Falcon cuts a text into words before BPE: runs of punctuation by themselves, and what is between them as GPT-2 does.
 * Punctuation is Unicode's and ASCII's; white space is Unicode's.
 */
export const falconPattern: RegExp = new RegExp(
  [
    `${punctuation}+`,
    ' ?\\p{L}+',
    ' ?\\p{N}+',
    ` ?(?:(?!${punctuation})[^\\p{White_Space}\\p{L}\\p{N}])+`,
    `\\p{White_Space}+(?!${solid})`,
    '\\p{White_Space}+',
  ].join('|'),
  'gu',
);

// A character a byte. The characters that stand for the six bytes behind 0-9 are numbers too: ², ³, ¹, ¼, ½ and ¾.
const piece = /[0-9]{3}|(?:(?![0-9]{3})[0-9\xb2\xb3\xb9\xbc-\xbe])+|[^0-9\xb2\xb3\xb9\xbc-\xbe]+/g;

/**
 * A word's bytes, cut once more: between digits and all else, and digits into threes from the left. The rule is one of
 * characters that stand for bytes, so it also cuts around a byte whose character is a number: the second of `м` is 0xBC.
 *
 * @see transformers: the pre_tokenizer of Falcon's tokenizer.json
 */
export const falconPieces = (bytes: Uint8Array): readonly Uint8Array[] => {
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  return Array.from(text.matchAll(piece), ({ 0: { length }, index }) => bytes.subarray(index, index + length));
};
