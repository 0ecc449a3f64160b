import { checkIntercept, type Intercept, identityIntercept } from '../layers/intercept.ts';
import type { SiteInfo } from '../layers/sites.ts';
import type { Head } from '../models/encoder/heads.ts';
import type { EncoderOutputs } from '../models/encoderModel.ts';
import type { LoraOptions } from '../models/lora.ts';
import type { EncoderContext } from '../models/seq2seqModel.ts';
import type { Device } from '../runtime/device.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import { sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { paths, type Tree } from '../tensor/tree.ts';
import type { OptimizerState } from '../training/index.ts';
import type { Prepare } from './batches.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import { encoderTensors, tellMask } from './encoderInputs.ts';
import type { History } from './fit.ts';
import { deviceOf, heldParams } from './heldParams.ts';
import type { QuantizationMode, QuantizeOptions } from './quantize.ts';
import type { SavableTask, SavesToPreset } from './savable.ts';
import {
  type CompiledTraining,
  type EvaluateOptions,
  evaluateTask,
  type FitOptions,
  fitTask,
  type PredictOptions,
  predictTask,
  type TrainableTask,
} from './training.ts';

/** Parameters of a task: the backbone's and its own head's. */
export type EncoderTaskParams<Params extends Tree, HeadParams extends Tree> = {
  readonly backbone: Params;
  readonly head: HeadParams;
};

/** What every task over an encoder is: immutable; what would change it gives a new one. `Self` is its own kind. */
export interface EncoderTask<Config, Params extends Tree, HeadParams extends Tree, CompileOptions, Self>
  extends SavesToPreset {
  /** KerasHub's name of its class. */
  readonly name: string;
  /** The encoder with its parameters. */
  readonly backbone: EncoderBackbone<Config, Params>;
  /** All parameters: the backbone's, and the head's under KerasHub's layer names. */
  readonly params: EncoderTaskParams<Params, HeadParams>;
  /** Where an intercept is called, in order: the backbone's sites, then the head's. */
  readonly sites: readonly SiteInfo[];
  /** The same task with another optimizer, loss and metrics; what is not named has its default. The optimizer begins anew. */
  readonly compile: (options?: CompileOptions) => Self;
  /** The same task with other parameters of the same shapes. */
  readonly withParams: (params: EncoderTaskParams<Params, HeadParams>) => Self;
  /** The same task over another backbone. */
  readonly withBackbone: (backbone: EncoderBackbone<Config, Params>) => Self;
  /** The same task with LoRA; see the backbone's `enableLora`. The head trains as before. */
  readonly enableLora: (options: LoraOptions) => Self;
  /** The same task with kernels in whole numbers of 8 or 4 bits; see the backbone's `quantize`. The head stays as it is. */
  readonly quantize: (mode: QuantizationMode, options?: QuantizeOptions) => Promise<Self>;
  /** The same task with plain kernels that have taken up LoRA's factors; see the backbone's `mergeLora`. */
  readonly mergeLora: () => Self;
  /**
   * Trains on data and gives the trained task; this one stays as it is.
   *
   * @throws {ArgumentError} By rejection, if data or options are not what they must be.
   * @throws {NonFiniteLossError} By rejection, if a loss is not finite.
   * @see keras_hub.models.Task.fit
   */
  readonly fit: (x: unknown, options?: FitOptions) => Promise<{ readonly task: Self; readonly history: History }>;
  /** Loss and metrics on data, as `fit` takes it, by name. */
  readonly evaluate: (x: unknown, options?: EvaluateOptions) => Promise<Readonly<Record<string, number>>>;
  /** What the task gives for data, as `fit` takes it, without targets: one row an example. */
  readonly predict: (x: unknown, options?: PredictOptions) => Promise<NDArray>;
}

/** What makes a task over an encoder. */
export interface EncoderTaskSpec<Config, Params extends Tree, HeadParams extends Tree, HeadInputs> {
  readonly name: string;
  readonly backbone: EncoderBackbone<Config, Params>;
  readonly head: Head<HeadParams, HeadInputs>;
  readonly headParams: HeadParams;
  /** What the head reads, from what the backbone gave and the inputs by name. */
  readonly read: (
    outputs: EncoderOutputs,
    inputs: Readonly<Record<string, Tensor | undefined>>,
    tokenTable: Tensor,
  ) => HeadInputs;
  /** What is done to the head's logits last. Default: nothing. */
  readonly finish?: ((logits: Tensor) => Tensor) | undefined;
  readonly prepare: Prepare;
  readonly training: CompiledTraining;
  readonly optimizerState: OptimizerState | undefined;
}

/** What may change from one task to the next. */
export interface EncoderTaskChanges<Config, Params extends Tree, HeadParams extends Tree> {
  readonly backbone?: EncoderBackbone<Config, Params>;
  readonly headParams?: HeadParams;
  readonly training?: CompiledTraining;
  readonly optimizerState?: OptimizerState | undefined;
}

/** A forward pass: from inputs by name to what comes out. */
export type EncoderForward<Params extends Tree, HeadParams extends Tree> = (
  params: EncoderTaskParams<Params, HeadParams>,
  inputs: Readonly<Record<string, Tensor | undefined>>,
  context?: EncoderContext,
) => Tensor;

