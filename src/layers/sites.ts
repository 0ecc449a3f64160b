/** What an axis of an activation counts; 1 is an axis of one element. */
export type Axis =
  | 'batch'
  | 'length'
  | 'queries'
  | 'keys'
  | 'heads'
  | 'headDim'
  | 'hiddenDim'
  | 'intermediateDim'
  | 'vocabularySize'
  | 1;

/** A row of the table of sites. */
interface SiteRow<Scope extends 'layer' | 'model' = 'layer' | 'model'> {
  /** Whether each layer has one of its own, or the model has one. */
  readonly scope: Scope;
  readonly shape: readonly Axis[];
  /** What stands there. */
  readonly meaning: string;
  /** Computed only for those who ask: the model itself takes a fused kernel as long as nobody replaces the value. */
  readonly isLazy: boolean;
  /** The hook point of TransformerLens at the same place; `i` is the layer. */
  readonly transformerLens: string | undefined;
}

const row =
  <Scope extends 'layer' | 'model'>(scope: Scope, isLazy = false) =>
  (shape: readonly Axis[], meaning: string, transformerLens?: string): SiteRow<Scope> => ({
    scope,
    shape,
    meaning,
    isLazy,
    transformerLens,
  });

const inModel = row('model');
const inLayer = row('layer');
const lazyInModel = row('model', true);
const lazyInLayer = row('layer', true);

const stream = ['batch', 'length', 'hiddenDim'] as const;
const inHeads = ['batch', 'length', 'heads', 'headDim'] as const;
const pairs = ['batch', 'heads', 'queries', 'keys'] as const;
const perToken = ['batch', 'length', 1] as const;
const wide = ['batch', 'length', 'intermediateDim'] as const;

/**
 * Every site there is, in the order in which a forward pass comes by: its shape and what it holds. `docs/sites.md` shows
 * the same table.
 */
export const siteTable = Object.freeze({
  tokenEmbedding: inModel(stream, 'rows of the token table', 'hook_embed'),
  positionEmbedding: inModel(['length', 'hiddenDim'], 'rows of the position table, the same for all', 'hook_pos_embed'),
  embeddings: inModel(stream, 'their sum, before dropout: `layerInterceptFn` at -1'),

  residualPre: inLayer(stream, 'the residual stream as the layer gets it', 'blocks.i.hook_resid_pre'),
  attentionNormScale: lazyInLayer(
    perToken,
    '`sqrt(variance + epsilon)`, by which the norm before attention divides',
    'blocks.i.ln1.hook_scale',
  ),
  attentionNormalized: lazyInLayer(
    stream,
    '`(x - mean) / scale`, before gain and offset',
    'blocks.i.ln1.hook_normalized with folded weights',
  ),
  attentionNormOut: inLayer(stream, 'what the norm gives attention', 'blocks.i.ln1.hook_normalized'),
  query: inLayer(inHeads, 'queries', 'blocks.i.attn.hook_q'),
  key: inLayer(inHeads, 'keys, before they go to the cache', 'blocks.i.attn.hook_k'),
  value: inLayer(inHeads, 'values, before they go to the cache', 'blocks.i.attn.hook_v'),
  scores: lazyInLayer(
    pairs,
    '`query . key / sqrt(headDim)`, and -1e9 where a query may not look',
    'blocks.i.attn.hook_attn_scores',
  ),
  pattern: lazyInLayer(
    pairs,
    'softmax of the masked scores: what share of a key each query takes',
    'blocks.i.attn.hook_pattern',
  ),
  z: inLayer(inHeads, 'values mixed by the pattern', 'blocks.i.attn.hook_z'),
  perHead: lazyInLayer(
    ['batch', 'length', 'heads', 'hiddenDim'],
    "each head's share of `attentionOut`; they and the bias add up to it",
    'blocks.i.attn.hook_result',
  ),
  attentionOut: inLayer(stream, 'what attention adds to the stream', 'blocks.i.hook_attn_out'),
  residualMid: inLayer(stream, 'the stream after attention', 'blocks.i.hook_resid_mid'),
  mlpNormScale: lazyInLayer(
    perToken,
    'as `attentionNormScale`, for the norm before the MLP',
    'blocks.i.ln2.hook_scale',
  ),
  mlpNormalized: lazyInLayer(
    stream,
    'as `attentionNormalized`, for the norm before the MLP',
    'blocks.i.ln2.hook_normalized with folded weights',
  ),
  mlpNormOut: inLayer(stream, 'what the norm gives the MLP', 'blocks.i.ln2.hook_normalized'),
  mlpPre: inLayer(wide, "the MLP's neurons before the activation", 'blocks.i.mlp.hook_pre'),
  mlpPost: inLayer(wide, "the MLP's neurons after it", 'blocks.i.mlp.hook_post'),
  mlpOut: inLayer(stream, 'what the MLP adds to the stream', 'blocks.i.hook_mlp_out'),
  residualPost: inLayer(
    stream,
    'the stream as the layer leaves it: `layerInterceptFn` at i',
    'blocks.i.hook_resid_post',
  ),

  finalNormScale: lazyInModel(perToken, 'as `attentionNormScale`, for the final norm', 'ln_final.hook_scale'),
  finalNormalized: lazyInModel(
    stream,
    'as `attentionNormalized`, for the final norm',
    'ln_final.hook_normalized with folded weights',
  ),
  finalNormOut: inModel(stream, 'what the final norm gives the output table', 'ln_final.hook_normalized'),
  logits: inModel(['batch', 'length', 'vocabularySize'], 'logits'),
});

/** The name of a site. */
export type Site = keyof typeof siteTable;

type SiteOf<Scope extends SiteRow['scope']> = {
  [S in Site]: (typeof siteTable)[S]['scope'] extends Scope ? S : never;
}[Site];

/** A site that every layer has. */
export type LayerSite = SiteOf<'layer'>;

/** A site that a model has once. */
export type ModelSite = SiteOf<'model'>;

/** One site of a model: its layer, where it is in one, and its shape by the names of its axes. */
export type SiteInfo =
  | { readonly site: LayerSite; readonly layer: number; readonly shape: readonly Axis[] }
  | { readonly site: ModelSite; readonly layer: undefined; readonly shape: readonly Axis[] };

/** The names of all sites, in order. */
export const siteNames = Object.freeze(Object.keys(siteTable)) as readonly Site[];

/** Whether every layer has a site of this name. */
export const isLayerSite = (site: Site): site is LayerSite => siteTable[site].scope === 'layer';

/** The entry of a site in a list of sites. */
export const siteInfo = (site: Site, layer: number | undefined): SiteInfo =>
  isLayerSite(site)
    ? { site, layer: layer!, shape: siteTable[site].shape }
    : { site, layer: undefined, shape: siteTable[site].shape };

/**
 * The sites of a decoder in the order of its forward pass.
 *
 * @param layers - How many layers there are.
 * @param sites - Which sites the family has. Default: all.
 */
export const decoderSites = (layers: number, sites: readonly Site[] = siteNames): readonly SiteInfo[] => {
  const first = sites.findIndex(isLayerSite);
  const inLayers = sites.filter(isLayerSite);
  const outside = sites.map((site, at) => ({ site, at })).filter(({ site }) => !isLayerSite(site));
  return Object.freeze([
    ...outside.filter(({ at }) => at < first).map(({ site }) => siteInfo(site, undefined)),
    ...Array.from({ length: layers }, (_, layer) => inLayers.map((site) => siteInfo(site, layer))).flat(),
    ...outside.filter(({ at }) => at > first).map(({ site }) => siteInfo(site, undefined)),
  ]);
};
