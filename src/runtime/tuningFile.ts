import * as E from 'fp-ts/lib/Either.js';
import { type AdapterNames, formatTuning, MOST_TEXT, parseTuning, type Tuning } from './webgpu/tuningTable.ts';

/** Where what was measured on an adapter is remembered. */
export interface TuningFile {
  readonly path: string;
  /** What is remembered; nothing if there is no file. A file that is of no use is told of in one line. */
  read(): Tuning;
  /**
   * Remembers more, beside what is remembered already. The file is written whole or not at all.
   *
   * @throws {Error} The system's, if it cannot be written.
   */
  add(kernels: Tuning): void;
}

/** Modules of Node; undefined in a browser. They are not imported, so that bundlers for browsers do not look for them. */
const builtin = <A extends 'node:fs' | 'node:os' | 'node:path'>(name: A) =>
  typeof process === 'undefined' ? undefined : process.getBuiltinModule?.(name);

/** The user's cache folder; undefined for a user without a home. */
const cacheFolder = (): string | undefined => {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  const named = XDG_CACHE_HOME || (process.platform === 'win32' ? LOCALAPPDATA : undefined);
  if (named) return named;
  try {
    const home = builtin('node:os')?.homedir();
    return home && builtin('node:path')?.join(home, '.cache');
  } catch {
    return undefined;
  }
};

/** Name of an adapter's file, without what file systems do not take. */
export const tuningName = (adapter: string): string => `${adapter.replace(/[^\w.]+/g, '-').slice(0, 80)}.json`;

/** The file of an adapter in the user's cache; undefined where there are no files. */
export const tuningFile = (names: AdapterNames): TuningFile | undefined => {
  const [fs, { join, dirname } = {}] = [builtin('node:fs'), builtin('node:path')];
  if (fs === undefined || join === undefined || dirname === undefined) return undefined;
  const cache = cacheFolder();
  if (cache === undefined) return undefined;
  const path = join(cache, 'purelm', 'tuning', tuningName(names.name));

  const text = (): string => {
    if (!fs.statSync(path).isFile()) throw new Error('expected a file, got something else of that name');
    const handle = fs.openSync(path, 'r');
    try {
      // One more than there may be: whoever put more there does not have it all read.
      const bytes = new Uint8Array(MOST_TEXT + 1);
      return new TextDecoder().decode(bytes.subarray(0, fs.readSync(handle, bytes)));
    } finally {
      fs.closeSync(handle);
    }
  };
  const stored = (): E.Either<string, Tuning> => {
    try {
      return fs.existsSync(path) ? parseTuning(text(), names) : E.right(new Map());
    } catch (cause) {
      return E.left(cause instanceof Error ? cause.message : String(cause));
    }
  };

  return {
    path,
    read: () => {
      const found = stored();
      if (E.isRight(found)) return found.right;
      console.warn(`purelm: ${path} is ignored: ${found.left}; purelm tune writes a new one`);
      return new Map();
    },
    add: (kernels) => {
      const found = stored();
      const all = new Map([...(E.isRight(found) ? found.right : []), ...kernels]);
      const draft = `${path}.${process.pid}`;
      try {
        fs.mkdirSync(dirname(path), { recursive: true });
        fs.writeFileSync(draft, formatTuning(names, all));
        fs.renameSync(draft, path);
      } catch (cause) {
        fs.rmSync(draft, { force: true });
        throw cause;
      }
    },
  };
};
