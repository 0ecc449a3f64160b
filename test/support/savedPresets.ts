import { readdirSync } from 'node:fs';
import {
  type BackbonePresetOptions,
  CausalLM,
  MaskedLM,
  type QuantizationMode,
  type QuantizeOptions,
  read,
  type SaveToPresetOptions,
  Seq2SeqLM,
  TextClassifier,
  TextEmbedder,
} from '../../src/index.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import type { NDArray } from '../../src/tensor/ndarray.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import type { Tree } from '../../src/tensor/tree.ts';
import type { Tokenizer } from '../../src/tokenizers/tokenizer.ts';
import { encoderCases } from '../families/encoderFamilies.ts';
import { fixture } from '../weights/helpers.ts';

/** What the tests of saving ask of a model, whatever it is. */
export interface SavedModel {
  readonly params: Tree;
  readonly tokenizer: Tokenizer | null;
  readonly config: unknown;
  /** Logits, hidden states or embeddings for the inputs of `inputsOf`, on the model's device. */
  readonly run: () => Promise<NDArray>;
  readonly quantize: (mode: QuantizationMode, options?: QuantizeOptions) => Promise<SavedModel>;
  readonly saveToPreset: (folder: string, options?: SaveToPresetOptions) => Promise<void>;
}

/** What a recorded preset is opened as. */
export type SavedKind = 'causalLM' | 'seq2seqLM' | 'maskedLM' | 'textClassifier' | 'backbone' | 'embedder';

/** A recorded preset, and what it is opened as. */
export interface SavedCase {
  /** `keras/c_float32`. */
  readonly name: string;
  readonly kind: SavedKind;
}

const kindOf = (name: string): SavedKind =>
  name.startsWith('sentence/')
    ? 'embedder'
    : name.includes('masked_lm')
      ? 'maskedLM'
      : name.includes('text_classifier')
        ? 'textClassifier'
        : name.endsWith('_backbone')
          ? 'backbone'
          : name.includes('bart')
            ? 'seq2seqLM'
            : 'causalLM';

/** Every recorded preset but those that hold the same as another. */
export const savedCases: readonly SavedCase[] = ['transformers', 'keras', 'sentence'].flatMap((layout) =>
  readdirSync(fixture(layout))
    .filter((name) => !/_(bare|sharded|backbone_only|dropout0)$/.test(name))
    .sort()
    .map((name) => ({ name: `${layout}/${name}`, kind: kindOf(`${layout}/${name}`) })),
);

/** Two rows of five tokens that every recorded model knows; the second has two places of padding. */
export const savedInputs = {
  tokenIds: [
    [5, 6, 7, 8, 9],
    [9, 8, 7, 4, 4],
  ],
  paddingMask: [
    [true, true, true, true, true],
    [true, true, true, false, false],
  ],
  maskPositions: [
    [1, 2],
    [0, 2],
  ],
} as const;

const { tokenIds, paddingMask, maskPositions } = savedInputs;

const encoderOf = (name: string) => encoderCases.find((own) => name.split('/')[1]!.startsWith(`${own.name}_`))!;

/** What any task or backbone is. */
interface Opened<Self> {
  readonly params?: Tree;
  readonly tokenizer?: Tokenizer | null;
  readonly config?: unknown;
  readonly backbone?: { readonly config: unknown; readonly params: Tree };
  readonly saveToPreset: SavedModel['saveToPreset'];
  readonly quantize: (mode: QuantizationMode, options?: QuantizeOptions) => Promise<Self>;
}

const savedModel = <Own extends Opened<Own>>(own: Own, run: (own: Own) => Promise<NDArray>): SavedModel => ({
  params: own.params ?? own.backbone!.params,
  tokenizer: own.tokenizer ?? null,
  config: own.backbone === undefined ? own.config : own.backbone.config,
  saveToPreset: own.saveToPreset,
  run: () => run(own),
  quantize: async (mode, options) => savedModel(await own.quantize(mode, options), run),
});

/** Opens a folder as what the recorded preset `name` is. */
export const openSaved = async (
  folder: string,
  { name, kind }: SavedCase,
  options: BackbonePresetOptions = {},
): Promise<SavedModel> => {
  const { device = referenceDevice } = options as { readonly device?: Device };
  const given = { ...options, device };
  const evaluated = (y: Tensor): Promise<NDArray> => read(y, { device });
  switch (kind) {
    case 'causalLM':
      return savedModel(await CausalLM.fromPreset(folder, given), (own) =>
        evaluated(own.apply({ tokenIds, paddingMask })),
      );
    case 'seq2seqLM': {
      const inputs = {
        encoderTokenIds: tokenIds,
        encoderPaddingMask: paddingMask,
        decoderTokenIds: tokenIds,
        decoderPaddingMask: paddingMask,
      };
      return savedModel(await Seq2SeqLM.fromPreset(folder, given), (own) => evaluated(own.apply(inputs)));
    }
    case 'maskedLM':
      return savedModel(await MaskedLM.fromPreset(folder, given), (own) =>
        evaluated(own.apply({ tokenIds, paddingMask, maskPositions })),
      );
    case 'textClassifier':
      return savedModel(await TextClassifier.fromPreset(folder, given), (own) =>
        evaluated(own.apply({ tokenIds, paddingMask })),
      );
    case 'backbone':
      return savedModel(await encoderOf(name).openBackbone(folder, given), (own) =>
        evaluated(own.apply({ tokenIds, paddingMask }).sequence),
      );
    case 'embedder':
      return savedModel(await TextEmbedder.fromPreset(folder, given), (own) =>
        evaluated(own.apply({ tokenIds, paddingMask })),
      );
  }
};

/** Texts for tokenizers: odd spaces, marks, digits, special tokens and what no vocabulary has. */
export const savedTexts = [
  'The quick brown fox, 123 jumped over 4567 dogs!',
  ' a  b\tc\n\nd ',
  'h\u00e9llo w\u00f6rld \u4f60\u597d \u{1f600}',
  "don't  'say' \"morning\" -- again?",
  '',
] as const;
