import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, realpath, rename, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import type * as T from 'fp-ts/lib/Task.js';
import * as TE from 'fp-ts/lib/TaskEither.js';
import { ArgumentError } from '../tensor/errors.ts';
import { fail, firstFew, PresetError, toPresetError, type WeightsError, weightsError } from './errors.ts';

// The only file of this room that touches the file system.

/** A file that is open for positional reads. */
export interface OpenFile {
  readonly path: string;
  /** Bytes when it was opened. */
  readonly size: number;
  /**
   * Bytes `start` to `end`, in a part of `into` if it is given. Rejects with a PresetError if the file has become shorter
   * or cannot be read.
   */
  readonly read: (start: number, end: number, into?: Uint8Array) => Promise<Uint8Array>;
  readonly close: () => Promise<void>;
}

const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error);

const ioError = (path: string, doing: string, error: unknown): WeightsError => {
  const code = codeOf(error);
  if (doing !== 'written' && (code === 'ENOENT' || code === 'ENOTDIR'))
    return weightsError('MissingFile', path, 'no such file');
  return weightsError('InputOutput', path, `could not be ${doing} (${code})`);
};

/** What stands at a path, symbolic links followed. */
export const kindOf =
  (path: string): T.Task<'file' | 'folder' | 'other' | 'nothing'> =>
  async () => {
    try {
      const found = await stat(path);
      return found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other';
    } catch {
      return 'nothing';
    }
  };

/** Opens a regular file. A pipe or device is refused before it is opened: opening one can wait forever. */
export const openFile =
  (path: string): TE.TaskEither<WeightsError, OpenFile> =>
  async () => {
    let handle: FileHandle;
    let size: number;
    try {
      const found = await stat(path);
      if (!found.isFile()) return fail('BrokenFile', path, 'expected a regular file');
      handle = await open(path, 'r');
      size = found.size;
    } catch (error) {
      return E.left(ioError(path, 'opened', error));
    }
    return E.right({
      path,
      size,
      read: async (start, end, into) => {
        const target = into === undefined ? new Uint8Array(end - start) : into.subarray(0, end - start);
        if (target.length < end - start)
          throw new ArgumentError(`read: expected room for ${end - start} bytes, got ${target.length}`);
        let filled = 0;
        while (filled < target.length) {
          const { bytesRead } = await handle
            .read(target, filled, target.length - filled, start + filled)
            .catch((error: unknown) => Promise.reject(toPresetError(ioError(path, 'read', error))));
          if (bytesRead === 0)
            throw toPresetError(
              weightsError(
                'BrokenFile',
                path,
                `ends at byte ${start + filled}, expected ${size} bytes; has it changed?`,
              ),
            );
          filled += bytesRead;
        }
        return target;
      },
      close: () => handle.close().catch(() => undefined),
    });
  };

/** Opens a file for a reader that keeps it open. When the reader fails, the file is closed; a PresetError comes back as a left. */
export const openWith =
  <A>(path: string, read: (file: OpenFile) => Promise<E.Either<WeightsError, A>>): TE.TaskEither<WeightsError, A> =>
  async () => {
    const file = await openFile(path)();
    if (E.isLeft(file)) return file;
    let result: E.Either<WeightsError, A> | undefined;
    try {
      result = await read(file.right);
      return result;
    } catch (error) {
      if (error instanceof PresetError) return E.left({ _tag: error._tag, message: error.message, path });
      throw error;
    } finally {
      if (result === undefined || E.isLeft(result)) await file.right.close();
    }
  };

/** Reads a whole file if it is not larger than `most` bytes. */
export const readBytes = (path: string, most: number): TE.TaskEither<WeightsError, Uint8Array> =>
  openWith(path, async (file) => {
    if (file.size > most) return fail('BrokenFile', path, `expected at most ${most} bytes, got ${file.size}`);
    const bytes = await file.read(0, file.size);
    await file.close();
    return E.right(bytes);
  });

