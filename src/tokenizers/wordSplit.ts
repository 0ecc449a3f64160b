// The two ways in which texts are cut into words before WordPiece. Both take ASCII's symbols for punctuation, and
// a lone surrogate for U+FFFD.

/** How a text becomes words. */
export interface WordSplitOptions {
  readonly lowercase: boolean;
  readonly stripAccents: boolean;
  /** Whether each Chinese character is a word. */
  readonly splitOnCjk: boolean;
}

const loneSurrogate = /\p{Surrogate}/gu;

const wellFormed = (text: string): string => text.replace(loneSurrogate, '\ufffd');

const asciiPunctuation = '!-/:-@\\[-`{-~';
const kerasSpace = ' \\t\\n\\r\\f\\p{Cc}\\p{Cf}';
const kerasCjk =
  '\\u4e00-\\u9fff\\u3400-\\u4dbf\\u{20000}-\\u{2a6df}\\u{2a700}-\\u{2b73f}\\u{2b740}-\\u{2b81f}\\u{2b820}-\\u{2ceaf}\\uf900-\\ufaff\\u{2f800}-\\u{2fa1f}';

const kerasWords = (own: string): RegExp => new RegExp(`[${own}]|[^${kerasSpace}${own}]+`, 'gu');
const kerasWordsAndCjk = kerasWords(`${asciiPunctuation}\\p{P}${kerasCjk}`);
const kerasWordsAlone = kerasWords(`${asciiPunctuation}\\p{P}`);

/**
 * A text's words as KerasHub cuts them, not yet lowered: control and format characters part words, as white space of
 * ASCII does; other white space is a letter.
 *
 * @see pretokenize_python of keras_hub
 */
export const splitAsKerasHub = ({ stripAccents, splitOnCjk }: Omit<WordSplitOptions, 'lowercase'>) => {
  const pattern = splitOnCjk ? kerasWordsAndCjk : kerasWordsAlone;
  return (text: string): readonly string[] => {
    const whole = wellFormed(text);
    return (stripAccents ? whole.normalize('NFD').replace(/\p{Mn}/gu, '') : whole).match(pattern) ?? [];
  };
};

// transformers looks into tables of Unicode 8 (the crate unicode_categories). What later versions added to a category, or
// took from it, found by trying every character of Unicode 17: ranges may hold characters of other categories.
const laterFormats = '\\u0890-\\u08e2\\u{110cd}-\\u{1343f}';
/** Marks newer than that, for a class of a regular expression with the flag `u`. */
export const laterMarks =
  '\\u07fd\\u0897-\\u08e1\\u09fe\\u0afa-\\u0aff\\u0b55\\u0c04-\\u0c3c\\u0d00\\u0d3b\\u0d3c\\u0d81\\u0eba\\u0ece\\u180f-\\u1886\\u1abf-\\u1aeb' +
  '\\u1df6-\\u1dfb\\ua82c\\ua8c5\\ua8ff\\ua9bd\\u{10d24}-\\u{10f85}\\u{11070}-\\u{11074}\\u{110c2}\\u{111c9}\\u{111cf}\\u{1123e}-\\u{11241}' +
  '\\u{1133b}\\u{113bb}-\\u{1145e}\\u{1182f}-\\u{1612f}\\u{16f4f}\\u{16fe4}\\u{1cf00}-\\u{1cf46}\\u{1e000}-\\u{1e6f5}\\u{1e944}-\\u{1e94a}';
const laterPunctuation =
  '\\u061d\\u09fd-\\u0a76\\u0c77-\\u0c84\\u1b4e\\u1b4f\\u1b7d-\\u1b7f\\u2e43-\\u2e5d\\u{10d6e}-\\u{10f89}\\u{113d4}-\\u{1145d}\\u{11660}-\\u{116b9}' +
  '\\u{1183b}-\\u{11fff}\\u{12ff1}\\u{12ff2}\\u{16d6d}-\\u{16fe2}\\u{1e5ff}-\\u{1e95f}';

const removed = new RegExp(`(?![\\t\\n\\r${laterFormats}])[\\p{Cc}\\p{Cf}\\p{Co}\\ufffd]`, 'gu');
const marks = new RegExp(`(?![${laterMarks}])[\\p{Mn}\\u1734\\u{1171e}]`, 'gu');
const punctuation = `[${asciiPunctuation}]|(?![${laterPunctuation}])[\\p{P}\\u166d\\u{111c9}]`;
const words = new RegExp(`${punctuation}|(?:(?!${punctuation})\\P{White_Space})+`, 'gu');
// One range of Google's list begins at 2b920 here, not at 2b820.
const cjk = new RegExp(`[${kerasCjk.replace('2b820', '2b920')}]`, 'gu');

/** Lower case, character by character: a sigma at the end of a word is like any other. */
const lower = (text: string): string => text.replaceAll('\u03a3', '\u03c3').toLowerCase();

/**
 * A text's words as transformers cuts them for BERT: control and format characters go, all white space parts words.
 *
 * @see BertNormalizer and BertPreTokenizer of tokenizers 0.23
 */
export const splitAsTransformers =
  ({ lowercase, stripAccents, splitOnCjk }: WordSplitOptions) =>
  (text: string): readonly string[] => {
    const clean = wellFormed(text).replace(removed, '');
    const spaced = splitOnCjk ? clean.replace(cjk, ' $& ') : clean;
    const plain = stripAccents ? spaced.normalize('NFD').replace(marks, '') : spaced;
    return (lowercase ? lower(plain) : plain).match(words) ?? [];
  };
