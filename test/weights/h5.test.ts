import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { count, rowMajorStrides } from '../../src/tensor/shape.ts';
import { openH5, PresetError, storedBytes } from '../../src/weights/index.ts';
import { slabs } from '../../src/weights/slabs.ts';
import { bytesOf, fileOf, fixture, numbersOf, refused, right, temporaryFolder } from './helpers.ts';

const folder = await temporaryFolder();

/** One of the files that `h5/make.py` writes. */
const made = (name: string): string => fileURLToPath(new URL(`h5/${name}.h5`, import.meta.url));

describe('slabs', () => {
  it('are the range, element by element, and few', () =>
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }), fc.nat(), fc.nat(), (shape, a, b) => {
        const size = count(shape);
        const [from, to] = [a % (size + 1), b % (size + 1)].sort((x, y) => x - y) as [number, number];
        const strides = rowMajorStrides(shape);
        const blocks = slabs(shape, from, to);
        const elements = blocks.flatMap(({ offset, count: counts }) => {
          let indices = [0];
          for (const [axis, stride] of strides.entries())
            indices = indices.flatMap((index) =>
              Array.from({ length: counts[axis]! }, (_, i) => index + (offset[axis]! + i) * stride),
            );
          return indices;
        });
        expect(elements).toEqual(Array.from({ length: to - from }, (_, i) => from + i));
        expect(blocks.length).toBeLessThanOrEqual(Math.max(1, 2 * shape.length - 1));
      }),
    ));
});

describe('h5', () => {
  it.each(['sound', 'latest_format'])('reads %s', async (name) => {
    const checkpoint = right(await openH5(made(name))());
    const tensor = checkpoint.tensors.get('layers/dense/vars/0')!;
    expect([tensor.dtype, tensor.shape]).toEqual(['float32', [2, 3]]);
    expect([...(await numbersOf(tensor))]).toEqual([0, 1, 2, 3, 4, 5]);
    await checkpoint.close();
  });

  it('reads big-endian data as little-endian bytes', async () => {
    const checkpoint = right(await openH5(made('big_endian'))());
    expect([...(await numbersOf(checkpoint.tensors.get('x')!))]).toEqual([0, 1, 2, 3, 4, 5]);
    await checkpoint.close();
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
    const keras = right(await openH5(join(fixture('keras/a_bfloat16'), 'model.weights.h5'))());
    expect(new Set([...keras.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['bfloat16']));
    await keras.close();
  });

  it('has no tensors in a file without datasets', async () => {
    const checkpoint = right(await openH5(made('no_datasets'))());
    expect(checkpoint.tensors.size).toBe(0);
    await checkpoint.close();
  });

  it('reads any range of whole elements and refuses others', async () => {
    const path = join(fixture('keras/a_float32'), 'model.weights.h5');
    const checkpoint = right(await openH5(path)());
    const tensor = checkpoint.tensors.get('layers/transformer_decoder/_self_attention_layer/query_dense/vars/0')!;
    expect(tensor.shape).toEqual([24, 3, 8]);
    const whole = await tensor.read(0, tensor.byteLength);
    await fc.assert(
      fc.asyncProperty(fc.nat(576), fc.nat(576), async (a, b) => {
        const [start, end] = [4 * Math.min(a, b), 4 * Math.max(a, b)];
        expect(await tensor.read(start, end)).toEqual(whole.slice(start, end));
      }),
    );
    await expect(tensor.read(0, tensor.byteLength + 4)).rejects.toThrow('expected a range within 0 to 2304 bytes');
    await expect(tensor.read(0, 6)).rejects.toThrow('expected whole elements of 4 bytes, got 0 to 6');
    await checkpoint.close();
    await checkpoint.close();
    await expect(tensor.read(0, 4)).rejects.toThrow(PresetError);
  });

  it.each([
    ['external_link', 'BrokenFile', 'is a link to another file, "outside.h5": refused'],
    ['soft_link', 'BrokenFile', 'is a symbolic link: refused'],
    ['dangling_link', 'BrokenFile', 'is a symbolic link: refused'],
    ['link_to_itself', 'BrokenFile', 'is a symbolic link: refused'],
    ['ring', 'BrokenFile', 'is a second name of a group or dataset: refused'],
    ['ring_to_the_root', 'BrokenFile', 'is a second name of a group or dataset: refused'],
    ['virtual', 'UnknownFormat', 'virtual dataset'],
    ['chunked', 'UnknownFormat', 'h5repack -l CONTI'],
    ['compressed_bomb', 'UnknownFormat', 'compressed'],
    ['unwritten_terabytes', 'BrokenFile', "does not fit into the file's 1400 bytes"],
    ['product_beyond_2_53', 'BrokenFile', "does not fit into the file's 1400 bytes"],
    ['many_names', 'BrokenFile', 'is a second name of a group or dataset: refused'],
    ['strings', 'BrokenFile', 'expected numbers'],
    ['compound', 'BrokenFile', 'expected numbers'],
    ['null_space', 'BrokenFile', 'expected numbers'],
    ['long_double', 'BrokenFile', 'expected numbers'],
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

  it.each(['external_storage', 'external_storage_above'])('never reads another file: %s', async (name) => {
    const inside = join(folder, 'inside');
    await mkdir(inside, { recursive: true });
    for (const place of [folder, inside]) await writeFile(join(place, 'outside.bin'), new Uint8Array(24).fill(42));
    await copyFile(made(name), join(inside, `${name}.h5`));
    const checkpoint = right(await openH5(join(inside, `${name}.h5`))());
    await expect(bytesOf(checkpoint.tensors.get('x')!)).rejects.toThrow('dataset "/x" cannot be read');
    await checkpoint.close();
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

  it('opens and reads a damaged file, or says that it is broken, silently and soon', async () => {
    const printed = [vi.spyOn(console, 'error'), vi.spyOn(console, 'log'), vi.spyOn(process.stderr, 'write')];
    const whole = new Uint8Array(await readFile(join(fixture('keras/a_bfloat16'), 'model.weights.h5')));
    const edits = fc.array(
      fc.tuple(
        fc.oneof(fc.nat(4000), fc.nat(whole.length - 1)),
        fc.oneof(fc.constantFrom(0, 1, 127, 128, 255), fc.nat(255)),
      ),
      { minLength: 1, maxLength: 5 },
    );
    await fc.assert(
      fc.asyncProperty(edits, async (places) => {
        const bytes = whole.slice();
        for (const [at, value] of places) bytes[at] = value;
        const path = await fileOf(folder, bytes);
        const opened = await openH5(path)();
        if (opened._tag === 'Left') {
          expect(['BrokenFile', 'UnknownFormat']).toContain(opened.left._tag);
          return;
        }
        for (const tensor of opened.right.tensors.values())
          await bytesOf(tensor, 1 << 16).catch((error: unknown) => expect(error).toBeInstanceOf(PresetError));
        await opened.right.close();
      }),
      { numRuns: 150 },
    );
    for (const spy of printed) {
      expect(spy).not.toHaveBeenCalled();
      spy.mockRestore();
    }
    const after = right(await openH5(made('sound'))());
    expect(after.tensors.size).toBe(1);
    await after.close();
  }, 60_000);
});
