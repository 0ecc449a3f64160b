import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as E from 'fp-ts/lib/Either.js';
import type * as TE from 'fp-ts/lib/TaskEither.js';
import { afterAll } from 'vitest';
import { type GPT2Config, parseGPT2Config } from '../../src/models/gpt2/config.ts';
import { gpt2Weights } from '../../src/models/gpt2/weightNames.ts';
import { formatPath } from '../../src/models/weightEntry.ts';
import { bfloat16FromBits, float16FromBits } from '../../src/tensor/dtype.ts';
import { count, type Shape } from '../../src/tensor/shape.ts';
import {
  type Checkpoint,
  type MatchedWeight,
  matchWeights,
  openPreset,
  type Preset,
  pieces,
  type StoredTensor,
  type WeightsError,
} from '../../src/weights/index.ts';

/** Where a committed preset lies: `keras/a_float32`. */
export const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/presets/${name}`, import.meta.url));

/** A folder of its own, gone when the test file has run. */
export const temporaryFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'purelm-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
};

/** The value of a right. @throws {Error} If it is a left. */
export const right = <A>(either: E.Either<{ readonly message: string }, A>): A => {
  if (E.isLeft(either)) throw new Error(`expected a right, got: ${either.left.message}`);
  return either.right;
};

/** The error of a left. @throws {Error} If it is a right. */
export const left = <L>(either: E.Either<L, unknown>): L => {
  if (E.isRight(either)) throw new Error('expected a left, got a right');
  return either.left;
};

/** Opens a checkpoint that must be refused; closes it if it is not. */
export const refused = async (open: TE.TaskEither<WeightsError, Checkpoint>): Promise<WeightsError> => {
  const opened = await open();
  if (E.isRight(opened)) await opened.right.close();
  return left(opened);
};

/** The bytes of a safetensors file with this header, as text or as a value, and this much data. */
export const safetensorsBytes = (header: unknown, dataBytes = 0): Uint8Array => {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
};

let serial = 0;

/** Writes bytes to a new file in the folder. */
export const fileOf = async (folder: string, bytes: Uint8Array | string): Promise<string> => {
  const path = join(folder, `file${serial++}`);
  await writeFile(path, bytes);
  return path;
};

/** A whole tensor's bytes, read in small pieces. */
export const bytesOf = async (tensor: StoredTensor, size = 1000): Promise<Uint8Array> => {
  const bytes = new Uint8Array(tensor.byteLength);
  let filled = 0;
  for await (const piece of pieces(tensor, size)) {
    bytes.set(piece, filled);
    filled += piece.length;
  }
  return bytes;
};

/** A float tensor's numbers. */
export const numbersOf = async (tensor: StoredTensor): Promise<Float64Array> => {
  const view = new DataView((await bytesOf(tensor)).buffer);
  return Float64Array.from({ length: count(tensor.shape) }, (_, i) =>
    tensor.dtype === 'float32'
      ? view.getFloat32(4 * i, true)
      : (tensor.dtype === 'float16' ? float16FromBits : bfloat16FromBits)(view.getUint16(2 * i, true)),
  );
};

/** The numbers of a matched parameter: its columns, if it is a part. */
export const parameter = async ({ source, part }: MatchedWeight): Promise<Float64Array> => {
  const values = await numbersOf(source);
  const { slice } = part;
  if (slice === undefined) return values;
  const width = source.shape.at(-1)!;
  return values.filter((_, i) => i % width >= slice.start && i % width < slice.end);
};

/** A preset read to its end: config and all parameters by path. */
export const readPreset = async (
  folder: string,
): Promise<{
  readonly preset: Preset;
  readonly config: GPT2Config;
  readonly params: ReadonlyMap<string, { readonly shape: Shape; readonly values: Float64Array }>;
}> => {
  const preset = right(await openPreset(folder)());
  const config = right(parseGPT2Config(preset.layout, preset.config));
  const checkpoint = right(await preset.openWeights()());
  try {
    const params = new Map<string, { readonly shape: Shape; readonly values: Float64Array }>();
    for (const matched of right(matchWeights(preset.layout, gpt2Weights(config), checkpoint)))
      params.set(formatPath(matched.entry.path), { shape: matched.entry.shape, values: await parameter(matched) });
    return { preset, config, params };
  } finally {
    await checkpoint.close();
  }
};
