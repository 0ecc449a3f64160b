import type { CausalContext, CausalInputs, CausalModel } from '../models/causalModel.ts';
import { countParams } from '../models/weightEntry.ts';
import { type TensorValues, tensor } from '../ops/constant.ts';
import type { Device } from '../runtime/device.ts';
import { ArgumentError } from '../tensor/errors.ts';
import { formatShape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { paths, type Tree } from '../tensor/tree.ts';

/** What a backbone reads, in any form that becomes tensors. */
export interface BackboneInputs {
  /** `[batch, length]` int32. */
  readonly tokenIds: TensorValues;
  /** Which places are real, `[batch, length]` bool; masks keys only. Default: all. */
  readonly paddingMask?: TensorValues;
}

/** A model with its parameters: immutable, and a function from inputs to hidden states. */
export interface CausalBackbone<Config = unknown, Params extends Tree = Tree> {
  readonly name: string;
  readonly config: Config;
  readonly params: Params;
  readonly model: CausalModel<Params>;
  /** The device that holds the parameters; undefined for parameters that were not loaded to one. */
  readonly device: Device | undefined;
  /** Hidden states after the final norm, `[batch, length, hiddenDim]`, as an expression. */
  readonly apply: (inputs: BackboneInputs, context?: CausalContext) => Tensor;
  /** The same backbone with other parameters of the same shapes. */
  readonly withParams: (params: Params) => CausalBackbone<Config, Params>;
  /** How many numbers the parameters are. */
  readonly countParams: () => number;
}

/** Inputs as tensors. */
export const causalInputs = ({ tokenIds, paddingMask }: BackboneInputs): CausalInputs => ({
  tokenIds: tensor(tokenIds, { dtype: 'int32' }),
  ...(paddingMask === undefined ? {} : { paddingMask: tensor(paddingMask, { dtype: 'bool' }) }),
});

/** A backbone over a model's functions. */
export const causalBackbone = <Config, Params extends Tree>(
  config: Config,
  model: CausalModel<Params>,
  params: Params,
  device?: Device,
): CausalBackbone<Config, Params> =>
  Object.freeze<CausalBackbone<Config, Params>>({
    name: model.name,
    config,
    params,
    model,
    device,
    apply: (inputs, context) => model.apply(params, causalInputs(inputs), context).hidden,
    withParams: (other) => {
      const own = new Map(paths(params));
      const given = new Map(paths(other));
      for (const [path, { shape }] of own) {
        const tensor = given.get(path);
        if (tensor === undefined || !sameShape(tensor.shape, shape))
          throw new ArgumentError(
            `withParams: expected ${path} of shape ${formatShape(shape)}, got ${tensor === undefined ? 'nothing' : formatShape(tensor.shape)}`,
          );
      }
      const extra = [...given.keys()].find((path) => !own.has(path));
      if (extra !== undefined)
        throw new ArgumentError(`withParams: expected the parameters of ${model.name}, got ${extra} besides`);
      return causalBackbone(config, model, other, device);
    },
    countParams: () => countParams(model.weights),
  });
