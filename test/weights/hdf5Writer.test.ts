import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import h5wasm from 'h5wasm/node';
import { describe, expect, it } from 'vitest';
import { count } from '../../src/tensor/shape.ts';
import {
  type H5Attributes,
  type H5Dataset,
  type H5Group,
  h5Tree,
  openH5,
  pieces,
  type StoredDType,
  storedBytes,
  writeAtomically,
  writeHdf5,
} from '../../src/weights/index.ts';
import { bytesOf, fixture, right, temporaryFolder } from './helpers.ts';

const folder = await temporaryFolder();

/** Where `reference/check_hdf5.py` looks for files to read with h5py and Keras; undefined: nobody looks. */
const kept = process.env.PURELM_H5_FOLDER;

/** The attributes that the HDF5 library finds. */
const attributesOf = (file: InstanceType<typeof h5wasm.File>, path: string): Record<string, unknown> => {
  const entity = file.get(path);
  if (!(entity instanceof h5wasm.Group || entity instanceof h5wasm.Dataset)) throw new Error(`nothing at ${path}`);
  return Object.fromEntries(Object.entries(entity.attrs).map(([name, { value, dtype }]) => [name, [dtype, value]]));
};

/** A text of any length, as the library reports it. */
const text = (value: string): readonly unknown[] => [expect.anything(), value];

let serial = 0;

const fileOf = async (tree: H5Group): Promise<string> => {
  const path = join(folder, `${serial++}.h5`);
  right(await writeAtomically(path, writeHdf5(tree))());
  return path;
};

const collect = async (tree: H5Group): Promise<Uint8Array[]> => {
  const all: Uint8Array[] = [];
  for await (const piece of writeHdf5(tree)) all.push(piece);
  return all;
};

const dtypes = [
  'float32',
  'float16',
  'bfloat16',
  'float64',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
] as const satisfies readonly StoredDType[];

/** A dataset of drawn shape, dtype and bytes. */
const datasets = fc
  .tuple(fc.constantFrom(...dtypes), fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }))
  .chain(([dtype, shape]) => {
    const bytes = count(shape) * storedBytes[dtype];
    return fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((data): H5Dataset => ({ dtype, shape, data }));
  });

const names = fc
  .string({ minLength: 1, maxLength: 12, unit: 'grapheme' })
  .filter((name) => name !== '.' && !/[/\0]/.test(name) && name.trim() === name);

const attributes = fc.dictionary(names, fc.string({ maxLength: 80, unit: 'grapheme' }), { maxKeys: 3 });

