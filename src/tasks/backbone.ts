import { checkIntercept } from '../layers/intercept.ts';
import type { SiteInfo } from '../layers/sites.ts';
import type { CausalContext, CausalInputs, CausalModel } from '../models/causalModel.ts';
import {
  addLora,
  type Lora,
  type LoraOptions,
  loraModel,
  loraTrainable,
  mergedLora,
  planLora,
  replaceLora,
} from '../models/lora.ts';
import { type TensorValues, tensor } from '../ops/constant.ts';
import type { Device } from '../runtime/device.ts';
import { ArgumentError } from '../tensor/errors.ts';
import { count, formatShape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { leaves, paths, type Tree } from '../tensor/tree.ts';
import { deviceOf } from './heldParams.ts';
import { loadLora, saveLora } from './lora.ts';
import { type QuantizationMode, type QuantizeOptions, quantizedPaths, quantizeParams } from './quantize.ts';
import type { SavesToPreset } from './savable.ts';

/** What a backbone reads, in any form that becomes tensors. */
export interface BackboneInputs {
  /** `[batch, length]` int32. */
  readonly tokenIds: TensorValues;
  /** Which places are real, `[batch, length]` bool; masks keys only. Default: all. */
  readonly paddingMask?: TensorValues;
}

/** What every backbone is: a model with its parameters, immutable. `Self` is its own kind. */
export interface Backbone<Config, Params extends Tree, Model, Self> extends SavesToPreset {
  /** KerasHub's name of its class. */
  readonly name: string;
  /** Its sizes. */
  readonly config: Config;
  /** Its parameters, a plain record under KerasHub's layer names. */
  readonly params: Params;
  /** The functions that it applies the parameters to. */
  readonly model: Model;
  /** The device that holds the parameters; undefined for parameters that were not loaded to one. */
  readonly device: Device | undefined;
  /** Where an intercept of `apply` is called, in order: all sites but the logits. */
  readonly sites: readonly SiteInfo[];
  /** The same backbone with other parameters of the same shapes. */
  readonly withParams: (params: Params) => Self;
  /** How many numbers the parameters are, LoRA's included. */
  readonly countParams: () => number;
  /** Paths of the parameters that `fit` changes; all of them, unless `withTrainable` or `enableLora` says otherwise. */
  readonly trainable: ReadonlySet<string>;
  /** The same backbone with other parameters frozen: those train whose path is accepted. */
  readonly withTrainable: (accepts: (path: string) => boolean) => Self;
  /** Which layers have LoRA factors; undefined without LoRA. */
  readonly lora: Lora | undefined;
  /**
   * The same backbone with LoRA: beside each target layer's kernel stand `loraKernelA` and `loraKernelB`, and of all
   * parameters only these and the target layers' biases train. It computes what it did before until it is trained.
   *
   * @throws {ArgumentError} If the rank is too large or no whole number, a name is no layer's, or LoRA is there already.
   * @see keras_hub.models.Backbone.enable_lora
   */
  readonly enableLora: (options: LoraOptions) => Self;
  /**
   * The backbone without factors: each kernel has taken up its own, in float32. All parameters train again.
   *
   * @throws {ArgumentError} If there is no LoRA.
   */
  readonly mergeLora: () => Self;
  /**
   * The same backbone with the kernels of its dense layers and its token table held in whole numbers of 8 or 4 bits, an
   * eighth to a quarter of the memory of float32; what is computed changes a little. They do not train any more (LoRA beside
   * them does), and everything else works as before.
   *
   * @throws {ArgumentError} By rejection, if the mode is no mode, an option is wrong, or nothing is left to quantize.
   * @see keras.Model.quantize, whose whole numbers are the same, but for int4's in blocks of one sign and across heads; inputs of
   *   layers stay float32 here
   */
  readonly quantize: (mode: QuantizationMode, options?: QuantizeOptions) => Promise<Self>;
  /**
   * Writes the factors: `.lora.h5` as KerasHub does, which holds them alone, or `.safetensors`, which holds the biases
   * that train with them too. Whole or not at all.
   *
   * @throws {ArgumentError} By rejection, if there is no LoRA or the name ends otherwise.
   * @throws {PresetError} By rejection, if the file cannot be written.
   * @see keras_hub.models.Backbone.save_lora_weights
   */
  readonly saveLoraWeights: (path: string) => Promise<void>;
  /**
   * The same backbone with the factors of a file, enabled as the file has them if there is no LoRA yet.
   *
   * @throws {PresetError} By rejection, if the file cannot be read, or has another rank or other layers.
   * @see keras_hub.models.Backbone.load_lora_weights
   */
  readonly loadLoraWeights: (path: string) => Promise<Self>;
}

/** A causal model with its parameters: immutable, and a function from inputs to hidden states. */
export interface CausalBackbone<Config = unknown, Params extends Tree = Tree>
  extends Backbone<Config, Params, CausalModel<Params>, CausalBackbone<Config, Params>> {
  /** Hidden states after the final norm, `[batch, length, hiddenDim]`, as an expression. */
  readonly apply: (inputs: BackboneInputs, context?: CausalContext) => Tensor;
}

/** What a backbone is besides its parameters. */
export interface BackboneParts<Config, Model> {
  readonly config: Config;
  /** Without LoRA. */
  readonly model: Model;
  readonly device: Device | undefined;
  /** Default: all. */
  readonly trainable?: ReadonlySet<string>;
  readonly lora?: Lora | undefined;
}

/** What a backbone asks of its model, of whatever kind. */
export type BackboneModel = Pick<CausalModel, 'name' | 'weights' | 'sites'>;

/** Inputs as tensors. */
export const causalInputs = ({ tokenIds, paddingMask }: BackboneInputs): CausalInputs => ({
  tokenIds: tensor(tokenIds, { dtype: 'int32' }),
  ...(paddingMask === undefined ? {} : { paddingMask: tensor(paddingMask, { dtype: 'bool' }) }),
});

const withoutLora = (): never => {
  throw new ArgumentError('LoRA: expected a backbone with LoRA, got one without; call enableLora({ rank }) first');
};

/**
 * What all kinds of backbones have in common.
 *
 * @param make - A backbone of this kind.
 * @param withLora - The model that reads parameters with factors.
 */
export const backboneCore = <
  Config,
  Params extends Tree,
  Model extends BackboneModel,
  Self extends Backbone<Config, Params, Model, Self>,
>(
  parts: BackboneParts<Config, Model>,
  params: Params,
  make: (parts: BackboneParts<Config, Model>, params: Params) => Self,
  withLora: (model: Model, lora: Lora) => Model,
): Backbone<Config, Params, Model, Self> => {
  const { config, device, lora } = parts;
  const model = lora === undefined ? parts.model : withLora(parts.model, lora);
  const frozen = quantizedPaths(params);
  const canTrain = (path: string): boolean => !frozen.has(path);
  const trainable =
    parts.trainable ??
    new Set(
      paths(params)
        .map(([path]) => path)
        .filter(canTrain),
    );

  const enable = (plan: Lora, seed?: number): Self => {
    const withFactors = addLora(params, plan, seed);
    return make({ ...parts, lora: plan, trainable: loraTrainable(withFactors, plan) }, withFactors);
  };

  return {
    name: model.name,
    config,
    params,
    model,
    device,
    trainable,
    lora,
    sites: model.sites.filter(({ site }) => site !== 'logits'),
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
      return make({ ...parts, trainable }, other);
    },
    countParams: () => leaves(params).reduce((total, { shape }) => total + count(shape), 0),
    withTrainable: (accepts) => {
      const accepted = paths(params)
        .map(([path]) => path)
        .filter((path) => canTrain(path) && accepts(path));
      return make({ ...parts, trainable: new Set(accepted) }, params);
    },
    enableLora: (options) => {
      if (lora !== undefined)
        throw new ArgumentError(
          `enableLora: expected a backbone without LoRA, got one of rank ${lora.rank}; call mergeLora first, or start from the backbone before it`,
        );
      return enable(planLora(model.weights, options), options.seed);
    },
    mergeLora: () => {
      const plan = lora ?? withoutLora();
      return make({ config, device, model: parts.model }, mergedLora(params, plan));
    },
    quantize: async (mode, options) => {
      const own = await deviceOf({ device, params });
      const held = await quantizeParams(own, params, mode, options);
      const few = quantizedPaths(held);
      return make({ ...parts, device: own, trainable: new Set([...trainable].filter((path) => !few.has(path))) }, held);
    },
    // Loaded when it is first used: what saves knows all families, whose classes are made of this.
    saveToPreset: async (folder, options) => {
      const { saveBackbone } = await import('./saveToPreset.ts');
      await saveBackbone(folder, { name: model.name, config, model: parts.model, params, device, lora }, options);
    },
    saveLoraWeights: (path) => saveLora(path, { params, lora, device }),
    loadLoraWeights: async (path) => {
      const loaded = await loadLora(path, { model, lora });
      const target = lora === undefined ? enable(loaded.lora) : make(parts, params);
      return target.withParams(replaceLora(target.params, loaded.lora, loaded.values));
    },
  };
};

/** A backbone of a causal model from all that it is. */
export const backboneOf = <Config, Params extends Tree>(
  parts: BackboneParts<Config, CausalModel<Params>>,
  params: Params,
): CausalBackbone<Config, Params> => {
  const core = backboneCore<Config, Params, CausalModel<Params>, CausalBackbone<Config, Params>>(
    parts,
    params,
    backboneOf,
    loraModel,
  );
  const { model, sites } = core;
  return Object.freeze<CausalBackbone<Config, Params>>({
    ...core,
    apply: (inputs, context) => {
      if (context?.intercept !== undefined) checkIntercept(model.name, context.intercept, sites);
      return model.apply(params, causalInputs(inputs), context).hidden;
    },
  });
};

/** A backbone over a model's functions. */
export const causalBackbone = <Config, Params extends Tree>(
  config: Config,
  model: CausalModel<Params>,
  params: Params,
  device?: Device,
): CausalBackbone<Config, Params> => backboneOf({ config, model, device }, params);
