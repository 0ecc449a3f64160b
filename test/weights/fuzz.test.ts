import { mkdir, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { makeGPT2Config } from '../../src/models/gpt2/config.ts';
import { gpt2Weights } from '../../src/models/gpt2/weightNames.ts';
import { count } from '../../src/tensor/shape.ts';
import {
  openH5,
  openLora,
  openShardedH5,
  openShardedSafetensors,
  storedBytes,
  type WeightsError,
} from '../../src/weights/index.ts';
import { fuzzRuns, fuzzSeed, mutated, processorMs } from '../support/mutate.ts';
import { bytesOf, fileOf, fixture, right, temporaryFolder } from './helpers.ts';

const folder = await temporaryFolder();

const read = async (path: string): Promise<Uint8Array> => new Uint8Array(await readFile(path));

const made = (name: string): string => fileURLToPath(new URL(`h5/${name}.h5`, import.meta.url));

/** The error names a file of the folder; nothing took long. */
const expectNamed = ({ _tag, message }: WeightsError, path: string): void => {
  expect(['BrokenFile', 'UnknownFormat', 'WrongTensors', 'MissingFile']).toContain(_tag);
  expect(message.startsWith(path)).toBe(true);
  expect(message.length).toBeLessThan(2000);
};

const inTime = async (work: () => Promise<void>): Promise<void> => {
  const started = processorMs();
  await work();
  // Milliseconds; the rest is for a slow machine.
  expect(processorMs() - started).toBeLessThan(5000);
};

/** Runs a property over files that are one of these, changed. */
const overChanged = <File extends { readonly bytes: Uint8Array }>(
  files: readonly File[],
  runs: number,
  property: (file: File, changed: Uint8Array) => Promise<void>,
): Promise<void> =>
  fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...files).chain((file) => mutated(file.bytes).map((changed) => [file, changed] as const)),
      ([file, changed]) => inTime(() => property(file, changed)),
    ),
    { numRuns: fuzzRuns(runs), seed: fuzzSeed(), endOnFailure: true },
  );

describe('a file that was changed', () => {
  it('of HDF5 is read to its end, or refused by an error that names it', async () => {
    const names = ['a_bfloat16', 'c_float32', 'bert_masked_lm'].map((name) =>
      join(fixture(`keras/${name}`), 'model.weights.h5'),
    );
    const files = await Promise.all(
      [...names, ...['sound', 'compact', 'integers', 'wide_group', 'bfloat16_fixed_string'].map(made)].map(
        async (path) => ({
          bytes: await read(path),
        }),
      ),
    );
    await overChanged(files, 150, async (_, changed) => {
      const path = await fileOf(folder, changed);
      const opened = await openH5(path)();
      if (E.isLeft(opened)) expectNamed(opened.left, path);
      else {
        for (const tensor of opened.right.tensors.values())
          expect((await bytesOf(tensor, 1 << 16)).length).toBe(count(tensor.shape) * storedBytes[tensor.dtype]);
        await opened.right.close();
      }
      await unlink(path);
    });
  }, 3_600_000);

  it('S111 of LoRA factors fits the model, or is refused by an error that names it', async () => {
    const sizes = {
      vocabularySize: 97,
      numLayers: 2,
      numHeads: 3,
      hiddenDim: 24,
      intermediateDim: 40,
      maxSequenceLength: 32,
    };
    const table = gpt2Weights(right(makeGPT2Config(sizes)));
    const bytes = await read(fileURLToPath(new URL('../fixtures/lora/a.lora.h5', import.meta.url)));
    const whole = join(folder, 'whole.lora.h5');
    await writeFile(whole, bytes);
    await right(await openLora(whole, table)()).close();
    let serial = 0;
    await overChanged([{ bytes }], 80, async (_, changed) => {
      const path = join(folder, `lora${serial++}.lora.h5`);
      await writeFile(path, changed);
      const opened = await openLora(path, table)();
      if (E.isLeft(opened)) expectNamed(opened.left, path);
      else await opened.right.close();
      await unlink(path);
    });
  }, 3_600_000);

  it('S113 of an index leads to whole shards in the folder, or is refused by an error that names one', async () => {
    const presets = await Promise.all(
      (['keras/a_float32_sharded', 'transformers/a_float32_sharded'] as const).map(async (name) => {
        const index = name.startsWith('keras') ? 'model.weights.json' : 'model.safetensors.index.json';
        const shards = (await readdir(fixture(name))).filter((file) => /\.(h5|safetensors)$/.test(file));
        return { name, index, bytes: await read(join(fixture(name), index)), shards };
      }),
    );
    let serial = 0;
    await overChanged(presets, 80, async ({ name, index, shards }, changed) => {
      const path = join(folder, `shards${serial++}`);
      await mkdir(path);
      for (const shard of shards) await writeFile(join(path, shard), await readFile(join(fixture(name), shard)));
      await writeFile(join(path, index), changed);
      const opened = await (name.startsWith('keras') ? openShardedH5 : openShardedSafetensors)(path, index)();
      if (E.isLeft(opened)) expectNamed(opened.left, `${path}/`);
      else await opened.right.close();
      await rm(path, { recursive: true });
    });
  }, 3_600_000);
});
