export type { PresetLayout } from '../models/weightEntry.ts';
export { type Checkpoint, pieceBytes, pieces, type StoredDType, type StoredTensor, storedBytes } from './checkpoint.ts';
export { PresetError, toPresetError, type WeightsError } from './errors.ts';
export { type Family, families } from './families.ts';
export { type Content, type FileToWrite, restoreFolder, writeAtomically, writeFolderAtomically } from './files.ts';
export { openH5 } from './h5.ts';
export { type H5Attributes, type H5Dataset, type H5Group, h5Tree, writeHdf5 } from './hdf5Writer.ts';
export { field } from './json.ts';
export { holdsFactorsOnly, type LoraCheckpoint, type LoraTensor, openLora, writeLora } from './loraFile.ts';
export { type MatchedQuantized, type MatchedSource, type MatchedWeight, matchWeights } from './matchWeights.ts';
export { openPreset, type Preset } from './preset.ts';
export { isPresetFile } from './presetNames.ts';
export { openSafetensors, safetensorsContent, type TensorToWrite, writeSafetensors } from './safetensors.ts';
export { readSentenceModules, type SentenceModules } from './sentenceTransformers.ts';
export { openShardedH5, openShardedSafetensors } from './sharded.ts';
export { scratch, sideBySide } from './sideBySide.ts';
export {
  type KerasHead,
  type KerasPreprocessor,
  type KerasPreset,
  type KerasTask,
  type KerasTokenizer,
  kerasPreprocessorFiles,
  kerasPresetFiles,
  kerasShardBytes,
  kerasTokenizerFiles,
} from './writeKerasPreset.ts';
export {
  type TransformersPreset,
  transformersJson,
  transformersPresetFiles,
  transformersShardBytes,
} from './writeTransformersPreset.ts';
