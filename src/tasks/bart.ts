import { bart } from '../models/bart/bart.ts';
import { type BartConfig, makeBartConfig, parseBartConfig } from '../models/bart/config.ts';
import { bartKerasLayout } from '../models/bart/kerasLayout.ts';
import type { BartParams } from '../models/bart/params.ts';
import { bartPresets } from '../models/bart/presets.ts';
import type { BartTokenizer as Tokenizer } from '../tokenizers/bartTokenizer.ts';
import {
  BartSeq2SeqLMPreprocessor as createPreprocessor,
  BartTokenizer as createTokenizer,
} from '../tokenizers/index.ts';
import type { Preset } from '../weights/index.ts';
import { bytePair } from './bytePairFiles.ts';
import { orReject } from './presets.ts';
import type { Seq2SeqBackbone } from './seq2seqBackbone.ts';
import { seq2seqClasses } from './seq2seqFamily.ts';
import type { Seq2SeqLM } from './seq2seqLM.ts';

/** A BART backbone: an encoder, and a decoder that reads it. */
export type BartBackbone = Seq2SeqBackbone<BartConfig, BartParams>;

/** A BART that writes text of a text. */
export type BartSeq2SeqLM = Seq2SeqLM<BartConfig, BartParams, Tokenizer>;

/** Whether a transformers folder has a bias of the logits that is not 0 everywhere; all of BART's own are. */
const hasLogitsBias = async (preset: Preset): Promise<boolean> => {
  if (preset.layout === 'keras') return false;
  const checkpoint = orReject(await preset.openWeights()());
  try {
    const bias = checkpoint.tensors.get('final_logits_bias');
    // Zeros are zero bits in every float format. A bias of another size than a vocabulary's is an error later.
    if (bias === undefined || bias.byteLength > 2 ** 26) return bias !== undefined;
    return (await bias.read(0, bias.byteLength)).some((byte) => byte !== 0);
  } finally {
    await checkpoint.close();
  }
};

const classes = seq2seqClasses({
  family: 'bart',
  layout: bartKerasLayout,
  presets: bartPresets,
  makeConfig: makeBartConfig,
  parseConfig: parseBartConfig,
  configWithWeights: async (preset, config) =>
    (await hasLogitsBias(preset)) ? { ...config, finalLogitsBias: true } : config,
  model: bart,
  // transformers finds `<mask>` in texts, KerasHub does not.
  tokenizer: bytePair(createTokenizer, {
    fromFiles: (files) => createTokenizer.fromFiles({ ...files, findsMasks: true }),
    fromTokenizerJson: createTokenizer.fromTokenizerJson,
  }),
  preprocessor: createPreprocessor,
});

/** BART as one of the families. */
export const bartFamily = classes.family;

/**
 * A BART backbone of these sizes with random weights from a seed.
 *
 * @throws {ArgumentError} If a size is missing or nonsense; the message lists all that is wrong.
 * @see Lewis et al. 2019; keras_hub.models.BartBackbone
 * @example
 * const backbone = BartBackbone({ vocabularySize: 50265, numLayers: 2, numHeads: 2, hiddenDim: 64,
 *   intermediateDim: 128, maxSequenceLength: 32 });
 * const { decoderSequenceOutput } = backbone.apply({ encoderTokenIds: [[0, 5, 6, 2]], decoderTokenIds: [[2, 0]] });
 */
export const BartBackbone = classes.Backbone;

/** BART's tokenizer; see `purelm`'s tokenizers. `fromPreset` reads a preset folder's. */
export const BartTokenizer = classes.Tokenizer;

/** BART's preprocessor; `fromPreset` reads a preset folder's tokenizer. */
export const BartSeq2SeqLMPreprocessor = classes.Seq2SeqLMPreprocessor;

/**
 * A BART that writes text of a text, from a backbone and, for text in and out, a preprocessor.
 *
 * @see keras_hub.models.BartSeq2SeqLM
 */
export const BartSeq2SeqLM = classes.Seq2SeqLM;
