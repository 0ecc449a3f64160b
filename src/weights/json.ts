import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import * as TE from 'fp-ts/lib/TaskEither.js';
import { isJsonObject, type JsonObject, preview } from '../models/configReader.ts';
import { fail, type WeightsError, weightsError } from './errors.ts';
import { readText } from './files.ts';

/** The largest JSON file that is read: 128 MiB, several times the largest tokenizer. */
export const mostJsonBytes = 2 ** 27;

/** Text as JSON. `JSON.parse` makes `__proto__` a field like any other; look fields up with `Object.hasOwn`. */
export const parseJson = (path: string, text: string): E.Either<WeightsError, unknown> =>
  E.tryCatch(
    () => JSON.parse(text) as unknown,
    (error) => weightsError('BrokenFile', path, `expected JSON (${error instanceof Error ? error.message : error})`),
  );

/** Reads a JSON file of at most 128 MiB. */
export const readJson = (path: string): TE.TaskEither<WeightsError, unknown> =>
  pipe(
    readText(path, mostJsonBytes),
    TE.chainEitherK((text) => parseJson(path, text)),
  );

/** Reads a JSON file that must hold an object. */
export const readJsonObject = (path: string): TE.TaskEither<WeightsError, JsonObject> =>
  pipe(
    readJson(path),
    TE.chainEitherK((value) =>
      isJsonObject(value) ? E.right(value) : fail('BrokenFile', path, `expected a JSON object, got ${preview(value)}`),
    ),
  );

/** The field of this `name` of the object itself, or undefined: never one that every object inherits. */
export const field = (object: unknown, name: string): unknown =>
  isJsonObject(object) && Object.hasOwn(object, name) ? object[name] : undefined;

interface Level {
  /** Values so far by key, as text; undefined in a list. */
  readonly seen: Map<string, string> | undefined;
  key: string | undefined;
  from: number;
}

const endOfString = (text: string, start: number): number => {
  let end = start + 1;
  while (text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
  return end;
};

/**
 * The first key that one object of a JSON text has twice with different values, if any. `JSON.parse` keeps the last and
 * says nothing, other readers keep the first.
 *
 * @param text - Valid JSON.
 */
export const contradictoryKey = (text: string): string | undefined => {
  const levels: Level[] = [];
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    const level = levels.at(-1);
    if (character === '"') {
      const end = endOfString(text, i);
      if (level?.seen !== undefined && level.key === undefined)
        level.key = JSON.parse(text.slice(i, end + 1)) as string;
      i = end;
    } else if (character === ':' && level !== undefined) level.from = i + 1;
    else if (character === '{') levels.push({ seen: new Map(), key: undefined, from: 0 });
    else if (character === '[') levels.push({ seen: undefined, key: undefined, from: 0 });
    else if (character === ',' || character === '}' || character === ']') {
      if (level?.seen !== undefined && level.key !== undefined) {
        const value = text.slice(level.from, i).trim();
        if ((level.seen.get(level.key) ?? value) !== value) return level.key;
        level.seen.set(level.key, value);
        level.key = undefined;
      }
      if (character !== ',') levels.pop();
    }
  }
  return undefined;
};
