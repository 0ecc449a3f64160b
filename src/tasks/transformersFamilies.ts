import type * as E from 'fp-ts/lib/Either.js';
import { albertTransformersLayout } from '../models/albert/transformersLayout.ts';
import { bartTransformersLayout } from '../models/bart/transformersLayout.ts';
import { bertTransformersLayout } from '../models/bert/transformersLayout.ts';
import type { JsonObject } from '../models/configReader.ts';
import { debertaV3TransformersLayout } from '../models/debertaV3/transformersLayout.ts';
import { distilBertTransformersLayout } from '../models/distilBert/transformersLayout.ts';
import { falconTransformersLayout } from '../models/falcon/transformersLayout.ts';
import { fNetTransformersLayout } from '../models/fNet/transformersLayout.ts';
import { gemmaTransformersLayout } from '../models/gemma/transformersLayout.ts';
import { gpt2TransformersLayout } from '../models/gpt2/transformersLayout.ts';
import { robertaTransformersLayout } from '../models/roberta/transformersLayout.ts';
import type { TransformersLayout } from '../models/transformersLayout.ts';
import { xlmRobertaTransformersLayout } from '../models/xlmRoberta/transformersLayout.ts';
import { bytePairToJson } from '../tokenizers/bytePairToJson.ts';
import type { BytePairTokenizer } from '../tokenizers/bytePairTokenizer.ts';
import type { FalconTokenizer } from '../tokenizers/falconTokenizer.ts';
import type { MaskSentencePieceTokenizer } from '../tokenizers/maskSentencePiece.ts';
import { sentencePieceBpeToJson } from '../tokenizers/sentencePieceBpeToJson.ts';
import type { SentencePieceTokenizer } from '../tokenizers/sentencePieceTokenizer.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import type { TransformersTokenizer } from '../tokenizers/tokenizerJson.ts';
import { unigramToJson } from '../tokenizers/unigramToJson.ts';
import { wordPieceToJson } from '../tokenizers/wordPieceToJson.ts';
import type { WordPieceTokenizer } from '../tokenizers/wordPieceTokenizer.ts';
import type { Family } from '../weights/index.ts';

/** How transformers writes a family down, its tokenizer and what a classifier's config says of its dropout. */
export interface TransformersFamily {
  readonly layout: TransformersLayout<object>;
  /** A tokenizer of the family; a left if transformers could not read it. */
  readonly tokenizer: (tokenizer: Tokenizer) => E.Either<string, TransformersTokenizer>;
  /** What a classifier's config says of its dropout. */
  readonly classifierDropout?: (dropout: number) => JsonObject;
  /** Whether its class of transformers opens linear layers in 8 bits. Default true. */
  readonly canPack?: boolean;
}

const family = <Config extends object, T extends Tokenizer>(
  layout: TransformersLayout<Config>,
  tokenizer: (tokenizer: T) => E.Either<string, TransformersTokenizer>,
  own: Pick<TransformersFamily, 'classifierDropout' | 'canPack'> = {},
): TransformersFamily => ({
  layout: layout as unknown as TransformersLayout<object>,
  // A family is only ever given its own tokenizers.
  tokenizer: tokenizer as unknown as TransformersFamily['tokenizer'],
  ...own,
});

const end = '<|endoftext|>';
const endTokens = { bos_token: end, eos_token: end, unk_token: end };
const sTokens = {
  bos_token: '<s>',
  eos_token: '</s>',
  sep_token: '</s>',
  cls_token: '<s>',
  unk_token: '<unk>',
  pad_token: '<pad>',
  mask_token: '<mask>',
};
const plain = ['input_ids', 'attention_mask'];
const segmented = ['input_ids', 'token_type_ids', 'attention_mask'];

const classifierDropout = (dropout: number): JsonObject => ({ classifier_dropout: dropout });
const roberta = (tokenizer: BytePairTokenizer) => bytePairToJson(tokenizer, { tokens: sTokens, around: 'roberta' });
const unigram =
  (modelName: string, tokenizerClass: string, around: 'bert' | 'roberta', inputs: readonly string[]) =>
  (tokenizer: MaskSentencePieceTokenizer) =>
    unigramToJson(tokenizer, { modelName, tokenizerClass, around, inputs });

/** How transformers writes each family down. */
export const transformersFamilies: Readonly<Record<Family, TransformersFamily>> = {
  gpt2: family(gpt2TransformersLayout, (tokenizer: BytePairTokenizer) =>
    bytePairToJson(tokenizer, { tokens: endTokens, around: 'nothing' }),
  ),
  falcon: family(
    falconTransformersLayout,
    (tokenizer: FalconTokenizer) =>
      bytePairToJson(tokenizer, {
        tokens: { eos_token: end, bos_token: end },
        around: 'nothing',
        split: tokenizer.split,
      }),
    // It asks layers for weights that they do not have then.
    { canPack: false },
  ),
  gemma: family(gemmaTransformersLayout, (tokenizer: SentencePieceTokenizer) =>
    sentencePieceBpeToJson(tokenizer, { modelName: 'tokenizer.model', tokenizerClass: 'GemmaTokenizer' }),
  ),
  bart: family(bartTransformersLayout, roberta),
  bert: family(bertTransformersLayout, (tokenizer: WordPieceTokenizer) => wordPieceToJson(tokenizer, segmented), {
    classifierDropout,
  }),
  roberta: family(robertaTransformersLayout, roberta, { classifierDropout }),
  xlmRoberta: family(
    xlmRobertaTransformersLayout,
    unigram('sentencepiece.bpe.model', 'XLMRobertaTokenizer', 'roberta', plain),
    { classifierDropout },
  ),
  distilBert: family(
    distilBertTransformersLayout,
    (tokenizer: WordPieceTokenizer) => wordPieceToJson(tokenizer, plain),
    { classifierDropout: (dropout) => ({ seq_classif_dropout: dropout }) },
  ),
  albert: family(albertTransformersLayout, unigram('spiece.model', 'AlbertTokenizer', 'bert', segmented), {
    classifierDropout: (dropout) => ({ classifier_dropout_prob: dropout }),
  }),
  debertaV3: family(debertaV3TransformersLayout, unigram('spm.model', 'DebertaV2Tokenizer', 'bert', segmented), {
    classifierDropout: (dropout) => ({ pooler_dropout: dropout }),
  }),
  fNet: family(
    fNetTransformersLayout,
    unigram('spiece.model', 'FNetTokenizer', 'bert', ['input_ids', 'token_type_ids']),
  ),
};
