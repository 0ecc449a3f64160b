import { checkIntercept } from '../layers/intercept.ts';
import type { EncoderModel, EncoderOutputs } from '../models/encoderModel.ts';
import { loraEncoderModel } from '../models/lora.ts';
import type { EncoderContext } from '../models/seq2seqModel.ts';
import type { Device } from '../runtime/device.ts';
import type { Tree } from '../tensor/tree.ts';
import { type Backbone, type BackboneParts, backboneCore } from './backbone.ts';
import { type EncoderBackboneInputs, encoderTensors, tellMask } from './encoderInputs.ts';

/** An encoder with its parameters: immutable, and a function from inputs to hidden states. */
export interface EncoderBackbone<Config = unknown, Params extends Tree = Tree>
  extends Backbone<Config, Params, EncoderModel<Params>, EncoderBackbone<Config, Params>> {
  /** Hidden states `[batch, length, hiddenDim]` and, in families with a pooler, `[batch, hiddenDim]`, as expressions. */
  readonly apply: (inputs: EncoderBackboneInputs, context?: EncoderContext) => EncoderOutputs;
}

/** A backbone of an encoder from all that it is. */
const encoderBackboneOf = <Config, Params extends Tree>(
  parts: BackboneParts<Config, EncoderModel<Params>>,
  params: Params,
): EncoderBackbone<Config, Params> => {
  const core = backboneCore<Config, Params, EncoderModel<Params>, EncoderBackbone<Config, Params>>(
    parts,
    params,
    encoderBackboneOf,
    loraEncoderModel,
  );
  const { model, sites } = core;
  return Object.freeze<EncoderBackbone<Config, Params>>({
    ...core,
    apply: (inputs, context) => {
      if (context?.intercept !== undefined) checkIntercept(model.name, context.intercept, sites);
      tellMask(model, inputs);
      return model.apply(params, encoderTensors(inputs), context);
    },
  });
};

/** A backbone over an encoder's functions. */
export const encoderBackbone = <Config, Params extends Tree>(
  config: Config,
  model: EncoderModel<Params>,
  params: Params,
  device?: Device,
): EncoderBackbone<Config, Params> => encoderBackboneOf({ config, model, device }, params);
