import { readdir, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { count } from '../../src/tensor/shape.ts';
import {
  openSafetensors,
  PresetError,
  type StoredDType,
  storedBytes,
  type TensorToWrite,
  writeSafetensors,
} from '../../src/weights/index.ts';
import { ambiguity } from '../../src/weights/json.ts';
import { bytesOf, fileOf, left, refused, right, safetensorsBytes, temporaryFolder } from './helpers.ts';
import { f32, hostile, unusual } from './safetensorsCases.ts';

const folder = await temporaryFolder();

const written = Object.keys(storedBytes).filter((dtype) => dtype !== 'float8') as StoredDType[];

/** Lists of tensors with names of every kind, `__proto__` among them, and random bytes. */
const tensorLists = (): fc.Arbitrary<readonly TensorToWrite[]> =>
  fc.uniqueArray(
    fc
      .record({
        name: fc
          .oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'constructor', '0', 'wte.weight', '"\\'))
          .filter((name) => name !== '__metadata__'),
        dtype: fc.constantFrom(...written),
        shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
      })
      .chain(({ name, dtype, shape }) => {
        const length = count(shape) * storedBytes[dtype];
        return fc
          .uint8Array({ minLength: length, maxLength: length })
          .map((data): TensorToWrite => ({ name, dtype, shape, data }));
      }),
    { selector: ({ name }) => name, maxLength: 6 },
  );

describe('safetensors', () => {
  it('reads back what was written, whatever the names, shapes, dtypes and bytes', () =>
    fc.assert(
      fc.asyncProperty(tensorLists(), async (tensors) => {
        const path = join(folder, 'roundtrip');
        right(await writeSafetensors(path, tensors, { format: 'pt' })());
        const checkpoint = right(await openSafetensors(path)());
        expect([...checkpoint.tensors.keys()].sort()).toEqual(tensors.map(({ name }) => name).sort());
        for (const { name, dtype, shape, data } of tensors) {
          const stored = checkpoint.tensors.get(name)!;
          expect([stored.name, stored.dtype, stored.shape]).toEqual([name, dtype, shape]);
          expect(await bytesOf(stored, 8)).toEqual(data);
        }
        await checkpoint.close();
      }),
      { numRuns: 60 },
    ));

  it('reads any range of a tensor and refuses ranges outside it', async () => {
    const data = Uint8Array.from({ length: 40 }, (_, i) => i);
    const path = join(folder, 'ranges');
    right(await writeSafetensors(path, [{ name: 'x', dtype: 'float32', shape: [2, 5], data }])());
    const checkpoint = right(await openSafetensors(path)());
    const x = checkpoint.tensors.get('x')!;
    await fc.assert(
      fc.asyncProperty(fc.nat(40), fc.nat(40), async (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        expect(await x.read(start, end)).toEqual(data.slice(start, end));
      }),
    );
    for (const [start, end] of [
      [-1, 4],
      [8, 4],
      [0, 41],
      [0.5, 4],
      [0, Number.NaN],
    ] as const)
      await expect(x.read(start, end)).rejects.toThrow('read of x: expected a range within 0 to 40 bytes');
    await checkpoint.close();
    await expect(x.read(0, 4)).rejects.toThrow(PresetError);
  });

  it('either opens a damaged file or says that it is broken, and never believes a range outside it', async () => {
    const path = join(folder, 'sound');
    const sound = ['a', 'b', '__proto__'].map(
      (name, i): TensorToWrite => ({ name, dtype: 'float32', shape: [i + 1, 2], data: new Uint8Array(8 * (i + 1)) }),
    );
    right(await writeSafetensors(path, sound, { format: 'pt' })());
    const bytes = new Uint8Array(await readFile(path));
    const headerEnd = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const damage = fc.record({
      edits: fc.array(
        fc.tuple(fc.nat(headerEnd - 1), fc.oneof(fc.nat(255), fc.constantFrom(0x30, 0x39, 0x22, 0x7b, 0x5d))),
        {
          maxLength: 4,
        },
      ),
      length: fc.oneof(
        { weight: 3, arbitrary: fc.constant(bytes.length) },
        { weight: 1, arbitrary: fc.nat(bytes.length + 9) },
      ),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ edits, length }) => {
        const broken = new Uint8Array(length);
        broken.set(bytes.subarray(0, length));
        for (const [at, value] of edits) if (at < length) broken[at] = value;
        const file = await fileOf(folder, broken);
        const opened = await openSafetensors(file)();
        if (opened._tag === 'Left') {
          expect(opened.left._tag).toBe('BrokenFile');
          expect(opened.left.message).toContain(file);
          return;
        }
        for (const tensor of opened.right.tensors.values()) {
          expect(tensor.byteLength).toBeLessThanOrEqual(length);
          expect((await bytesOf(tensor, 8)).length).toBe(count(tensor.shape) * storedBytes[tensor.dtype]);
        }
        await opened.right.close();
      }),
      { numRuns: 400 },
    );
  });

  it('refuses every truncation', async () => {
    const bytes = safetensorsBytes({ a: f32(0, 8, [2]), b: f32(8, 12, []) }, 12);
    for (let length = 0; length < bytes.length; length++)
      expect((await refused(openSafetensors(await fileOf(folder, bytes.slice(0, length)))))._tag).toBe('BrokenFile');
  });

  it.each(Object.entries(hostile))('refuses %s', async (_, [bytes, problem, size]) => {
    const path = await fileOf(folder, bytes);
    if (size !== undefined) await truncate(path, size);
    const error = await refused(openSafetensors(path));
    expect([error._tag, error.path]).toEqual(['BrokenFile', path]);
    expect(error.message).toContain(problem);
    expect(error.message.length).toBeLessThan(600);
  });

  it.each(Object.entries(unusual))('accepts %s', async (_, empty) => {
    const bytes = empty.slice();
    bytes.set([0, 0, 128, 63], bytes.length - 4);
    const checkpoint = right(await openSafetensors(await fileOf(folder, bytes))());
    expect((await bytesOf(checkpoint.tensors.get('a')!)).length).toBe(4);
    await checkpoint.close();
  });

  it('has no tensors in a file that says so', async () => {
    const checkpoint = right(await openSafetensors(await fileOf(folder, safetensorsBytes('{}')))());
    expect(checkpoint.tensors.size).toBe(0);
    await checkpoint.close();
  });

  it('says so when a file has become shorter after it was opened', async () => {
    const path = await fileOf(folder, safetensorsBytes({ a: f32(0, 40, [10]) }, 40));
    const checkpoint = right(await openSafetensors(path)());
    await truncate(path, 60);
    await expect(bytesOf(checkpoint.tensors.get('a')!)).rejects.toThrow(
      /ends at byte \d+, expected \d+ bytes; has it changed/,
    );
    await checkpoint.close();
  });

  it('refuses what is not a regular file without opening it', async () => {
    expect((await refused(openSafetensors(folder))).message).toBe(`${folder}: expected a regular file`);
    expect(await refused(openSafetensors(join(folder, 'missing')))).toMatchObject({ _tag: 'MissingFile' });
    expect(await refused(openSafetensors('/dev/zero'))).toMatchObject({ _tag: 'BrokenFile' });
  });
});

