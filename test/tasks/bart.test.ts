import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  at,
  BartBackbone,
  BartSeq2SeqLM,
  BartSeq2SeqLMPreprocessor,
  BartTokenizer,
  type Beam,
  BeamSampler,
  CausalLM,
  GPT2CausalLM,
  type Intercept,
  type NDArray,
  ops,
  Seq2SeqLM,
} from '../../src/index.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import { saveKerasPreset } from '../../src/tasks/saveKerasPreset.ts';
import { withoutPadding } from '../../src/tasks/seq2seqLM.ts';
import { leaves, paths } from '../../src/tensor/tree.ts';
import { openSafetensors, writeSafetensors } from '../../src/weights/index.ts';
import { unusedTestDevice, webgpuTestDevice } from '../support/device.ts';
import { presetPath } from '../support/fixtures.ts';
import { bytesOf, right, temporaryFolder } from '../weights/helpers.ts';

const folder = await temporaryFolder();
const keras = presetPath('keras/bart_c_bfloat16');
const transformers = presetPath('transformers/bart_c_float32');

const rows = ({ data, shape }: NDArray): number[][] =>
  Array.from({ length: shape[0]! }, (_, row) =>
    Array.from(data.subarray(row * shape[1]!, (row + 1) * shape[1]!), Number),
  );

const greedy = { sampler: 'greedy' } as const;
const sizes = {
  vocabularySize: 131,
  numLayers: 1,
  numHeads: 2,
  hiddenDim: 8,
  intermediateDim: 8,
  maxSequenceLength: 16,
};

/** A device that counts how often each compiled function runs: its first run, with `repeat` counted by times. */
const counting = (device: Device) => {
  const runs: number[] = [];
  const counted: Device = {
    ...device,
    compile: (f, options) => {
      const compiled = device.compile(f, options);
      const own = runs.push(0) - 1;
      return {
        ...compiled,
        run: (...args) => {
          runs[own]!++;
          return compiled.run(...args);
        },
        repeat: (times, ...args) => {
          runs[own]! += times;
          return compiled.repeat(times, ...args);
        },
      };
    },
  };
  return { counted, runs };
};

describe('S119: the example of the page', () => {
  it('loads a BART, is compiled and writes', async () => {
    const seq2seqLM = await Seq2SeqLM.fromPreset(transformers);
    const compiled = seq2seqLM.compile({ sampler: 'top_k' });
    const text = await compiled.generate('The quick brown fox.', { maxLength: 30, seed: 1 });
    expect(typeof text).toBe('string');
    expect(await compiled.generate('The quick brown fox.', { maxLength: 30, seed: 1 })).toBe(text);
    expect(compiled.tokenizer!.tokenize(text).length).toBeLessThanOrEqual(28);
  });

  it('S42: samples by top_k where it is told nothing', async () => {
    expect((await BartSeq2SeqLM.fromPreset(keras)).sampler.name).toBe('top_k');
    expect((await BartSeq2SeqLM.fromPreset(keras, greedy)).compile().sampler.name).toBe('top_k');
  });
});

