import { readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import h5wasm from 'h5wasm/node';
import { describe, expect, it } from 'vitest';
import { count } from '../../src/tensor/shape.ts';
import { openH5, PresetError, storedBytes } from '../../src/weights/index.ts';
import { bytesOf, fileOf, fixture, numbersOf, refused, right, temporaryFolder } from './helpers.ts';

const folder = await temporaryFolder();

/** One of the files that `h5/make.py` writes. */
const made = (name: string): string => fileURLToPath(new URL(`h5/${name}.h5`, import.meta.url));

describe('h5', () => {
  it.each(['sound', 'compact'])('reads %s', async (name) => {
    const checkpoint = right(await openH5(made(name))());
    const [tensor] = checkpoint.tensors.values();
    expect([tensor!.dtype, tensor!.shape]).toEqual(['float32', [2, 3]]);
    expect([...(await numbersOf(tensor!))]).toEqual([0, 1, 2, 3, 4, 5]);
    await checkpoint.close();
  });

  it('reads a group so large that its names are a tree of several levels', async () => {
    const checkpoint = right(await openH5(made('wide_group'))());
    expect(checkpoint.tensors.size).toBe(150);
    for (const [name, tensor] of checkpoint.tensors)
      expect([...(await numbersOf(tensor))]).toEqual([Number(name.slice(1))]);
    await checkpoint.close();
  });

  it.each([
    ...['sound', 'compact', 'integers', 'scalar_and_empty', 'wide_group', 'bfloat16_fixed_string'].map(made),
    ...['a_float32', 'a_float16', 'a_bfloat16', 'b_float32', 'c_float32'].map((name) =>
      join(fixture(`keras/${name}`), 'model.weights.h5'),
    ),
  ])('finds the datasets, shapes and bytes that the HDF5 library finds in %s', async (path) => {
    const library = await h5wasm.ready;
    const file = new h5wasm.File(path, 'r');
    const checkpoint = right(await openH5(path)());
    const datasets = file.paths().filter((name) => file.get(name) instanceof h5wasm.Dataset);
    expect([...checkpoint.tensors.keys()].sort()).toEqual(datasets.map((name) => name.replace(/^\//, '')).sort());
    for (const [name, tensor] of checkpoint.tensors) {
      const { shape, size } = library.get_dataset_metadata(file.file_id, name);
      expect([tensor.shape, storedBytes[tensor.dtype]]).toEqual([shape, size]);
      const at = library._malloc(tensor.byteLength + 1);
      library.get_dataset_data(file.file_id, name, null, null, null, BigInt(at));
      expect(await bytesOf(tensor)).toEqual(library.HEAPU8.slice(at, at + tensor.byteLength));
      library._free(at);
    }
    await checkpoint.close();
    file.close();
  });

  it('reads scalars, empty tensors, and every kind of number', async () => {
    const few = right(await openH5(made('scalar_and_empty'))());
    expect(await bytesOf(few.tensors.get('scalar')!)).toEqual(Uint8Array.of(7, 0, 0, 0));
    expect(await bytesOf(few.tensors.get('none')!)).toEqual(new Uint8Array(0));
    await few.close();
    const all = right(await openH5(made('integers'))());
    expect(all.tensors.size).toBe(10);
    for (const [name, tensor] of all.tensors) {
      expect(tensor.dtype).toBe(name);
      expect((await bytesOf(tensor)).length).toBe(2 * storedBytes[tensor.dtype]);
    }
    await all.close();
  });

  it('S117 knows bfloat16 by its attribute, written as text of either kind', async () => {
    const fixed = right(await openH5(made('bfloat16_fixed_string'))());
    expect(fixed.tensors.get('x')!.dtype).toBe('bfloat16');
    expect([...(await numbersOf(fixed.tensors.get('x')!))]).toEqual([1, 2]);
    await fixed.close();
    const numbers = right(await openH5(made('bfloat16_numbers'))());
    expect(numbers.tensors.get('x')!.dtype).toBe('bfloat16');
    expect([...(await numbersOf(numbers.tensors.get('x')!))]).toEqual([1, 2]);
    await numbers.close();
    const keras = right(await openH5(join(fixture('keras/a_bfloat16'), 'model.weights.h5'))());
    expect(new Set([...keras.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['bfloat16']));
    await keras.close();
  });

  it('has no tensors in a file without datasets', async () => {
    const checkpoint = right(await openH5(made('no_datasets'))());
    expect(checkpoint.tensors.size).toBe(0);
    await checkpoint.close();
  });

  it('reads any range and refuses what is outside', async () => {
    const path = join(fixture('keras/a_float32'), 'model.weights.h5');
    const checkpoint = right(await openH5(path)());
    const tensor = checkpoint.tensors.get('layers/transformer_decoder/_self_attention_layer/query_dense/vars/0')!;
    expect(tensor.shape).toEqual([24, 3, 8]);
    const whole = await tensor.read(0, tensor.byteLength);
    await fc.assert(
      fc.asyncProperty(fc.nat(2304), fc.nat(2304), async (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        expect(await tensor.read(start, end)).toEqual(whole.slice(start, end));
      }),
    );
    await expect(tensor.read(0, tensor.byteLength + 4)).rejects.toThrow('expected a range within 0 to 2304 bytes');
    await checkpoint.close();
    await checkpoint.close();
    await expect(tensor.read(0, 4)).rejects.toThrow(PresetError);
  });

  it.each([
    ['external_link', 'UnknownFormat', 'links to other files'],
    ['soft_link', 'BrokenFile', 'is a symbolic link: refused'],
    ['dangling_link', 'BrokenFile', 'is a symbolic link: refused'],
    ['link_to_itself', 'BrokenFile', 'is a symbolic link: refused'],
    ['ring', 'BrokenFile', 'is a second name of a group or dataset: refused'],
    ['ring_to_the_root', 'BrokenFile', 'is a second name of a group or dataset: refused'],
    ['many_names', 'BrokenFile', 'is a second name of a group or dataset: refused'],
    ['external_storage', 'BrokenFile', 'has its data in another file: refused'],
    ['external_storage_above', 'BrokenFile', 'has its data in another file: refused'],
    ['virtual', 'UnknownFormat', 'virtual'],
    ['chunked', 'UnknownFormat', 'not contiguous'],
    ['compressed_bomb', 'UnknownFormat', 'compressed'],
    ['latest_format', 'UnknownFormat', 'superblock 3'],
    ['big_endian', 'BrokenFile', 'expected little-endian numbers'],
    ['unwritten', 'BrokenFile', 'was never written'],
    ['unwritten_terabytes', 'BrokenFile', 'was never written'],
    ['product_beyond_2_53', 'BrokenFile', 'was never written'],
    ['strings', 'BrokenFile', 'expected little-endian numbers'],
    ['compound', 'BrokenFile', 'expected little-endian numbers'],
    ['null_space', 'BrokenFile', 'expected little-endian numbers'],
    ['long_double', 'BrokenFile', 'expected little-endian numbers'],
    ['opaque_without_dtype', 'BrokenFile', 'the attribute "dtype"'],
    ['dtype_is_a_list', 'BrokenFile', 'the attribute "dtype"'],
    ['named_type', 'BrokenFile', 'neither a group nor a dataset'],
    ['behind_a_user_block', 'BrokenFile', 'expected an HDF5 file'],
  ] as const)('refuses %s', async (name, tag, problem) => {
    const error = await refused(openH5(made(name)));
    expect([error._tag, error.path]).toEqual([tag, made(name)]);
    expect(error.message).toContain(problem);
    expect(error.message.startsWith(`${made(name)}: `)).toBe(true);
  });

  it('refuses files that are no HDF5', async () => {
    const pointer = await fileOf(folder, 'version https://git-lfs.github.com/spec/v1\n');
    expect((await refused(openH5(pointer))).message).toContain('git lfs pull');
    for (const content of ['', 'PK\x03\x04', '\x89HDF', '{"weight_map": {}}'])
      expect((await refused(openH5(await fileOf(folder, content)))).message).toContain('expected an HDF5 file');
    expect(await refused(openH5(join(folder, 'missing.h5')))).toMatchObject({ _tag: 'MissingFile' });
    expect(await refused(openH5(folder))).toMatchObject({ _tag: 'BrokenFile' });
  });

  it('refuses every truncation', async () => {
    const bytes = new Uint8Array(await readFile(made('sound')));
    for (let length = 0; length < bytes.length; length += 97)
      expect((await refused(openH5(await fileOf(folder, bytes.slice(0, length)))))._tag).toBe('BrokenFile');
  });

  it("refuses a file that is cut off, or grows a tail that is nobody's, only where data is lost", async () => {
    const path = join(fixture('keras/b_float32'), 'model.weights.h5');
    const bytes = new Uint8Array(await readFile(path));
    expect((await refused(openH5(await fileOf(folder, bytes.slice(0, -1)))))._tag).toBe('BrokenFile');
    await right(await openH5(await fileOf(folder, new Uint8Array([...bytes, 0, 0])))()).close();
  });

  it('opens and reads a damaged file, or says that it is broken, soon', async () => {
    const files = await Promise.all(
      [join(fixture('keras/a_bfloat16'), 'model.weights.h5'), made('sound'), made('integers'), made('wide_group')].map(
        async (path) => new Uint8Array(await readFile(path)),
      ),
    );
    const value = fc.oneof(fc.constantFrom(0, 1, 127, 128, 255), fc.nat(255));
    const damage = fc.constantFrom(...files).chain((whole) =>
      fc.record({
        whole: fc.constant(whole),
        bytes: fc.array(fc.tuple(fc.oneof(fc.nat(4000), fc.nat(whole.length - 1)), value), { maxLength: 5 }),
        // Addresses are words of eight bytes: one that stands elsewhere makes circles.
        words: fc.array(fc.tuple(fc.nat(500), fc.nat(500)), { maxLength: 3 }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(damage, async ({ whole, bytes, words }) => {
        const copy = whole.slice();
        for (const [from, to] of words) copy.copyWithin(8 * to, 8 * from, 8 * from + 8);
        for (const [at, byte] of bytes) copy[at % copy.length] = byte;
        const path = await fileOf(folder, copy);
        const started = performance.now();
        const opened = await openH5(path)();
        if (E.isRight(opened)) {
          for (const tensor of opened.right.tensors.values()) {
            expect(tensor.byteLength).toBe(count(tensor.shape) * storedBytes[tensor.dtype]);
            expect((await bytesOf(tensor, 1 << 16)).length).toBe(tensor.byteLength);
          }
          await opened.right.close();
        } else expect(['BrokenFile', 'UnknownFormat']).toContain(opened.left._tag);
        await unlink(path);
        // Tens of milliseconds; the rest is for a busy machine.
        expect(performance.now() - started).toBeLessThan(5000);
      }),
      { numRuns: 500 },
    );
  });
});
