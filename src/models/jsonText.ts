import * as E from 'fp-ts/lib/Either.js';
import { preview, printable } from './configReader.ts';

/** How large a JSON text from a stranger may be, and how much it may hold: an object of eight characters takes 200 bytes. */
export interface JsonLimits {
  /** Characters. */
  readonly length: number;
  /** Values of all kinds. */
  readonly values: number;
  readonly lists: number;
  readonly objects: number;
}

/** Limits of a config: one with thousands of labels has a tenth of that. */
export const configLimits: JsonLimits = { length: 2 ** 22, values: 2 ** 18, lists: 2 ** 16, objects: 2 ** 14 };

/** Limits of an index of files: a model of 700 billion parameters has a third of that. */
export const indexLimits: JsonLimits = { length: 2 ** 24, values: 2 ** 18, lists: 2 ** 18, objects: 2 ** 4 };

/** Limits of a list of tensors with their shapes and places, for 100,000 of them. */
export const headerLimits: JsonLimits = { length: 2 ** 25, values: 2 ** 20, lists: 2 ** 18, objects: 2 ** 17 };

/** Limits of a vocabulary: twice the largest tokenizer, which has 34 MB, two million values and 600,000 merges in lists. */
export const vocabularyLimits: JsonLimits = { length: 2 ** 26, values: 2 ** 22, lists: 2 ** 20, objects: 2 ** 16 };

/** Lists and objects in each other. The files we read have eight or fewer. */
const mostDepth = 64;

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Why a text is more than it may be, or undefined; what is no JSON gives any answer. */
const excess = (text: string, limits: JsonLimits): string | undefined => {
  if (text.length > limits.length) return `expected at most ${limits.length} characters of JSON, got ${text.length}`;
  const most = (count: number, what: string): string => `expected at most ${count} ${what}, got more`;
  let depth = 0;
  let lists = 0;
  let objects = 0;
  let commas = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === quote)
      for (i++; i < text.length && text.charCodeAt(i) !== quote; i++) {
        if (text.charCodeAt(i) === backslash) i++;
      }
    else if (unit === comma) commas++;
    else if (unit === openList) lists++;
    else if (unit === openObject) objects++;
    if (unit === openList || unit === openObject) {
      if (++depth > mostDepth)
        return `expected lists and objects at most ${mostDepth} deep, got more at character ${i}`;
      if (lists > limits.lists) return most(limits.lists, 'lists');
      if (objects > limits.objects) return most(limits.objects, 'objects');
    } else if (unit === closeList || unit === closeObject) depth--;
    // Every value but the first of a list or an object stands behind a comma.
    if (commas + lists + objects > limits.values) return most(limits.values, 'values');
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
