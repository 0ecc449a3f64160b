import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import * as E from 'fp-ts/lib/Either.js';
import h5wasm from 'h5wasm/node';
import { describe, expect, it } from 'vitest';
import { makeFalconConfig, parseFalconConfig } from '../../src/models/falcon/config.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import { FalconBackbone, FalconCausalLM } from '../../src/tasks/falcon.ts';
import { CausalLM } from '../../src/tasks/fromPreset.ts';
import { saveKerasPreset } from '../../src/tasks/saveKerasPreset.ts';
import { openH5 } from '../../src/weights/index.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { presetPath } from '../support/fixtures.ts';
import { bytesOf, right, temporaryFolder } from '../weights/helpers.ts';

const folder = await temporaryFolder();

/** Where `reference/check_hdf5.py` looks for presets to read with KerasHub; undefined: nobody looks. */
const kept = process.env.PURELM_H5_FOLDER;

const load = async (preset: string, device: Device) =>
  FalconCausalLM.fromPreset(presetPath(preset), { device, preprocessor: null });

const filesOf = async (path: string): Promise<readonly string[]> => {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(path, join(entry.parentPath, entry.name)))
    .sort();
};

describe('saving a Falcon in KerasHub’s layout', () => {
  it.each(['a', 'b', 'c'])('S117 S118: writes preset %s as KerasHub did, bit for bit', async (letter) => {
    await h5wasm.ready;
    const source = presetPath(`keras/falcon_${letter}_float32`);
    const target = join(kept ?? folder, `falcon_${letter}_float32`);
    const lm = await FalconCausalLM.fromPreset(source, { device: await webgpuTestDevice() });
    await saveKerasPreset(target, lm, { savedAt: new Date('2026-01-01T00:00:00Z') });
    expect(await filesOf(target)).toEqual(await filesOf(source));
    for (const file of await filesOf(source)) {
      const [own, theirs] = [join(target, file), join(source, file)];
      // Python writes numbers in its own way.
      if (!file.endsWith('.h5'))
        expect((await readFile(own, 'utf8')).replace('0.00001', '1e-05')).toBe(await readFile(theirs, 'utf8'));
      else {
        const [a, b] = [right(await openH5(own)()), right(await openH5(theirs)())];
        expect([...a.tensors.keys()]).toEqual([...b.tensors.keys()]);
        for (const [name, stored] of b.tensors)
          expect(await bytesOf(a.tensors.get(name)!), name).toEqual(await bytesOf(stored));
        const names = [own, theirs].map((path) => {
          const opened = new h5wasm.File(path, 'r');
          const groups = [...opened.paths()].sort();
          opened.close();
          return groups;
        });
        expect(names[0]).toEqual(names[1]);
      }
    }
  });

  it('writes what a transformers folder says, where KerasHub can say it, and refuses the rest by name', async () => {
    const device = await webgpuTestDevice();
    const lm = await load('transformers/falcon_a_float32', device);
    const { config, params } = lm.backbone;
    await expect(saveKerasPreset(join(folder, 'no'), lm)).rejects.toThrow(
      /expected positions "alibi".* got "alibiBfloat16"; write transformers/,
    );
    const asKeras = FalconBackbone({ ...config, positions: 'alibi' }).withParams(params);
    const target = join(folder, 'converted');
    await saveKerasPreset(target, FalconCausalLM({ backbone: asKeras, preprocessor: null }));
    const [again, theirs] = [
      await CausalLM.fromPreset(target, { device }),
      await load('keras/falcon_a_float32', device),
    ];
    const tokenIds = [[1, 2, 3, 130]];
    const [own, other] = await device.evaluate([again.apply({ tokenIds }), theirs.apply({ tokenIds })]);
    expect(own!.data).toEqual(other!.data);
    for (const preset of ['multi_query', 'grouped', 'one_norm', 'grouped_alibi', 'parallel_alibi'])
      await expect(
        load(`transformers/falcon_${preset}_float32`, device).then((other) =>
          saveKerasPreset(join(folder, 'no'), other),
        ),
      ).rejects.toThrow(/only one that KerasHub's layout can say/);
  });
});

const message = (result: E.Either<{ readonly message: string }, unknown>): string =>
  E.isLeft(result) ? result.left.message : '';

describe('what is wrong with a Falcon is said', () => {
  const rw = { model_type: 'falcon', hidden_size: 12, num_attention_heads: 3, vocab_size: 131, num_hidden_layers: 2 };

  it.each([
    [{ hidden_size: 13 }, 'the hidden size must be a multiple of the number of heads, got 13 and 3'],
    [{ num_attention_heads: 0 }, 'num_attention_heads: expected a whole number from 1'],
    [{ hidden_size: 9 }, 'expected heads of an even width, got 3'],
    [{ new_decoder_architecture: true, num_kv_heads: 2 }, 'multiple of the number of key-value heads, got 3 and 2'],
    [{ multi_query: false, num_kv_heads: 1 }, 'num_kv_heads: expected 3, one for each query head'],
    [
      { new_decoder_architecture: true, parallel_attn: false },
      'parallel_attn: expected true with new_decoder_architecture',
    ],
    [
      { num_ln_in_parallel_attn: 2 },
      'num_ln_in_parallel_attn: expected 1 or none without new_decoder_architecture, got 2',
    ],
    [{ new_decoder_architecture: true, num_ln_in_parallel_attn: 3 }, 'num_ln_in_parallel_attn: expected 1 or 2, got 3'],
    [{ activation: 'tanhshrink' }, 'activation: expected one of gelu_new, '],
    [{ alibi: 'yes' }, 'alibi: expected true or false, got "yes"'],
    [
      { rope_parameters: { rope_type: 'yarn', factor: 2 } },
      'rope_parameters: expected the rope_type "default", got "yarn"',
    ],
    [{ rope_scaling: { type: 'linear', factor: 2 } }, 'rope_scaling: expected the rope_type "default", got "linear"'],
    [{ rope_theta: -1 }, 'rope_theta: expected a number above 0'],
    [{ apply_residual_connection_post_layernorm: true }, 'apply_residual_connection_post_layernorm: expected false'],
    [{ ffn_hidden_size: 1.5 }, 'ffn_hidden_size: expected a whole number'],
    [{ attention_dropout: 1 }, 'attention_dropout: expected a number from 0 to below 1'],
    [{ num_hidden_layers: 1e9 }, 'num_hidden_layers: expected a whole number from 1 to 4096'],
  ])('transformers’ %o', (fields, problem) => {
    expect(message(parseFalconConfig('transformers', { ...rw, ...fields }))).toContain(problem);
  });

  it('has transformers’ defaults: those of Falcon-7B', () => {
    expect(parseFalconConfig('transformers', { model_type: 'falcon' })).toMatchObject({
      right: {
        vocabularySize: 65024,
        numLayers: 32,
        numAttentionHeads: 71,
        numKeyValueHeads: 1,
        hiddenDim: 4544,
        intermediateDim: 4 * 4544,
        parallelAttention: true,
        useBias: false,
        positions: 'rotary',
        tieWordEmbeddings: true,
      },
    });
  });

  it('has transformers’ activations', () => {
    const activation = (name: string) => {
      const config = parseFalconConfig('transformers', { ...rw, hidden_size: 12, activation: name });
      return E.isRight(config) ? config.right.activation : undefined;
    };
    expect(['gelu', 'gelu_new', 'relu', 'silu', 'swish', 'quick_gelu'].map(activation)).toEqual([
      'gelu',
      'geluApproximate',
      'relu',
      'silu',
      'silu',
      undefined,
    ]);
  });

  it('options and KerasHub’s configs', () => {
    const sizes = { vocabularySize: 11, numLayers: 1, numAttentionHeads: 2, hiddenDim: 4, intermediateDim: 8 };
    expect(message(makeFalconConfig({ ...sizes, numAttentionHeads: 3 }))).toContain(
      'FalconBackbone: the hidden size must',
    );
    expect(message(makeFalconConfig({ ...sizes, numParallelNorms: 2 }))).toContain(
      'expected 1 without parallelAttention',
    );
    expect(message(makeFalconConfig({ ...sizes, positions: 'learned' as 'alibi' }))).toContain(
      'positions: expected one of',
    );
    expect(() => FalconBackbone({ ...sizes, numHeads: 2 } as typeof sizes)).toThrow(/FalconBackbone: .*numHeads/);
    expect(message(parseFalconConfig('keras', { config: {} }))).toContain('vocabulary_size: expected a whole number');
    expect(message(parseFalconConfig('keras', []))).toContain('expected an object');
    const dtype = { class_name: 'QuantizedDTypePolicy', config: { mode: 'int8' } };
    expect(message(parseFalconConfig('keras', { config: { dtype } }))).toContain('dtype: expected a float policy');
  });

  it('tensors that are missing or do not fit, by name', async () => {
    const copy = async (name: string, change: (config: Record<string, unknown>) => object): Promise<string> => {
      const source = presetPath('transformers/falcon_a_float32');
      const target = join(folder, name);
      await mkdir(target);
      await copyFile(join(source, 'model.safetensors'), join(target, 'model.safetensors'));
      const config = JSON.parse(await readFile(join(source, 'config.json'), 'utf8')) as Record<string, unknown>;
      await writeFile(join(target, 'config.json'), JSON.stringify(change(config)));
      return target;
    };
    const open = (path: string) => FalconCausalLM.fromPreset(path, { device: referenceDevice });
    const deeper = await copy('deeper', (config) => ({ ...config, num_hidden_layers: 3 }));
    await expect(open(deeper)).rejects.toThrow(/missing: .*h\.2\.input_layernorm\.weight/);
    const bare = await copy('bare', (config) => ({ ...config, bias: false }));
    await expect(open(bare)).rejects.toThrow(/unknown: .*h\.0\.mlp\.dense_4h_to_h\.bias/);
    const multi = await copy('multi', (config) => ({ ...config, multi_query: true }));
    await expect(open(multi)).rejects.toThrow(/query_key_value\.weight is \[36, 12\], expected \[20, 12\]/);
    await expect(FalconCausalLM.fromPreset(presetPath('keras/a_float32'))).rejects.toThrow(
      'expected a preset of FalconBackbone for FalconCausalLM, got one of the family gpt2',
    );
  });

  it('S18: CausalLM finds a Falcon in both layouts', async () => {
    for (const preset of ['keras/falcon_c_float32', 'transformers/falcon_c_float32']) {
      const lm = await CausalLM.fromPreset(presetPath(preset), { device: referenceDevice });
      expect([lm.name, lm.sampler.name, lm.tokenizer?.endTokenId]).toEqual(['FalconCausalLM', 'greedy', 419]);
    }
  });
});
