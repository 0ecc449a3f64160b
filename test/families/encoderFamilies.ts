import { albert, albertClassifierHead, albertMaskedLMHead } from '../../src/models/albert/albert.ts';
import { bert, bertClassifierHead, bertMaskedLMHead } from '../../src/models/bert/bert.ts';
import { debertaV3, debertaV3ClassifierHead, debertaV3MaskedLMHead } from '../../src/models/debertaV3/debertaV3.ts';
import {
  distilBert,
  distilBertClassifierHead,
  distilBertMaskedLMHead,
} from '../../src/models/distilBert/distilBert.ts';
import type { ClassifierHeadOptions } from '../../src/models/encoder/heads.ts';
import type { EncoderModel } from '../../src/models/encoderModel.ts';
import { fNet, fNetClassifierHead, fNetMaskedLMHead } from '../../src/models/fNet/fNet.ts';
import type { PresetInfo } from '../../src/models/presetInfo.ts';
import { roberta, robertaClassifierHead, robertaMaskedLMHead } from '../../src/models/roberta/roberta.ts';
import type { WeightTable } from '../../src/models/weightEntry.ts';
import {
  xlmRoberta,
  xlmRobertaClassifierHead,
  xlmRobertaMaskedLMHead,
} from '../../src/models/xlmRoberta/xlmRoberta.ts';
import { AlbertBackbone, AlbertMaskedLM, AlbertTextClassifier } from '../../src/tasks/albert.ts';
import { BertBackbone, BertMaskedLM, BertTextClassifier } from '../../src/tasks/bert.ts';
import { DebertaV3Backbone, DebertaV3MaskedLM, DebertaV3TextClassifier } from '../../src/tasks/debertaV3.ts';
import { DistilBertBackbone, DistilBertMaskedLM, DistilBertTextClassifier } from '../../src/tasks/distilBert.ts';
import type { EncoderBackbone } from '../../src/tasks/encoderBackbone.ts';
import type { MaskedLMPresetOptions, TextClassifierPresetOptions } from '../../src/tasks/encoderFamily.ts';
import { FNetBackbone, FNetMaskedLM, FNetTextClassifier } from '../../src/tasks/fNet.ts';
import type { MaskedLM, MaskedLMParts } from '../../src/tasks/maskedLM.ts';
import type { BackbonePresetOptions } from '../../src/tasks/presets.ts';
import { RobertaBackbone, RobertaMaskedLM, RobertaTextClassifier } from '../../src/tasks/roberta.ts';
import type { TextClassifier, TextClassifierParts } from '../../src/tasks/textClassifier.ts';
import { XLMRobertaBackbone, XLMRobertaMaskedLM, XLMRobertaTextClassifier } from '../../src/tasks/xlmRoberta.ts';
import type { Tree } from '../../src/tensor/tree.ts';
import type { MaskTokenizer } from '../../src/tokenizers/maskTokenizer.ts';

/** A family of encoders as the tests see it. */
export interface EncoderCase {
  /** The name of its folder in `src/models`. */
  readonly family: string;
  /** What its recordings are called: `test/fixtures/encoders/<name>.json`. */
  readonly name: string;
  /** A small backbone of random weights, that reads 16 tokens at least of 97. */
  readonly backbone: EncoderBackbone;
  /** The built-in presets. */
  readonly presets: ReadonlyMap<string, PresetInfo<unknown>>;
  /** How many numbers of the tensors in transformers' files no parameter is read from, of `backbone`. */
  readonly unread: number;
  /** The model of a preset's config. */
  readonly model: (config: unknown) => EncoderModel;
  /** The heads of a preset's config. */
  readonly maskedLMHead: (config: unknown) => { readonly weights: WeightTable };
  readonly classifierHead: (config: unknown, options: ClassifierHeadOptions) => { readonly weights: WeightTable };
  /** A backbone of random weights from a config's fields. */
  readonly makeBackbone: (options: unknown) => EncoderBackbone;
  readonly openBackbone: (preset: string, options?: BackbonePresetOptions) => Promise<EncoderBackbone>;
  readonly openMaskedLM: (preset: string, options?: MaskedLMPresetOptions) => Promise<MaskedLM>;
  readonly openTextClassifier: (preset: string, options?: TextClassifierPresetOptions) => Promise<TextClassifier>;
  readonly maskedLM: (parts: MaskedLMParts<unknown, Tree, MaskTokenizer>) => MaskedLM;
  readonly textClassifier: (parts: TextClassifierParts<unknown, Tree, MaskTokenizer>) => TextClassifier;
}

