export type { PresetLayout } from '../models/weightEntry.ts';
export { type Checkpoint, pieceBytes, pieces, type StoredDType, type StoredTensor, storedBytes } from './checkpoint.ts';
export { PresetError, toPresetError, type WeightsError } from './errors.ts';
export { type Family, families } from './families.ts';
export { openH5 } from './h5.ts';
export { type MatchedWeight, matchWeights } from './matchWeights.ts';
export { openPreset, type Preset } from './preset.ts';
export { openSafetensors, type TensorToWrite, writeSafetensors } from './safetensors.ts';
export { openShardedH5, openShardedSafetensors } from './sharded.ts';
