import { gelu } from '../ops/gelu.ts';
import { geluApproximate } from '../ops/geluApproximate.ts';
import { relu } from '../ops/relu.ts';

/** The feedforward activations of the families: the tanh form of GELU, GELU by the error function, ReLU. */
export const activations = Object.freeze({ geluApproximate, gelu, relu });

/** The name of an activation. */
export type Activation = keyof typeof activations;

/** The activations by their own names, as options name them. */
export const ownActivations: ReadonlyMap<unknown, Activation> = new Map(
  (['geluApproximate', 'gelu', 'relu'] as const).map((name) => [name, name]),
);

/** transformers' names for the activations whose arithmetic we have. */
export const transformersActivations: ReadonlyMap<unknown, Activation> = new Map([
  ['gelu_new', 'geluApproximate'],
  ['gelu_fast', 'geluApproximate'],
  ['gelu_pytorch_tanh', 'geluApproximate'],
  ['gelu_python_tanh', 'geluApproximate'],
  ['gelu', 'gelu'],
  ['gelu_python', 'gelu'],
  ['relu', 'relu'],
]);
