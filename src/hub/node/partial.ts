import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { MakeHasher, PartialFile } from '../store.ts';

/** Hashes by the system's library. Git's begins with what the bytes are and how many. */
export const makeNodeHasher: MakeHasher = (algorithm, size) => {
  const hash = createHash(algorithm === 'gitSha1' ? 'sha1' : algorithm);
  if (algorithm === 'gitSha1') hash.update(`blob ${size}\0`);
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') };
};

/** Bytes that are gathered before they are written, and for how many milliseconds at most. */
const gathered = 2 ** 20;
const longest = 300;

const changed = (path: string): Error =>
  Object.assign(new Error(`${path}: another process has changed it`), { code: 'ESTALE', syscall: 'rename' });

/**
 * Opens a file on disk that is being fetched.
 *
 * @param path - Where it lies meanwhile; its folder is made.
 * @param target - The name that it gets in the end, in one step; that folder is made too.
 * @param named - Called when it has its name.
 */
export const openPartial = async (
  path: string,
  target: string,
  named: () => Promise<void> = async () => undefined,
): Promise<PartialFile> => {
  await mkdir(dirname(path), { recursive: true });
  // Bytes go to places of their own, not to whatever is the end: should two processes write after all, they write the same.
  const handle: FileHandle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o666);
  let written = (await handle.stat()).size;
  let waiting: Uint8Array[] = [];
  let held = 0;
  let since = performance.now();
  let open_ = true;

  const flush = async (): Promise<void> => {
    if (held === 0) return;
    const bytes = waiting.length === 1 ? waiting[0]! : Buffer.concat(waiting, held);
    waiting = [];
    held = 0;
    since = performance.now();
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, written);
      done += bytesWritten;
      written += bytesWritten;
    }
  };
  const shut = async (): Promise<void> => {
    if (!open_) return;
    open_ = false;
    await handle.close();
  };

  return {
    size: () => written + held,
    bytes: () => createReadStream(path, { highWaterMark: gathered, end: Math.max(0, written - 1) }),
    append: async (bytes) => {
      waiting.push(bytes);
      held += bytes.length;
      if (held >= gathered || performance.now() - since > longest) await flush();
    },
    restart: async () => {
      waiting = [];
      held = 0;
      await handle.truncate(0);
      written = 0;
    },
    finish: async () => {
      await flush();
      await handle.sync();
      const own = await handle.stat();
      await shut();
      await mkdir(dirname(target), { recursive: true });
      try {
        const there = await stat(path);
        if (own.ino !== there.ino || there.size !== written) throw changed(path);
        await rename(path, target);
      } catch (problem) {
        // Another process may have taken us for dead, and have finished what we both wrote.
        if ((await stat(target).catch(() => undefined))?.size !== written) throw problem;
      }
      await named();
    },
    close: async () => {
      if (open_) await flush().catch(() => undefined);
      await shut();
    },
  };
};
