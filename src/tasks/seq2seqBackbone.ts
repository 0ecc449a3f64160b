import { checkIntercept } from '../layers/intercept.ts';
import { loraSeq2SeqModel } from '../models/lora.ts';
import {
  applySeq2Seq,
  type EncoderContext,
  type Seq2SeqInputs,
  type Seq2SeqModel,
  type Seq2SeqOutputs,
} from '../models/seq2seqModel.ts';
import { type TensorValues, tensor } from '../ops/constant.ts';
import type { Device } from '../runtime/device.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { Tree } from '../tensor/tree.ts';
import { type Backbone, type BackboneParts, backboneCore } from './backbone.ts';

/** What a backbone of two stacks reads, in any form that becomes tensors. */
export interface Seq2SeqBackboneInputs {
  /** `[batch, encoderLength]` int32. */
  readonly encoderTokenIds: TensorValues;
  /** Which places are real, `[batch, encoderLength]` bool; masks keys only. Default: all. */
  readonly encoderPaddingMask?: TensorValues | undefined;
  /** `[batch, length]` int32. */
  readonly decoderTokenIds: TensorValues;
  /** Which places are real, `[batch, length]` bool; masks keys only. Default: all. */
  readonly decoderPaddingMask?: TensorValues | undefined;
}

/** A model of two stacks with its parameters: immutable, and a function from inputs to hidden states. */
export interface Seq2SeqBackbone<Config = unknown, Params extends Tree = Tree>
  extends Backbone<Config, Params, Seq2SeqModel<Params>, Seq2SeqBackbone<Config, Params>> {
  /** Hidden states of both stacks, each `[batch, length, hiddenDim]`, as expressions. */
  readonly apply: (inputs: Seq2SeqBackboneInputs, context?: EncoderContext) => Seq2SeqOutputs;
}

/** Throws unless both sides have token ids. @throws {ArgumentError} If one has none. */
export const expectBothSides = (what: string, inputs: Partial<Seq2SeqBackboneInputs>): void => {
  for (const side of ['encoder', 'decoder'] as const)
    if (inputs[`${side}TokenIds`] === undefined)
      throw new ArgumentError(`${what}: expected encoderTokenIds and decoderTokenIds, got none of the ${side}`);
};

/** Inputs as tensors. */
export const seq2seqInputs = (inputs: Seq2SeqBackboneInputs): Seq2SeqInputs => {
  expectBothSides('apply', inputs);
  const { encoderTokenIds, encoderPaddingMask, decoderTokenIds, decoderPaddingMask } = inputs;
  const mask = (values: TensorValues | undefined) =>
    values === undefined ? undefined : tensor(values, { dtype: 'bool' });
  return {
    encoderTokenIds: tensor(encoderTokenIds, { dtype: 'int32' }),
    encoderPaddingMask: mask(encoderPaddingMask),
    decoderTokenIds: tensor(decoderTokenIds, { dtype: 'int32' }),
    decoderPaddingMask: mask(decoderPaddingMask),
  };
};

/** A backbone of two stacks from all that it is. */
const backboneOf = <Config, Params extends Tree>(
  parts: BackboneParts<Config, Seq2SeqModel<Params>>,
  params: Params,
): Seq2SeqBackbone<Config, Params> => {
  const core = backboneCore<Config, Params, Seq2SeqModel<Params>, Seq2SeqBackbone<Config, Params>>(
    parts,
    params,
    backboneOf,
    loraSeq2SeqModel,
  );
  const { model, sites } = core;
  return Object.freeze<Seq2SeqBackbone<Config, Params>>({
    ...core,
    apply: (inputs, context) => {
      if (context?.intercept !== undefined) checkIntercept(model.name, context.intercept, sites);
      return applySeq2Seq(model, params, seq2seqInputs(inputs), context);
    },
  });
};

/** A backbone over the functions of a model of two stacks. */
export const seq2seqBackbone = <Config, Params extends Tree>(
  config: Config,
  model: Seq2SeqModel<Params>,
  params: Params,
  device?: Device,
): Seq2SeqBackbone<Config, Params> => backboneOf({ config, model, device }, params);
