import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openH5, openSafetensors } from '../../src/weights/index.ts';
import { numbersOf, right, safetensorsBytes, temporaryFolder } from './helpers.ts';

const folder = await temporaryFolder();

const GIB = 2 ** 30;

/** A file of these pieces at these places, and holes between them, which take no room on the disk. */
const sparse = async (name: string, pieces: readonly (readonly [at: number, bytes: Uint8Array])[]): Promise<string> => {
  const path = join(folder, name);
  const file = await open(path, 'w');
  for (const [at, bytes] of pieces) await file.write(bytes, 0, bytes.length, at);
  await file.close();
  return path;
};

const floats = Float32Array.of(1, 2, 3, 4, 5, 6);
const bytes = new Uint8Array(floats.buffer);

describe('a file of more than 4 GiB', () => {
  it('is safetensors whose last tensor is read at its place', async () => {
    const header = {
      large: { dtype: 'U8', shape: [5, GIB], data_offsets: [0, 5 * GIB] },
      last: { dtype: 'F32', shape: [6], data_offsets: [5 * GIB, 5 * GIB + 24] },
    };
    const start = safetensorsBytes(header);
    const path = await sparse('large.safetensors', [
      [0, start],
      [start.length + 5 * GIB, bytes],
    ]);
    expect((await stat(path)).size).toBe(start.length + 5 * GIB + 24);
    const checkpoint = right(await openSafetensors(path)());
    expect([...(await numbersOf(checkpoint.tensors.get('last')!))]).toEqual([...floats]);
    const large = checkpoint.tensors.get('large')!;
    expect(large.byteLength).toBe(5 * GIB);
    expect(await large.read(4 * GIB + 5, 4 * GIB + 8)).toEqual(new Uint8Array(3));
    expect(await large.read(5 * GIB - 1, 5 * GIB)).toEqual(new Uint8Array(1));
    await checkpoint.close();
  });

  it('S117 is HDF5 whose data lies behind', async () => {
    const whole = new Uint8Array(await readFile(fileURLToPath(new URL('h5/sound.h5', import.meta.url))));
    const view = new DataView(whole.buffer);
    const stored = Buffer.from(Float32Array.of(0, 1, 2, 3, 4, 5).buffer);
    const address = BigInt(Buffer.from(whole).indexOf(stored));
    // The dataset's data moves, and the file ends behind it.
    for (let at = 0; at + 8 <= whole.length; at++)
      if (view.getBigUint64(at, true) === address) view.setBigUint64(at, BigInt(5 * GIB), true);
    view.setBigUint64(40, BigInt(5 * GIB + 24), true);
    const checkpoint = right(
      await openH5(
        await sparse('large.h5', [
          [0, whole],
          [5 * GIB, bytes],
        ]),
      )(),
    );
    const [tensor] = checkpoint.tensors.values();
    expect([...(await numbersOf(tensor!))]).toEqual([...floats]);
    await checkpoint.close();
  });
});

describe('reading into memory that is there', () => {
  it('gives a part of it, and refuses less than is read', async () => {
    const path = await sparse('small.safetensors', [
      [0, safetensorsBytes({ x: { dtype: 'F32', shape: [6], data_offsets: [0, 24] } })],
      [safetensorsBytes({ x: { dtype: 'F32', shape: [6], data_offsets: [0, 24] } }).length, bytes],
    ]);
    const checkpoint = right(await openSafetensors(path)());
    const x = checkpoint.tensors.get('x')!;
    const into = new Uint8Array(16).fill(255);
    const read = await x.read(4, 12, into);
    expect(read.buffer).toBe(into.buffer);
    expect(read).toEqual(bytes.slice(4, 12));
    expect(into.slice(8)).toEqual(new Uint8Array(8).fill(255));
    await expect(x.read(0, 24, into)).rejects.toThrow('read: expected room for 24 bytes, got 16');
    await checkpoint.close();
  });
});