/** Reads a whole file of UTF-8 text if it is not larger than `most` bytes. */
export const readText =
  (path: string, most: number): TE.TaskEither<WeightsError, string> =>
  async () => {
    const bytes = await readBytes(path, most)();
    return E.isLeft(bytes) ? bytes : decodeText(path, bytes.right);
  };

/** UTF-8 bytes as text; a byte that is none, or a byte order mark, is not passed over. */
export const decodeText = (path: string, bytes: Uint8Array): E.Either<WeightsError, string> =>
  E.tryCatch(
    () => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
    () => weightsError('BrokenFile', path, 'expected UTF-8 text'),
  );

/**
 * Joins a folder and a name that came out of a file. The name may lead into the folder only: absolute paths, drive
 * letters, backslashes and `..` are refused.
 *
 * @param source - The file that the name stands in, for the message.
 */
const joined = (folder: string, name: string, source: string): E.Either<WeightsError, string> => {
  const steps = name.split('/');
  const leaves = steps.some((step) => step === '' || step === '.' || step === '..') || /[\\:\0]/.test(name);
  return leaves
    ? fail(
        'BrokenFile',
        join(folder, source),
        `expected names of files in the same folder, got ${JSON.stringify(name)}`,
      )
    : E.right(join(folder, name));
};

/**
 * A path below a folder, if symbolic links in it do not lead out: a downloaded folder could have any file of the machine
 * read that way. The blobs of a hub's cache, to which the files of its snapshots are links, belong to the folder. What is
 * not there does not lead anywhere.
 */
export const staysIn =
  (folder: string, path: string): TE.TaskEither<WeightsError, string> =>
  async () => {
    const real = await realpath(path).catch(() => undefined);
    if (real === undefined) return E.right(path);
    const home = await realpath(folder).catch(() => folder);
    const cache = /^(.*)[\\/]snapshots[\\/]/.exec(`${home}${sep}`)?.[1];
    const roots = cache === undefined ? [home] : [home, join(cache, 'blobs')];
    return roots.some((root) => real.startsWith(`${root}${sep}`))
      ? E.right(path)
      : fail(
          'BrokenFile',
          path,
          `expected a file in its folder, got a symbolic link that leads out of it, to ${real}; put the file there itself, or a link to the whole folder in the folder's place`,
        );
  };

/**
 * The path of a file that another file names, if it lies in the folder.
 *
 * @param source - The file that the name stands in, for the message.
 */
export const inFolder = (folder: string, name: string, source: string): TE.TaskEither<WeightsError, string> =>
  pipe(
    TE.fromEither(joined(folder, name, source)),
    TE.chain((path) => staysIn(folder, path)),
  );

/** Bytes to be written, piece by piece. */
export type Content = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

const token = (): string => randomBytes(6).toString('hex');

const problemOf = (path: string, error: unknown): E.Either<WeightsError, never> => {
  if (error instanceof PresetError) return E.left({ _tag: error._tag, message: error.message, path });
  // What makes the content may fail for reasons of its own: only the system's refusals are ours.
  if (typeof error === 'object' && error !== null && 'syscall' in error) return E.left(ioError(path, 'written', error));
  throw error;
};

