import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, stat, unlink, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { sleep } from '../network.ts';

/** Milliseconds between two signs of life. */
const beat = 5000;

/** Milliseconds after which a lock without a sign of life is nobody's, where the process cannot be looked at. */
const patience = 60_000;

/** Milliseconds between two looks at somebody else's lock. */
const look = 100;

interface Holder {
  readonly host: string;
  readonly process: number;
  readonly token: string;
}

const parseHolder = (text: string): Holder | undefined => {
  try {
    const { host, process, token } = JSON.parse(text) as Partial<Holder>;
    return typeof host === 'string' && typeof process === 'number' && typeof token === 'string'
      ? { host, process, token }
      : undefined;
  } catch {
    return undefined;
  }
};

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

const isAlive = (id: number): boolean => {
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
};

/** The lock's text, if whoever made it has died. */
const abandoned = async (path: string): Promise<string | undefined> => {
  try {
    const text = await readFile(path, 'utf8');
    const age = Date.now() - (await stat(path)).mtimeMs;
    const holder = parseHolder(text);
    const gone = holder !== undefined && holder.host === hostname() && !isAlive(holder.process);
    return gone || age > patience ? text : undefined;
  } catch {
    return undefined;
  }
};

/** Takes an abandoned lock away. Two may try at once: whoever took away a living one in its place puts it back. */
const clear = async (path: string, text: string): Promise<void> => {
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await readFile(aside, 'utf8').catch(() => text)) !== text) await link(aside, path).catch(() => undefined);
  await unlink(aside).catch(() => undefined);
};

/** Makes the lock's file, with its text in it from the first moment; false if there is one. */
const make = async (path: string, text: string): Promise<boolean> => {
  const own = `${path}.${randomBytes(6).toString('hex')}`;
  const handle = await open(own, 'wx');
  try {
    await handle.writeFile(text);
  } finally {
    await handle.close();
  }
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    // File systems without links: there the file is made, and filled a moment later.
    try {
      const made = await open(path, 'wx');
      await made.writeFile(text);
      await made.close();
      return true;
    } catch (problem) {
      if (codeOf(problem) === 'EEXIST') return false;
      throw problem;
    }
  } finally {
    await unlink(own).catch(() => undefined);
  }
};

/**
 * Runs `work` while no other process holds the lock: a file that says who does. A lock whose process has died is taken over at
 * once; one of another machine after a minute without a sign of life. It saves work, and nothing rests on it: what it guards is
 * checked by hashes and named in one step.
 *
 * @param path - The lock's file; its folder is made.
 * @param signal - Ends the waiting; the promise rejects with its reason.
 */
export const withLock = async <A>(path: string, signal: AbortSignal, work: () => Promise<A>): Promise<A> => {
  await mkdir(dirname(path), { recursive: true });
  const token = randomBytes(12).toString('hex');
  const text = JSON.stringify({ host: hostname(), process: process.pid, token } satisfies Holder);
  while (!(await make(path, text))) {
    const dead = await abandoned(path);
    if (dead === undefined) await sleep(look * (0.5 + Math.random()), signal);
    else await clear(path, dead);
  }
  const heart = setInterval(() => {
    utimes(path, new Date(), new Date()).catch(() => undefined);
  }, beat);
  heart.unref();
  try {
    return await work();
  } finally {
    clearInterval(heart);
    const there = await readFile(path, 'utf8').catch(() => undefined);
    if (there === text) await unlink(path).catch(() => undefined);
  }
};
