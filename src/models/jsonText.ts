import * as E from 'fp-ts/lib/Either.js';
import { preview, printable } from './configReader.ts';

/** How large a JSON text from a stranger may be, and what it may hold. */
export interface JsonLimits {
  /** Characters. */
  readonly length: number;
  /** Values in all, of which a quarter may be lists and objects: some text of two characters takes a hundred bytes. */
  readonly values: number;
}

/** Limits of a config: four megabytes, where one with thousands of labels has a tenth of that. */
export const configLimits: JsonLimits = { length: 2 ** 22, values: 2 ** 18 };

/** Limits of a list of all tensors: ten times what a model of 700 billion parameters has. */
export const indexLimits: JsonLimits = { length: 2 ** 25, values: 2 ** 20 };

/** Limits of a vocabulary: twice the largest tokenizer, which has 34 MB and two million values. */
export const vocabularyLimits: JsonLimits = { length: 2 ** 26, values: 2 ** 22 };

/** Lists and objects in each other. The files we read have eight or fewer. */
const mostDepth = 64;

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Why a text is more than it may be, or undefined; what is no JSON gives any answer. */
const excess = (text: string, { length, values }: JsonLimits): string | undefined => {
  if (text.length > length) return `expected at most ${length} characters of JSON, got ${text.length}`;
  let depth = 0;
  let containers = 0;
  let commas = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === quote)
      for (i++; i < text.length && text.charCodeAt(i) !== quote; i++) {
        if (text.charCodeAt(i) === backslash) i++;
      }
    else if (unit === comma) {
      // Every value but the first of a list or an object stands behind a comma.
      if (++commas + containers > values) return `expected at most ${values} values, got more`;
    } else if (unit === openList || unit === openObject) {
      if (++depth > mostDepth)
        return `expected lists and objects at most ${mostDepth} deep, got more at character ${i}`;
      if (4 * ++containers > values) return `expected at most ${values / 4} lists and objects, got more`;
    } else if (unit === closeList || unit === closeObject) depth--;
  }
  return undefined;
};

/**
 * A JSON text as a value, or what is wrong with it. A text that would take much more memory than it has itself, or nests so
 * deep that nobody could walk it, is refused before it is parsed.
 *
 * `JSON.parse` makes `__proto__` a field like any other; look fields up with `Object.hasOwn`.
 */
export const parseJsonText = (text: string, limits: JsonLimits): E.Either<string, unknown> => {
  const reason = excess(text, limits);
  if (reason !== undefined) return E.left(reason);
  try {
    return E.right(JSON.parse(text) as unknown);
  } catch (error) {
    const found = text.trim() === '' ? 'an empty file' : preview(text.length > 60 ? `${text.slice(0, 60)}…` : text);
    return E.left(`expected JSON, got ${found} (${printable(String(error instanceof Error ? error.message : error))})`);
  }
};