/** Writes a new file and waits until it is on the disk. */
const writeNew = async (path: string, content: Content): Promise<void> => {
  const handle = await open(path, 'wx');
  try {
    for await (const bytes of content) {
      for (let done = 0; done < bytes.length; )
        done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** Waits until a folder's names are on the disk, where the system can do that. */
const syncFolder = async (path: string): Promise<void> => {
  const handle = await open(path, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
};

/**
 * Writes a file whole or not at all: into a temporary file beside it, which then takes its name. When anything fails, a
 * crash included, the old file is as it was; but for a crash, the temporary one is gone.
 *
 * @param path - What was there is replaced in the end.
 * @param content - Pieces, written as they come. What it throws comes through: a PresetError as a left.
 */
export const writeAtomically =
  (path: string, content: Content): TE.TaskEither<WeightsError, void> =>
  async () => {
    const temporary = `${path}.${token()}.tmp`;
    try {
      await writeNew(temporary, content);
      await rename(temporary, path);
      await syncFolder(dirname(path));
      return E.right(undefined);
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      return problemOf(path, error);
    }
  };

/**
 * A file of a folder to be written, with its `content`; the `name` may lead into folders below:
 * `assets/tokenizer/merges.txt`.
 */
export interface FileToWrite {
  readonly name: string;
  readonly content: Content;
}

/** Where a folder stands aside while a new one takes its place. */
const asideOf = (path: string): string => `${path}.purelm-old`;

/** How long a folder stands aside in milliseconds where nobody has crashed: far longer than a rename takes. */
const asideTime = 1000;

/** Whether a folder has stood aside for so long that whoever put it there must have crashed. */
const isLeftAside = async (path: string): Promise<boolean> => {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true && Date.now() - found.ctimeMs > asideTime;
};

/**
 * Puts a folder back that a crash left aside: there is a moment, between two renames, when neither the old folder nor
 * the new one has the name `path`. Call it before a folder is read that `writeFolderAtomically` writes. Where somebody is
 * just writing it, this waits for the new one.
 */
export const restoreFolder =
  (path: string): TE.TaskEither<WeightsError, void> =>
  async () => {
    const own = resolve(path);
    const aside = asideOf(own);
    try {
      while ((await kindOf(own)()) === 'nothing' && (await kindOf(aside)()) === 'folder')
        if (await isLeftAside(aside)) await rename(aside, own);
        else await setTimeout(20);
      return E.right(undefined);
    } catch (error) {
      return problemOf(path, error);
    }
  };

/**
 * Writes a folder whole or not at all: into a temporary folder beside it, which then takes its name. When anything fails
 * the old folder is as it was; after a crash `restoreFolder` sees to that.
 *
 * @param path - The folder. One that is there is replaced, but only if all that it holds at its top may go.
 * @param files - Written in this order, each as its content comes.
 * @param replaceable - Which names at the top of an old folder may go. Default: those that are written now.
 */
export const writeFolderAtomically =
  (
    path: string,
    files: Iterable<FileToWrite>,
    replaceable: (name: string) => boolean = () => false,
  ): TE.TaskEither<WeightsError, void> =>
  async () => {
    let temporary: string | undefined;
    try {
      const restored = await restoreFolder(path)();
      if (E.isLeft(restored)) return restored;
      const target = await realpath(path).catch(() => resolve(path));
      const aside = asideOf(target);
      const all = [...files];
      const own = new Set(all.map(({ name }) => name.split('/')[0]!));
      const there = (await kindOf(target)()) === 'nothing' ? undefined : await readdir(target);
      const foreign = there?.filter((name) => !own.has(name) && !replaceable(name)) ?? [];
      if (foreign.length > 0)
        return fail(
          'InputOutput',
          path,
          `expected a folder to replace, but it holds ${firstFew(foreign.map((name) => JSON.stringify(name)))} besides; choose a folder of its own`,
        );
      await mkdir(dirname(target), { recursive: true });
      temporary = `${target}.${token()}.tmp`;
      await mkdir(temporary);
      const folders = new Set([temporary]);
      for (const { name, content } of all) {
        const file = joined(temporary, name, '');
        if (E.isLeft(file))
          throw new ArgumentError(`writeFolderAtomically: expected a name in the folder, got ${name}`);
        await mkdir(dirname(file.right), { recursive: true });
        folders.add(dirname(file.right));
        await writeNew(file.right, content);
      }
      for (const folder of folders) await syncFolder(folder);
      // An old folder is left aside only by a crash after the new one was in place.
      await rm(aside, { recursive: true, force: true });
      if (there !== undefined) await rename(target, aside);
      try {
        await rename(temporary, target);
      } catch (error) {
        if (there !== undefined) await rename(aside, target);
        throw error;
      }
      temporary = undefined;
      await syncFolder(dirname(target));
      await rm(aside, { recursive: true, force: true });
      return E.right(undefined);
    } catch (error) {
      return problemOf(path, error);
    } finally {
      if (temporary !== undefined) await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    }
  };