describe('the families', () => {
  it('S18: base classes find BART, as a Seq2SeqLM and as a CausalLM', async () => {
    const [a, b, c] = [
      await Seq2SeqLM.fromPreset(keras, greedy),
      await CausalLM.fromPreset(keras, greedy),
      await BartSeq2SeqLM.fromPreset(keras, greedy),
    ];
    expect([a.name, b.name, c.name]).toEqual(['BartSeq2SeqLM', 'BartSeq2SeqLM', 'BartSeq2SeqLM']);
    const texts = await Promise.all([a, b, c].map((lm) => (lm as typeof a).generate('the dog', { maxLength: 20 })));
    expect(new Set(texts).size).toBe(1);
  });

  it('S20: refuse another family by name', async () => {
    const gpt2 = presetPath('transformers/c_float32');
    await expect(Seq2SeqLM.fromPreset(gpt2)).rejects.toThrow(
      'expected a preset of BartBackbone for Seq2SeqLM, got one of the family gpt2',
    );
    await expect(BartSeq2SeqLM.fromPreset(gpt2)).rejects.toThrow(
      'expected a preset of BartBackbone for BartSeq2SeqLM, got one of the family gpt2',
    );
    await expect(GPT2CausalLM.fromPreset(keras)).rejects.toThrow(
      'expected a preset of GPT2Backbone for GPT2CausalLM, got one of the family bart',
    );
    await expect(BartTokenizer.fromPreset(gpt2)).rejects.toThrow('for BartTokenizer');
    await expect(BartSeq2SeqLMPreprocessor.fromPreset(gpt2)).rejects.toThrow('for BartSeq2SeqLMPreprocessor');
    await expect(BartBackbone.fromPreset(gpt2)).rejects.toThrow('for BartBackbone');
    await expect(Seq2SeqLM.fromPreset(join(folder, 'nowhere'))).rejects.toThrow('no such folder');
    await expect(BartSeq2SeqLM.fromPreset(keras, { sampel: 'greedy' } as object)).rejects.toThrow('sampel');
  });

  it('S22 S23: take random weights, other storage and no preprocessor', async () => {
    const random = await BartSeq2SeqLM.fromPreset(keras, { loadWeights: false, seed: 4, preprocessor: null });
    expect(random.preprocessor).toBeNull();
    const stored = await BartSeq2SeqLM.fromPreset(transformers, { dtype: 'float16', device: referenceDevice });
    expect(new Set(leaves(stored.params).map(({ dtype }) => dtype))).toEqual(new Set(['float16']));
  });

  it('S25: list the built-in presets, CausalLM those of its subclasses too', () => {
    const ids = ['bart_base_en', 'bart_large_en', 'bart_large_en_cnn'];
    expect([...BartSeq2SeqLM.presets.keys()]).toEqual(ids);
    expect([...Seq2SeqLM.presets.keys()]).toEqual(ids);
    expect([...CausalLM.presets.keys()]).toEqual(expect.arrayContaining([...GPT2CausalLM.presets.keys(), ...ids]));
  });

  it('reads no more than the model can: neither layout saves lengths', async () => {
    const preprocessor = await BartSeq2SeqLMPreprocessor.fromPreset(keras);
    expect([preprocessor.encoderSequenceLength, preprocessor.decoderSequenceLength]).toEqual([40, 40]);
    const other = await BartSeq2SeqLMPreprocessor.fromPreset(keras, { sequenceLength: 6, encoderSequenceLength: 9 });
    expect([other.encoderSequenceLength, other.decoderSequenceLength]).toEqual([9, 6]);
    await expect(BartSeq2SeqLMPreprocessor.fromPreset(keras, { length: 6 } as object)).rejects.toThrow('length');
  });

  it('finds masks in texts as transformers does, and not as KerasHub does', async () => {
    const text = 'the <mask> dog';
    const [own, theirs] = [await BartTokenizer.fromPreset(keras), await BartTokenizer.fromPreset(transformers)];
    expect(theirs.tokenize(text)).toContain(130);
    expect(own.tokenize(text)).not.toContain(130);
    // Saved in KerasHub's layout, which has a list of tokens that are never split, it finds them still.
    const path = join(folder, 'masked');
    await saveKerasPreset(path, await BartSeq2SeqLM.fromPreset(transformers));
    expect((await BartTokenizer.fromPreset(path)).tokenize('the<mask>')).toEqual(theirs.tokenize('the<mask>'));
    const file = join(path, 'tokenizer.json');
    await writeFile(
      file,
      (await readFile(file, 'utf8')).replace(/"unsplittable_tokens": \[[^\]]*\]/, '"unsplittable_tokens": 5'),
    );
    await expect(BartTokenizer.fromPreset(path)).rejects.toThrow(
      'unsplittable_tokens a list of texts, got false and 5',
    );
  });
});

