import type { Attention } from './attentionAttributes.ts';

/** What of `attention` its gradients' kernels know: no position, no slopes; queries without keys get zeros. */
export type AttentionGradient = Pick<Attention, 'scale' | 'causal' | 'softCap' | 'window' | 'keyMask'>;

/** What stands for the logarithm of the sum of exponentials in a row that attends to no key. */
export const noKeys = 1e30;

/** Elements after which a second part of a packed result starts: where every device can bind one. */
export const alignedSize = (elements: number): number => Math.ceil(elements / 64) * 64;
