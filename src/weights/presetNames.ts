/** Files and folders of presets in KerasHub's layout. */
const keras =
  /^(?:model[\w.-]*\.(?:h5|json)|task\.weights\.h5|(?:config|task|preprocessor|tokenizer|metadata)\.json|assets)$/;

/** Of folders in transformers' layout, and of sentence-transformers. */
const transformers =
  /^(?:model[\w.-]*\.safetensors(?:\.index\.json)?|(?:generation_config|tokenizer_config|special_tokens_map|added_tokens|vocab|modules|sentence_bert_config|config_sentence_transformers)\.json|vocab\.txt|merges\.txt|(?:spiece|spm|sentencepiece\.bpe|tokenizer)\.model|1_Pooling|2_Normalize|README\.md)$/;

/** Whether a preset folder in either layout may hold a file or folder of this name, so that it can be replaced. */
export const isPresetFile = (name: string): boolean => keras.test(name) || transformers.test(name);
