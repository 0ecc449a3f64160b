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
import { contradictoryKey } from '../../src/weights/json.ts';
import { bytesOf, fileOf, left, refused, right, safetensorsBytes, temporaryFolder } from './helpers.ts';

const folder = await temporaryFolder();

const f32 = (start: number, end: number, shape: readonly number[]): object => ({
  dtype: 'F32',
  shape,
  data_offsets: [start, end],
});

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

  const hostile: Readonly<Record<string, readonly [bytes: Uint8Array, problem: string]>> = {
    'a header longer than the file': [
      Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 127, 0x7b),
      'expected a header within',
    ],
    'a header just longer than the file': [
      Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d),
      'expected a header within',
    ],
    'a header that is no JSON': [safetensorsBytes('{"a":'), 'to be JSON'],
    'a header of thousands of open brackets': [safetensorsBytes('['.repeat(100_000)), 'to be JSON'],
    'a deep header': [safetensorsBytes(`{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`), 'dtype'],
    'a header that is a list': [safetensorsBytes('[]'), 'to be an object'],
    'a header that is no UTF-8': [Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff, 0xff, 0x7d), 'UTF-8'],
    'a byte order mark': [safetensorsBytes('\ufeff{}'), 'to be JSON'],
    'a tensor that is no object': [safetensorsBytes({ a: 3 }), 'tensor "a": dtype'],
    'an unknown dtype': [
      safetensorsBytes({ a: { ...f32(0, 4, [1]), dtype: 'F31' } }, 4),
      'expected one of F32, F16, BF16',
    ],
    'a dtype that every object has': [safetensorsBytes({ a: { ...f32(0, 4, [1]), dtype: 'toString' } }, 4), 'dtype'],
    'a negative size': [safetensorsBytes({ a: f32(0, 4, [-1]) }, 4), 'shape'],
    'a size with a fraction': [safetensorsBytes({ a: f32(0, 4, [1.5]) }, 4), 'shape'],
    'a size beyond 2^53': [
      safetensorsBytes('{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}', 4),
      'shape',
    ],
    'a size that is a string': [safetensorsBytes({ a: { ...f32(0, 4, []), shape: ['1'] } }, 4), 'shape'],
    'a shape that is no list': [safetensorsBytes({ a: { ...f32(0, 4, []), shape: { length: 0 } } }, 4), 'shape'],
    'a product beyond 2^53': [safetensorsBytes({ a: f32(0, 4, [2 ** 40, 2 ** 40]) }, 4), 'too many'],
    'a product that wraps to zero in 64 bits': [safetensorsBytes({ a: f32(0, 0, [2 ** 32, 2 ** 32]) }), 'too many'],
    'a million axes': [safetensorsBytes({ a: f32(0, 4, new Array<number>(1_000_000).fill(1)) }, 4), 'shape'],
    'more bytes than the shape': [safetensorsBytes({ a: f32(0, 8, [1]) }, 8), 'expected 4 bytes'],
    'offsets backwards': [safetensorsBytes({ a: f32(4, 0, [1]) }, 4), 'data_offsets'],
    'offsets below zero': [safetensorsBytes({ a: f32(-4, 0, [1]) }, 4), 'data_offsets'],
    'three offsets': [safetensorsBytes({ a: { ...f32(0, 4, [1]), data_offsets: [0, 4, 4] } }, 4), 'data_offsets'],
    'data past the end': [safetensorsBytes({ a: f32(0, 8, [2]) }, 4), 'within the 4 bytes'],
    'an overlap': [
      safetensorsBytes({ a: f32(0, 8, [2]), b: f32(4, 12, [2]) }, 12),
      'expected its data at byte 8, got 4',
    ],
    'a hole': [safetensorsBytes({ a: f32(0, 4, [1]), b: f32(8, 12, [1]) }, 12), 'expected its data at byte 4, got 8'],
    'a hole at the start': [safetensorsBytes({ a: f32(4, 8, [1]) }, 8), 'expected its data at byte 0, got 4'],
    'trailing bytes': [safetensorsBytes({ a: f32(0, 4, [1]) }, 5), 'expected 4 bytes of data, got 5'],
    'data and no tensors': [safetensorsBytes({}, 1), 'expected 0 bytes of data, got 1'],
    'a name twice with different values': [
      safetensorsBytes(`{"a":${JSON.stringify(f32(0, 4, [1]))},"a":${JSON.stringify(f32(0, 4, [1, 1]))}}`, 4),
      'has "a" twice',
    ],
    'a name twice, once in escapes': [
      safetensorsBytes(`{"a":${JSON.stringify(f32(0, 4, [1]))},"\\u0061":${JSON.stringify(f32(0, 4, [1, 1]))}}`, 4),
      'has "a" twice',
    ],
    'a shape twice': [
      safetensorsBytes('{"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,4]}}', 4),
      'twice',
    ],
    'metadata that is no string': [safetensorsBytes({ __metadata__: { n: 3 } }), '__metadata__'],
    'metadata that is no object': [safetensorsBytes({ __metadata__: null }), '__metadata__'],
    'a Git LFS pointer': [new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\n'), 'git lfs pull'],
    nothing: [new Uint8Array(0), 'got 0 bytes'],
  };
  it.each(Object.entries(hostile))('refuses %s', async (_, [bytes, problem]) => {
    const path = await fileOf(folder, bytes);
    const error = await refused(openSafetensors(path));
    expect([error._tag, error.path]).toEqual(['BrokenFile', path]);
    expect(error.message).toContain(problem);
    expect(error.message.length).toBeLessThan(600);
  });

  const unusual: Readonly<Record<string, Uint8Array>> = {
    'spaces after the header': safetensorsBytes(`${JSON.stringify({ a: f32(0, 4, [1]) })}     `, 4),
    'a space before the header': safetensorsBytes(` ${JSON.stringify({ a: f32(0, 4, [1]) })}`, 4),
    'data that is not aligned': safetensorsBytes(
      `${JSON.stringify({ x: { dtype: 'U8', shape: [3], data_offsets: [0, 3] }, a: f32(3, 7, [1]) })} `,
      7,
    ),
    'data in another order than the header': safetensorsBytes({ b: f32(4, 8, [1]), a: f32(0, 4, [1]) }, 8),
    'a name twice with one value': safetensorsBytes(
      `{"a":${JSON.stringify(f32(0, 4, [1]))},"a": ${JSON.stringify(f32(0, 4, [1]))}}`,
      4,
    ),
    'a tensor without elements': safetensorsBytes(
      { none: f32(0, 0, [0, 7]), a: f32(0, 4, [1]), end: f32(4, 4, [0]) },
      4,
    ),
    'a scalar': safetensorsBytes({ a: f32(0, 4, []) }, 4),
    'a name that every object has': safetensorsBytes(
      `{"__proto__":${JSON.stringify(f32(0, 4, [1]))},"a":${JSON.stringify(f32(4, 8, [1]))}}`,
      8,
    ),
    'metadata of strings': safetensorsBytes({ __metadata__: { format: 'pt', a: '' }, a: f32(0, 4, [1]) }, 4),
  };
  it.each(Object.entries(unusual))('accepts %s', async (_, bytes) => {
    bytes.set([0, 0, 128, 63], bytes.length - 4);
    const checkpoint = right(await openSafetensors(await fileOf(folder, bytes))());
    expect((await bytesOf(checkpoint.tensors.get('a')!)).length).toBe(4);
    const last = [...checkpoint.tensors.values()].find(({ name }) => name !== 'none' && name !== 'end')!;
    expect(last.byteLength).toBeGreaterThan(0);
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

describe('contradictoryKey', () => {
  it('finds nothing in what JSON.stringify writes', () =>
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(contradictoryKey(JSON.stringify(JSON.parse(text)))).toBeUndefined();
      }),
    ));

  it('finds a key that an object has twice, at any depth', () =>
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), fc.jsonValue(), fc.nat(5), (key, a, b, depth) => {
        fc.pre(JSON.stringify(a) !== JSON.stringify(b));
        const [name, first, second] = [key, a, b].map((value) => JSON.stringify(value));
        const text = `${'[{"x":'.repeat(depth)}{${name}:${first},${name}:${second}}${'}]'.repeat(depth)}`;
        expect(contradictoryKey(text)).toBe(key);
      }),
    ));
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
