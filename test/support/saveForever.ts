import { GPT2Backbone, GPT2CausalLM } from '../../src/index.ts';
import { hashOf } from './folders.ts';

// A program for tests that kill it: writes two models by turns to one folder, until it is killed, and prints a hash of each that
// is written.

const [, , folder, format] = process.argv as readonly string[];
const sizes = {
  vocabularySize: 200,
  numLayers: 2,
  numHeads: 2,
  hiddenDim: 32,
  intermediateDim: 64,
  maxSequenceLength: 32,
};
const models = [1, 2].map((seed) => GPT2CausalLM({ backbone: GPT2Backbone({ ...sizes, seed }), preprocessor: null }));
for (let turn = 0; ; turn = 1 - turn) {
  const options = { format: format as 'keras' | 'transformers', maxShardBytes: 60_000, savedAt: new Date(0) };
  await models[turn]!.saveToPreset(folder!, options);
  process.stdout.write(`${hashOf(folder!)}\n`);
}
