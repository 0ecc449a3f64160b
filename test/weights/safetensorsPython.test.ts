import { createHash } from 'node:crypto';
import { mkdir, readFile, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { openSafetensors, writeSafetensors } from '../../src/weights/index.ts';
import { fixture } from '../support/fixtures.ts';
import { fuzzRuns, fuzzSeed, mutated } from '../support/mutate.ts';
import { fileOf, right, temporaryFolder } from './helpers.ts';
import { hostile, unusual } from './safetensorsCases.ts';

/** What the safetensors library of Python says of each file: null where it opens it. See test/reference/check_safetensors.py. */
interface Recorded {
  readonly cases: Readonly<Record<string, { readonly sha256: string; readonly refused: string | null }>>;
}

/** Files that the library opens and we do not: none that a writer writes. */
const stricter: readonly string[] = [
  "a field that is not the format's",
  'a key of the metadata twice',
  'a million axes',
  'a name twice with different values',
  'a name twice with one value',
  'a name twice, once in escapes',
  'a tensor that is a list',
  'metadata that is no object',
];

const folder = await temporaryFolder();

/** Where files and our word on each are left for Python, if asked. */
const out = process.env.PURELM_SAFETENSORS_FOLDER;

const cases = new Map<string, { readonly bytes: Uint8Array; readonly size: number }>(
  [...Object.entries(hostile), ...Object.entries(unusual).map(([name, bytes]) => [name, [bytes, '']] as const)].map(
    ([name, [bytes, , size = bytes.length]]) => [name, { bytes, size }],
  ),
);

const opens = async (path: string): Promise<boolean> => {
  const opened = await openSafetensors(path)();
  if (E.isRight(opened)) await opened.right.close();
  return E.isRight(opened);
};

describe('Python and we', () => {
  it('agree on every odd file, or we are the stricter ones', async () => {
    const recorded = fixture<Recorded>('safetensors');
    expect(Object.keys(recorded.cases).sort()).toEqual([...cases.keys()].sort());
    const alone: string[] = [];
    for (const [name, { bytes, size }] of cases) {
      const { sha256, refused } = recorded.cases[name]!;
      expect([name, createHash('sha256').update(bytes).digest('hex').slice(0, 16)]).toEqual([name, sha256]);
      const path = await fileOf(folder, bytes);
      await truncate(path, size);
      const isOpen = await opens(path);
      if (isOpen) expect([name, refused]).toEqual([name, null]);
      else if (refused === null) alone.push(name);
    }
    expect(alone.sort()).toEqual([...stricter].sort());
  });

  it('get the files, if asked, and changed ones with our word on each', async () => {
    if (out !== undefined) await mkdir(join(out, 'changed'), { recursive: true });
    const list = [...cases.entries()].map(([name, { size }], i) => ({ file: `case${i}`, name, size }));
    const write = async (name: string, bytes: Uint8Array | string): Promise<void> => {
      if (out !== undefined) await writeFile(join(out, name), bytes);
    };
    for (const [i, { bytes }] of [...cases.values()].entries()) await write(`case${i}`, bytes);
    await write('cases.json', JSON.stringify(list));
    const path = join(folder, 'sound');
    right(
      await writeSafetensors(
        path,
        ['a', 'b', '__proto__'].map((name, i) => ({
          name,
          dtype: 'float32',
          shape: [i + 1, 2],
          data: new Uint8Array(8 * (i + 1)),
        })),
        { format: 'pt' },
      )(),
    );
    const bytes = new Uint8Array(await readFile(path));
    let serial = 0;
    await fc.assert(
      fc.asyncProperty(mutated(bytes), async (changed) => {
        const file = await fileOf(folder, changed);
        await write(join('changed', `${serial++}.${(await opens(file)) ? 'opened' : 'refused'}`), changed);
        await unlink(file);
      }),
      { numRuns: fuzzRuns(200), seed: fuzzSeed() },
    );
  });
});
