use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ndarray::ArrayView2;

use crate::concept_layer::{ConceptLayer, softmax};
use crate::engine::{self, Device, Encoded, Engine, LoadOptions, Sequence};
use crate::error::{Error, ErrorKind, Result};
use crate::exported::{Exported, Origin};
use crate::format::metadata;
use crate::masks::{MaskPatch, MaskSet, MaskStatistics, StoredMasks};
use crate::onnx::ModelProto;
use crate::prediction::{Encoding, Prediction};
use crate::schema::{Pooling, Schema};
use crate::sparse::PlannedProduct;
use crate::spread::{or_all_cores, spread};
use crate::tokenizer::{Tokenizer, Tokens};
use crate::{masks, onnx};

/// A loaded model. Cheap to clone; may be shared by threads.
#[derive(Clone)]
pub struct Model {
    inner: Arc<Inner>,
}

struct Inner {
    schema: Arc<Schema>,
    masks: MaskStatistics,
    layer: Arc<ConceptLayer>,
    tokenizer: Arc<Tokenizer>,
    engine: Box<dyn Engine>,
    device: Device,
    source: Arc<Source>,
    edited: Option<Edited>,
}

/// What a model is made of, and made again when its masks change.
struct Source {
    /// The file, without its metadata. Its tensors share the bytes that were loaded.
    file: ModelProto,
    options: LoadOptions,
    origin: Origin,
}

/// What was done to a model's masks.
struct Edited {
    /// The model without any patch.
    original: Model,
    patches: Vec<MaskPatch>,
}

impl Model {
    /// Loads an exported file, and the data file beside it if it has one. A file of 64 MiB or more is mapped into
    /// memory and not read: nobody may change it in place while the model lives. To put another file in its place, as
    /// an export does, is fine.
    ///
    /// # Errors
    /// `Io` where a file cannot be read, else as [`Model::from_bytes`]; the path is named.
    pub fn load(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Model> {
        onnx::read_then(path.as_ref(), |model| Model::from_graph(model, options))
    }

    /// Loads an exported file from memory.
    ///
    /// # Errors
    /// `Format` where the bytes are not ONNX or its metadata is broken, `Version` where the file is
    /// newer than this crate, `Model` where its parts contradict each other, `Unavailable` where the
    /// engine asked for is not there.
    pub fn from_bytes(bytes: impl Into<Bytes>, options: &LoadOptions) -> Result<Model> {
        Model::from_graph(onnx::decode_whole(bytes.into())?, options)
    }

    pub(crate) fn from_graph(model: ModelProto, options: &LoadOptions) -> Result<Model> {
        let Exported { schema, masks, origin } = Exported::read(&model)?;
        let tokenizer = Tokenizer::from_json(
            onnx::metadata(&model, metadata::TOKENIZER)?.as_bytes(),
            schema.max_length,
            metadata::TOKENIZER,
        )?;
        let layer = ConceptLayer::read(&model, &schema)?;
        let (engine, device) = engine::load(&model, &schema, options)?;
        let file = ModelProto { metadata_props: Vec::new(), ..model };
        // What is made again runs where this runs.
        let options = options.clone().with_engine(device.engine.parse()?);
        let inner = Inner {
            schema: Arc::new(schema),
            masks,
            layer: Arc::new(layer),
            tokenizer: Arc::new(tokenizer),
            engine,
            device,
            source: Arc::new(Source { file, options, origin }),
            edited: None,
        };
        Ok(Model { inner: Arc::new(inner) })
    }

    /// The original model with these patches, applied in this order, and no others: those that this model
    /// has count for nothing. Without patches it is the original itself, whose answers are the same bit
    /// for bit.
    ///
    /// The engine `sparse` packs again only the layers that are changed; other engines load the whole graph
    /// again.
    ///
    /// # Errors
    /// `Input` where a patch does not fit the model (an unknown concept or matrix, a place outside it, a
    /// bit that is not what the patch expects), and where the file holds its masks folded into the
    /// weights, whose pruned ones are lost; else as [`Model::from_bytes`].
    pub fn with_patches(&self, patches: &[MaskPatch]) -> Result<Model> {
        let original = self.original();
        if patches.is_empty() {
            return Ok(original.clone());
        }
        let mut masks = original.packed_masks()?;
        let changed = masks::apply(patches, original.schema(), &mut masks)?;
        let inner = Inner {
            source: original.inner.source.clone(),
            edited: Some(Edited { original: original.clone(), patches: patches.to_vec() }),
            ..original.with_changed(&masks, &changed)?
        };
        Ok(Model { inner: Arc::new(inner) })
    }

    /// The model with these masks, of which those of the products `changed` (`CONCEPT/LAYER`) are not its own.
    pub(crate) fn with_masks(
        &self,
        masks: &[StoredMasks],
        changed: &BTreeSet<String>,
    ) -> Result<Model> {
        Ok(Model { inner: Arc::new(self.with_changed(masks, changed)?) })
    }

    fn with_changed(&self, masks: &[StoredMasks], changed: &BTreeSet<String>) -> Result<Inner> {
        let Inner { schema, layer, tokenizer, engine, device, source, .. } = &*self.inner;
        let mut file = source.file.clone();
        StoredMasks::write_all(masks, changed, schema, &mut file)?;
        let engine = engine::with_masks(&**engine, &file, schema, &source.options, changed)?;
        let sets = masks.iter().map(|masks| Ok(masks.set.clone()));
        let source =
            Source { file, options: source.options.clone(), origin: source.origin.clone() };
        Ok(Inner {
            schema: schema.clone(),
            masks: MaskStatistics::count(sets, schema.concept_count())?,
            layer: layer.clone(),
            tokenizer: tokenizer.clone(),
            engine,
            device: device.clone(),
            source: Arc::new(source),
            edited: None,
        })
    }

    /// The masks of all matrices, patches applied.
    ///
    /// # Errors
    /// `Input` where the file holds its masks folded into the weights.
    pub(crate) fn mask_sets(&self) -> Result<Vec<MaskSet>> {
        let mut masks = self.packed_masks()?;
        masks::apply(self.patches(), self.schema(), &mut masks)?;
        Ok(masks.into_iter().map(|masks| masks.set).collect())
    }

    /// The same in whichever form the file holds them.
    ///
    /// # Errors
    /// `Model` where masks are missing or are not of the shape that the file says.
    pub(crate) fn stored_masks(&self) -> Result<Vec<StoredMasks>> {
        let Inner { schema, masks, source, .. } = &*self.inner;
        let mut masks = StoredMasks::read_all(&source.file, schema, &masks.layers)?;
        masks::apply(self.patches(), self.schema(), &mut masks)?;
        Ok(masks)
    }

    /// The masks of all matrices as the file holds them.
    fn packed_masks(&self) -> Result<Vec<StoredMasks>> {
        let Inner { schema, masks, source, .. } = &*self.inner;
        StoredMasks::read_packed(&source.file, schema, &masks.layers)
    }

    /// Whether this is the very model that `other` is.
    pub(crate) fn is(&self, other: &Model) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.inner.source.origin
    }

