import type { BartTokenizer } from './bartTokenizer.ts';
import {
  type Seq2SeqLMPreprocessor,
  type Seq2SeqLMPreprocessorOptions,
  seq2seqLMPreprocessor,
} from './seq2seqLMPreprocessor.ts';

/** BART's preprocessor. */
export type BartSeq2SeqLMPreprocessor = Seq2SeqLMPreprocessor<BartTokenizer>;

/**
 * A preprocessor for `BartSeq2SeqLM`: the encoder reads `<s> … </s>`, the decoder begins with `</s> <s>`.
 *
 * @throws {ArgumentError} If a sequence length is no integer from 1.
 * @see keras_hub.models.BartSeq2SeqLMPreprocessor
 * @example
 * const preprocessor = BartSeq2SeqLMPreprocessor({ tokenizer, encoderSequenceLength: 64, decoderSequenceLength: 32 });
 * const { x, y, sampleWeight } = preprocessor({ encoderText: ['a quick fox'], decoderText: ['a fox'] });
 * const prompt = preprocessor.generatePreprocess('a quick fox'); // four arrays
 */
export const BartSeq2SeqLMPreprocessor = (
  options: Seq2SeqLMPreprocessorOptions<BartTokenizer>,
): BartSeq2SeqLMPreprocessor =>
  seq2seqLMPreprocessor('BartSeq2SeqLMPreprocessor', options, {
    decoderStart: [options.tokenizer.endTokenId, options.tokenizer.startTokenId],
  });