/** What a task's own functions are made of. */
export interface EncoderTaskCore<Config, Params extends Tree, HeadParams extends Tree, CompileOptions, Self> {
  readonly members: EncoderTask<Config, Params, HeadParams, CompileOptions, Self>;
  /** The task's forward pass on tensors. */
  readonly forward: EncoderForward<Params, HeadParams>;
  /** The same without what is done to the logits last. */
  readonly logits: EncoderForward<Params, HeadParams>;
  /** The device, with the values of the parameters on it. */
  readonly open: () => Promise<{
    readonly device: Device;
    readonly params: EncoderTaskParams<Params, HeadParams>;
  }>;
}

/** @throws {ArgumentError} If a head's parameters are not those of its table. */
const expectHead = (name: string, head: Head<Tree, never>, params: Tree): void => {
  const given = new Map(paths(params));
  for (const [path, { shape }] of paths(head.init(0))) {
    const own = given.get(path);
    if (own === undefined || !sameShape(own.shape, shape))
      throw new ArgumentError(
        `${name}: expected head.${path} of shape [${shape.join(', ')}], got ${own === undefined ? 'nothing' : `[${own.shape.join(', ')}]`}`,
      );
  }
};

/** An intercept whose selectors are not looked at: some are for the head, which the backbone does not know. */
const unchecked = (intercept: Intercept): Intercept =>
  intercept === identityIntercept ? intercept : (x, place) => intercept(x, place);

/**
 * What all tasks over an encoder have in common.
 *
 * @param remake - The task with some of its parts replaced.
 * @param compileWith - What `compile` makes of its options.
 */
export const encoderTask = <Config, Params extends Tree, HeadParams extends Tree, HeadInputs, CompileOptions, Self>(
  spec: EncoderTaskSpec<Config, Params, HeadParams, HeadInputs>,
  remake: (changes: EncoderTaskChanges<Config, Params, HeadParams>) => Self,
  compileWith: (options: CompileOptions | undefined) => CompiledTraining,
): EncoderTaskCore<Config, Params, HeadParams, CompileOptions, Self> => {
  const { name, backbone, head, headParams, read, finish = (x) => x, training } = spec;
  const { model } = backbone;
  expectHead(name, head as unknown as Head<Tree, never>, headParams);
  const params: EncoderTaskParams<Params, HeadParams> = { backbone: backbone.params, head: headParams };
  const sites = Object.freeze([...model.sites, ...head.sites]);

  const logits: EncoderForward<Params, HeadParams> = (own, inputs, context = {}) => {
    if (context.intercept !== undefined) checkIntercept(name, context.intercept, sites);
    tellMask(model, inputs);
    const outputs = model.apply(own.backbone, encoderTensors({ ...inputs, tokenIds: inputs.tokenIds! }), {
      ...context,
      ...(context.intercept === undefined ? {} : { intercept: unchecked(context.intercept) }),
    });
    return head.apply(own.head, read(outputs, inputs, model.tokenTable(own.backbone)), context);
  };

  const forward: EncoderForward<Params, HeadParams> = (own, inputs, context) => finish(logits(own, inputs, context));

  const open = async () => {
    const device = await deviceOf({ device: backbone.device, params });
    return { device, params: await heldParams(device, params) };
  };

  const trainable: TrainableTask<EncoderTaskParams<Params, HeadParams>> = {
    isTrainable: (path) => !path.startsWith('backbone.') || backbone.trainable.has(path.slice('backbone.'.length)),
    forward: (own, x, { dropoutKey }) =>
      forward(
        own as EncoderTaskParams<Params, HeadParams>,
        x,
        dropoutKey === undefined ? {} : { dropout: { key: dropoutKey } },
      ),
    setup: training,
    trims: false,
    open,
    prepare: spec.prepare,
    optimizerState: spec.optimizerState,
  };

  const members: EncoderTask<Config, Params, HeadParams, CompileOptions, Self> = {
    name,
    backbone,
    params,
    sites,
    compile: (options) => remake({ training: compileWith(options), optimizerState: undefined }),
    withParams: ({ backbone: own, head: ownHead }) => {
      expectHead(name, head as unknown as Head<Tree, never>, ownHead);
      return remake({ backbone: backbone.withParams(own), headParams: ownHead, optimizerState: undefined });
    },
    withBackbone: (other) => remake({ backbone: other, optimizerState: undefined }),
    enableLora: (options) => remake({ backbone: backbone.enableLora(options), optimizerState: undefined }),
    quantize: async (mode, options) =>
      remake({ backbone: await backbone.quantize(mode, options), optimizerState: undefined }),
    mergeLora: () => remake({ backbone: backbone.mergeLora(), optimizerState: undefined }),
    fit: async (x, options) => {
      const { params: trained, optimizerState, history } = await fitTask(trainable, x, options);
      const task = remake({
        backbone: backbone.withParams(trained.backbone),
        headParams: trained.head,
        optimizerState,
      });
      return { task, history };
    },
    evaluate: (x, options) => evaluateTask(trainable, x, options),
    predict: (x, options) => predictTask(trainable, x, options),
    saveToPreset: async (folder, options) => {
      const { saveTask } = await import('./saveToPreset.ts');
      // The task itself, with what its own kind adds.
      await saveTask(folder, remake({}) as SavableTask, options);
    },
  };
  return { members, forward, logits, open };
};