    /// The patches that [`Model::with_patches`] applied, in order; none where the model is as it was loaded.
    pub fn patches(&self) -> &[MaskPatch] {
        self.inner.edited.as_ref().map_or(&[], |edited| &edited.patches)
    }

    /// The model without any patch.
    pub fn original(&self) -> &Model {
        self.inner.edited.as_ref().map_or(self, |edited| &edited.original)
    }

    /// What the model's concepts and label mean.
    pub fn schema(&self) -> &Schema {
        &self.inner.schema
    }

    /// How dense the masks are and how much they share.
    pub fn masks(&self) -> &MaskStatistics {
        &self.inner.masks
    }

    /// The engine really in use: `sparse`, `tract`, `ort-cpu` or `ort-cuda:N`.
    pub fn engine(&self) -> &str {
        &self.inner.device.engine
    }

    /// Where the model really runs: the engine, which provider runs how many nodes, and why it was chosen.
    pub fn device(&self) -> &Device {
        &self.inner.device
    }

    /// How each product of the encoder is run, where the engine is `sparse`; nothing for other engines.
    pub fn plan(&self) -> &[PlannedProduct] {
        self.inner.engine.plan()
    }

    /// Multiply-adds that a text of this many tokens needs under the masks (products and attention), where
    /// the engine is `sparse`; `None` for other engines, which do not tell.
    pub fn multiply_adds(&self, tokens: usize) -> Option<usize> {
        self.inner.engine.multiply_adds(tokens)
    }

    /// The text as the model reads it: cut to the schema's `max_length` positions.
    ///
    /// # Errors
    /// `Format` where the tokenizer cannot read the text, `Model` where it makes more positions of it than
    /// `max_length`: neither happens with a sound tokenizer.
    pub fn tokenize(&self, text: &str) -> Result<Tokens> {
        self.inner.tokenizer.encode(text)
    }

