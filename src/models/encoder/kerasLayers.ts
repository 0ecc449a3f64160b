import * as E from 'fp-ts/lib/Either.js';
import { type ConfigError, preview } from '../configReader.ts';
import { numbered } from '../weightRows.ts';

/**
 * Why KerasHub's constructor cannot say a config: a field has another value than the only one that KerasHub knows.
 *
 * @returns A left, or undefined where it can.
 */
export const cannotSay = <Config extends object>(
  backbone: string,
  config: Config,
  only: Partial<Config>,
): E.Either<ConfigError, never> | undefined => {
  const field = (Object.keys(only) as (keyof Config & string)[]).find((name) => config[name] !== only[name]);
  return field === undefined
    ? undefined
    : E.left({
        _tag: 'WrongConfig',
        message: `${backbone}: expected ${field} ${preview(only[field])}, the only one that KerasHub's layout can say, got ${preview(config[field])}; write transformers' layout instead`,
      });
};

/** The groups of KerasHub's encoder layers, in the order in which it writes them. */
export const encoderLayerGroups = (
  count: number,
  name: (index: number) => string,
): readonly (readonly [group: string, name: string])[] =>
  Array.from({ length: count }, (_, index) => index).flatMap((index) => {
    const encoder = `layers/${numbered('transformer_encoder', index)}`;
    const attention = `${encoder}/_self_attention_layer`;
    return [
      [encoder, name(index)],
      [attention, 'self_attention_layer'],
      [`${attention}/query_dense`, 'query'],
      [`${attention}/key_dense`, 'key'],
      [`${attention}/value_dense`, 'value'],
      [`${attention}/_softmax`, numbered('softmax', index)],
      [`${attention}/_dropout_layer`, numbered('dropout', index)],
      [`${attention}/output_dense`, 'attention_output'],
      [`${encoder}/_self_attention_layer_norm`, 'self_attention_layer_norm'],
      [`${encoder}/_self_attention_dropout`, 'self_attention_dropout'],
      [`${encoder}/_feedforward_layer_norm`, 'feedforward_layer_norm'],
      [`${encoder}/_feedforward_intermediate_dense`, 'feedforward_intermediate_dense'],
      [`${encoder}/_feedforward_output_dense`, 'feedforward_output_dense'],
      [`${encoder}/_feedforward_dropout`, 'feedforward_dropout'],
    ] as const;
  });
