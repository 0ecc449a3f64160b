import { type LayerEntry, type WeightEntry, type WeightSource, type WeightTable, whole } from '../weightEntry.ts';
import { attentionEntries, linearRows, numbered, row, upTo } from '../weightRows.ts';
import type { GemmaConfig } from './config.ts';

const layer = (config: GemmaConfig, index: number): readonly WeightEntry[] => {
  const { hiddenDim: h, headDim: d, numQueryHeads, numKeyValueHeads, intermediateDim, attentionBias } = config;
  const { usePostAttentionNorm, usePostFfwNorm } = config;
  const path = ['transformerLayers', index];
  const keras = `layers/${numbered('gemma_decoder_block', index)}`;
  const block = `layers.${index}`;
  const width = intermediateDim / 2;

  const norm = (name: string, group: string, transformers: string): WeightEntry =>
    row([...path, name, 'scale'], [h], `${keras}/${group}/vars/0`, `${block}.${transformers}.weight`);

  const dense = (name: string, from: number, to: number, group: string, linear: string): readonly WeightEntry[] =>
    linearRows([...path, name], [from], [to], `${keras}/${group}`, `${block}.mlp.${linear}`, { bias: false });

  // A linear layer's rows are heads and their features: [heads * headDim, h].
  const projection = (name: 'query' | 'key' | 'value', heads: number): readonly WeightEntry[] => {
    const linear = `${block}.self_attn.${name[0]}_proj`;
    const group = `${keras}/attention/${name}_dense`;
    const kernel: WeightSource = {
      name: `${linear}.weight`,
      shape: [heads * d, h],
      part: { split: [heads, d, h], order: [0, 2, 1] },
    };
    return [
      row([...path, 'attention', name, 'kernel'], [heads, h, d], `${group}/vars/0`, kernel),
      ...(attentionBias
        ? [
            row(
              [...path, 'attention', name, 'bias'],
              [heads, d],
              `${group}/vars/1`,
              whole(`${linear}.bias`, [heads * d]),
            ),
          ]
        : []),
    ];
  };
  const output = [...path, 'attention', 'output'];
  const outputGroup = `${keras}/attention/output_dense`;

  // A Gemma 2 has norms behind attention and MLP, and other names for the one before the MLP.
  const isSecond = usePostAttentionNorm || usePostFfwNorm;
  return [
    norm('preAttentionNorm', 'pre_attention_norm', 'input_layernorm'),
    ...projection('query', numQueryHeads),
    ...projection('key', numKeyValueHeads),
    ...projection('value', numKeyValueHeads),
    row([...output, 'kernel'], [numQueryHeads, d, h], `${outputGroup}/vars/0`, {
      name: `${block}.self_attn.o_proj.weight`,
      shape: [h, numQueryHeads * d],
      part: { split: [h, numQueryHeads, d], order: [1, 2, 0] },
    }),
    ...(attentionBias
      ? [row([...output, 'bias'], [h], `${outputGroup}/vars/1`, `${block}.self_attn.o_proj.bias`)]
      : []),
    ...(usePostAttentionNorm ? [norm('postAttentionNorm', 'post_attention_norm', 'post_attention_layernorm')] : []),
    norm('preFfwNorm', 'pre_ffw_norm', isSecond ? 'pre_feedforward_layernorm' : 'post_attention_layernorm'),
    ...dense('ffwGating', h, width, 'gating_ffw', 'gate_proj'),
    ...dense('ffwGating2', h, width, 'gating_ffw_2', 'up_proj'),
    ...dense('ffwLinear', width, h, 'ffw_linear', 'down_proj'),
    ...(usePostFfwNorm ? [norm('postFfwNorm', 'post_ffw_norm', 'post_feedforward_layernorm')] : []),
  ];
};

/** The layers of one block: KerasHub walks the block's layers backwards. */
const blockLayers = ({ usePostAttentionNorm, usePostFfwNorm }: GemmaConfig, index: number): readonly LayerEntry[] => {
  const path = ['transformerLayers', index];
  const post = (use: boolean, name: string, own: string): readonly LayerEntry[] =>
    use ? [{ name, path: [...path, own] }] : [];
  return [
    { name: `decoder_block_${index}`, path },
    { name: 'ffw_linear', path: [...path, 'ffwLinear'] },
    { name: 'ffw_gating_2', path: [...path, 'ffwGating2'] },
    { name: 'ffw_gating', path: [...path, 'ffwGating'] },
    ...post(usePostFfwNorm, 'post_ffw_norm', 'postFfwNorm'),
    { name: 'pre_ffw_norm', path: [...path, 'preFfwNorm'] },
    ...attentionEntries('attention', [...path, 'attention']),
    ...post(usePostAttentionNorm, 'post_attention_norm', 'postAttentionNorm'),
    { name: 'pre_attention_norm', path: [...path, 'preAttentionNorm'] },
  ];
};

/**
 * Every parameter of a Gemma with its names in both layouts: the one table that loading, saving and `init` go by.
 *
 * @see keras_hub.models.GemmaBackbone, transformers.GemmaForCausalLM, transformers.Gemma2ForCausalLM
 */
export const gemmaWeights = (config: GemmaConfig): WeightTable => {
  const { vocabularySize, hiddenDim, numLayers } = config;
  const layers = upTo(numLayers);
  return {
    entries: [
      row(
        ['tokenEmbedding', 'embeddings'],
        [vocabularySize, hiddenDim],
        'layers/reversible_embedding/vars/0',
        'embed_tokens.weight',
      ),
      ...layers.flatMap((index) => layer(config, index)),
      row(['finalNormalization', 'scale'], [hiddenDim], 'layers/rms_normalization/vars/0', 'norm.weight'),
    ],
    layers: [
      { name: 'token_embedding', path: ['tokenEmbedding'] },
      ...layers.flatMap((index) => blockLayers(config, index)),
      { name: 'final_normalization', path: ['finalNormalization'] },
    ],
    transformersPrefix: 'model.',
    ignored: {
      keras: [],
      transformers: [
        { name: 'lm_head.weight', why: 'the output table is the token embedding itself' },
        ...layers.map((index) => ({
          name: `layers.${index}.self_attn.rotary_emb.inv_freq`,
          why: 'rotary frequencies that older versions saved',
        })),
      ],
    },
  };
};
