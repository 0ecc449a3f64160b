export { HubError, type HubProblem, orHubError, toHubError } from './errors.ts';
export { kaggleHandles } from './kaggleHandles.ts';
export type { Patience } from './network.ts';
export { type LocalPreset, nodeSettings, resolve } from './node/resolve.ts';
export { type UploadFolderOptions, uploadFolder } from './node/upload.ts';
export type { ObtainOptions } from './obtain.ts';
export type { DownloadProgress } from './progress.ts';
export type { ResolvedPreset, ResolveOptions } from './resolve.ts';
export { type HubSettings, readSettings, type SettingsSource, type Variables } from './settings.ts';
export type { Uploaded } from './upload.ts';
export {
  formatPresetUri,
  type HubRepo,
  type KaggleModel,
  type PresetUri,
  parsePresetUri,
  presetForms,
  unknownPreset,
} from './uri.ts';
