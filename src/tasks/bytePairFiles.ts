import * as E from 'fp-ts/lib/Either.js';
import { preview } from '../models/configReader.ts';
import type { BytePairTokenizer, BytePairTokenizerOptions } from '../tokenizers/bytePairTokenizer.ts';
import type { TokenizerFileError } from '../tokenizers/errors.ts';
import { vocabularyJson } from '../tokenizers/vocabularyJson.ts';
import { field, type KerasTokenizer, type Preset, toPresetError } from '../weights/index.ts';
import type { FamilyTokenizer } from './family.ts';
import { brokenFile, orReject } from './presets.ts';

/** What the files of a byte-level BPE tokenizer hold, and in KerasHub's layout the settings that stand beside them. */
export interface BytePairFiles {
  readonly vocabularyJson: string;
  readonly mergesText: string;
  /** See `BytePairTokenizerOptions`; left out where nothing is said of it, as is the next. */
  readonly addPrefixSpace?: boolean;
  readonly unsplittableTokens?: readonly string[];
}

/** How a byte-level BPE tokenizer is made from the texts of its files. */
export interface BytePairReaders<T> {
  /** A tokenizer from what vocabulary.json (transformers: vocab.json) and merges.txt hold. */
  readonly fromFiles: (files: BytePairFiles) => E.Either<TokenizerFileError, T>;
  /** A tokenizer from what transformers' tokenizer.json holds. */
  readonly fromTokenizerJson: (text: string) => E.Either<TokenizerFileError, T>;
}

/** Makes a byte-level BPE tokenizer of `options`, or of the texts of its files. */
export interface BytePairSource<T, Options = BytePairTokenizerOptions> extends BytePairReaders<T> {
  (options: Options): T;
}

/** What a folder in KerasHub's layout says of its tokenizer besides the assets. */
const settingsOf = async (preset: Preset): Promise<Pick<BytePairFiles, 'addPrefixSpace' | 'unsplittableTokens'>> => {
  if (!(await preset.has('tokenizer.json')())) return {};
  const config = field(orReject(await preset.readJson('tokenizer.json')()), 'config');
  const addPrefixSpace = field(config, 'add_prefix_space') ?? undefined;
  const unsplittableTokens = field(config, 'unsplittable_tokens') ?? undefined;
  const isTokens = Array.isArray(unsplittableTokens) && unsplittableTokens.every((token) => typeof token === 'string');
  if (
    (addPrefixSpace !== undefined && typeof addPrefixSpace !== 'boolean') ||
    (unsplittableTokens !== undefined && !isTokens)
  )
    throw toPresetError(
      brokenFile(
        preset,
        'tokenizer.json',
        `expected add_prefix_space to be true or false and unsplittable_tokens a list of texts, got ${preview(addPrefixSpace)} and ${preview(unsplittableTokens)}`,
      ),
    );
  return {
    ...(addPrefixSpace === undefined ? {} : { addPrefixSpace }),
    ...(unsplittableTokens === undefined ? {} : { unsplittableTokens: unsplittableTokens as readonly string[] }),
  };
};

/** The byte-level BPE tokenizer of a preset: KerasHub's assets, or transformers' two files or one. */
const openBytePair = async <T>(preset: Preset, source: BytePairReaders<T>): Promise<T> => {
  const text = async (name: string): Promise<string> => orReject(await preset.readText(name)());
  const fromFiles = async (vocabulary: string, merges: string, settings: Partial<BytePairFiles> = {}): Promise<T> => {
    const files = { vocabularyJson: await text(vocabulary), mergesText: await text(merges), ...settings };
    return orReject(
      E.mapLeft(({ message }: Error) =>
        brokenFile(preset, message.startsWith('merges.txt: ') ? merges : vocabulary, message),
      )(source.fromFiles(files)),
    );
  };
  if (preset.layout === 'keras')
    return fromFiles('assets/tokenizer/vocabulary.json', 'assets/tokenizer/merges.txt', await settingsOf(preset));
  // As transformers does: tokenizer.json says what the other two leave out.
  if (!(await preset.has('tokenizer.json')()) && (await preset.has('vocab.json')()))
    return fromFiles('vocab.json', 'merges.txt');
  return orReject(
    E.mapLeft(({ message }: Error) => brokenFile(preset, 'tokenizer.json', message))(
      source.fromTokenizerJson(await text('tokenizer.json')),
    ),
  );
};

/** The tokenizer as KerasHub writes it down. */
const saveBytePair = ({
  vocabulary,
  merges,
  addPrefixSpace,
  unsplittableTokens,
}: BytePairTokenizer): KerasTokenizer => {
  const text = (value: string): readonly Uint8Array[] => [new TextEncoder().encode(value)];
  return {
    config: { sequence_length: null, add_prefix_space: addPrefixSpace, unsplittable_tokens: unsplittableTokens },
    assets: [
      { name: 'vocabulary.json', content: text(vocabularyJson(vocabulary)) },
      { name: 'merges.txt', content: text(merges.map((merge) => `${merge}\n`).join('')) },
    ],
  };
};

/**
 * A family's byte-level BPE tokenizer.
 *
 * @param source - What makes one.
 * @param transformers - What makes one of transformers' files. Default: the same.
 */
export const bytePair = <T extends BytePairTokenizer, Options>(
  source: BytePairSource<T, Options>,
  transformers: BytePairReaders<T> = source,
): FamilyTokenizer<T, BytePairSource<T, Options>> => ({
  source,
  files: { keras: ['assets/tokenizer/vocabulary.json'], transformers: ['vocab.json', 'tokenizer.json'] },
  open: (preset) => openBytePair(preset, preset.layout === 'keras' ? source : transformers),
  save: saveBytePair,
});
