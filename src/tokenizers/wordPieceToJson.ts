import * as E from 'fp-ts/lib/Either.js';
import {
  addedToken,
  bertTemplate,
  type TransformersTokenizer,
  templateProcessing,
  tokenizerConfig,
  tokenizerJson,
} from './tokenizerJson.ts';
import { formatVocabularyText } from './wordPieceFiles.ts';
import type { WordPieceTokenizer } from './wordPieceTokenizer.ts';

/**
 * A WordPiece tokenizer as transformers writes it down: tokenizer.json, and vocab.txt for those who read that. Texts are cut as
 * transformers does it, and special tokens are found in them, whatever the tokenizer's own way is.
 *
 * @param inputs - The names of what the model reads.
 */
export const wordPieceToJson = (
  tokenizer: WordPieceTokenizer,
  inputs: readonly string[],
): E.Either<string, TransformersTokenizer> => {
  const { vocabulary, oovToken, suffixIndicator, lowercase, stripAccents, splitOnCjk, idToToken } = tokenizer;
  const tokens = {
    unk_token: oovToken,
    sep_token: idToToken(tokenizer.endTokenId),
    pad_token: idToToken(tokenizer.padTokenId),
    cls_token: idToToken(tokenizer.startTokenId),
    mask_token: tokenizer.maskToken,
  };
  const own = tokenizer.follows === 'transformers' ? tokenizer.specialTokens : [];
  const found = own.length > 0 ? own : [...new Set([...Object.values(tokens), ...tokenizer.specialTokens])];
  const special = new Set(Object.values(tokens));
  const ids = vocabulary.flatMap((token, id) => (token === '' ? [] : [[token, id] as const]));
  const json = tokenizerJson({
    added: found.map((token) =>
      addedToken(tokenizer.tokenToId(token), token, {
        lstrip: tokenizer.lstripTokens.includes(token),
        special: special.has(token),
      }),
    ),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: splitOnCjk,
      strip_accents: stripAccents,
      lowercase,
    },
    preTokenizer: { type: 'BertPreTokenizer' },
    postProcessor: templateProcessing(bertTemplate(tokens.cls_token, tokens.sep_token), tokenizer),
    decoder: { type: 'WordPiece', prefix: suffixIndicator, cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: oovToken,
      continuing_subword_prefix: suffixIndicator,
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(ids),
    },
  });
  return E.right({
    files: [
      { name: 'tokenizer.json', content: json },
      { name: 'vocab.txt', content: formatVocabularyText(vocabulary) },
    ],
    config: {
      ...tokenizerConfig(tokens, inputs),
      clean_up_tokenization_spaces: true,
      do_lower_case: lowercase,
      strip_accents: stripAccents,
      tokenize_chinese_chars: splitOnCjk,
    },
  });
};
