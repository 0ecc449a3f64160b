import { gpt2KerasLayout } from '../models/gpt2/kerasLayout.ts';
import { formatPath } from '../models/weightEntry.ts';
import type { Device } from '../runtime/device.ts';
import { bfloat16Bits, float16Bits } from '../tensor/dtype.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { paths } from '../tensor/tree.ts';
import type { GPT2Tokenizer } from '../tokenizers/gpt2Tokenizer.ts';
import { type FileToWrite, type H5Dataset, type KerasPreset, writeKerasPreset } from '../weights/index.ts';
import { deviceOf, heldParams } from './causalLM.ts';
import type { GPT2CausalLM } from './gpt2.ts';
import { orReject } from './presets.ts';

/** What a saved preset has besides the model. */
export interface SaveKerasPresetOptions {
  /** What metadata.json gives as date. Default: now. */
  readonly savedAt?: Date;
  /** Further files for the folder. */
  readonly extra?: readonly FileToWrite[];
}

/** Numbers as the file holds them: halves as their bits. */
const bytesOf = ({ data }: NDArray, dtype: H5Dataset['dtype']): Uint8Array => {
  const stored =
    dtype === 'float32' || data instanceof Uint16Array
      ? data
      : Uint16Array.from(data, dtype === 'float16' ? float16Bits : bfloat16Bits);
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
};

/** A parameter as a dataset, read from the device when its turn has come. */
const dataset = (device: Device, dtype: H5Dataset['dtype'], tensor: Tensor): H5Dataset => ({
  dtype,
  shape: tensor.shape,
  data: async function* () {
    const [array] = await device.evaluate([tensor]);
    yield bytesOf(array!, dtype);
  },
});

/** A vocabulary as Python's json.dumps writes it: in ASCII, and in the order of the ids. */
const vocabularyJson = (vocabulary: ReadonlyMap<string, number>): string => {
  const quoted = (token: string): string =>
    JSON.stringify(token).replace(
      /[\u007f-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
  return `{${[...vocabulary]
    .sort(([, a], [, b]) => a - b)
    .map(([token, id]) => `${quoted(token)}: ${id}`)
    .join(', ')}}`;
};

/** A tokenizer's options, and its files as KerasHub writes them. */
const tokenizerOf = ({ vocabulary, merges, addPrefixSpace, unsplittableTokens }: GPT2Tokenizer) => {
  const text = (value: string): readonly Uint8Array[] => [new TextEncoder().encode(value)];
  return {
    config: {
      sequence_length: null,
      add_prefix_space: addPrefixSpace,
      unsplittable_tokens: unsplittableTokens,
    },
    assets: [
      { name: 'vocabulary.json', content: text(vocabularyJson(vocabulary)) },
      { name: 'merges.txt', content: text(merges.map((merge) => `${merge}\n`).join('')) },
    ],
  };
};

/**
 * Writes a GPT-2 as a preset folder in KerasHub's layout, which KerasHub and `fromPreset` read. Whole or not at all.
 *
 * @param folder - Where to. A preset that is there is replaced; a folder that holds anything else is left alone.
 * @throws {ArgumentError} By rejection, if there is LoRA: KerasHub keeps its factors in a file of their own.
 * @throws {PresetError} By rejection, if KerasHub's layout cannot say the config, or the folder cannot be written.
 * @see keras_hub.models.Task.save_to_preset
 */
export const saveKerasPreset = async (
  folder: string,
  { backbone, preprocessor }: Pick<GPT2CausalLM, 'backbone' | 'preprocessor'>,
  { savedAt = new Date(), extra = [] }: SaveKerasPresetOptions = {},
): Promise<void> => {
  const { config, model } = backbone;
  if (backbone.lora !== undefined)
    throw new ArgumentError(
      'saveKerasPreset: expected a model without LoRA, got one with; call mergeLora first, or saveLoraWeights for the factors alone',
    );
  const device = await deviceOf(backbone);
  const params = new Map(paths(await heldParams(device, backbone.params)));
  const [first] = params.values();
  const dtype = first!.dtype as KerasPreset<unknown>['dtype'];
  const other = [...params].find(([, tensor]) => tensor.dtype !== dtype);
  if (other !== undefined)
    throw new ArgumentError(`saveKerasPreset: expected all weights of ${dtype}, got ${other[0]} of ${other[1].dtype}`);
  orReject(
    await writeKerasPreset(
      folder,
      {
        layout: gpt2KerasLayout,
        config,
        dtype,
        weights: model.weights.entries.map(({ path, sources }) => [
          sources.keras.name,
          dataset(device, dtype, params.get(formatPath(path))!),
        ]),
        preprocessor:
          preprocessor === null
            ? null
            : {
                sequenceLength: preprocessor.sequenceLength,
                addStartToken: preprocessor.addStartToken,
                addEndToken: preprocessor.addEndToken,
                tokenizer: tokenizerOf(preprocessor.tokenizer),
              },
        savedAt,
      },
      extra,
    )(),
  );
};
