import { describe, expect, it } from 'vitest';
import { bart } from '../../src/models/bart/bart.ts';
import { parseBartConfig } from '../../src/models/bart/config.ts';
import { bartPresets } from '../../src/models/bart/presets.ts';
import { countParams } from '../../src/models/weightEntry.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { referenceDevice } from '../../src/runtime/device.ts';
import { BartBackbone, BartSeq2SeqLM } from '../../src/tasks/bart.ts';
import { expectClose } from '../support/agree.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, presetPath, type RecordedFloats } from '../support/fixtures.ts';
import { left, right } from '../weights/helpers.ts';

interface Case {
  readonly name: string;
  readonly encoderTokenIds: number[][];
  readonly encoderPaddingMask: number[][];
  readonly decoderTokenIds: number[][];
  readonly decoderPaddingMask: number[][];
  readonly keras?: RecordedFloats;
  readonly transformers?: RecordedFloats;
}

interface Recording {
  readonly presets: readonly string[];
  readonly cases: readonly Case[];
  readonly intercepted?: { readonly case: string } & Readonly<
    Record<'encoderLayer0Zeroed' | 'decoderEmbeddingsHalved', RecordedFloats>
  >;
}

const arrayOf = (recorded: RecordedFloats) =>
  ({ data: floats(recorded), shape: recorded.shape, dtype: 'float32' }) as const;

const inputsOf = ({ encoderTokenIds, encoderPaddingMask, decoderTokenIds, decoderPaddingMask }: Case) => ({
  encoderTokenIds,
  encoderPaddingMask,
  decoderTokenIds,
  decoderPaddingMask,
});

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const;

describe.each(devices)('on %s', (_name, open) => {
  describe.each(['a_float32', 'a_float16', 'b_float32', 'c_bfloat16'])('BART %s', (name) => {
    const { presets, cases, intercepted } = fixture<Recording>(`bart/logits_${name}`);

    it.each(presets)('loaded from %s, has logits within 1e-4 of the recorded ones', async (preset) => {
      const device = await open();
      const lm = await BartSeq2SeqLM.fromPreset(presetPath(preset), { device });
      const values = await device.evaluate(cases.map((own) => lm.apply(inputsOf(own))));
      for (const [i, { keras, transformers }] of cases.entries())
        for (const recorded of [keras, transformers])
          if (recorded !== undefined) expectClose(values[i]!, arrayOf(recorded), { atol: 1e-4 });
    });

    if (intercepted === undefined) return;
    it('scores as KerasHub does when an encoder layer is zeroed, and when embeddings are halved', async () => {
      const device = await open();
      const lm = await BartSeq2SeqLM.fromPreset(presetPath(presets[0]!), { device });
      const inputs = inputsOf(cases.find((own) => own.name === intercepted.case)!);
      const [zeroed, halved] = await device.evaluate([
        lm.score({ ...inputs, encoderLayerInterceptFn: (x, i) => (i === 0 ? multiply(x, 0) : x) }),
        lm.score({ ...inputs, layerInterceptFn: (x, i) => (i === -1 ? multiply(x, 0.5) : x) }),
      ]);
      expectClose(zeroed!, arrayOf(intercepted.encoderLayer0Zeroed), { atol: 1e-4 });
      expectClose(halved!, arrayOf(intercepted.decoderEmbeddingsHalved), { atol: 1e-4 });
    });
  });
});

describe('configs of BART', () => {
  it.each([...bartPresets].slice(0, 2))('S25: %s has as many parameters as KerasHub says', (_id, preset) => {
    expect(countParams(bart(preset.config).weights)).toBe(preset.metadata.params);
  });

  it('S25: bart_large_en_cnn has a row of its token table less than KerasHub counts', () => {
    const { config, metadata } = bartPresets.get('bart_large_en_cnn')!;
    expect(countParams(bart(config).weights)).toBe(metadata.params - config.hiddenDim);
  });

  it('reads what older and newer transformers write, each stack by itself', () => {
    const older = { vocab_size: 9, d_model: 16, num_hidden_layers: 3, num_attention_heads: 2, encoder_ffn_dim: 6 };
    expect(right(parseBartConfig('transformers', older))).toMatchObject({ numLayers: 3, numHeads: 2, hiddenDim: 16 });
    const newer = { ...older, encoder_layers: 1, decoder_layers: 2, decoder_attention_heads: 4, decoder_ffn_dim: 5 };
    expect(right(parseBartConfig('transformers', newer))).toMatchObject({
      numLayers: 1,
      decoderNumLayers: 2,
      decoderNumHeads: 4,
      decoderIntermediateDim: 5,
      dropout: 0.1,
      maxSequenceLength: 1024,
      activation: 'gelu',
      scaleEmbedding: false,
    });
  });

  it('refuses by name what it cannot compute', () => {
    const message = (config: object): string => left(parseBartConfig('transformers', config)).message;
    expect(message({ normalize_before: true })).toContain('normalize_before: expected false, got true');
    expect(message({ normalize_embedding: false })).toContain('normalize_embedding: expected true, got false');
    expect(message({ add_final_layer_norm: true })).toContain('add_final_layer_norm');
    expect(message({ static_position_embeddings: true })).toContain('static_position_embeddings');
    expect(message({ tie_word_embeddings: false })).toContain('tie_word_embeddings');
    expect(message({ is_encoder_decoder: false })).toContain('is_encoder_decoder');
    expect(message({ activation_function: 'swish' })).toContain('activation_function: expected one of gelu_new');
    expect(message({ scale_embedding: 'yes' })).toContain('scale_embedding: expected true or false, got "yes"');
    expect(message({ d_model: 10, encoder_attention_heads: 5, decoder_attention_heads: 4 })).toContain(
      'the hidden size must be a multiple of the number of heads, got 10 and 4',
    );
    expect(message({ encoder_layers: 1e9, d_model: 0 })).toMatch(/encoder_layers.*d_model/s);
    expect(
      left(parseBartConfig('keras', { config: { dtype: { class_name: 'QuantizedDTypePolicy' } } })).message,
    ).toContain('dtype: expected a float policy');
    expect(left(parseBartConfig('keras', [])).message).toContain('expected an object with an object "config"');
  });

  it('S6: are made from options too, with KerasHub’s defaults', () => {
    const sizes = { vocabularySize: 9, numLayers: 1, numHeads: 2, hiddenDim: 4, intermediateDim: 6 };
    expect(BartBackbone(sizes).config).toEqual({
      ...sizes,
      dropout: 0.1,
      maxSequenceLength: 1024,
      decoderNumLayers: 1,
      decoderNumHeads: 2,
      decoderIntermediateDim: 6,
      activation: 'gelu',
      scaleEmbedding: false,
      finalLogitsBias: false,
    });
    expect(() => BartBackbone({ ...sizes, numHeads: 3, numLayers: 0 })).toThrow(/BartBackbone: numLayers/);
    expect(() => BartBackbone({ ...sizes, numHead: 3 } as typeof sizes)).toThrow('numHead');
  });
});