/** A family's own classes, whatever its types. */
interface Classes<Config, Params extends Tree, T extends MaskTokenizer> {
  readonly Backbone: ((options: never) => EncoderBackbone<Config, Params>) & {
    readonly presets: ReadonlyMap<string, PresetInfo<Config>>;
    readonly fromPreset: (preset: string, options?: BackbonePresetOptions) => Promise<EncoderBackbone<Config, Params>>;
  };
  readonly MaskedLM: ((parts: MaskedLMParts<Config, Params, T>) => MaskedLM<Config, Params, T>) & {
    readonly fromPreset: (preset: string, options?: MaskedLMPresetOptions) => Promise<MaskedLM<Config, Params, T>>;
  };
  readonly TextClassifier: ((parts: TextClassifierParts<Config, Params, T>) => TextClassifier<Config, Params, T>) & {
    readonly fromPreset: (
      preset: string,
      options?: TextClassifierPresetOptions,
    ) => Promise<TextClassifier<Config, Params, T>>;
  };
}

/** A case from a family's own types. */
const encoderCase = <Config, Params extends Tree, T extends MaskTokenizer>(
  family: string,
  name: string,
  {
    model,
    maskedLMHead,
    classifierHead,
  }: {
    readonly model: (config: Config) => EncoderModel<Params>;
    readonly maskedLMHead: (config: Config) => { readonly weights: WeightTable };
    readonly classifierHead: (config: Config, options: ClassifierHeadOptions) => { readonly weights: WeightTable };
  },
  { Backbone, MaskedLM: maskedLM, TextClassifier: textClassifier }: Classes<Config, Params, T>,
  backbone: EncoderBackbone<Config, Params>,
  unread = 0,
): EncoderCase =>
  ({
    family,
    name,
    backbone,
    presets: Backbone.presets,
    unread,
    model,
    maskedLMHead,
    classifierHead,
    makeBackbone: Backbone,
    openBackbone: Backbone.fromPreset,
    openMaskedLM: maskedLM.fromPreset,
    openTextClassifier: textClassifier.fromPreset,
    maskedLM,
    textClassifier,
  }) as unknown as EncoderCase;

// Odd sizes: 3 heads, 97 tokens.
const sizes = {
  vocabularySize: 97,
  numLayers: 2,
  numHeads: 3,
  hiddenDim: 12,
  intermediateDim: 20,
  maxSequenceLength: 16,
  seed: 3,
};

/** FNet has no heads. */
const { numHeads: _, ...withoutHeads } = sizes;

/** The first two rows of transformers' position table: no text's first place is there. */
const reserved = 2 * sizes.hiddenDim;

/** Every family of encoders: a new one joins by an entry. */
export const encoderCases: readonly EncoderCase[] = [
  encoderCase(
    'bert',
    'bert',
    { model: bert, maskedLMHead: bertMaskedLMHead, classifierHead: bertClassifierHead },
    { Backbone: BertBackbone, MaskedLM: BertMaskedLM, TextClassifier: BertTextClassifier },
    BertBackbone(sizes),
  ),
  encoderCase(
    'roberta',
    'roberta',
    { model: roberta, maskedLMHead: robertaMaskedLMHead, classifierHead: robertaClassifierHead },
    { Backbone: RobertaBackbone, MaskedLM: RobertaMaskedLM, TextClassifier: RobertaTextClassifier },
    RobertaBackbone(sizes),
    reserved,
  ),
  encoderCase(
    'xlmRoberta',
    'xlm_roberta',
    { model: xlmRoberta, maskedLMHead: xlmRobertaMaskedLMHead, classifierHead: xlmRobertaClassifierHead },
    { Backbone: XLMRobertaBackbone, MaskedLM: XLMRobertaMaskedLM, TextClassifier: XLMRobertaTextClassifier },
    XLMRobertaBackbone(sizes),
    reserved,
  ),
  encoderCase(
    'distilBert',
    'distil_bert',
    { model: distilBert, maskedLMHead: distilBertMaskedLMHead, classifierHead: distilBertClassifierHead },
    { Backbone: DistilBertBackbone, MaskedLM: DistilBertMaskedLM, TextClassifier: DistilBertTextClassifier },
    DistilBertBackbone(sizes),
  ),
  encoderCase(
    'albert',
    'albert',
    { model: albert, maskedLMHead: albertMaskedLMHead, classifierHead: albertClassifierHead },
    { Backbone: AlbertBackbone, MaskedLM: AlbertMaskedLM, TextClassifier: AlbertTextClassifier },
    AlbertBackbone({ ...sizes, numGroups: 2, numInnerRepetitions: 2, embeddingDim: 8 }),
  ),
  encoderCase(
    'debertaV3',
    'deberta_v3',
    { model: debertaV3, maskedLMHead: debertaV3MaskedLMHead, classifierHead: debertaV3ClassifierHead },
    { Backbone: DebertaV3Backbone, MaskedLM: DebertaV3MaskedLM, TextClassifier: DebertaV3TextClassifier },
    DebertaV3Backbone({ ...sizes, bucketSize: 4 }),
  ),
  encoderCase(
    'fNet',
    'f_net',
    { model: fNet, maskedLMHead: fNetMaskedLMHead, classifierHead: fNetClassifierHead },
    { Backbone: FNetBackbone, MaskedLM: FNetMaskedLM, TextClassifier: FNetTextClassifier },
    FNetBackbone(withoutHeads),
  ),
];
