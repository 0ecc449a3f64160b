import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import * as E from 'fp-ts/lib/Either.js';
import type * as T from 'fp-ts/lib/Task.js';
import type * as TE from 'fp-ts/lib/TaskEither.js';
import { ArgumentError } from '../tensor/errors.ts';
import { fail, PresetError, toPresetError, type WeightsError, weightsError } from './errors.ts';

// The only file of this room that touches the file system.

/** A file that is open for positional reads. */
export interface OpenFile {
  readonly path: string;
  /** Bytes when it was opened. */
  readonly size: number;
  /** Bytes `start` to `end`. Rejects with a PresetError if the file has become shorter or cannot be read. */
  readonly read: (start: number, end: number) => Promise<Uint8Array>;
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
      read: async (start, end) => {
        const target = new Uint8Array(end - start);
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
 * letters, backslashes and `..` are refused. Symbolic links are followed, because hub caches are made of them.
 *
 * @param source - The file that the name stands in, for the message.
 */
export const inFolder = (folder: string, name: string, source: string): E.Either<WeightsError, string> => {
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
 * Writes a file whole or not at all: into a temporary file beside it, which then takes its name. When anything fails the
 * old file is as it was and the temporary one is gone.
 */
export const writeAtomically =
  (path: string, content: AsyncIterable<Uint8Array>): TE.TaskEither<WeightsError, void> =>
  async () => {
    const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      const handle = await open(temporary, 'wx');
      try {
        for await (const bytes of content) {
          for (let done = 0; done < bytes.length; )
            done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten;
        }
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
      return E.right(undefined);
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      if (error instanceof PresetError) return E.left({ _tag: error._tag, message: error.message, path });
      if (error instanceof ArgumentError) throw error;
      return E.left(ioError(path, 'written', error));
    }
  };
