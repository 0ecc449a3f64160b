import { type FileToWrite, transformersJson } from '../weights/index.ts';

/** How an embedder makes one of many hidden states. */
export interface SentenceFacts {
  readonly mode: 'mean' | 'cls' | 'max';
  readonly normalize: boolean;
  /** Of the hidden states. */
  readonly width: number;
  /** The longest text in tokens; undefined where nobody said. */
  readonly sequenceLength?: number | undefined;
}

/**
 * The files that make a folder of transformers' one of sentence-transformers: the steps behind the encoder, in the words that
 * its versions from 2 on read.
 *
 * @see sentence_transformers.SentenceTransformer.save
 */
export const sentenceFiles = ({ mode, normalize, width, sequenceLength }: SentenceFacts): readonly FileToWrite[] => {
  const steps = [
    ['', 'Transformer'],
    ['1_Pooling', 'Pooling'],
    ...(normalize ? [['2_Normalize', 'Normalize'] as const] : []),
  ] as const;
  return [
    transformersJson(
      'modules.json',
      steps.map(([path, type], idx) => ({
        idx,
        name: String(idx),
        path,
        type: `sentence_transformers.models.${type}`,
      })),
    ),
    transformersJson('1_Pooling/config.json', {
      word_embedding_dimension: width,
      pooling_mode_cls_token: mode === 'cls',
      pooling_mode_mean_tokens: mode === 'mean',
      pooling_mode_max_tokens: mode === 'max',
      pooling_mode_mean_sqrt_len_tokens: false,
    }),
    ...(normalize ? [transformersJson('2_Normalize/config.json', {})] : []),
    transformersJson('sentence_bert_config.json', {
      ...(sequenceLength === undefined ? {} : { max_seq_length: sequenceLength }),
      do_lower_case: false,
    }),
    transformersJson('config_sentence_transformers.json', {
      __version__: { sentence_transformers: '2.2.2' },
      model_type: 'SentenceTransformer',
      prompts: {},
      default_prompt_name: null,
      similarity_fn_name: 'cosine',
    }),
  ];
};
