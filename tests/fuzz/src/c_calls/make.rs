//! Calls that make objects, and those that free them.

use std::ffi::c_char;
use std::ptr::{null, null_mut};

use sparsecbm_c as c;

use super::outcome::made;
use super::{FILE, Program};

impl Program<'_> {
    pub(super) fn load(&mut self) {
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
        let sound = self.input.byte();
        if sound > 200 {
            options.struct_size = self.input.number() as u32 % options.struct_size;
            options.cuda_tf32 = self.input.byte().into();
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

    /// # Safety
    /// `model` lives or is NULL.
    pub(super) unsafe fn predict_text(&mut self, model: *const c::Model) {
        let (text, mut made_one) = (self.input.text(), null_mut());
        // SAFETY: as the caller promises; the text is as long as is said, and the place is valid.
        let status =
            unsafe { c::scbm_predict(model, text.as_ptr().cast(), text.len(), &mut made_one) };
        self.keep(status, made_one);
    }

    /// # Safety
    /// `model` lives or is NULL.
    pub(super) unsafe fn predict_tokens(&mut self, model: *const c::Model) {
        let count = self.input.byte() % 16;
        let ids: Vec<u32> = (0..count).map(|_| self.input.number() as u32).collect();
        let mut made_one = null_mut();
        // SAFETY: as the caller promises; the ids are as many as is said, and the place is valid.
        let status =
            unsafe { c::scbm_predict_tokens(model, ids.as_ptr(), ids.len(), &mut made_one) };
        self.keep(status, made_one);
    }

    /// # Safety
    /// `model` lives or is NULL.
    pub(super) unsafe fn predict_batch(&mut self, model: *const c::Model) {
        let texts = [self.input.text(), self.input.text(), self.input.text()];
        let count = usize::from(self.input.byte()) % 4;
        let pointers = texts.each_ref().map(|text| text.as_ptr().cast::<c_char>());
        let lengths = texts.each_ref().map(String::len);
        let mut made_ones = [null_mut(); 3];
        // SAFETY: as the caller promises; texts are as long as is said, and there is place for three.
        let status = unsafe {
            c::scbm_predict_batch(
                model,
                pointers.as_ptr(),
                lengths.as_ptr(),
                count,
                made_ones.as_mut_ptr(),
            )
        };
        for (i, made_one) in made_ones.into_iter().enumerate() {
            assert!(i < count || made_one.is_null(), "written beyond the count");
            if i < count {
                self.keep(status, made_one);
            }
        }
    }

    /// One of the calls that make another prediction of `prediction`, by its number.
    ///
    /// # Safety
    /// `prediction` lives or is NULL.
    pub(super) unsafe fn change(&mut self, what: u8, prediction: *const c::Prediction) {
        let concept = if what == 10 { c"".into() } else { self.input.name() };
        let concept = concept.as_ptr();
        let mut changed = null_mut();
        // SAFETY: as the caller promises; strings end in a zero byte, arrays are as long as is said, and the place is
        // valid.
        let status = unsafe {
            match what {
                4 | 5 => {
                    let class = self.input.name();
                    c::scbm_intervene_class(prediction, concept, class.as_ptr(), &mut changed)
                }
                6 => {
                    let class = self.input.number();
                    c::scbm_intervene_class_index(prediction, concept, class, &mut changed)
                }
                7 | 8 => {
                    let values = self.input.floats();
                    let intervene = match what {
                        7 => c::scbm_intervene_probabilities,
                        _ => c::scbm_intervene_logits,
                    };
                    intervene(prediction, concept, values.as_ptr(), values.len(), &mut changed)
                }
                9 => c::scbm_undo(prediction, concept, &mut changed),
                _ => c::scbm_undo_all(prediction, &mut changed),
            }
        };
        self.keep(status, changed);
    }

    /// # Safety
    /// `prediction` lives or is NULL.
    pub(super) unsafe fn explain(&mut self, prediction: *const c::Prediction) {
        let costs = self.input.floats();
        let options = c::ExplainOptions {
            struct_size: size_of::<c::ExplainOptions>() as u32,
            policy: i32::from(self.input.byte()) - 1,
            costs: costs.as_ptr(),
            cost_count: costs.len(),
            occlusion_words: u32::from(self.input.byte() % 4),
            faithfulness_steps: u32::from(self.input.byte() % 3),
            gradients: null(),
            integrated_steps: 0,
            occlusion_window: u32::from(self.input.byte() % 7),
        };
        let chosen = if self.input.byte().is_multiple_of(2) { null() } else { &raw const options };
        let mut made_one = null_mut();
        // SAFETY: as the caller promises; the options are as large as they say, as are the costs, and the place is
        // valid.
        let status = unsafe { c::scbm_explain(prediction, chosen, &mut made_one) };
        if made(status, made_one) {
            self.explanations.push(made_one);
        }
    }

    pub(super) fn read_subnetworks(&mut self) {
        let mut made_one = null_mut();
        // SAFETY: the file's bytes are there, and the place is valid.
        let status = unsafe {
            c::scbm_subnetworks_from_memory(FILE.as_ptr().cast(), FILE.len(), &mut made_one)
        };
        if made(status, made_one) {
            self.subnetworks.push(made_one);
        }
    }

    /// Frees one of the objects of a kind, or NULL.
    pub(super) fn free(&mut self, what: u8) {
        let which = self.input.number();
        // SAFETY: what is taken lives, and is not used again.
        unsafe {
            match what {
                20 => c::scbm_model_free(take(which, &mut self.models)),
                21 => c::scbm_prediction_free(take(which, &mut self.predictions)),
                _ => {
                    c::scbm_explanation_free(take(which, &mut self.explanations));
                    let which = self.input.number();
                    c::scbm_subnetworks_free(take(which, &mut self.subnetworks));
                }
            }
        }
    }

    fn keep(&mut self, status: c::Status, prediction: *mut c::Prediction) {
        if made(status, prediction) {
            self.predictions.push(prediction);
        }
    }
}

/// One of the objects, which is not among them any more, or NULL.
fn take<T>(which: usize, objects: &mut Vec<*mut T>) -> *mut T {
    match which % (objects.len() + 1) {
        index if index < objects.len() => objects.swap_remove(index),
        _ => null_mut(),
    }
}
