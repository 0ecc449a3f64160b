import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withLock } from '../../src/hub/node/lock.ts';
import { openPartial } from '../../src/hub/node/partial.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'purelm-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const never = new AbortController().signal;
const path = (): string => join(folder, 'deep', 'x.lock');

/** A process that has ended: no system gives so high a number. */
const nobody = 2 ** 30;

describe('withLock', () => {
  it('lets one work at a time, and leaves nothing behind', async () => {
    let inside = 0;
    let most = 0;
    const work = async (): Promise<number> => {
      inside++;
      most = Math.max(most, inside);
      await delay(5);
      return inside--;
    };
    await Promise.all(Array.from({ length: 8 }, () => withLock(path(), never, work)));
    expect(most).toBe(1);
    expect(readdirSync(join(folder, 'deep'))).toEqual([]);
  });

  it('is given back when the work fails', async () => {
    const fails = withLock(path(), never, () => Promise.reject(new Error('no')));
    await expect(fails).rejects.toThrow('no');
    expect(await withLock(path(), never, async () => 1)).toBe(1);
  });

  it('is taken over at once from a process that has died, and is waited for while its holder lives', async () => {
    await withLock(path(), never, async () => undefined);
    writeFileSync(path(), JSON.stringify({ host: hostname(), process: nobody, token: 'x' }));
    const start = Date.now();
    await withLock(path(), never, async () => undefined);
    expect(Date.now() - start).toBeLessThan(1000);
    for (const holder of [
      { host: hostname(), process: process.pid, token: 'x' },
      { host: 'elsewhere', process: nobody, token: 'x' },
    ]) {
      writeFileSync(path(), JSON.stringify(holder));
      await expect(withLock(path(), AbortSignal.timeout(300), async () => undefined)).rejects.toMatchObject({
        name: 'TimeoutError',
      });
      expect(existsSync(path())).toBe(true);
    }
  });

  it('is taken over from another machine that has given no sign for a minute, or was never finished', async () => {
    for (const text of [JSON.stringify({ host: 'elsewhere', process: 1, token: 'x' }), '', 'nonsense']) {
      await withLock(path(), never, async () => undefined);
      writeFileSync(path(), text);
      const old = new Date(Date.now() - 61_000);
      utimesSync(path(), old, old);
      expect(await withLock(path(), never, async () => 'mine')).toBe('mine');
    }
  });
});

describe('openPartial', () => {
  const open = () => openPartial(join(folder, 'x.incomplete'), join(folder, 'x'));
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  it('shows nothing before it is finished, and goes on where it was left', async () => {
    const first = await open();
    await first.append(bytes('abc'));
    await first.close();
    const second = await open();
    expect(second.size()).toBe(3);
    await second.append(bytes('def'));
    expect(existsSync(join(folder, 'x'))).toBe(false);
    await second.finish();
    expect(readFileSync(join(folder, 'x'), 'utf8')).toBe('abcdef');
    expect(readdirSync(folder)).toEqual(['x']);
  });

  it('is whole when two write it after all, and the second to finish finds it so', async () => {
    const [one, other] = [await open(), await open()];
    for (const piece of ['abc', 'def']) {
      await one.append(bytes(piece));
      await other.append(bytes(piece));
    }
    await one.finish();
    await other.finish();
    expect(readFileSync(join(folder, 'x'), 'utf8')).toBe('abcdef');
  });

  it('gets no name when it has changed meanwhile', async () => {
    const partial = await open();
    await partial.append(bytes('abc'));
    writeFileSync(join(folder, 'x.incomplete'), 'other things');
    await expect(partial.finish()).rejects.toMatchObject({ code: 'ESTALE' });
    expect(existsSync(join(folder, 'x'))).toBe(false);
  });
});
