import * as E from 'fp-ts/lib/Either.js';
import { makeGPT2Config } from '../../src/models/gpt2/config.ts';
import { gpt2KerasLayout } from '../../src/models/gpt2/kerasLayout.ts';
import { gpt2TransformersLayout } from '../../src/models/gpt2/transformersLayout.ts';
import { gpt2Weights } from '../../src/models/gpt2/weightNames.ts';
import { count } from '../../src/tensor/shape.ts';
import {
  isPresetFile,
  kerasPresetFiles,
  transformersPresetFiles,
  writeFolderAtomically,
} from '../../src/weights/index.ts';
import { hashOf } from './folders.ts';

// A program for tests that kill it: writes two models by turns to one folder, as `saveToPreset` does, until it is killed, and
// prints a hash of each that is written. It knows no devices, so that it starts fast.

const orThrow = <A>(made: E.Either<{ readonly message: string }, A>): A => {
  if (E.isLeft(made)) throw new Error(made.left.message);
  return made.right;
};

const [, , folder = '', format] = process.argv as readonly string[];
const config = orThrow(
  makeGPT2Config({
    vocabularySize: 200,
    numLayers: 2,
    numHeads: 2,
    hiddenDim: 32,
    intermediateDim: 64,
    maxSequenceLength: 32,
  }),
);
const maxShardBytes = 60_000;
const savedAt = new Date(0);

for (let turn = 0; ; turn = 1 - turn) {
  const stored = gpt2Weights(config).entries.map(({ shape, sources }) => {
    const data = new Uint8Array(new Float32Array(count(shape)).fill(turn).buffer);
    return { name: sources.keras.name, dtype: 'float32', shape, data } as const;
  });
  const files = orThrow(
    format === 'keras'
      ? kerasPresetFiles(folder, {
          layout: gpt2KerasLayout,
          config,
          dtype: 'float32',
          weights: stored.map((dataset) => [dataset.name, dataset]),
          task: undefined,
          savedAt,
          maxShardBytes,
        })
      : transformersPresetFiles(folder, {
          config: gpt2TransformersLayout.config(config),
          tensors: stored,
          maxShardBytes,
        }),
  );
  orThrow(await writeFolderAtomically(folder, files, isPresetFile)());
  process.stdout.write(`${hashOf(folder)}\n`);
}
