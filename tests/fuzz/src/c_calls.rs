use std::ffi::{CStr, CString, c_char};
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
use std::slice;
use std::sync::LazyLock;

use prost::Message;
use sparsecbm_c as c;

use crate::graph::SOUND;

static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| SOUND.encode_to_vec());

/// The most calls of one program.
const CALLS: usize = 64;

/// Calls the C library as the bytes say: its functions in any order, on any living objects or NULL, with any numbers
/// and strings. What its contract forbids is left out: objects that were freed, pointers to nothing.
pub fn c_calls(bytes: &[u8]) {
    let mut program = Program { bytes, ..Program::default() };
    program.load();
    for _ in 0..CALLS {
        if program.bytes.is_empty() {
            break;
        }
        program.call();
    }
    program.end();
}

/// The bytes that are not used yet, and the objects that live.
#[derive(Default)]
struct Program<'a> {
    bytes: &'a [u8],
    models: Vec<*mut c::Model>,
    predictions: Vec<*mut c::Prediction>,
    explanations: Vec<*mut c::Explanation>,
    subnetworks: Vec<*mut c::Subnetworks>,
}

impl Program<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        first
    }

    /// Small numbers mostly, and the largest.
    fn number(&mut self) -> usize {
        match self.byte() {
            255 => usize::MAX,
            254 => usize::MAX / 2 + 1,
            byte => byte.into(),
        }
    }

    /// A name of the model's, or any bytes without a zero.
    fn name(&mut self) -> CString {
        const NAMES: [&str; 5] = ["acting", "visual effects", "absent", "present", ""];
        let which = usize::from(self.byte());
        match NAMES.get(which) {
            Some(name) => CString::new(*name).expect("no zero byte"),
            None => CString::new(self.text().replace('\0', "?")).expect("none is left"),
        }
    }

    fn text(&mut self) -> String {
        let length = usize::from(self.byte()).min(self.bytes.len());
        let (text, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn floats(&mut self) -> Vec<f32> {
        const VALUES: [f32; 8] =
            [0.0, 1.0, 0.5, 1.0 / 3.0, -1.0, f32::NAN, f32::INFINITY, f32::MAX];
        let count = self.byte() % 8;
        (0..count).map(|_| VALUES[usize::from(self.byte()) % VALUES.len()]).collect()
    }

    fn load(&mut self) {
        let mut options = c::LoadOptions {
            struct_size: size_of::<c::LoadOptions>() as u32,
            engine: c::SCBM_ENGINE_SPARSE,
            cuda_device: 0,
            ort_threads: 0,
            ort_library: null(),
            ort_sessions: 0,
            cuda_memory_mib: 0,
            cuda_tf32: 0,
            threads: 1,
        };
        let sound = self.byte();
        if sound > 200 {
            options.struct_size = self.number() as u32 % options.struct_size;
            options.cuda_tf32 = self.byte().into();
        }
        let mut model = null_mut();
        // SAFETY: the file's bytes are there, the options are as large as they say, and the place is valid.
        let status = unsafe {
            c::scbm_model_from_memory(FILE.as_ptr().cast(), FILE.len(), &options, &mut model)
        };
        if made(status, model) {
            self.models.push(model);
        }
    }

    fn call(&mut self) {
        let what = self.byte() % 24;
        let (model, prediction) =
            (pick(self.number(), &self.models), pick(self.number(), &self.predictions));
        let (explanation, subnetworks) =
            (pick(self.number(), &self.explanations), pick(self.number(), &self.subnetworks));
        // SAFETY: objects live or are NULL; strings end in a zero byte; arrays are as long as is said; places for results
        // are valid. What was read is looked at before its object can be freed.
        unsafe {
            match what {
                0 if self.models.len() < 3 => self.load(),
                1 => {
                    let (text, mut made_one) = (self.text(), null_mut());
                    let status =
                        c::scbm_predict(model, text.as_ptr().cast(), text.len(), &mut made_one);
                    self.keep(status, made_one);
                }
                2 => {
                    let ids: Vec<u32> =
                        (0..self.byte() % 16).map(|_| self.number() as u32).collect();
                    let mut made_one = null_mut();
                    let status =
                        c::scbm_predict_tokens(model, ids.as_ptr(), ids.len(), &mut made_one);
                    self.keep(status, made_one);
                }
                3 => {
                    let texts = [self.text(), self.text(), self.text()];
                    let count = usize::from(self.byte()) % 4;
                    let pointers = texts.each_ref().map(|text| text.as_ptr().cast::<c_char>());
                    let lengths = texts.each_ref().map(String::len);
                    let mut made_ones = [null_mut(); 3];
                    let status = c::scbm_predict_batch(
                        model,
                        pointers.as_ptr(),
                        lengths.as_ptr(),
                        count,
                        made_ones.as_mut_ptr(),
                    );
                    for (i, made_one) in made_ones.into_iter().enumerate() {
                        assert!(i < count || made_one.is_null(), "written beyond the count");
                        if i < count {
                            self.keep(status, made_one);
                        }
                    }
                }
                4 | 5 => {
                    let (concept, class, mut changed) = (self.name(), self.name(), null_mut());
                    let status = c::scbm_intervene_class(
                        prediction,
                        concept.as_ptr(),
                        class.as_ptr(),
                        &mut changed,
                    );
                    self.keep(status, changed);
                }
                6 => {
                    let (concept, class, mut changed) = (self.name(), self.number(), null_mut());
                    let status = c::scbm_intervene_class_index(
                        prediction,
                        concept.as_ptr(),
                        class,
                        &mut changed,
                    );
                    self.keep(status, changed);
                }
                7 | 8 => {
                    let (concept, values, mut changed) = (self.name(), self.floats(), null_mut());
                    let intervene = if what == 7 {
                        c::scbm_intervene_probabilities
                    } else {
                        c::scbm_intervene_logits
                    };
                    let status = intervene(
                        prediction,
                        concept.as_ptr(),
                        values.as_ptr(),
                        values.len(),
                        &mut changed,
                    );
                    self.keep(status, changed);
                }
                9 => {
                    let (concept, mut changed) = (self.name(), null_mut());
                    let status = c::scbm_undo(prediction, concept.as_ptr(), &mut changed);
                    self.keep(status, changed);
                }
                10 => {
                    let mut changed = null_mut();
                    let status = c::scbm_undo_all(prediction, &mut changed);
                    self.keep(status, changed);
                }
                11 => {
                    if let Some(label) =
                        given(|place| c::scbm_prediction_get_label(prediction, place))
                    {
                        look_at(label.probabilities, label.class_count);
                        look_at(label.logits, label.class_count);
                        look_at_name(label.class_name);
                    }
                    let index = self.number();
                    if let Some(concept) =
                        given(|place| c::scbm_prediction_get_concept(prediction, index, place))
                    {
                        look_at(concept.probabilities, concept.class_count);
                        look_at(concept.logits, concept.class_count);
                        look_at_name(concept.class_name);
                    }
                }
                12 => {
                    let index = self.number();
                    if let Some(token) =
                        given(|place| c::scbm_prediction_get_token(prediction, index, place))
                    {
                        look_at_name(token.piece);
                        assert!(token.start <= token.end, "a token ends before it begins");
                    }
                    let class = self.number();
                    let evidence = given(|place| {
                        c::scbm_prediction_get_evidence(prediction, index, class, place)
                    });
                    let info = given(|place| c::scbm_prediction_get_info(prediction, place));
                    if let (Some(evidence), Some(info)) = (evidence, info) {
                        look_at(evidence, info.position_count);
                    }
                }
                13 => {
                    if let Some(json) =
                        given(|place| c::scbm_prediction_get_json(prediction, place))
                    {
                        look_at_name(json);
                    }
                }
                14 if self.explanations.len() < 8 => {
                    let costs = self.floats();
                    let options = c::ExplainOptions {
                        struct_size: size_of::<c::ExplainOptions>() as u32,
                        policy: i32::from(self.byte()) - 1,
                        costs: costs.as_ptr(),
                        cost_count: costs.len(),
                        occlusion_words: u32::from(self.byte() % 4),
                        faithfulness_steps: u32::from(self.byte() % 3),
                        gradients: null(),
                        integrated_steps: 0,
                    };
                    let chosen =
                        if self.byte().is_multiple_of(2) { null() } else { &raw const options };
                    let mut made_one = null_mut();
                    let status = c::scbm_explain(prediction, chosen, &mut made_one);
                    if made(status, made_one) {
                        self.explanations.push(made_one);
                    }
                }
                15 => {
                    if let Some(json) =
                        given(|place| c::scbm_explanation_get_json(explanation, place))
                    {
                        look_at_name(json);
                    }
                }
                16 => {
                    let (concept, class) = (self.number(), self.number());
                    let info = given(|place| c::scbm_explanation_get_info(explanation, place));
                    let outcome = given(|place| {
                        c::scbm_explanation_get_what_if(explanation, concept, class, place)
                    });
                    let words = given(|place| {
                        c::scbm_explanation_get_word_evidence(explanation, concept, class, place)
                    });
                    let share = given(|place| {
                        c::scbm_explanation_get_contribution(explanation, concept, place)
                    });
                    if let Some(info) = info {
                        for values in
                            [outcome.map(|o| o.probabilities), share.map(|s| s.label_logits)]
                                .into_iter()
                                .flatten()
                        {
                            look_at(values, info.label_class_count);
                        }
                        if let Some(words) = words {
                            look_at(words.words, info.word_count);
                        }
                    }
                }
                17 => {
                    let index = self.number();
                    black_box(
                        given(|place| c::scbm_explanation_get_change(explanation, index, place))
                            .is_some(),
                    );
                    black_box(
                        given(|place| {
                            c::scbm_explanation_get_suggestion(explanation, index, place)
                        })
                        .is_some(),
                    );
                    if let Some(word) =
                        given(|place| c::scbm_explanation_get_word(explanation, index, place))
                    {
                        look_at_name(word.text);
                    }
                    if let Some(outcome) =
                        given(|place| c::scbm_explanation_get_changed_label(explanation, place))
                    {
                        look_at_name(outcome.class_name);
                    }
                }
                18 if self.subnetworks.len() < 3 => {
                    let mut made_one = null_mut();
                    let status = c::scbm_subnetworks_from_memory(
                        FILE.as_ptr().cast(),
                        FILE.len(),
                        &mut made_one,
                    );
                    if made(status, made_one) {
                        self.subnetworks.push(made_one);
                    }
                }
                19 => {
                    let index = self.number();
                    black_box(
                        given(|place| c::scbm_subnetworks_get_layer(subnetworks, index, place))
                            .is_some(),
                    );
                    black_box(
                        given(|place| c::scbm_subnetworks_get_concept(subnetworks, index, place))
                            .is_some(),
                    );
                    if let Some(json) =
                        given(|place| c::scbm_subnetworks_get_json(subnetworks, place))
                    {
                        look_at_name(json);
                    }
                }
                20 => {
                    c::scbm_model_free(take(self.number(), &mut self.models));
                }
                21 => {
                    c::scbm_prediction_free(take(self.number(), &mut self.predictions));
                }
                22 => {
                    c::scbm_explanation_free(take(self.number(), &mut self.explanations));
                    c::scbm_subnetworks_free(take(self.number(), &mut self.subnetworks));
                }
                _ => {
                    let (index, name) = (self.number(), self.name());
                    black_box(
                        given(|place| c::scbm_model_find_concept(model, name.as_ptr(), place))
                            .is_some(),
                    );
                    let variables = [
                        given(|place| c::scbm_model_get_concept(model, index, place)),
                        given(|place| c::scbm_model_get_label(model, place)),
                    ];
                    for variable in variables.into_iter().flatten() {
                        look_at_name(variable.name);
                    }
                    look_at_name(c::scbm_status_name(index as i32));
                }
            }
        }
    }

    fn keep(&mut self, status: c::Status, prediction: *mut c::Prediction) {
        if made(status, prediction) {
            self.predictions.push(prediction);
        }
    }

    fn end(self) {
        // SAFETY: each of these lives, and is not used again. Models go first: predictions may outlive theirs.
        unsafe {
            self.models.into_iter().for_each(|model| c::scbm_model_free(model));
            self.explanations
                .into_iter()
                .for_each(|explanation| c::scbm_explanation_free(explanation));
            self.predictions.into_iter().for_each(|prediction| c::scbm_prediction_free(prediction));
            self.subnetworks
                .into_iter()
                .for_each(|subnetworks| c::scbm_subnetworks_free(subnetworks));
        }
    }
}

/// Whether a call made an object. One that fails writes nothing, and tells why.
fn made<T>(status: c::Status, object: *mut T) -> bool {
    let sound = status == c::SCBM_OK;
    assert_ne!(status, c::SCBM_ERROR_INTERNAL, "a defect: {:?}", last_error());
    assert_eq!(sound, !object.is_null(), "status {status} and the object disagree");
    assert!(sound || !last_error().to_bytes().is_empty(), "status {status} without a message");
    sound
}

/// What a call writes, if it succeeds.
fn given<T>(call: impl FnOnce(*mut T) -> c::Status) -> Option<T> {
    let mut place = MaybeUninit::uninit();
    let status = call(place.as_mut_ptr());
    assert_ne!(status, c::SCBM_ERROR_INTERNAL, "a defect: {:?}", last_error());
    // SAFETY: a call that succeeds has written its result.
    (status == c::SCBM_OK).then(|| unsafe { place.assume_init() })
}

fn last_error() -> &'static CStr {
    // SAFETY: the message lives until the thread's next call; it is looked at at once.
    unsafe { CStr::from_ptr(c::scbm_last_error()) }
}

/// One of the objects, or NULL.
fn pick<T>(which: usize, objects: &[*mut T]) -> *mut T {
    objects.get(which % (objects.len() + 1)).copied().unwrap_or(null_mut())
}

/// The same, and it is not among them any more.
fn take<T>(which: usize, objects: &mut Vec<*mut T>) -> *mut T {
    match which % (objects.len() + 1) {
        index if index < objects.len() => objects.swap_remove(index),
        _ => null_mut(),
    }
}

/// Reads all values, so that a sanitizer sees whether they are there.
unsafe fn look_at(values: *const f32, count: usize) {
    // SAFETY: the library says that so many are there.
    black_box(unsafe { slice::from_raw_parts(values, count) }.iter().sum::<f32>());
}

unsafe fn look_at_name(name: *const c_char) {
    // SAFETY: the library says that it is a string that ends in a zero byte.
    black_box(unsafe { CStr::from_ptr(name) }.to_bytes().len());
}
