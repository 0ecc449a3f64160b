import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import * as TE from 'fp-ts/lib/TaskEither.js';
import { isJsonObject, type JsonObject, preview } from '../models/configReader.ts';
import { configLimits, type JsonLimits, parseJsonText } from '../models/jsonText.ts';
import { fail, type WeightsError, weightsError } from './errors.ts';
import { readText } from './files.ts';

/**
 * Reads a JSON file.
 *
 * @param limits - How large it may be. Default: as a config.
 */
export const readJson = (path: string, limits: JsonLimits = configLimits): TE.TaskEither<WeightsError, unknown> =>
  pipe(
    readText(path, limits.length),
    TE.chainEitherK((text) =>
      E.mapLeft((problem: string) => weightsError('BrokenFile', path, problem))(parseJsonText(text, limits)),
    ),
  );

/** Reads a JSON file that must hold an object. */
export const readJsonObject = (path: string, limits?: JsonLimits): TE.TaskEither<WeightsError, JsonObject> =>
  pipe(
    readJson(path, limits),
    TE.chainEitherK((value) =>
      isJsonObject(value) ? E.right(value) : fail('BrokenFile', path, `expected a JSON object, got ${preview(value)}`),
    ),
  );

/** The field of this `name` of the object itself, or undefined: never one that every object inherits. */
export const field = (object: unknown, name: string): unknown =>
  isJsonObject(object) && Object.hasOwn(object, name) ? object[name] : undefined;

const endOfString = (text: string, start: number): number => {
  let end = start + 1;
  while (text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
  return end;
};

/** The number around a place in a JSON text. */
const numberAt = (text: string, at: number): string =>
  `${/\d*$/.exec(text.slice(Math.max(0, at - 20), at))?.[0]}${/^[-+.\deE]+/.exec(text.slice(at, at + 20))?.[0]}`;

/**
 * What one JSON text has that readers of JSON make different things of, if anything: a key twice in one object (some keep
 * the first, some the last), a number that is not written in digits alone (some take 1.0 for a whole number, some do not),
 * an escape that is half a character.
 *
 * @param text - Valid JSON.
 */
export const ambiguity = (text: string): string | undefined => {
  // The keys so far of each object that is open; undefined for a list.
  const open: (Set<string> | undefined)[] = [];
  let isKey = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (character === '"') {
      const end = endOfString(text, i);
      const written = text.slice(i + 1, end);
      const value = written.includes('\\') ? (JSON.parse(`"${written}"`) as string) : written;
      if (/\p{Surrogate}/u.test(value)) return `half a surrogate pair in ${preview(value)}`;
      const keys = open.at(-1);
      if (isKey && keys !== undefined) {
        if (keys.has(value)) return `${preview(value)} twice`;
        keys.add(value);
      }
      i = end;
    } else if (character === '{') open.push(new Set());
    else if (character === '[') open.push(undefined);
    else if (character === '}' || character === ']') open.pop();
    else if ('-.+E'.includes(character) || (character === 'e' && /\d/.test(text[i - 1]!)))
      return `the number ${preview(numberAt(text, i))}, expected digits alone`;
    if (character === '{' || character === ',') isKey = open.at(-1) !== undefined;
    else if (character === ':') isKey = false;
  }
  return undefined;
};