describe('ambiguity', () => {
  it('finds nothing in JSON of objects, lists, texts and whole numbers', () =>
    fc.assert(
      fc.property(
        fc
          .jsonValue({ stringUnit: 'binary' })
          .map((value) =>
            JSON.stringify(value, (_, own: unknown) =>
              typeof own === 'number' ? Math.floor(Math.abs(own) % 1e9) : own,
            ),
          ),
        (text) => {
          expect(ambiguity(text)).toBeUndefined();
        },
      ),
    ));

  it('finds a key that an object has twice, at any depth', () =>
    fc.assert(
      fc.property(fc.string(), fc.nat(), fc.nat(), fc.nat(5), (key, a, b, depth) => {
        const name = JSON.stringify(key);
        const text = `${'[{"x":'.repeat(depth)}{${name}:[${a}],${name}:{"y":${b}}}${'}]'.repeat(depth)}`;
        expect(ambiguity(text)).toBe(`${name} twice`);
      }),
    ));

  it.each(['-1', '1.0', '1e3', '1E3', '1e+3', '-0'])('finds the number %s', (number) => {
    for (const text of [number, `[${number}]`, `{"a":${number}}`, `[true, {"-.eE": [0, ${number}]}]`])
      expect(ambiguity(text)).toBe(`the number "${number}", expected digits alone`);
  });

  it('finds half a character, in keys and in values', () => {
    for (const text of ['"\\ud800"', '{"\\udc00":1}', '["\\\\", "\\ud83d\\ude00\\ud83d"]'])
      expect(ambiguity(text)).toContain('half a surrogate pair');
    expect(ambiguity('["\\ud83d\\ude00", "\\\\ud800"]')).toBeUndefined();
  });
});

describe('writeSafetensors', () => {
  const tensor = (name: string, dtype: StoredDType = 'float32'): TensorToWrite => ({
    name,
    dtype,
    shape: [1],
    data: new Uint8Array(storedBytes[dtype]),
  });

  it('leaves the old file as it was when a save fails half-way', async () => {
    const target = join(await temporaryFolder(), 'model.safetensors');
    right(await writeSafetensors(target, [tensor('old')])());
    const before = await readFile(target);
    const short: TensorToWrite = {
      ...tensor('x'),
      data: async function* () {
        yield new Uint8Array(3);
      },
    };
    expect(left(await writeSafetensors(target, [short])())).toMatchObject({
      _tag: 'WrongTensors',
      message: `${target}: tensor "x": expected 4 bytes, got 3`,
    });
    expect(await readFile(target)).toEqual(before);
    expect(await readdir(join(target, '..'))).toEqual(['model.safetensors']);
  });

  it('says so when the folder is not there', async () => {
    const path = join(folder, 'nowhere', 'model.safetensors');
    expect(left(await writeSafetensors(path, [])())).toMatchObject({
      _tag: 'InputOutput',
      message: `${path}: could not be written (ENOENT)`,
    });
  });

  it('refuses two tensors of one name', async () => {
    const path = join(folder, 'twice');
    for (const tensors of [[tensor('a'), tensor('a', 'int64')], [tensor('__metadata__')]])
      expect(left(await writeSafetensors(path, tensors)())._tag).toBe('WrongTensors');
  });
});