    /// Predicts one text. Any UTF-8 text has an answer, the empty one too; text beyond the model's
    /// `max_length` is cut and [`Prediction::dropped_tokens`] says so.
    ///
    /// # Errors
    /// `Engine` where the engine fails; as [`Model::tokenize`] where the model's tokenizer is broken.
    pub fn predict(&self, text: &str) -> Result<Prediction> {
        self.predict_one(self.tokenize(text)?)
    }

    /// Predicts several texts; the results stand in their order.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn predict_batch<T: AsRef<str>>(&self, texts: &[T]) -> Result<Vec<Prediction>> {
        let tokens: Result<Vec<Tokens>> = texts.iter().map(|t| self.tokenize(t.as_ref())).collect();
        self.predict_all(tokens?, None)
    }

    /// Predicts several texts on several threads; the results stand in their order. The engines `sparse` and `tract`
    /// run one text per thread, the longest first, on this many `threads`; by default as many as
    /// [`SparseOptions::threads`](crate::SparseOptions::threads) says, else one per core. Where there are fewer texts
    /// than threads, `sparse` spreads each over several. ONNX Runtime runs batches of texts of like length on threads
    /// of its own.
    ///
    /// # Errors
    /// As [`Model::predict`], for the first text that has one.
    pub fn predict_list<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        threads: Option<NonZeroUsize>,
    ) -> Result<Vec<Prediction>> {
        let threads = self.threads_of_a_list(threads);
        let size = |text: &T| text.as_ref().len();
        let tokens = spread(texts, threads, size, |text| self.tokenize(text.as_ref()))?;
        self.predict_all(tokens, Some(threads))
    }

    /// As [`Model::predict_list`], from token ids.
    ///
    /// # Errors
    /// As [`Model::predict_tokens`], for the first sequence that has one.
    pub fn predict_tokens_list<T: AsRef<[u32]>>(
        &self,
        list: &[T],
        threads: Option<NonZeroUsize>,
    ) -> Result<Vec<Prediction>> {
        let describe = |ids: &T| self.inner.tokenizer.describe(ids.as_ref());
        let threads = self.threads_of_a_list(threads);
        self.predict_all(list.iter().map(describe).collect::<Result<_>>()?, Some(threads))
    }

    fn threads_of_a_list(&self, threads: Option<NonZeroUsize>) -> usize {
        or_all_cores(threads.or(self.inner.source.options.sparse.threads))
    }

    /// Predicts from token ids, special tokens included, no padding.
    ///
    /// # Errors
    /// `Input` where there are no ids, more than `max_length`, or one that the vocabulary does not
    /// have; else as [`Model::predict`].
    pub fn predict_tokens(&self, ids: &[u32]) -> Result<Prediction> {
        self.predict_one(self.inner.tokenizer.describe(ids)?)
    }

    /// Predicts several sequences of token ids; the results stand in their order.
    ///
    /// # Errors
    /// As [`Model::predict_tokens`].
    pub fn predict_tokens_batch<T: AsRef<[u32]>>(&self, batch: &[T]) -> Result<Vec<Prediction>> {
        let describe = |ids: &T| self.inner.tokenizer.describe(ids.as_ref());
        self.predict_all(batch.iter().map(describe).collect::<Result<_>>()?, None)
    }

    /// Token ids, special tokens included, no padding, as the model reads them.
    ///
    /// # Errors
    /// `Input` where there are no ids, more than `max_length`, or one that the vocabulary does not have.
    pub fn tokenize_ids(&self, ids: &[u32]) -> Result<Tokens> {
        self.inner.tokenizer.describe(ids)
    }

    /// Predicts from what [`Model::tokenize`] and [`Model::tokenize_ids`] gave, in any mixture: for callers
    /// that check texts one at a time and predict them together. The results stand in their order.
    ///
    /// # Errors
    /// `Input` where there are no tokens, more than `max_length`, or an id that the vocabulary does not
    /// have, since tokens may be made by hand; else as [`Model::predict`].
    pub fn predict_tokenized(&self, batch: Vec<Tokens>) -> Result<Vec<Prediction>> {
        batch.iter().try_for_each(|tokens| self.inner.tokenizer.check(tokens))?;
        self.predict_all(batch, None)
    }

    /// `[L]`: the label's probabilities that follow from concept logits `[K, C]`, without overrides: the
    /// label head alone, as an ordinary concept bottleneck model uses it.
    ///
    /// # Errors
    /// `Input` where the logits are of another shape or not finite.
    pub fn label_probabilities(&self, concept_logits: ArrayView2<'_, f32>) -> Result<Vec<f32>> {
        let (k, c) = (self.schema().concept_count(), self.schema().class_count());
        if concept_logits.dim() != (k, c) || concept_logits.iter().any(|v| !v.is_finite()) {
            let found = format!("shape {:?}", concept_logits.dim());
            let expected = format!("finite numbers of shape ({k}, {c})");
            return Err(Error::new(ErrorKind::Input, "concept logits", found, expected));
        }
        let logits: Vec<f32> = concept_logits.iter().copied().collect();
        Ok(softmax(&self.inner.layer.forward(&logits, &vec![None; k]).label_logits))
    }

    fn predict_one(&self, tokens: Tokens) -> Result<Prediction> {
        Ok(self.predict_all(vec![tokens], None)?.swap_remove(0))
    }

    /// On this many threads, a text per thread; else as the engine runs a batch.
    fn predict_all(&self, batch: Vec<Tokens>, threads: Option<usize>) -> Result<Vec<Prediction>> {
        let ids = |tokens: &Tokens| tokens.tokens.iter().map(|token| token.id.into()).collect();
        let encoded = self.encode(batch.iter().map(ids).collect(), threads)?;
        let predictions = batch.into_iter().zip(encoded).map(|(tokens, encoded)| {
            Prediction::new(Encoding { model: self.clone(), tokens, encoded })
        });
        Ok(predictions.collect())
    }

    /// Runs the backbone on token ids, special tokens included, no padding.
    pub(crate) fn encode_ids(&self, batch: Vec<Vec<i64>>) -> Result<Vec<Encoded>> {
        self.encode(batch, None)
    }

    fn encode(&self, batch: Vec<Vec<i64>>, threads: Option<usize>) -> Result<Vec<Encoded>> {
        // What a tokenizer without special tokens makes of an empty text: the mean over no position is 0,
        // which leaves the heads' biases.
        let nothing: Vec<bool> = batch.iter().map(Vec::is_empty).collect();
        let sequences: Vec<Sequence> =
            batch.into_iter().filter(|ids| !ids.is_empty()).map(|ids| self.sequence(ids)).collect();
        let encoded = match threads {
            Some(threads) => self.inner.engine.encode_list(&sequences, threads)?,
            None => self.inner.engine.encode(&sequences)?,
        };
        if encoded.len() != sequences.len() {
            return Err(Error::new(
                ErrorKind::Engine,
                format!("engine {}", self.engine()),
                format!("{} results", encoded.len()),
                format!("{}, one per text", sequences.len()),
            ));
        }
        let mut encoded = encoded.into_iter();
        let bias = || Encoded {
            concept_logits: self.inner.layer.logits_of_nothing().to_vec(),
            token_evidence: Vec::new(),
        };
        let one = |nothing: bool| match nothing {
            true => bias(),
            false => encoded.next().expect("the results were counted"),
        };
        Ok(nothing.into_iter().map(one).collect())
    }

    /// Token ids as the graph reads them.
    pub(crate) fn sequence(&self, mut ids: Vec<i64>) -> Sequence {
        let attended = ids.len();
        if self.schema().pooling == Pooling::PaddedMean {
            let padding = self.inner.tokenizer.padding_id();
            ids.resize(self.schema().max_length, padding.into());
        }
        Sequence { ids, attended }
    }

    /// Number of token ids.
    pub(crate) fn vocabulary_size(&self) -> usize {
        self.inner.tokenizer.vocabulary_size()
    }

    /// The id that stands for a masked-out token.
    pub(crate) fn mask_id(&self) -> u32 {
        self.inner.tokenizer.mask_id()
    }

    /// Whether an id stands for one of the tokenizer's special tokens.
    pub(crate) fn is_special(&self, id: u32) -> bool {
        self.inner.tokenizer.is_special(id)
    }

    pub(crate) fn concept_layer(&self) -> &ConceptLayer {
        &self.inner.layer
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.schema().concepts.iter().map(|c| c.name.as_str()).collect();
        f.debug_struct("Model").field("concepts", &names).field("engine", &self.engine()).finish()
    }
}
