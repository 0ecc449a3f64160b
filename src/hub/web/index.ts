export { HubError, type HubProblem, orHubError, toHubError } from '../errors.ts';
export type { DownloadProgress } from '../progress.ts';
export type { CachedFile, CacheLike, LocksLike } from './cacheStore.ts';
export { type Browser, type BrowserPreset, type BrowserResolveOptions, resolveInBrowser } from './resolve.ts';
