import type { Lora } from '../models/lora.ts';
import type { Device } from '../runtime/device.ts';
import type { Tree } from '../tensor/tree.ts';
import type { BackboneModel } from './backbone.ts';

/** A backbone that can be saved: any is. */
export interface SavableBackbone {
  readonly config: unknown;
  readonly model: BackboneModel;
  readonly params: Tree;
  readonly device: Device | undefined;
  readonly lora: Lora | undefined;
}

/** What is saved as a task: any task has these. */
export interface SavableTask {
  readonly backbone: SavableBackbone;
  readonly preprocessor: object | null;
}
