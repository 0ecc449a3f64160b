import { count, type Shape } from '../tensor/shape.ts';
import {
  type LayerEntry,
  type ParamPath,
  transposed,
  type WeightEntry,
  type WeightSource,
  whole,
} from './weightEntry.ts';

/** A parameter that is a whole tensor in KerasHub's file; in transformers' as given, or whole under the given name. */
export const row = (
  path: ParamPath,
  shape: Shape,
  keras: string,
  transformers: string | WeightSource,
): WeightEntry => ({
  path,
  shape,
  sources: {
    keras: whole(keras, shape),
    transformers: typeof transformers === 'string' ? whole(transformers, shape) : transformers,
  },
});

/** Gain and offset of a layer norm, which files of BERT's first years call `gamma` and `beta` in transformers' layout too. */
export const normRows = (
  path: ParamPath,
  width: number,
  keras: string,
  transformers: string,
): readonly WeightEntry[] => [
  row([...path, 'gamma'], [width], `${keras}/vars/0`, {
    ...whole(`${transformers}.weight`, [width]),
    otherNames: [`${transformers}.gamma`],
  }),
  row([...path, 'beta'], [width], `${keras}/vars/1`, {
    ...whole(`${transformers}.bias`, [width]),
    otherNames: [`${transformers}.beta`],
  }),
];

/**
 * Kernel and bias of a linear layer, which transformers keeps the other way round: `from` and `to` may be several axes,
 * where transformers has one.
 *
 * @param options - Whether there is a bias, and whether transformers' kernel is the other way round; both are so if not said.
 */
export const linearRows = (
  path: ParamPath,
  from: Shape,
  to: Shape,
  keras: string,
  transformers: string,
  { bias = true, isTransposed = true }: { readonly bias?: boolean; readonly isTransposed?: boolean } = {},
): readonly WeightEntry[] => {
  const [inputs, outputs] = [count(from), count(to)];
  const kernel = `${transformers}.weight`;
  return [
    row(
      [...path, 'kernel'],
      [...from, ...to],
      `${keras}/vars/0`,
      isTransposed ? transposed(kernel, [outputs, inputs]) : whole(kernel, [inputs, outputs]),
    ),
    ...(bias ? [row([...path, 'bias'], to, `${keras}/vars/1`, whole(`${transformers}.bias`, [outputs]))] : []),
  ];
};

/** Where transformers keeps the parts of an attention layer. */
export interface AttentionNames {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly output: string;
}

/** The parameters of an attention layer. */
export const attentionRows = (
  path: ParamPath,
  { hiddenDim, numHeads }: { hiddenDim: number; numHeads: number },
  keras: string,
  names: AttentionNames,
): readonly WeightEntry[] => {
  const heads = [numHeads, hiddenDim / numHeads];
  return [
    ...linearRows([...path, 'query'], [hiddenDim], heads, `${keras}/query_dense`, names.query),
    ...linearRows([...path, 'key'], [hiddenDim], heads, `${keras}/key_dense`, names.key),
    ...linearRows([...path, 'value'], [hiddenDim], heads, `${keras}/value_dense`, names.value),
    ...linearRows([...path, 'output'], heads, [hiddenDim], `${keras}/output_dense`, names.output),
  ];
};

/** Where transformers keeps the parts of a post-norm MLP. */
export interface PostNormMlpNames {
  readonly intermediate: string;
  readonly outputDense: string;
  readonly outputNorm: string;
}

/** The parameters of a post-norm MLP in a layer. */
export const postNormMlpRows = (
  path: ParamPath,
  { hiddenDim, intermediateDim }: { hiddenDim: number; intermediateDim: number },
  keras: string,
  names: PostNormMlpNames,
): readonly WeightEntry[] => [
  ...linearRows(
    [...path, 'feedforwardIntermediateDense'],
    [hiddenDim],
    [intermediateDim],
    `${keras}/_feedforward_intermediate_dense`,
    names.intermediate,
  ),
  ...linearRows(
    [...path, 'feedforwardOutputDense'],
    [intermediateDim],
    [hiddenDim],
    `${keras}/_feedforward_output_dense`,
    names.outputDense,
  ),
  ...normRows([...path, 'feedforwardLayerNorm'], hiddenDim, `${keras}/_feedforward_layer_norm`, names.outputNorm),
];

/** Where transformers keeps the parts of an encoder layer. */
export interface EncoderLayerNames extends AttentionNames, PostNormMlpNames {
  readonly attentionNorm: string;
}

/** The parameters of a post-norm encoder layer. */
export const encoderLayerRows = (
  path: ParamPath,
  sizes: { hiddenDim: number; numHeads: number; intermediateDim: number },
  keras: string,
  names: EncoderLayerNames,
): readonly WeightEntry[] => [
  ...attentionRows([...path, 'selfAttention'], sizes, `${keras}/_self_attention_layer`, names),
  ...normRows(
    [...path, 'selfAttentionLayerNorm'],
    sizes.hiddenDim,
    `${keras}/_self_attention_layer_norm`,
    names.attentionNorm,
  ),
  ...postNormMlpRows(path, sizes, keras, names),
];

/** A name as Keras counts groups of one class: the first has no number. */
export const numbered = (name: string, index: number): string => (index === 0 ? name : `${name}_${index}`);

/** The numbers of so many layers, from 0. */
export const upTo = (layers: number): readonly number[] => Array.from({ length: layers }, (_, index) => index);

/** An attention layer and what is in it: KerasHub walks a layer's layers backwards. */
export const attentionEntries = (name: string, path: ParamPath): readonly LayerEntry[] => [
  { name, path },
  { name: 'attention_output', path: [...path, 'output'] },
  { name: 'value', path: [...path, 'value'] },
  { name: 'key', path: [...path, 'key'] },
  { name: 'query', path: [...path, 'query'] },
];

/** The layers of one encoder layer: KerasHub walks a layer's layers backwards. */
export const encoderLayerEntries = (name: string, path: ParamPath): readonly LayerEntry[] => [
  { name, path },
  { name: 'feedforward_output_dense', path: [...path, 'feedforwardOutputDense'] },
  { name: 'feedforward_intermediate_dense', path: [...path, 'feedforwardIntermediateDense'] },
  { name: 'feedforward_layer_norm', path: [...path, 'feedforwardLayerNorm'] },
  { name: 'self_attention_layer_norm', path: [...path, 'selfAttentionLayerNorm'] },
  ...attentionEntries('self_attention_layer', [...path, 'selfAttention']),
];
