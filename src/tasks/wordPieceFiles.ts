import * as E from 'fp-ts/lib/Either.js';
import { isJsonObject, type JsonObject, preview } from '../models/configReader.ts';
import type { WordPieceSettings } from '../tokenizers/bertTokenizer.ts';
import type { TokenizerFileError } from '../tokenizers/errors.ts';
import { formatVocabularyText } from '../tokenizers/wordPieceFiles.ts';
import type { WordPieceTokenizer, WordPieceTokenizerOptions } from '../tokenizers/wordPieceTokenizer.ts';
import type { Preset } from '../weights/index.ts';
import type { FamilyTokenizer } from './family.ts';
import { orReject } from './presets.ts';

/** Makes a WordPiece tokenizer of options, or of the texts of its files. */
export interface WordPieceSource<T> {
  (options: WordPieceTokenizerOptions): T;
  /** A tokenizer from what vocabulary.txt (transformers: vocab.txt) holds. */
  readonly fromVocabularyText: (text: string, settings?: WordPieceSettings) => E.Either<TokenizerFileError, T>;
  /** A tokenizer from what transformers' tokenizer.json holds; settings given go before it. */
  readonly fromTokenizerJson: (text: string, settings?: WordPieceSettings) => E.Either<TokenizerFileError, T>;
}

/** A setting of a JSON file, if it is there, of the type that it must have. */
const flag = (object: JsonObject, name: string): boolean | undefined =>
  typeof object[name] === 'boolean' ? object[name] : undefined;

const text = (object: JsonObject, name: string): string | undefined =>
  typeof object[name] === 'string' ? object[name] : undefined;

const broken = (preset: Preset, message: string) => ({
  _tag: 'BrokenFile' as const,
  message: `${preset.path}: ${message}`,
  path: preset.path,
});

/** An optional JSON file's object, at its `config` if it has one; empty where there is none. */
const settingsIn = async (preset: Preset, name: string): Promise<JsonObject> => {
  if (!(await preset.has(name)())) return {};
  const json = orReject(await preset.readJson(name)());
  if (!isJsonObject(json)) return {};
  return isJsonObject(json.config) ? json.config : json;
};

/** KerasHub's settings; what it can be told and we do not do is refused. */
const kerasSettings = async (preset: Preset): Promise<WordPieceSettings> => {
  const config = await settingsIn(preset, 'tokenizer.json');
  if (config.split === false)
    throw orReject(
      E.left(broken(preset, 'tokenizer.json: expected split true, got false; texts are split into words')),
    );
  const special = config.special_tokens;
  if (special !== undefined && special !== null && !Array.isArray(special))
    throw orReject(
      E.left(broken(preset, `tokenizer.json: expected special_tokens as a list, got ${preview(special)}`)),
    );
  return {
    follows: 'kerasHub',
    lowercase: flag(config, 'lowercase'),
    stripAccents: flag(config, 'strip_accents'),
    splitOnCjk: flag(config, 'split_on_cjk'),
    suffixIndicator: text(config, 'suffix_indicator'),
    oovToken: text(config, 'oov_token'),
    specialTokensInStrings: flag(config, 'special_tokens_in_strings'),
    ...(Array.isArray(special) ? { specialTokens: special.map(String) } : {}),
  };
};

/** transformers' settings for a vocab.txt: those of its slow tokenizer. */
const transformersSettings = async (preset: Preset): Promise<WordPieceSettings> => {
  const config = await settingsIn(preset, 'tokenizer_config.json');
  return {
    follows: 'transformers',
    lowercase: flag(config, 'do_lower_case') ?? true,
    stripAccents: flag(config, 'strip_accents'),
    splitOnCjk: flag(config, 'tokenize_chinese_chars'),
  };
};

/** The WordPiece tokenizer of a preset: KerasHub's vocabulary.txt, or transformers' tokenizer.json or vocab.txt. */
const openWordPiece = async <T>(preset: Preset, source: WordPieceSource<T>): Promise<T> => {
  const read = async (name: string): Promise<string> => orReject(await preset.readText(name)());
  const made = (result: E.Either<TokenizerFileError, T>): T =>
    orReject(E.mapLeft(({ message }: Error) => broken(preset, message))(result));
  if (preset.layout === 'keras')
    return made(source.fromVocabularyText(await read('assets/tokenizer/vocabulary.txt'), await kerasSettings(preset)));
  return (await preset.has('tokenizer.json')())
    ? made(source.fromTokenizerJson(await read('tokenizer.json')))
    : made(source.fromVocabularyText(await read('vocab.txt'), await transformersSettings(preset)));
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
