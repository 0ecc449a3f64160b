// What the writers of transformers' tokenizer.json share.

import type { Tokenizer } from './tokenizer.ts';

/** A tokenizer as transformers writes it down. */
export interface TransformersTokenizer {
  /** What the files hold, by name: tokenizer.json, if transformers can be told all of it there, and others. */
  readonly files: readonly { readonly name: string; readonly content: string | Uint8Array }[];
  /** Fields of tokenizer_config.json. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** Which tokens have which part in a text: `{ bos_token: '<s>' }`. */
export type SpecialTokens = Readonly<Record<`${'bos' | 'eos' | 'unk' | 'sep' | 'pad' | 'cls' | 'mask'}_token`, string>>;

/** A token that is found in texts, as tokenizer.json has it. */
export const addedToken = (id: number, content: string, { lstrip = false, special = true } = {}) => ({
  id,
  content,
  single_word: false,
  lstrip,
  rstrip: false,
  normalized: false,
  special,
});

/** What stands around one text and around two; `A` and `B` are the texts, all else tokens. */
export interface Template {
  readonly single: readonly string[];
  /** With the segment that each belongs to. */
  readonly pair: readonly (readonly [part: string, segment: 0 | 1])[];
}

/** A post_processor that puts tokens around texts. */
export const templateProcessing = ({ single, pair }: Template, { tokenToId }: Tokenizer) => {
  const part = ([own, segment]: readonly [string, 0 | 1]) =>
    own === 'A' || own === 'B'
      ? { Sequence: { id: own, type_id: segment } }
      : { SpecialToken: { id: own, type_id: segment } };
  const tokens = [...new Set([...single, ...pair.map(([own]) => own)])].filter((own) => own !== 'A' && own !== 'B');
  return {
    type: 'TemplateProcessing',
    single: single.map((own) => part([own, 0])),
    pair: pair.map(part),
    special_tokens: Object.fromEntries(
      tokens.map((token) => [token, { id: token, ids: [tokenToId(token)], tokens: [token] }]),
    ),
  };
};

/** Start, text, end: as BERT has it, with a segment for each text. */
export const bertTemplate = (start: string, end: string): Template => ({
  single: [start, 'A', end],
  pair: [
    [start, 0],
    ['A', 0],
    [end, 0],
    ['B', 1],
    [end, 1],
  ],
});

/** Start, text, end, end, text, end: as RoBERTa has it, without segments. */
export const robertaTemplate = (start: string, end: string): Template => ({
  single: [start, 'A', end],
  pair: [start, 'A', end, end, 'B', end].map((own) => [own, 0] as const),
});

/** The steps of a tokenizer, each as tokenizer.json has it. */
export interface TokenizerSteps {
  readonly added: readonly ReturnType<typeof addedToken>[];
  readonly normalizer: object | null;
  readonly preTokenizer: object | null;
  readonly postProcessor: object | null;
  readonly decoder: object;
  readonly model: object;
}

/** The text of tokenizer.json. */
export const tokenizerJson = ({
  added,
  normalizer,
  preTokenizer,
  postProcessor,
  decoder,
  model,
}: TokenizerSteps): string =>
  `${JSON.stringify(
    {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: [...added].sort((a, b) => a.id - b.id),
      normalizer,
      pre_tokenizer: preTokenizer,
      post_processor: postProcessor,
      decoder,
      model,
    },
    undefined,
    2,
  )}\n`;

/**
 * Fields of tokenizer_config.json. The class is the one that does what tokenizer.json says; those of the families make up
 * parts of it anew.
 */
export const tokenizerConfig = (
  tokens: Partial<SpecialTokens>,
  inputs: readonly string[],
): TransformersTokenizer['config'] => ({
  tokenizer_class: 'PreTrainedTokenizerFast',
  clean_up_tokenization_spaces: false,
  model_input_names: inputs,
  ...tokens,
});
