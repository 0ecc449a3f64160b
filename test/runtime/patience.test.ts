import { describe, expect, it } from 'vitest';
import { patiently } from '../../src/runtime/webgpu/patience.ts';

const later = <A>(ms: number, value: () => A): Promise<A> =>
  new Promise((resolve, reject) => {
    setTimeout(() => {
      try {
        resolve(value());
      } catch (error) {
        reject(error);
      }
    }, ms);
  });

/** Keeps the event loop turning at full speed until `pending` settles, as Dawn does; gives the turns it took. */
const turnsDuring = async (pending: Promise<unknown>): Promise<number> => {
  let turns = 0;
  let settled = false;
  const turn = () => {
    turns += 1;
    if (!settled) setImmediate(turn);
  };
  setImmediate(turn);
  await pending.catch(() => undefined);
  settled = true;
  return turns;
};

describe('patiently', () => {
  it('gives what the promise gives', async () => {
    expect(await patiently(Promise.resolve(3))).toBe(3);
    await expect(patiently(Promise.reject(new Error('no')))).rejects.toThrow('no');
  });

  it.each(['answer', 'work'] as const)(
    'turns the event loop some hundred times a second for %s, and stops when nothing is waited for',
    async (awaited) => {
      await patiently(
        later(0, () => 1),
        awaited,
      );
      const turns = await turnsDuring(
        patiently(
          later(200, () => 1),
          awaited,
        ),
      );
      expect(turns).toBeLessThan(300); // 200 ms of naps of 4 ms, the shorter ones before, and what timers turn by themselves.
      // Well above what napping turns could be; a loop at full speed makes 100,000 and more.
      expect(await turnsDuring(later(200, () => 1))).toBeGreaterThan(turns * 3);
    },
  );

  it('serves several promises that settle in any order, one of them rejected', async () => {
    const pending = [30, 10, 20].map((ms) =>
      patiently(
        later(ms, () => {
          if (ms === 20) throw new Error('lost');
          return ms;
        }),
      ),
    );
    const settled = await Promise.allSettled(pending);
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
  });
});