describe('writeHdf5', () => {
  it('writes trees that the HDF5 library and our reader read back, whatever is in them', async () => {
    await h5wasm.ready;
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(names, names, datasets, attributes), {
          selector: ([a, b]) => `${a}/${b}`,
          maxLength: 20,
        }),
        async (drawn) => {
          const groups = new Set(drawn.map(([group]) => `g ${group}`));
          const tree = h5Tree(
            drawn.map(([group, name, dataset, own]) => [`g ${group}/d ${name}`, { ...dataset, attributes: own }]),
            [...groups].map((group) => [group, { name: group }]),
          );
          const path = await fileOf(tree);
          const checkpoint = right(await openH5(path)());
          const file = new h5wasm.File(path, 'r');
          try {
            expect([...checkpoint.tensors.keys()].sort()).toEqual(drawn.map(([a, b]) => `g ${a}/d ${b}`).sort());
            for (const group of groups) expect(attributesOf(file, group).name).toEqual(text(group));
            for (const [group, name, { dtype, shape, data }, own] of drawn) {
              const ours = checkpoint.tensors.get(`g ${group}/d ${name}`)!;
              expect([ours.dtype, ours.shape]).toEqual([dtype, shape]);
              expect(await bytesOf(ours)).toEqual(data);
              const theirs = file.get(`g ${group}/d ${name}`) as InstanceType<typeof h5wasm.Dataset>;
              expect([theirs.shape, theirs.metadata.size]).toEqual([shape, storedBytes[dtype]]);
              const found = attributesOf(file, `g ${group}/d ${name}`);
              for (const [key, value] of Object.entries(own)) expect(found[key]).toEqual(text(value));
              if (dtype === 'bfloat16') expect(found.dtype).toEqual(text(own.dtype ?? 'bfloat16'));
              if (dtype === 'float32') {
                const values = new Float32Array((data as Uint8Array).slice().buffer);
                expect(theirs.value === null ? values : theirs.value).toEqual(shape.length === 0 ? values[0] : values);
              }
            }
          } finally {
            file.close();
            await checkpoint.close();
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  // Around the sizes of a symbol node (8 names) and of tree nodes (32 children), to three levels.
  it.each([0, 1, 8, 9, 256, 257, 264, 8192, 8193])('splits the names of a group of %i members', async (members) => {
    await h5wasm.ready;
    const value = (i: number): Uint8Array => new Uint8Array(Float32Array.of(i).buffer);
    const path = await fileOf({
      members: new Map(
        Array.from({ length: members }, (_, i) => [`v${i}`, { dtype: 'float32', shape: [], data: value(i) }] as const),
      ),
    });
    const checkpoint = right(await openH5(path)());
    const file = new h5wasm.File(path, 'r');
    expect(file.keys().length).toBe(members);
    expect(file.get('absent')).toBeNull();
    // The library looks a name up by going down the tree.
    for (let i = 0; i < members; i += members > 1000 ? 997 : 1) {
      expect((file.get(`v${i}`) as InstanceType<typeof h5wasm.Dataset>).value).toBe(i);
      expect(await bytesOf(checkpoint.tensors.get(`v${i}`)!)).toEqual(value(i));
    }
    expect(checkpoint.tensors.size).toBe(members);
    file.close();
    await checkpoint.close();
  });

  it.each(['a_float32', 'a_float16', 'a_bfloat16', 'c_float32'])(
    'S117 writes %s as Keras does: the same groups, attributes and data',
    async (name) => {
      await h5wasm.ready;
      const source = join(fixture(`keras/${name}`), 'model.weights.h5');
      const original = right(await openH5(source)());
      const library = new h5wasm.File(source, 'r');
      const groups = library
        .paths()
        .filter((path) => library.get(path) instanceof h5wasm.Group)
        .map((path): [string, H5Attributes] => [
          path.replace(/^\//, ''),
          Object.fromEntries(
            Object.entries(attributesOf(library, path)).map(([key, own]) => [key, (own as readonly string[])[1]!]),
          ),
        ]);
      const tree = h5Tree(
        [...original.tensors].map(([path, tensor]) => [
          path,
          { dtype: tensor.dtype, shape: tensor.shape, data: () => pieces(tensor, 1000) },
        ]),
        groups,
      );
      const path = await fileOf(tree);
      const written = new h5wasm.File(path, 'r');
      expect(written.paths().sort()).toEqual(library.paths().sort());
      for (const each of library.paths()) {
        expect(attributesOf(written, each)).toEqual(attributesOf(library, each));
        const [own, theirs] = [written.get(each), library.get(each)];
        if (own instanceof h5wasm.Dataset && theirs instanceof h5wasm.Dataset)
          expect(own.metadata).toEqual(theirs.metadata);
      }
      const again = right(await openH5(path)());
      for (const [each, tensor] of original.tensors)
        expect(await bytesOf(again.tensors.get(each)!, 5000)).toEqual(await bytesOf(tensor, 5000));
      await again.close();
      written.close();
      library.close();
      await original.close();
      if (kept !== undefined) {
        await mkdir(join(kept, name), { recursive: true });
        await copyFile(path, join(kept, name, 'model.weights.h5'));
        await copyFile(join(fixture(`keras/${name}`), 'config.json'), join(kept, name, 'config.json'));
      }
    },
  );

  it('gives the same bytes for the same tree, in whatever order its members come', async () => {
    const dataset = (i: number): H5Dataset => ({ dtype: 'int32', shape: [1], data: Uint8Array.of(i, 0, 0, 0) });
    const tree = (order: readonly number[]): H5Group => h5Tree(order.map((i) => [`a/b${i}`, dataset(i)]));
    expect(Buffer.concat(await collect(tree([1, 2, 3])))).toEqual(Buffer.concat(await collect(tree([3, 1, 2]))));
  });

  it('asks for a dataset’s pieces only when what is before them has been taken', async () => {
    const asked: string[] = [];
    const big = (name: string): H5Dataset => ({
      dtype: 'float32',
      shape: [3, 1024],
      data: async function* () {
        for (let i = 0; i < 3; i++) {
          asked.push(`${name}${i}`);
          yield new Uint8Array(4096);
        }
      },
    });
    const running = writeHdf5(
      h5Tree([
        ['a', big('a')],
        ['b', big('b')],
      ]),
    );
    await running.next();
    expect(asked).toEqual([]);
    await running.next();
    expect(asked).toEqual(['a0']);
    let bytes = 4096;
    for await (const piece of running) bytes += piece.length;
    expect(bytes).toBe(2 * 3 * 4096);
    expect(asked).toEqual(['a0', 'a1', 'a2', 'b0', 'b1', 'b2']);
  });

  it('holds a text longer than a collection of texts, and many', async () => {
    await h5wasm.ready;
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`key${i}`, 'é'.repeat(i)]));
    const path = await fileOf({ members: new Map(), attributes: { ...many, long: 'x'.repeat(100_000) } });
    const file = new h5wasm.File(path, 'r');
    const found = attributesOf(file, '/');
    expect(found.long).toEqual(text('x'.repeat(100_000)));
    for (const [key, value] of Object.entries(many)) expect(found[key]).toEqual(text(value));
    file.close();
  });

  it('says what is wrong before it writes anything', async () => {
    const one = (name: string, dtype: StoredDType = 'float32'): H5Group => ({
      members: new Map([[name, { dtype, shape: [0], data: new Uint8Array(0) }]]),
    });
    for (const name of ['', '.', 'a/b', 'a\0', 'x'.repeat(1024), '\ud800'])
      await expect(collect(one(name))).rejects.toThrow('writeHdf5: expected a name in ""');
    await expect(collect(one('x', 'bool'))).rejects.toThrow('expected a dtype that HDF5 has for "/x", got bool');
    const twice = [
      ['a/b', { dtype: 'int8', shape: [0], data: new Uint8Array(0) }],
      ['a/b', { dtype: 'int8', shape: [0], data: new Uint8Array(0) }],
    ] as const;
    expect(() => h5Tree(twice)).toThrow('expected each path once, got "a/b" twice');
    expect(() => h5Tree([twice[0], ['a/b/c', twice[0][1]]])).toThrow('got a dataset at "b"');
  });

  it('does not pass over data that is too short or too long, and leaves the old file', async () => {
    const path = join(folder, 'kept.h5');
    await writeFile(path, 'old');
    for (const length of [7, 9])
      await expect(
        collect(h5Tree([['x', { dtype: 'float32', shape: [2], data: new Uint8Array(length) }]])),
      ).rejects.toThrow('dataset "/x": expected 8 bytes for float32 [2], got');
    const short = h5Tree([['x', { dtype: 'float32', shape: [2], data: new Uint8Array(7) }]]);
    expect(await writeAtomically(path, writeHdf5(short))()).toMatchObject({ _tag: 'Left' });
  });
});
