export { AlbertTokenizer } from './albertTokenizer.ts';
export { BartSeq2SeqLMPreprocessor } from './bartSeq2SeqLMPreprocessor.ts';
export { BartTokenizer, type BartTokenizerFiles } from './bartTokenizer.ts';
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
export { DebertaV3Tokenizer } from './debertaV3Tokenizer.ts';
export { DistilBertTokenizer } from './distilBertTokenizer.ts';
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
export { FNetTokenizer } from './fNetTokenizer.ts';
export { GemmaTokenizer } from './gemmaTokenizer.ts';
export { GPT2CausalLMPreprocessor } from './gpt2CausalLMPreprocessor.ts';
export { GPT2Tokenizer } from './gpt2Tokenizer.ts';
export type { MaskSentencePieceTokenizer } from './maskSentencePiece.ts';
export { type MaskTokenizer, tokenizeWithMasks } from './maskTokenizer.ts';
export { RobertaTokenizer } from './robertaTokenizer.ts';
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
export { XLMRobertaTokenizer } from './xlmRobertaTokenizer.ts';
