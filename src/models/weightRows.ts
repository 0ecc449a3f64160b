import type { Shape } from '../tensor/shape.ts';
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

const product = (axes: Shape): number => axes.reduce((a, b) => a * b, 1);

/** Kernel and bias of a linear layer, which transformers keeps the other way round: `from` and `to` may be several axes. */
export const linearRows = (
  path: ParamPath,
  from: Shape,
  to: Shape,
  keras: string,
  transformers: string,
): readonly WeightEntry[] => [
  row(
    [...path, 'kernel'],
    [...from, ...to],
    `${keras}/vars/0`,
    transposed(`${transformers}.weight`, [product(to), product(from)]),
  ),
  row([...path, 'bias'], to, `${keras}/vars/1`, whole(`${transformers}.bias`, [product(to)])),
];

/** Where transformers keeps the parts of an encoder layer. */
export interface EncoderLayerNames {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly output: string;
  readonly attentionNorm: string;
  readonly intermediate: string;
  readonly outputDense: string;
  readonly outputNorm: string;
}

/** The parameters of a post-norm encoder layer. */
export const encoderLayerRows = (
  path: ParamPath,
  { hiddenDim, numHeads, intermediateDim }: { hiddenDim: number; numHeads: number; intermediateDim: number },
  keras: string,
  names: EncoderLayerNames,
): readonly WeightEntry[] => {
  const heads = [numHeads, hiddenDim / numHeads];
  const attention = `${keras}/_self_attention_layer`;
  const own = [...path, 'selfAttention'];
  return [
    ...linearRows([...own, 'query'], [hiddenDim], heads, `${attention}/query_dense`, names.query),
    ...linearRows([...own, 'key'], [hiddenDim], heads, `${attention}/key_dense`, names.key),
    ...linearRows([...own, 'value'], [hiddenDim], heads, `${attention}/value_dense`, names.value),
    ...linearRows([...own, 'output'], heads, [hiddenDim], `${attention}/output_dense`, names.output),
    ...normRows(
      [...path, 'selfAttentionLayerNorm'],
      hiddenDim,
      `${keras}/_self_attention_layer_norm`,
      names.attentionNorm,
    ),
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
};

/** A name as Keras counts groups of one class: the first has no number. */
export const numbered = (name: string, index: number): string => (index === 0 ? name : `${name}_${index}`);

/** The layers of one encoder layer: KerasHub walks a layer's layers backwards. */
export const encoderLayerEntries = (name: string, path: ParamPath): readonly LayerEntry[] => {
  const attention = [...path, 'selfAttention'];
  return [
    { name, path },
    { name: 'feedforward_output_dense', path: [...path, 'feedforwardOutputDense'] },
    { name: 'feedforward_intermediate_dense', path: [...path, 'feedforwardIntermediateDense'] },
    { name: 'feedforward_layer_norm', path: [...path, 'feedforwardLayerNorm'] },
    { name: 'self_attention_layer_norm', path: [...path, 'selfAttentionLayerNorm'] },
    { name: 'self_attention_layer', path: attention },
    { name: 'attention_output', path: [...attention, 'output'] },
    { name: 'value', path: [...attention, 'value'] },
    { name: 'key', path: [...attention, 'key'] },
    { name: 'query', path: [...attention, 'query'] },
  ];
};