describe('generate', () => {
  it('S61: leaves the decoder’s prompt out where it is told to', async () => {
    const lm = await BartSeq2SeqLM.fromPreset(keras, greedy);
    const inputs = { encoderText: ['the dog', 'a'], decoderText: ['The', 'a dog'] };
    const options = { maxLength: 20 };
    const [whole, stripped] = [
      await lm.generate(inputs, options),
      await lm.generate(inputs, { ...options, stripPrompt: true }),
    ];
    expect(whole).toEqual(stripped.map((text, i) => `${inputs.decoderText[i]}${text}`));
    const tokens = lm.preprocessor!.generatePreprocess(inputs, { decoderSequenceLength: 12 });
    const all = await lm.generate(tokens, { stopTokenIds: null });
    const own = await lm.generate(tokens, { stopTokenIds: null, stripPrompt: true });
    const prompts = rows(tokens.decoderPaddingMask).map((row) => row.reduce((a, b) => a + b, 0));
    expect(rows(own.decoderPaddingMask)).toEqual(prompts.map((n) => [...Array(12 - n).fill(1), ...Array(n).fill(0)]));
    for (const [i, n] of prompts.entries())
      expect(rows(own.decoderTokenIds)[i]!.slice(0, 12 - n)).toEqual(rows(all.decoderTokenIds)[i]!.slice(n));
  });

  it('S47: goes through batches of texts and of both sides', async () => {
    const lm = await BartSeq2SeqLM.fromPreset(keras, greedy);
    const options = { maxLength: 10 };
    const batches = async function* () {
      yield ['the dog', 'a'];
      yield { encoderText: ['a dog'], decoderText: ['The'] };
      yield { encoderText: 'a dog', decoderText: 'The' };
    };
    const together = await lm.generate(batches(), options);
    const alone = [
      ...(await lm.generate(['the dog', 'a'], options)),
      ...(await lm.generate({ encoderText: ['a dog'], decoderText: ['The'] }, options)),
    ];
    expect(together).toEqual([...alone, alone.at(-1)]);
  });

  it('S72: gives all beams where they are asked for, best first', async () => {
    const lm = await BartSeq2SeqLM.fromPreset(keras, { sampler: BeamSampler({ numBeams: 2, returnAllBeams: true }) });
    const best = lm.compile({ sampler: BeamSampler({ numBeams: 2 }) });
    const prompts = ['the dog', 'a'];
    const all = await lm.generate<Beam[]>(prompts, { maxLength: 10 });
    expect(all.map((beams) => beams.length)).toEqual([2, 2]);
    expect(all.map(([first]) => first!.text)).toEqual(await best.generate(prompts, { maxLength: 10 }));
    for (const [first, second] of all) expect(first!.logProb).toBeGreaterThanOrEqual(second!.logProb);
    const tokens = lm.preprocessor!.generatePreprocess(prompts, { decoderSequenceLength: 10 });
    const { decoderTokenIds, logProbs } = await lm.generate(tokens);
    expect([decoderTokenIds.shape, logProbs!.shape]).toEqual([
      [2, 2, 10],
      [2, 2],
    ]);
  });

  it('streams the answer alone', async () => {
    const lm = await BartSeq2SeqLM.fromPreset(keras, greedy);
    for (const prompt of ['the dog', { encoderText: 'a', decoderText: 'a dog' }]) {
      let text = '';
      for await (const piece of lm.stream(prompt, { maxLength: 30 })) text += piece;
      expect(text).toBe(await lm.generate(prompt, { maxLength: 30, stripPrompt: true }));
      expect(text).not.toBe('');
    }
    await expect(lm.stream(['a'] as unknown as string).next()).rejects.toThrow('expected one prompt');
  });

  it('leaves out encoder columns that are padding in all rows, and none where a row has nothing else', () => {
    const batchOf = (lengths: readonly number[], length: number) => ({
      tokenIds: Int32Array.from({ length: lengths.length * length }, (_, i) => i),
      paddingMask: Uint8Array.from(lengths.flatMap((own) => Array.from({ length }, (_, i) => Number(i < own)))),
      batch: lengths.length,
      length,
    });
    const { tokenIds, length } = withoutPadding(batchOf([3, 17], 40));
    expect([length, tokenIds.length, tokenIds[32]]).toEqual([32, 64, 40]);
    expect(withoutPadding(batchOf([3, 0], 40)).length).toBe(40);
    expect(withoutPadding(batchOf([3, 5], 7)).length).toBe(7);
  });

  it('S64: runs the encoder once, and computes the cross-attention’s keys and values once', async () => {
    const { counted, runs } = counting(await webgpuTestDevice());
    const lm = await BartSeq2SeqLM.fromPreset(keras, { ...greedy, device: counted, dtype: 'float32' });
    const seen = { crossKey: 0, encoder: 0, key: 0 };
    const intercept: Intercept = (x, { site, stack }) => {
      if (site === 'crossKey') seen.crossKey++;
      if (stack === 'encoder' && site === 'key') seen.encoder++;
      if (stack === 'decoder' && site === 'key') seen.key++;
      return x;
    };
    const options = { maxLength: 14, stopTokenIds: null, intercept };
    const text = await lm.generate('The quick brown fox.', options);
    // No piece of the prompt before the last; the encoder and its memory; the prefill; eleven steps for the columns after the first.
    expect([...runs].sort((a, b) => a - b)).toEqual([0, 1, 1, 11]);
    // Traced: one layer in the encoder and in the memory, and the decoder's in prefill and step.
    expect(seen).toEqual({ crossKey: 1, encoder: 1, key: 2 });
    // Another text of that length is replayed, the encoder too.
    await lm.generate('over the lazy dog', options);
    expect([...runs].sort((a, b) => a - b)).toEqual([0, 2, 2, 22]);
    expect(seen).toEqual({ crossKey: 1, encoder: 1, key: 2 });
    expect(await lm.generate('The quick brown fox.', { maxLength: 14, stopTokenIds: null })).toBe(text);
  });

  it('leaves no memory behind on the device', async () => {
    const { gpu, device } = await unusedTestDevice();
    const lm = await BartSeq2SeqLM.fromPreset(keras, { ...greedy, device });
    const run = () => lm.generate(['the dog', 'a'], { maxLength: 12 });
    await run();
    const before = gpu.memory();
    await run();
    expect(gpu.memory()).toEqual(before);
  });

  it('takes intercepts in both stacks', async () => {
    const lm = await BartSeq2SeqLM.fromPreset(keras, greedy);
    const options = { maxLength: 14, stopTokenIds: null };
    const plain = await lm.generate('the dog', options);
    const scaled = (stack: 'encoder' | 'decoder') => at({ site: 'residualPost', stack }, (x) => ops.multiply(x, -1));
    const changed = await lm.generate('the dog', { ...options, intercept: scaled('encoder') });
    expect(changed).not.toBe(plain);
    expect(await lm.generate('the dog', { ...options, intercept: scaled('decoder') })).not.toBe(plain);
    // The memory belongs to the prefill.
    const later = { ...options, intercept: scaled('encoder'), when: (step: number) => step > 0 };
    expect(await lm.generate('the dog', later)).toBe(plain);
    const wrong = at({ site: 'crossZ', stack: 'encoder' }, (x) => x);
    await expect(lm.generate('a', { ...options, intercept: wrong })).rejects.toThrow("stack: 'encoder'");
  });

  it('S53 S55: says what is wrong with its input', async () => {
    const lm = await BartSeq2SeqLM.fromPreset(keras, greedy);
    const refused = (inputs: unknown, options = {}) => expect(lm.generate(inputs as string, options)).rejects;
    await refused({ decoderText: 'a' }).toThrow(
      'expected { encoderText, decoderText }, got an object with decoderText',
    );
    await refused({ encoderText: ['a'], decoderText: 'b' }).toThrow('two strings or two lists');
    await refused({ encoderText: [] }).toThrow('at least one');
    await refused([]).toThrow('expected at least one prompt, got an empty list');
    await refused(['a', 5]).toThrow('got a list with the number 5 at index 1');
    await refused(5).toThrow('generate: expected a string, a list of strings, { encoderText, decoderText }');
    await refused({ tokenIds: [[1]] }).toThrow('tokens of both sides, got an object');
    await refused('a', { maxLength: 41 }).toThrow('of at most 40');
    await refused('a', { maxLength: 1 }).toThrow('to be 2 or more');
    const tokens = {
      encoderTokenIds: [[0, 5, 2]],
      encoderPaddingMask: [[1, 1, 1]],
      decoderTokenIds: [[2, 0, 1, 1]],
      decoderPaddingMask: [[1, 1, 0, 0]],
    };
    await refused({ ...tokens, decoderTokenIds: undefined }).toThrow('got none of the decoder');
    await refused({ ...tokens, encoderTokenIds: [[0, 131, 2]] }).toThrow(
      'generate: encoder: expected token ids from 0 to 130',
    );
    await refused({ ...tokens, encoderPaddingMask: [[1, 1]] }).toThrow("expected paddingMask of tokenIds' shape");
    await refused({ ...tokens, encoderTokenIds: [[0], [0]], encoderPaddingMask: [[1], [1]] }).toThrow('got 2 and 1');
    await refused({ ...tokens, decoderPaddingMask: [[0, 0, 0, 0]] }).toThrow('at least one given token');
    const long = [new Array<number>(41).fill(0)];
    await refused({ ...tokens, encoderTokenIds: long, encoderPaddingMask: undefined }).toThrow(
      "expected an encoder's length of at most 40 (the model's maxSequenceLength), got 41",
    );
    expect(() => lm.apply({ tokenIds: [[1]] } as unknown as Parameters<typeof lm.apply>[0])).toThrow(
      'apply: expected encoderTokenIds and decoderTokenIds, got none of the encoder',
    );
    const bare = BartSeq2SeqLM({ backbone: BartBackbone(sizes) });
    await expect(bare.generate('a')).rejects.toThrow('attach a preprocessor or tokenize it first');
    await expect(bare.generate(tokens)).rejects.toThrow("expected a preprocessor for stopTokenIds 'auto'");
    expect(rows((await bare.generate(tokens, { stopTokenIds: null, seed: 1 })).decoderPaddingMask)).toEqual([
      [1, 1, 1, 1],
    ]);
  });

  it('scores: says what is wrong with a request', async () => {
    const lm = BartSeq2SeqLM({ backbone: BartBackbone(sizes) });
    const inputs = { encoderTokenIds: [[0, 5, 2]], decoderTokenIds: [[2, 0]] };
    expect(lm.score(inputs).shape).toEqual([1, 2, 131]);
    expect(lm.score({ ...inputs, scoringMode: 'loss', targetIds: [[0, 5]] }).shape).toEqual([1, 2]);
    const scored = (more: object) => () => lm.score({ ...inputs, ...more });
    expect(scored({ scoringMode: 'loss' })).toThrow('cannot compute the loss without targets');
    expect(scored({ scoringMode: 'sum' })).toThrow("must be one of 'logits' or 'loss'");
    expect(scored({ targetIds: [[0]], scoringMode: 'loss' })).toThrow("of decoderTokenIds' shape [1, 2], got [1, 1]");
    expect(scored({ encoderPaddingMask: [[true]] })).toThrow("encoderPaddingMask of encoderTokenIds' shape [1, 3]");
    expect(scored({ encoderTokenIds: [[131]] })).toThrow('score: expected encoderTokenIds from 0 to 130');
    expect(scored({ decoderTokenIds: [new Array<number>(17).fill(1)] })).toThrow('at most 16');
  });
});

