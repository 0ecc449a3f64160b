import { type LayerEntry, type ParamPath, transposed, type WeightEntry, type WeightTable } from '../weightEntry.ts';
import { linearRows, normRows, numbered, row, upTo } from '../weightRows.ts';
import type { FalconConfig } from './config.ts';

/** Query, key and value: rows of one stored tensor, for each key-value head its queries, then its key, then its value. */
const projections = (config: FalconConfig, path: ParamPath, keras: string, fused: string): readonly WeightEntry[] => {
  const { hiddenDim: h, numAttentionHeads: n, numKeyValueHeads: groups } = config;
  const headDim = h / n;
  const group = n / groups;
  const rows = groups * (group + 2) * headDim;
  const part = (name: string, heads: number, start: number, end: number): readonly WeightEntry[] => [
    row([...path, name, 'kernel'], [h, heads, headDim], `${keras}/${snake(name)}/vars/0`, {
      name: `${fused}.weight`,
      shape: [rows, h],
      part: { split: [groups, group + 2, headDim, h], slice: { axis: 1, start, end }, order: [3, 0, 1, 2] },
    }),
    ...(config.useBias
      ? [
          row([...path, name, 'bias'], [heads, headDim], `${keras}/${snake(name)}/vars/1`, {
            name: `${fused}.bias`,
            shape: [rows],
            part: { split: [groups, group + 2, headDim], slice: { axis: 1, start, end } },
          }),
        ]
      : []),
  ];
  return [
    ...part('queryDense', n, 0, group),
    ...part('keyDense', groups, group, group + 1),
    ...part('valueDense', groups, group + 1, group + 2),
  ];
};

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** What a layer's second norm is called, in our tree, in KerasHub and in transformers; undefined where there is one norm. */
const secondNorm = ({ parallelAttention, numParallelNorms }: FalconConfig) =>
  !parallelAttention
    ? { own: 'postAttentionLayernorm', name: 'post_attention_layernorm', transformers: 'post_attention_layernorm' }
    : numParallelNorms === 2
      ? { own: 'mlpLayernorm', name: 'mlp_layernorm', transformers: 'ln_mlp' }
      : undefined;

const layer = (config: FalconConfig, index: number): readonly WeightEntry[] => {
  const { hiddenDim: h, intermediateDim, parallelAttention, numParallelNorms } = config;
  const biases = { bias: config.useBias };
  const path = ['transformerLayers', index];
  const keras = `layers/${numbered('falcon_transformer_decoder', index)}`;
  const attention = `${keras}/attention_layer`;
  const block = `h.${index}`;
  const first = parallelAttention && numParallelNorms === 2 ? 'ln_attn' : 'input_layernorm';
  const second = secondNorm(config);
  return [
    ...normRows([...path, 'inputLayernorm'], h, `${keras}/input_layernorm`, `${block}.${first}`),
    ...projections(config, [...path, 'attention'], attention, `${block}.self_attention.query_key_value`),
    ...linearRows(
      [...path, 'attention', 'outputDense'],
      [h],
      [h],
      `${attention}/output_dense`,
      `${block}.self_attention.dense`,
      biases,
    ),
    ...(second === undefined
      ? []
      : normRows([...path, second.own], h, `${keras}/${second.name}`, `${block}.${second.transformers}`)),
    ...linearRows(
      [...path, 'denseHTo4h'],
      [h],
      [intermediateDim],
      `${keras}/dense_h_to_4h`,
      `${block}.mlp.dense_h_to_4h`,
      biases,
    ),
    ...linearRows(
      [...path, 'dense4hToH'],
      [intermediateDim],
      [h],
      `${keras}/dense_4h_to_h`,
      `${block}.mlp.dense_4h_to_h`,
      biases,
    ),
  ];
};

/** The layers of one block: KerasHub walks the block's layers backwards. */
const blockLayers = (config: FalconConfig, index: number): readonly LayerEntry[] => {
  const path = ['transformerLayers', index];
  const attention = [...path, 'attention'];
  const second = secondNorm(config);
  return [
    { name: `transformer_layer_${index}`, path },
    { name: 'dense_4h_to_h', path: [...path, 'dense4hToH'] },
    { name: 'dense_h_to_4h', path: [...path, 'denseHTo4h'] },
    ...(second === undefined ? [] : [{ name: second.name, path: [...path, second.own] }]),
    { name: 'attention', path: attention },
    { name: 'output_dense', path: [...attention, 'outputDense'] },
    { name: 'value_dense', path: [...attention, 'valueDense'] },
    { name: 'key_dense', path: [...attention, 'keyDense'] },
    { name: 'query_dense', path: [...attention, 'queryDense'] },
    { name: 'input_layernorm', path: [...path, 'inputLayernorm'] },
  ];
};

/**
 * Every parameter of a Falcon with its names in both layouts: the one table that loading, saving and `init` go by.
 *
 * @see keras_hub.models.FalconBackbone, transformers.FalconForCausalLM
 */
export const falconWeights = (config: FalconConfig): WeightTable => {
  const { vocabularySize, hiddenDim, numLayers, tieWordEmbeddings } = config;
  const layers = upTo(numLayers);
  return {
    entries: [
      row(
        ['tokenEmbedding', 'embeddings'],
        [vocabularySize, hiddenDim],
        'layers/reversible_embedding/vars/0',
        'word_embeddings.weight',
      ),
      ...(tieWordEmbeddings
        ? []
        : [
            row(
              ['tokenEmbedding', 'reverseEmbeddings'],
              [hiddenDim, vocabularySize],
              'layers/reversible_embedding/vars/1',
              transposed('lm_head.weight', [vocabularySize, hiddenDim]),
            ),
          ]),
      ...layers.flatMap((index) => layer(config, index)),
      ...normRows(['finalLayernorm'], hiddenDim, 'layers/layer_normalization', 'ln_f'),
    ],
    layers: [
      { name: 'token_embedding', path: ['tokenEmbedding'] },
      ...layers.flatMap((index) => blockLayers(config, index)),
      { name: 'final_layernorm', path: ['finalLayernorm'] },
    ],
    transformersPrefix: 'transformer.',
    ignored: {
      keras: [],
      transformers: [
        ...(tieWordEmbeddings
          ? [{ name: 'lm_head.weight', why: 'the output table is the token embedding itself' }]
          : []),
        ...layers.flatMap((index) =>
          ['rotary_emb', 'maybe_rotary'].map((name) => ({
            name: `h.${index}.self_attention.${name}.inv_freq`,
            why: 'rotary frequencies that older versions saved',
          })),
        ),
      ],
    },
  };
};
