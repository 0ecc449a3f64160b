import { isQuantized } from '../ops/dequantize.ts';
import { type Device, getDevice, holderOf } from '../runtime/device.ts';
import { type Tensor, topological } from '../tensor/tensor.ts';
import { leaves, type Tree } from '../tensor/tree.ts';
import { realizeParams } from './loadWeights.ts';
import { remembered } from './remembered.ts';

const realizedParams = new WeakMap<object, WeakMap<Device, Promise<Tree>>>();

/** Whether evaluating a tensor computes something: it is neither a leaf nor a matrix in few bits, nor a view of one. */
const isComputed = (tensor: Tensor): boolean =>
  !isQuantized(tensor) &&
  topological([tensor]).some(({ op }) => op.kernel.kind !== 'leaf' && op.kernel.kind !== 'view');

/** Parameters as they are, or, where they are still expressions (random ones), their values, computed once a device. */
export const heldParams = <Params extends Tree>(device: Device, params: Params): Promise<Params> => {
  const ofParams = remembered(realizedParams, params, () => new WeakMap<Device, Promise<Tree>>());
  return remembered(ofParams, device, () => {
    const held = realizeParams(device, params, isComputed);
    // A failure is not remembered.
    held.catch(() => ofParams.delete(device));
    return held;
  }) as Promise<Params>;
};

/** The device that a backbone's parameters are on, else the default one. */
export const deviceOf = async ({
  device,
  params,
}: {
  readonly device: Device | undefined;
  readonly params: Tree;
}): Promise<Device> => device ?? holderOf(leaves(params)) ?? getDevice();
