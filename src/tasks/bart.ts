import * as E from 'fp-ts/lib/Either.js';
import { bart } from '../models/bart/bart.ts';
import { type BartConfig, type BartOptions, makeBartConfig, parseBartConfig } from '../models/bart/config.ts';
import { bartKerasLayout } from '../models/bart/kerasLayout.ts';
import type { BartParams } from '../models/bart/params.ts';
import { bartPresets } from '../models/bart/presets.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { BartSeq2SeqLMPreprocessor as Preprocessor } from '../tokenizers/bartSeq2SeqLMPreprocessor.ts';
import type { BartTokenizer as Tokenizer } from '../tokenizers/bartTokenizer.ts';
import {
  BartSeq2SeqLMPreprocessor as createPreprocessor,
  BartTokenizer as createTokenizer,
  type Seq2SeqLengths,
  type Seq2SeqLMPreprocessorOptions,
} from '../tokenizers/index.ts';
import type { Preset } from '../weights/index.ts';
import { bytePairFiles, openBytePair, readersOf } from './bytePairFiles.ts';
import {
  type BackbonePresetOptions,
  backbonePresetOptions,
  expectFamily,
  loadBackbone,
  type OpenPresetOptions,
  openPresetFolder,
  orReject,
} from './presets.ts';
import { type Seq2SeqBackbone, seq2seqBackbone } from './seq2seqBackbone.ts';
import { type AnySeq2SeqFamily, type Seq2SeqPresetOptions, seq2seqPresetOptions } from './seq2seqFamily.ts';
import { type Seq2SeqLM, type Seq2SeqLMParts, seq2seqLM } from './seq2seqLM.ts';

/** A BART backbone: an encoder, and a decoder that reads it. */
export type BartBackbone = Seq2SeqBackbone<BartConfig, BartParams>;

/** A BART that writes text of a text. */
export type BartSeq2SeqLM = Seq2SeqLM<BartConfig, BartParams, Tokenizer>;

const open = async (name: string, preset: string, options: OpenPresetOptions): Promise<Preset> => {
  const opened = await openPresetFolder(preset, options);
  expectFamily(name, opened, { family: 'bart', backbone: 'BartBackbone' });
  return opened;
};

const configOf = (preset: Preset): BartConfig =>
  orReject(
    E.mapLeft(({ message }: { message: string }) => ({
      _tag: 'WrongConfig' as const,
      message: `${preset.path}: ${message}`,
      path: preset.path,
    }))(parseBartConfig(preset.layout, preset.config)),
  );

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

const backboneFrom = async (preset: Preset, options: BackbonePresetOptions): Promise<BartBackbone> => {
  const said = configOf(preset);
  const finalLogitsBias = options.loadWeights === false ? false : await hasLogitsBias(preset);
  const config = finalLogitsBias ? { ...said, finalLogitsBias } : said;
  const model = bart(config);
  const { params, device } = await loadBackbone(preset, model, options);
  return seq2seqBackbone(config, model, params, device);
};

/** The tokenizer of a folder. transformers finds `<mask>` in texts, KerasHub does not. */
const tokenizerFrom = (preset: Preset): Promise<Tokenizer> =>
  openBytePair(
    preset,
    preset.layout === 'keras'
      ? createTokenizer
      : {
          fromFiles: (files) => createTokenizer.fromFiles({ ...files, findsMasks: true }),
          fromTokenizerJson: createTokenizer.fromTokenizerJson,
        },
  );

/** Neither layout saves lengths: as long as the model reads, and KerasHub's default at most. */
const preprocessorFrom = async (preset: Preset, lengths: Seq2SeqLengths = {}): Promise<Preprocessor> => {
  const most = Math.min(1024, configOf(preset).maxSequenceLength);
  return createPreprocessor({
    tokenizer: await tokenizerFrom(preset),
    encoderSequenceLength: lengths.encoderSequenceLength ?? most,
    decoderSequenceLength: lengths.decoderSequenceLength ?? lengths.sequenceLength ?? most,
  });
};

const hasTokenizer = async (preset: Preset): Promise<boolean> => {
  for (const name of bytePairFiles.names[preset.layout]) if (await preset.has(name)()) return true;
  return false;
};

const taskFrom = async (preset: Preset, options: Seq2SeqPresetOptions): Promise<BartSeq2SeqLM> => {
  const { preprocessor: wanted, sampler } = options;
  // Small files first: what is wrong with them is known before the weights are read.
  const preprocessor =
    wanted === undefined ? ((await hasTokenizer(preset)) ? await preprocessorFrom(preset) : null) : wanted;
  return seq2seqLM('BartSeq2SeqLM', {
    backbone: await backboneFrom(preset, options),
    preprocessor: preprocessor as Preprocessor | null,
    ...(sampler === undefined ? {} : { sampler }),
  });
};