describe('files', () => {
  it("S118: a BART written in KerasHub's layout and read again is the same to the bit", async () => {
    const device = await webgpuTestDevice();
    const lm = await BartSeq2SeqLM.fromPreset(transformers, { ...greedy, device });
    const path = join(folder, 'saved');
    await saveKerasPreset(path, lm);
    const again = await Seq2SeqLM.fromPreset(path, { ...greedy, device });
    const [before, after] = [await device.evaluate(leaves(lm.params)), await device.evaluate(leaves(again.params))];
    expect(paths(again.params).map(([own]) => own)).toEqual(paths(lm.params).map(([own]) => own));
    for (const [i, { data }] of before.entries()) expect(after[i]!.data).toEqual(data);
    const options = { maxLength: 20 };
    expect(await again.generate(['the dog', 'a'], options)).toEqual(await lm.generate(['the dog', 'a'], options));
  });

  it('a BART that KerasHub’s layout cannot say is refused by all that it cannot', async () => {
    const lm = await BartSeq2SeqLM.fromPreset(presetPath('transformers/bart_b_float32'));
    expect(lm.backbone.config.finalLogitsBias).toBe(true);
    await expect(saveKerasPreset(join(folder, 'unsaid'), lm)).rejects.toThrow(
      /decoderNumLayers 2, got 1; decoderNumHeads 3, got 2; .*activation "gelu", got "relu"; scaleEmbedding false, got true; finalLogitsBias false, got true/,
    );
  });

  /** transformers' folder with other tensors. */
  const rewritten = async (
    name: string,
    change: (tensors: Map<string, { readonly shape: readonly number[]; readonly data: Uint8Array }>) => void,
  ): Promise<string> => {
    const path = join(folder, name);
    await cp(transformers, path, { recursive: true });
    const file = join(path, 'model.safetensors');
    const checkpoint = right(await openSafetensors(file)());
    const tensors = new Map<string, { readonly shape: readonly number[]; readonly data: Uint8Array }>();
    for (const [own, stored] of checkpoint.tensors)
      tensors.set(own, { shape: stored.shape, data: await bytesOf(stored) });
    await checkpoint.close();
    change(tensors);
    right(
      await writeSafetensors(
        file,
        [...tensors].map(([own, { shape, data }]) => ({ name: own, dtype: 'float32' as const, shape, data })),
      )(),
    );
    return path;
  };

  it('the token table is found by any of its names, and read once', async () => {
    const inputs = { encoderTokenIds: [[0, 5, 2]], decoderTokenIds: [[2, 0]] };
    const logits = async (path: string) => {
      const lm = await BartSeq2SeqLM.fromPreset(path, { device: referenceDevice });
      return (await referenceDevice.evaluate([lm.apply(inputs)]))[0]!.data;
    };
    const expected = await logits(transformers);
    const shared = 'model.shared.weight';
    for (const name of ['model.encoder.embed_tokens.weight', 'lm_head.weight']) {
      const path = await rewritten(name, (tensors) => {
        tensors.set(name, tensors.get(shared)!);
        tensors.delete(shared);
      });
      expect(await logits(path)).toEqual(expected);
    }
    const tied = await rewritten('tied', (tensors) => {
      for (const name of ['model.encoder.embed_tokens.weight', 'model.decoder.embed_tokens.weight', 'lm_head.weight'])
        tensors.set(name, tensors.get(shared)!);
      tensors.set('final_logits_bias', { shape: [1, 131], data: new Uint8Array(4 * 131) });
    });
    expect(await logits(tied)).toEqual(expected);
    const none = await rewritten('none', (tensors) => tensors.delete(shared));
    await expect(logits(none)).rejects.toThrow('missing: shared.weight (for tokenEmbedding.embeddings)');
  });

  it('a bias of the logits counts where it is not zeros, and does not learn', async () => {
    const bias = new Float32Array(131).fill(0.5);
    bias[7] = -2;
    const path = await rewritten('biased', (tensors) =>
      tensors.set('final_logits_bias', { shape: [1, 131], data: new Uint8Array(bias.buffer) }),
    );
    const options = { device: referenceDevice, preprocessor: null };
    const [plain, biased] = [
      await BartSeq2SeqLM.fromPreset(transformers, options),
      await BartSeq2SeqLM.fromPreset(path, options),
    ];
    expect(plain.backbone.config.finalLogitsBias).toBe(false);
    expect(biased.backbone.config.finalLogitsBias).toBe(true);
    const inputs = { encoderTokenIds: [[0, 5, 2]], decoderTokenIds: [[2, 0]] };
    const [a, b] = await referenceDevice.evaluate([plain.apply(inputs), biased.apply(inputs)]);
    for (const [i, value] of a!.data.entries()) expect(b!.data[i]! - value).toBeCloseTo(bias[i % 131]!, 5);
    const { task } = await biased.fit(inputs, { y: [[0, 5]] });
    const [kept] = await referenceDevice.evaluate([task.params.finalLogitsBias!]);
    expect(kept!.data).toEqual(bias);
  });

  it('a folder whose config does not fit is refused', async () => {
    const path = join(folder, 'misfit');
    await cp(keras, path, { recursive: true });
    const file = join(path, 'config.json');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('"num_layers": 1', '"num_layers": 2'));
    await expect(BartSeq2SeqLM.fromPreset(path)).rejects.toThrow('missing: layers/transformer_encoder_1');
    await writeFile(file, text.replace('"num_heads": 2', '"num_heads": 3'));
    await expect(BartSeq2SeqLM.fromPreset(path)).rejects.toThrow('must be a multiple of the number of heads');
    await writeFile(file, text.replace('"num_layers": 1', '"num_layers": 1000000000'));
    await expect(BartSeq2SeqLM.fromPreset(path)).rejects.toThrow('num_layers: expected a whole number');
  });
});
