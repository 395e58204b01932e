use js_sys::{Array, JSON, Uint8Array};
use sparsecbm::explain::Subnetworks;
use sparsecbm::{EngineChoice, LoadOptions, MaskPatch, Model};
use wasm_bindgen::prelude::*;

use crate::error::{to_js, wrong_input};
use crate::prediction::RawPrediction;
use crate::report::{plain, report};

/// Takes an exported file piece by piece, so that WebAssembly's memory holds it once and JavaScript's
/// not at all.
#[wasm_bindgen]
pub struct Loader {
    pub(crate) bytes: Vec<u8>,
}

#[wasm_bindgen]
impl Loader {
    /// A loader that has room for `expected` bytes and grows beyond them.
    #[wasm_bindgen(constructor)]
    pub fn new(expected: usize) -> Result<Loader, JsValue> {
        let mut loader = Loader { bytes: Vec::new() };
        loader.reserve(expected)?;
        Ok(loader)
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: &Uint8Array) -> Result<(), JsValue> {
        let (start, length) = (self.bytes.len(), piece.length() as usize);
        self.reserve(length)?;
        self.bytes.resize(start + length, 0);
        piece.copy_to(&mut self.bytes[start..]);
        Ok(())
    }

    /// The model; the loader is used up.
    pub fn finish(self) -> Result<RawModel, JsValue> {
        let options = LoadOptions::default().with_engine(EngineChoice::Sparse);
        let model = Model::from_bytes(self.bytes, &options).map_err(to_js)?;
        Ok(RawModel { model })
    }

    /// What the file's masks keep, without loading the model; the loader is used up.
    pub fn subnetworks(self) -> Result<JsValue, JsValue> {
        report(&Subnetworks::from_bytes(self.bytes).map_err(to_js)?.report())
    }

    fn reserve(&mut self, more: usize) -> Result<(), JsValue> {
        let failed =
            |_| wrong_input("model", &format!("{more} more bytes"), "a file that fits into memory");
        self.bytes.try_reserve(more).map_err(failed)
    }
}

/// A loaded model.
#[wasm_bindgen]
pub struct RawModel {
    pub(crate) model: Model,
}

#[wasm_bindgen]
impl RawModel {
    /// The schema, as the exported file has it.
    pub fn schema(&self) -> Result<JsValue, JsValue> {
        plain(self.model.schema())
    }

    /// Mask statistics, as the exported file has them.
    pub fn masks(&self) -> Result<JsValue, JsValue> {
        plain(self.model.masks())
    }

    /// The engine in use, for people.
    pub fn engine(&self) -> String {
        self.model.engine().into()
    }

    /// The original model with these patches, given as JavaScript's objects or as JSON, and no others.
    #[wasm_bindgen(js_name = withPatches)]
    pub fn with_patches(&self, patches: &Array) -> Result<RawModel, JsValue> {
        let patches: Vec<MaskPatch> =
            patches.iter().map(|p| patch(&p)).collect::<Result<_, _>>()?;
        let model = self.model.with_patches(&patches).map_err(to_js)?;
        Ok(RawModel { model })
    }

    /// The patches that the model has, in order.
    pub fn patches(&self) -> Result<JsValue, JsValue> {
        plain(&self.model.patches())
    }

    /// Predicts a text.
    pub fn predict(&self, text: &str) -> Result<RawPrediction, JsValue> {
        self.model.predict(text).map(RawPrediction::new).map_err(to_js)
    }

    /// Predicts from token ids, special tokens included.
    #[wasm_bindgen(js_name = predictTokens)]
    pub fn predict_tokens(&self, ids: &[u32]) -> Result<RawPrediction, JsValue> {
        self.model.predict_tokens(ids).map(RawPrediction::new).map_err(to_js)
    }
}

/// A patch as the content of its file, or as the object that it holds.
fn patch(given: &JsValue) -> Result<MaskPatch, JsValue> {
    let text = match given.as_string() {
        Some(text) => text,
        // What has no JSON, such as a function, gives undefined.
        None => JSON::stringify(given).ok().and_then(|text| text.as_string()).unwrap_or_default(),
    };
    MaskPatch::from_json(text.as_bytes()).map_err(to_js)
}