/** BART as one of the families. */
export const bartFamily: AnySeq2SeqFamily = Object.freeze<AnySeq2SeqFamily>({
  family: 'bart',
  layout: bartKerasLayout as AnySeq2SeqFamily['layout'],
  presets: bartPresets,
  open: async (preset, options) => (await taskFrom(preset, options)) as unknown as Seq2SeqLM,
  openBackbone: backboneFrom,
  openTokenizer: tokenizerFrom,
  kerasTask: (preprocessor) => {
    const own = preprocessor as Preprocessor | null;
    return {
      kerasClass: bartKerasLayout.seq2seqLM,
      bases: ['Seq2SeqLM'],
      // KerasHub saves no lengths.
      preprocessor: own && {
        kerasClass: bartKerasLayout.seq2seqLMPreprocessor,
        config: {},
        tokenizer: bytePairFiles.save(own.tokenizer),
      },
    };
  },
});

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
export const BartBackbone = Object.freeze(
  Object.assign(
    ({ seed = 0, ...options }: BartOptions & { readonly seed?: number }): BartBackbone => {
      const config = makeBartConfig(options);
      if (E.isLeft(config)) throw new ArgumentError(config.left.message);
      refuseUnknown('BartBackbone', options, Object.keys(config.right));
      const model = bart(config.right);
      return seq2seqBackbone(config.right, model, model.init(seed));
    },
    {
      /** The backbone of a preset folder, KerasHub's or transformers'. */
      fromPreset: async (preset: string, options: BackbonePresetOptions = {}): Promise<BartBackbone> => {
        refuseUnknown('BartBackbone.fromPreset', options, backbonePresetOptions);
        return backboneFrom(await open('BartBackbone', preset, options), options);
      },
      /** Built-in presets by id. */
      presets: bartPresets,
    },
  ),
);

/** BART's tokenizer; see `purelm`'s tokenizers. `fromPreset` reads a preset folder's. */
export const BartTokenizer = Object.freeze(
  Object.assign(
    (options: Parameters<typeof createTokenizer>[0]): Tokenizer => createTokenizer(options),
    readersOf(createTokenizer),
    {
      /** The tokenizer of a preset folder, KerasHub's or transformers'. */
      fromPreset: async (preset: string): Promise<Tokenizer> =>
        tokenizerFrom(await open('BartTokenizer', preset, { loadWeights: false })),
      /** Built-in presets by id. */
      presets: bartPresets,
    },
  ),
);

/** BART's preprocessor; `fromPreset` reads a preset folder's tokenizer. */
export const BartSeq2SeqLMPreprocessor = Object.freeze(
  Object.assign((options: Seq2SeqLMPreprocessorOptions<Tokenizer>): Preprocessor => createPreprocessor(options), {
    /** The preprocessor of a preset folder; lengths that are not given are the position table's, 1024 at most. */
    fromPreset: async (preset: string, lengths: Seq2SeqLengths = {}): Promise<Preprocessor> => {
      refuseUnknown('BartSeq2SeqLMPreprocessor.fromPreset', lengths, [
        'encoderSequenceLength',
        'decoderSequenceLength',
        'sequenceLength',
      ]);
      return preprocessorFrom(await open('BartSeq2SeqLMPreprocessor', preset, { loadWeights: false }), lengths);
    },
    /** Built-in presets by id. */
    presets: bartPresets,
  }),
);

/**
 * A BART that writes text of a text, from a backbone and, for text in and out, a preprocessor.
 *
 * @see keras_hub.models.BartSeq2SeqLM
 */
export const BartSeq2SeqLM = Object.freeze(
  Object.assign(
    (parts: Seq2SeqLMParts<BartConfig, BartParams, Tokenizer>): BartSeq2SeqLM => seq2seqLM('BartSeq2SeqLM', parts),
    {
      /**
       * The model of a preset folder, KerasHub's or transformers'.
       *
       * @throws {PresetError} By rejection: what is wrong with the folder.
       */
      fromPreset: async (preset: string, options: Seq2SeqPresetOptions = {}): Promise<BartSeq2SeqLM> => {
        refuseUnknown('BartSeq2SeqLM.fromPreset', options, seq2seqPresetOptions);
        return taskFrom(await open('BartSeq2SeqLM', preset, options), options);
      },
      /** Built-in presets by id. */
      presets: bartPresets,
    },
  ),
);
