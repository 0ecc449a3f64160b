import * as E from 'fp-ts/lib/Either.js';
import { isJsonObject, preview } from '../models/configReader.ts';
import type { WordPieceSettings } from '../tokenizers/bertTokenizer.ts';
import type { TokenizerFileError } from '../tokenizers/errors.ts';
import { formatVocabularyText } from '../tokenizers/wordPieceFiles.ts';
import type { WordPieceTokenizer, WordPieceTokenizerOptions } from '../tokenizers/wordPieceTokenizer.ts';
import { field, type Preset, toPresetError } from '../weights/index.ts';
import type { FamilyTokenizer } from './family.ts';
import { brokenFile, orReject } from './presets.ts';

/** Makes a WordPiece tokenizer of options, or of the texts of its files. */
export interface WordPieceSource<T> {
  (options: WordPieceTokenizerOptions): T;
  /** A tokenizer from what vocabulary.txt (transformers: vocab.txt) holds. */
  readonly fromVocabularyText: (text: string, settings?: WordPieceSettings) => E.Either<TokenizerFileError, T>;
  /** A tokenizer from what transformers' tokenizer.json holds; settings given go before it. */
  readonly fromTokenizerJson: (text: string, settings?: WordPieceSettings) => E.Either<TokenizerFileError, T>;
}

/** A JSON file's settings, each of the type that it must have; null is as if it were not there. */
interface Settings {
  readonly flag: (name: string) => boolean | undefined;
  readonly text: (name: string) => string | undefined;
  readonly texts: (name: string) => readonly string[] | undefined;
}

const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean';
const isText = (value: unknown): value is string => typeof value === 'string';
const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText);

/** An optional JSON file's settings, at its `config` if it has one. */
const settingsIn = async (preset: Preset, file: string): Promise<Settings> => {
  const json: unknown = (await preset.has(file)()) ? orReject(await preset.readJson(file)()) : {};
  const config = field(json, 'config') ?? json;
  const refuse = (problem: string): never => orReject(E.left(brokenFile(preset, file, problem)));
  if (!isJsonObject(config)) return refuse(`expected an object of settings, got ${preview(config)}`);
  const setting =
    <A>(expected: string, isRight: (value: unknown) => value is A) =>
    (name: string): A | undefined => {
      const value = field(config, name) ?? undefined;
      return value === undefined || isRight(value)
        ? value
        : refuse(`expected ${name} to be ${expected}, got ${preview(value)}`);
    };
  return {
    flag: setting('true or false', isBoolean),
    text: setting('a text', isText),
    texts: setting('a list of texts', isTexts),
  };
};

/** KerasHub's settings; what it can be told and we do not do is refused. */
const kerasSettings = async (preset: Preset): Promise<WordPieceSettings> => {
  const file = 'tokenizer.json';
  const { flag, text, texts } = await settingsIn(preset, file);
  if (flag('split') === false)
    throw toPresetError(brokenFile(preset, file, 'expected split true, got false; texts are split into words'));
  const specialTokens = texts('special_tokens');
  return {
    follows: 'kerasHub',
    lowercase: flag('lowercase'),
    stripAccents: flag('strip_accents'),
    splitOnCjk: flag('split_on_cjk'),
    suffixIndicator: text('suffix_indicator'),
    oovToken: text('oov_token'),
    specialTokensInStrings: flag('special_tokens_in_strings'),
    ...(specialTokens === undefined ? {} : { specialTokens }),
  };
};

/** transformers' settings for a vocab.txt: those of its slow tokenizer. */
const transformersSettings = async (preset: Preset): Promise<WordPieceSettings> => {
  const { flag } = await settingsIn(preset, 'tokenizer_config.json');
  return {
    follows: 'transformers',
    lowercase: flag('do_lower_case') ?? true,
    stripAccents: flag('strip_accents'),
    splitOnCjk: flag('tokenize_chinese_chars'),
  };
};

/** The WordPiece tokenizer of a preset: KerasHub's vocabulary.txt, or transformers' tokenizer.json or vocab.txt. */
const openWordPiece = async <T>(preset: Preset, source: WordPieceSource<T>): Promise<T> => {
  const read = async (name: string): Promise<string> => orReject(await preset.readText(name)());
  const made = (name: string, result: E.Either<TokenizerFileError, T>): T =>
    orReject(E.mapLeft(({ message }: Error) => brokenFile(preset, name, message))(result));
  const fromText = async (name: string, settings: WordPieceSettings): Promise<T> =>
    made(name, source.fromVocabularyText(await read(name), settings));
  if (preset.layout === 'keras') return fromText('assets/tokenizer/vocabulary.txt', await kerasSettings(preset));
  return (await preset.has('tokenizer.json')())
    ? made('tokenizer.json', source.fromTokenizerJson(await read('tokenizer.json')))
    : fromText('vocab.txt', await transformersSettings(preset));
};

/** A family's WordPiece tokenizer. */
export const wordPiece = <T extends WordPieceTokenizer>(
  source: WordPieceSource<T>,
): FamilyTokenizer<T, WordPieceSource<T>> => ({
  source,
  files: { keras: ['assets/tokenizer/vocabulary.txt'], transformers: ['tokenizer.json', 'vocab.txt'] },
  open: (preset) => openWordPiece(preset, source),
  save: (tokenizer) => ({
    config: {
      vocabulary: null,
      sequence_length: null,
      lowercase: tokenizer.lowercase,
      strip_accents: tokenizer.stripAccents,
      split: true,
      suffix_indicator: tokenizer.suffixIndicator,
      oov_token: tokenizer.oovToken,
      special_tokens: null,
      special_tokens_in_strings: tokenizer.specialTokensInStrings,
    },
    assets: [
      {
        name: 'vocabulary.txt',
        content: [new TextEncoder().encode(formatVocabularyText(tokenizer.vocabulary))],
      },
    ],
  }),
});
