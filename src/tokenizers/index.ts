export {
  type AlbertInput,
  AlbertMaskedLMPreprocessor,
  AlbertTextClassifierPreprocessor,
} from './albertPreprocessors.ts';
export { AlbertTokenizer, albertTextSteps } from './albertTokenizer.ts';
export { BartSeq2SeqLMPreprocessor } from './bartSeq2SeqLMPreprocessor.ts';
export { BartTokenizer, type BartTokenizerFiles } from './bartTokenizer.ts';
export { type BertInput, BertMaskedLMPreprocessor, BertTextClassifierPreprocessor } from './bertPreprocessors.ts';
export { BertTokenizer, type WordPieceSettings } from './bertTokenizer.ts';
export {
  type BytePairFamily,
  type BytePairTokenizer,
  type BytePairTokenizerOptions,
  bytePairTokenizer,
} from './bytePairTokenizer.ts';
export {
  type CausalLMExamples,
  type CausalLMPreprocessor,
  type CausalLMPreprocessorOptions,
  causalLMPreprocessor,
  type LMExamples,
  type SequenceOptions,
  type Texts,
} from './causalLMPreprocessor.ts';
export {
  type DebertaV3Input,
  DebertaV3MaskedLMPreprocessor,
  DebertaV3TextClassifierPreprocessor,
} from './debertaV3Preprocessors.ts';
export { DebertaV3Tokenizer } from './debertaV3Tokenizer.ts';
export {
  type DistilBertInput,
  DistilBertMaskedLMPreprocessor,
  DistilBertTextClassifierPreprocessor,
} from './distilBertPreprocessors.ts';
export { DistilBertTokenizer } from './distilBertTokenizer.ts';
export type { EncoderInput, EncoderInputs, EncoderLayout } from './encoderInputs.ts';
export { TokenizerFileError } from './errors.ts';
export { FalconCausalLMPreprocessor } from './falconCausalLMPreprocessor.ts';
export { FalconTokenizer, type FalconTokenizerOptions } from './falconTokenizer.ts';
export {
  type BytePairSplit,
  parseMerges,
  parseTokenizerJson,
  parseVocabulary,
  type TokenizerJson,
} from './files.ts';
export { type FNetInput, FNetMaskedLMPreprocessor, FNetTextClassifierPreprocessor } from './fNetPreprocessors.ts';
export { FNetTokenizer } from './fNetTokenizer.ts';
export { GemmaCausalLMPreprocessor } from './gemmaCausalLMPreprocessor.ts';
export { GemmaTokenizer } from './gemmaTokenizer.ts';
export { GPT2CausalLMPreprocessor } from './gpt2CausalLMPreprocessor.ts';
export { GPT2Tokenizer } from './gpt2Tokenizer.ts';
export {
  type MaskedLMMaskGeneratorOptions,
  type MaskedTokens,
  type MaskSeed,
  maskedLMMaskGenerator,
} from './maskedLMMaskGenerator.ts';
export {
  type MaskedLMExamples,
  type MaskedLMInputs,
  type MaskedLMPreprocessor,
  type MaskedLMPreprocessorOptions,
  type MaskingOptions,
  maskedLMPreprocessor,
} from './maskedLMPreprocessor.ts';
export type { MaskSentencePieceOptions, MaskSentencePieceTokenizer, TextPreparation } from './maskSentencePiece.ts';
export { type MaskTokenizer, tokenizeWithMasks } from './maskTokenizer.ts';
export {
  type MultiSegmentPackerOptions,
  multiSegmentPacker,
  type PackedSegments,
  type Truncate,
} from './multiSegmentPacker.ts';
export {
  type RobertaInput,
  RobertaMaskedLMPreprocessor,
  RobertaTextClassifierPreprocessor,
} from './robertaPreprocessors.ts';
export { RobertaTokenizer, type RobertaTokenizerFiles } from './robertaTokenizer.ts';
export { type SentencePiece, type SentencePieceType, sentencePiece } from './sentencePiece.ts';
export {
  type SentencePieceFamily,
  type SentencePieceTokenizer,
  type SentencePieceTokenizerOptions,
  sentencePieceTokenizer,
} from './sentencePieceTokenizer.ts';
export {
  type Seq2SeqLengths,
  type Seq2SeqLMExamples,
  type Seq2SeqLMPreprocessor,
  type Seq2SeqLMPreprocessorOptions,
  type Seq2SeqPacking,
  type Seq2SeqTexts,
  type Seq2SeqTokens,
  seq2seqLMPreprocessor,
} from './seq2seqLMPreprocessor.ts';
export { type PackedTokens, type PackOptions, type StartEndPackerOptions, startEndPacker } from './startEndPacker.ts';
export {
  type TextClassifierExamples,
  type TextClassifierPreprocessor,
  type TextClassifierPreprocessorOptions,
  textClassifierPreprocessor,
} from './textClassifierPreprocessor.ts';
export type { TextPair, TextSamples } from './textSegments.ts';
export type { TextStep } from './textSteps.ts';
export type { TextStream, TokenIds, Tokenizer } from './tokenizer.ts';
export type { Vocabulary } from './vocabulary.ts';
export { formatVocabularyText, parseVocabularyText, parseWordPieceJson } from './wordPieceFiles.ts';
export {
  type WordPieceConvention,
  type WordPieceFamily,
  type WordPieceTokenizer,
  type WordPieceTokenizerOptions,
  wordPieceTokenizer,
} from './wordPieceTokenizer.ts';
export {
  type XLMRobertaInput,
  XLMRobertaMaskedLMPreprocessor,
  XLMRobertaTextClassifierPreprocessor,
} from './xlmRobertaPreprocessors.ts';
export { XLMRobertaTokenizer } from './xlmRobertaTokenizer.ts';
